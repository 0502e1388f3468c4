"""One SQLite connection that several threads share, and what happens when its file turns out to be damaged.

Write-ahead logging lets other processes read while one writes. `synchronous=FULL` makes every committed transaction
survive a power cut, not only a killed process: triage marks are hours of listening, and puts come in batches, so the
extra flush is not felt. A damaged file is renamed, never deleted and never used; its readable marks and settings
move to the new file.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from loopscope.errors import StoreError
from loopscope.store.schema import IRREPLACEABLE, VERSION, migrate, version_of

log = logging.getLogger(__name__)

BUSY_S = 30.0
CHUNK = 900  # SQLite builds older than 3.32 take at most 999 variables a statement
SIDE_FILES = ("", "-wal", "-shm")

Row = tuple[Any, ...]
Answer = TypeVar("Answer")


class Database:
    """Runs statements on the file at `path`, creating it and its folder. `notice` says if a damaged file was set aside.

    Raises StoreError if the file cannot be opened or written, or was written by a newer loopscope.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.notice = ""
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {self.path.parent} cannot be made: {error.strerror}.") from error
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
        with _transaction(self._connection):
            for statement, rows in batches:
                self._connection.executemany(statement, rows)

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        """Run `work` alone; on a damaged file set it aside and run `work` once more on a new one."""
        with self._lock:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise StoreError(_sentence(self.path, error)) from error
                self._connection.close()
                self._connection = self._open_anew(error)
                return work()

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise StoreError(_sentence(self.path, error)) from error
            return self._open_anew(error)

    def _open_anew(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Set the damaged file aside, open a new one and save what cannot be computed again."""
        aside = _set_aside(self.path)
        try:
            connection = _connect(self.path)
            n_saved = _salvage(aside, connection)
        except sqlite3.DatabaseError as second:
            raise StoreError(_sentence(self.path, second)) from second
        log.warning("store: a damaged database was set aside, %d marks and settings were saved from it", n_saved)
        self.notice = (
            f"The database was damaged ({error}) and is kept as {aside.name}; a new one was begun with the {n_saved} "
            "marks and settings that could still be read. Embeddings will be computed again."
        )
        return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")
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
    return any(sign in text for sign in ("malformed", "not a database", "corrupt"))


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


def _set_aside(path: Path) -> Path:
    """Rename the database and its side files; returns the new path of the database itself."""
    aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1_000_000:06d}")
    for suffix in SIDE_FILES:
        source = path.with_name(path.name + suffix)
        try:
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise StoreError(
                f"The damaged database {source} cannot be renamed ({error.strerror}); move it away."
            ) from error
    return aside


def _salvage(damaged: Path, target: sqlite3.Connection) -> int:
    """Copy the readable rows of the irreplaceable tables; returns their number."""
    n_saved = 0
    with closing(sqlite3.connect(damaged)) as source:
        for table, columns in IRREPLACEABLE.items():
            names = ",".join(columns)
            rows: list[Row] = []
            with suppress(sqlite3.DatabaseError):  # what comes before the damaged page is good
                rows.extend(source.execute(f"SELECT {names} FROM {table}"))
            marks = ",".join("?" * len(columns))
            with _transaction(target):
                target.executemany(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", rows)
            n_saved += len(rows)
    return n_saved
