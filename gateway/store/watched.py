"""A reader's connection that tells when the file under it turns out to be damaged.

SQLite finds a damaged page only when it reads it, so any read may be the one that does.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Self

_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREADABLE: Final = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_DATA, sqlite3.SQLITE_IOERR_CORRUPTFS}
)
"""A place on the disk that cannot be read is as good as a damaged page."""
_PRIMARY_CODE: Final = 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether ``error`` says that the file itself is damaged."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & _PRIMARY_CODE in _DAMAGE or code in _UNREADABLE


class Damage:
    """Makes connections that call ``tell`` on their own thread when they meet damage."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self.connection: Final = partial(_Connection, met=partial(_tell, tell))
        """The ``factory`` for ``sqlite3.connect``."""


def _tell(tell: Callable[[], object], error: sqlite3.Error) -> None:
    if is_damage(error):
        tell()


class _Connection(sqlite3.Connection):
    def __init__(self, *args: Any, met: Callable[[sqlite3.Error], None], **kwargs: Any) -> None:  # noqa: ANN401 -- sqlite3.connect's own
        super().__init__(*args, **kwargs)
        self.met = met

    def cursor(self, factory: Any = None) -> Any:  # noqa: ANN401 -- the base class's own
        return super().cursor(factory or _Cursor)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 -- the base class's own
        cursor: sqlite3.Cursor = self.cursor()  # the base class would make a cursor of its own
        return cursor.execute(sql, parameters)


class _Cursor(sqlite3.Cursor):
    def _told(self, error: sqlite3.Error) -> None:
        connection = self.connection
        if isinstance(connection, _Connection):
            connection.met(error)

    def execute(self, sql: str, parameters: Any = (), /) -> Self:  # noqa: ANN401 -- the base class's own
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error as error:
            self._told(error)
            raise

    def fetchone(self) -> Any:  # noqa: ANN401 -- the base class's own
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            self._told(error)
            raise

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        try:
            return super().fetchmany(size)
        except sqlite3.Error as error:
            self._told(error)
            raise

    def fetchall(self) -> list[Any]:
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            self._told(error)
            raise
