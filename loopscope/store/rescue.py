"""What becomes of a database that can no longer be used, and of what the user did in it.

A damaged file is renamed, never deleted and never used. One that was deleted or replaced while it was open can still be
read through the open connection. In both cases marks, settings and projects move on; the rest can be computed again.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from loopscope.errors import StoreError
from loopscope.store.schema import IRREPLACEABLE, NEWEST

FILES = ("", "-wal", "-shm")
Place = tuple[int, int] | None  # device and inode, None where no file is
Rows = Mapping[str, list[tuple[Any, ...]]]  # by table, in the order of its columns


def place_of(path: Path) -> tuple[Place, ...]:
    """Which files are the database and its side files now: another file under the same name is another place."""
    return tuple(_place(path.with_name(path.name + suffix)) for suffix in FILES)


def rows_to_keep(connection: sqlite3.Connection) -> Rows:
    """The readable rows of the irreplaceable tables: from both ends, what comes before a damaged page is good."""
    kept: dict[str, list[tuple[Any, ...]]] = {}
    for table, columns in IRREPLACEABLE.items():
        found: dict[tuple[Any, ...], None] = {}
        for direction in ("ASC", "DESC"):
            with suppress(sqlite3.DatabaseError):
                ordered = f"SELECT {','.join(columns)} FROM {table} ORDER BY {columns[0]} {direction}"
                found.update((row, None) for row in connection.execute(ordered))
        kept[table] = list(found)
    return kept


def rows_of_damaged(path: Path) -> Rows:
    """`rows_to_keep` of a file that was set aside."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lenient_text
        return rows_to_keep(connection)


def lenient_text(data: bytes) -> str:
    """Text in which bits flipped may no longer be UTF-8; one such row must not cost the others."""
    return data.decode("utf-8", "replace")


def put_back(rows: Rows, connection: sqlite3.Connection) -> None:
    """Add rows to the database, in the present transaction; of two that share a key the newer one stays."""
    for table, found in rows.items():
        columns = IRREPLACEABLE[table]
        key, age = columns[0], NEWEST.get(table)
        newer = ", ".join(f"{name} = excluded.{name}" for name in columns)
        conflict = f"DO UPDATE SET {newer} WHERE excluded.{age} > {table}.{age}" if age else "DO NOTHING"
        connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT ({key}) {conflict}",
            found,
        )


def set_aside(path: Path, why: str, suffixes: Iterable[str] = FILES) -> Path:
    """Rename the database and its side files; returns the new path of the database itself. Raises StoreError."""
    aside = path.with_name(f"{path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1_000_000:06d}")
    for suffix in suffixes:
        source = path.with_name(path.name + suffix)
        try:
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise StoreError(
                f"The {why} database {source} cannot be renamed ({error.strerror}); move it away."
            ) from error
    return aside


def close_gone(connection: sqlite3.Connection, path: Path, opened: tuple[Place, ...]) -> None:
    """Close a connection whose file is no longer the one at `path`; `opened` is `place_of` when it was opened.

    SQLite deletes the side files by their names as it closes. Those that belong to another database by now are kept
    from it, and ours are taken away from that database, which they would damage. Raises StoreError.
    """
    try:
        with _kept_away(path, opened):
            connection.close()
    except OSError as error:
        raise StoreError(f"The database {path} was replaced and cannot be let go ({error.strerror}).") from error
    there = place_of(path)
    is_same = there[0] == opened[0]  # only log or index are gone: other processes still write to those, so all goes
    ours = tuple(suffix for suffix, now, then in zip(FILES, there, opened, strict=True) if is_same or now == then)
    set_aside(path, "replaced", ours)


@contextmanager
def _kept_away(path: Path, opened: tuple[Place, ...]) -> Iterator[None]:
    """Side files that are not those that were opened have other names within the block."""
    moved = []
    for suffix, now, then in zip(FILES[1:], place_of(path)[1:], opened[1:], strict=True):
        side = path.with_name(path.name + suffix)
        if now is not None and now != then:
            moved.append((side, side.rename(side.with_name(f"{side.name}-kept"))))
    try:
        yield
    finally:
        for side, kept in moved:
            kept.rename(side)


def _place(path: Path) -> Place:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
