"""One SQLite connection that several threads share, and what happens when its file is damaged, deleted or replaced.

Write-ahead logging lets other processes read while one writes. `synchronous=FULL` makes every committed transaction
survive a power cut, not only a killed process: triage marks are hours of listening, and puts come in batches, so the
extra flush is not felt. A write counts only once it is in the file that lies at `path`: a file deleted or replaced
while it is open would take it along.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from loopscope.errors import StoreError
from loopscope.store.rescue import (
    Rows,
    close_gone,
    lenient_text,
    place_of,
    put_back,
    rows_of_damaged,
    rows_to_keep,
    set_aside,
)
from loopscope.store.schema import VERSION, migrate, version_of

log = logging.getLogger(__name__)

BUSY_S = 30.0
AGAIN_S = 0.01
CHUNK = 900  # SQLite builds older than 3.32 take at most 999 variables a statement
DAMAGE = ("malformed", "not a database", "corrupt", "no such table", "no such column", "has no column")
PATIENCE = 5  # with a file that is replaced again and again
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "fullfsync=ON",  # macOS: past the cache of the drive as well
    "checkpoint_fullfsync=ON",
    "foreign_keys=ON",
    "trusted_schema=OFF",
)

Row = tuple[Any, ...]
Answer = TypeVar("Answer")


class Database:
    """Runs statements on the file at `path`, creating it and its folder.

    `notice` says in a sentence if a damaged file was set aside, or the file was deleted or replaced while it was open.

    Raises StoreError if the file cannot be opened or written, or was written by a newer loopscope.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.notice = ""
        self._lock = threading.RLock()
        self._carried: list[Rows] = []  # what earlier files held and the next one is to have
        self._connection = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query."""
        return self._guarded(lambda: self._connection.execute(statement, parameters).fetchall())

    def rows_in(self, statement: str, fixed: Sequence[Any], values: Iterable[Any]) -> Iterator[Row]:
        """Rows of a query that ends in `IN ({marks})`, for any number of values."""
        wanted = list(values)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            yield from self.rows(statement.format(marks=",".join("?" * len(chunk))), [*fixed, *chunk])

    def write(self, *batches: tuple[str, list[Row]]) -> None:
        """Run each statement for all rows that come with it, all or none."""
        if any(rows for _, rows in batches):
            self._guarded(lambda: self._write(batches))

    def script(self, statements: Sequence[str]) -> None:
        """Run statements without parameters outside of a transaction (clearing, compacting)."""
        for statement in statements:
            self.rows(statement)

    def _write(self, batches: Sequence[tuple[str, list[Row]]]) -> None:
        for _ in range(PATIENCE):
            with _transaction(self._connection):
                for statement, rows in batches:
                    self._connection.executemany(statement, rows)
            if place_of(self.path) == self._place:
                return
            self._move_on()
        raise StoreError(f"The database {self.path} is replaced again and again; stop the program that does it.")

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        """Run `work` alone; on a damaged file set it aside and run `work` once more on a new one."""
        with self._lock:
            try:
                if self._carried:  # the last file could not be opened
                    self._connection = self._open()
                return work()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise StoreError(_sentence(self.path, error)) from error
                self._connection.close()
                self._connection = self._open_anew(error)
                return work()

    def _open(self) -> sqlite3.Connection:
        """Open the file, a new one where it is damaged, and put into it what was carried. Raises StoreError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {self.path.parent} cannot be made: {error.strerror}.") from error
        try:
            return self._filled(_connect(self.path))
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise StoreError(_sentence(self.path, error)) from error
            return self._open_anew(error)

    def _open_anew(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Set the damaged file aside, open a new one and save what cannot be computed again."""
        aside = set_aside(self.path, "corrupt")
        rows = rows_of_damaged(aside)
        self._carried.append(rows)
        try:
            connection = self._filled(_connect(self.path))
        except sqlite3.DatabaseError as second:
            raise StoreError(_sentence(self.path, second)) from second
        n_saved = _count(rows)
        log.warning("store: a damaged database was set aside, %d marks and settings were saved from it", n_saved)
        self.notice = (
            f"The database was damaged ({error}) and is kept as {aside.name}; a new one was begun with the {n_saved} "
            "marks and settings that could still be read. Embeddings will be computed again."
        )
        return connection

    def _move_on(self) -> None:
        """The open file is no longer the one at `path`: go on with that one, and with what the user did in this one."""
        rows = rows_to_keep(self._connection)
        self._carried.append(rows)
        close_gone(self._connection, self.path, self._place)
        self.notice = ""
        self._connection = self._open()
        log.warning("store: the database was deleted or replaced, %d marks and settings moved on", _count(rows))
        self.notice = (
            f"The database was deleted or replaced while loopscope was open; the one there now got the {_count(rows)} "
            "marks and settings of before. " + (self.notice or "What else it lacks will be computed again.")
        )

    def _filled(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """The connection, now the one in use, with the rows that were carried."""
        try:
            for rows in self._carried:
                with _transaction(connection):
                    put_back(rows, connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._carried = []
        self._place = place_of(self.path)
        return connection


def _count(rows: Rows) -> int:
    return sum(map(len, rows.values()))


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """Two that open a new file at once both want to make it a WAL one: SQLite refuses one of them and does not wait."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)
        else:
            return


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        connection.text_factory = lenient_text
        for pragma in PRAGMAS:
            _set(connection, pragma)
        if (found := version_of(connection)) > VERSION:
            raise StoreError(
                f"The database {path} was written by a newer loopscope (version {found}, this one knows {VERSION}); "
                "update loopscope or move the file away."
            )
        migrate(connection)
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(f"malformed: {damage}")
    except (sqlite3.Error, StoreError):
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # it was stopped, by an error or an interrupt
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in DAMAGE)


def _sentence(path: Path, error: sqlite3.DatabaseError) -> str:
    remedies = {
        "full": "free some disk space",
        "i/o error": "free some disk space, or check the disk",  # what opening says on a full disk
        "readonly": "make the file writable or set LOOPSCOPE_HOME to another folder",
        "unable to open": "check the folder's permissions or set LOOPSCOPE_HOME to another folder",
        "locked": "close the other program that uses it",
        "closed": "open the store again",
    }
    remedy = next((text for sign, text in remedies.items() if sign in str(error).lower()), "see the log for the cause")
    return f"The database {path} cannot be used ({error}); {remedy}."
