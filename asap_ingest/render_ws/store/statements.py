"""What groups of statements share: the connection, inside one transaction."""

from __future__ import annotations

import sqlite3


class Statements:
    """Statements on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
