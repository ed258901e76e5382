"""The database: one SQLite file, and all SQL of the package.

Tiles, transforms and matches are kept as the JSON bytes that are sent, beside the columns that queries
need. The file is in WAL mode with synchronous=NORMAL: a commit is in the hands of the operating system
before it is answered, so killing the process loses nothing; FULL would only add safety against a loss of
power, where NORMAL may lose the last commits but never damages the file, at several times the price per
commit.
"""

from asap_ingest.render_ws.store.database import Session, Store
from asap_ingest.render_ws.store.matches import PairFilter, PairKind
from asap_ingest.render_ws.store.migrations import APPLICATION_ID, DatabaseError
from asap_ingest.render_ws.store.tiles import TileFilter

__all__ = ["APPLICATION_ID", "DatabaseError", "PairFilter", "PairKind", "Session", "Store", "TileFilter"]
