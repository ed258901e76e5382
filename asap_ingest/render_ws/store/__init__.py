"""The database: one SQLite file, and all SQL of the package.

Tiles, transforms and matches are kept as the JSON bytes that are sent, beside the columns that queries
need. The file is in WAL mode with synchronous=NORMAL: a commit is in the hands of the operating system
before it is answered, so killing the process loses nothing; FULL would only add safety against a loss of
power, where NORMAL may lose the last commits but never damages the file, at several times the price per
commit.
"""

from asap_ingest.render_ws.store.database import Session, Store
from asap_ingest.render_ws.store.database_file import DatabaseError, DiskFullError
from asap_ingest.render_ws.store.match_rows import PairFilter, PairKind
from asap_ingest.render_ws.store.migrations import APPLICATION_ID
from asap_ingest.render_ws.store.stored_tiles import TileFilter
from asap_ingest.render_ws.store.upkeep import back_up, give_back_space

__all__ = [
    "APPLICATION_ID",
    "DatabaseError",
    "DiskFullError",
    "PairFilter",
    "PairKind",
    "Session",
    "Store",
    "TileFilter",
    "back_up",
    "give_back_space",
]
