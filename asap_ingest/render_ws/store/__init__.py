"""The database: one SQLite file, and all SQL of the package.

Tiles, transforms and matches are stored as the JSON bytes that are sent, beside the columns that queries
need. The file is in WAL mode with synchronous=NORMAL. The operating system has each commit before the
request is answered, so killing the process loses nothing. A loss of power may lose the last commits, but
never damages the file; synchronous=FULL would prevent that, and makes each commit several times slower.
"""

from asap_ingest.render_ws.store.database import Session, Store
from asap_ingest.render_ws.store.database_file import DatabaseError, DiskFullError
from asap_ingest.render_ws.store.match_rows import PairKind
from asap_ingest.render_ws.store.migrations import APPLICATION_ID
from asap_ingest.render_ws.store.stored_tiles import TileFilter
from asap_ingest.render_ws.store.upkeep import back_up, give_back_space

__all__ = [
    "APPLICATION_ID",
    "DatabaseError",
    "DiskFullError",
    "PairKind",
    "Session",
    "Store",
    "TileFilter",
    "back_up",
    "give_back_space",
]
