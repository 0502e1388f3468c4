"""A disk that may lose its power: beside what SQLite writes, what of it has reached the disk for good.

Between SQLite and the files goes a VFS of our own that notes, for each file, its content at every `fsync`; all else is
left to SQLite's. It is registered with ctypes in the library that Python's `sqlite3` uses.
"""

import _sqlite3
import ctypes
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, c_char_p, c_int, c_void_p
from itertools import product
from pathlib import Path
from typing import Any

import pytest

FILES = ("", "-wal")  # the index of the log, -shm, is made anew after a power cut
SECTOR = 512
Opening = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))  # SQLite keeps the name it gave
Syncing = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)


class Methods(Structure):
    """sqlite3_io_methods."""

    _fields_ = (
        ("version", c_int), ("close", c_void_p), ("read", c_void_p), ("write", c_void_p), ("truncate", c_void_p),
        ("sync", c_void_p), ("others", c_void_p * 13),
    )  # fmt: skip


class File(Structure):
    """sqlite3_file."""

    _fields_ = (("methods", POINTER(Methods)),)


class Vfs(Structure):
    """sqlite3_vfs."""

    _fields_ = (
        ("version", c_int), ("file_size", c_int), ("longest_path", c_int), ("next", c_void_p), ("name", c_char_p),
        ("data", c_void_p), ("open", c_void_p), ("others", c_void_p * 15),
    )  # fmt: skip


class Disk:
    """What lies on the disk of the database at `path`. `before_sync` is called before each `fsync` takes effect."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.durable: dict[str, bytes] = {}
        self.before_sync: Callable[[], None] = lambda: None
        self.n_syncs = 0
        self._random = random.Random(0)

    def synced(self, name: str) -> None:
        """All that was written to a file until now stays."""
        self.n_syncs += 1
        self.durable[name] = Path(name).read_bytes()

    def after_power_cut(self, folder: Path) -> Iterator[Path]:
        """The database as it may be found afterwards: of what was not synced any file holds nothing, a part, or all."""
        possible = [self._possible(f"{self.path}{suffix}") for suffix in FILES]
        for number, contents in enumerate(product(*possible)):
            place = folder / f"{self.n_syncs}-{number}-{self._random.random()}"
            place.mkdir()
            for suffix, content in zip(FILES, contents, strict=True):
                if content is not None:
                    (place / f"store.sqlite3{suffix}").write_bytes(content)
            yield place / "store.sqlite3"

    def _possible(self, name: str) -> list[bytes | None]:
        old, file = self.durable.get(name), Path(name)
        new = file.read_bytes() if file.exists() else None
        if old == new:
            return [old]
        if old is None or new is None:
            return [old, new]
        arrived = SECTOR * self._random.randrange(len(new) // SECTOR + 1)
        return [old, new[:arrived] + old[arrived:], new]


@contextmanager
def watched(path: Path) -> Iterator[Disk]:
    """Until the end of the block, connections opened with `sqlite3` are watched; those to `path` are noted.

    Skips the test where SQLite's own functions cannot be reached.
    """
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        find, register, unregister = (
            library.sqlite3_vfs_find,
            library.sqlite3_vfs_register,
            library.sqlite3_vfs_unregister,
        )
    except AttributeError:
        pytest.skip(f"SQLite {sqlite3.sqlite_version} is built into Python without its functions")
    find.restype = POINTER(Vfs)
    usual = find(None)
    disk, alive = Disk(path), _Alive()
    copy = Vfs.from_buffer_copy(usual.contents)
    copy.name = b"watched"
    copy.open = alive.kept(Opening(lambda *arguments: _open(usual, disk, alive, *arguments)))
    assert register(ctypes.byref(copy), 1) == 0
    try:
        yield disk
    finally:
        unregister(ctypes.byref(copy))
        register(usual, 1)
    assert not alive.names, "a connection is still open"


class _Alive:
    """What C code points to and Python must not free."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.methods: dict[int, Methods] = {}
        self._functions: list[Any] = []

    def kept(self, function: Any) -> int | None:
        self._functions.append(function)
        return ctypes.cast(function, c_void_p).value


def _open(usual: Any, disk: Disk, alive: _Alive, _: int, name: int | None, file: int, flags: int, out: Any) -> int:
    result: int = Opening(usual.contents.open)(ctypes.cast(usual, c_void_p).value, name, file, flags, out)
    opened = ctypes.cast(file, POINTER(File)).contents
    path = ctypes.string_at(name).decode() if name else ""
    if result == 0 and path.startswith(str(disk.path)):
        alive.names[file] = path
        place = ctypes.addressof(opened.methods.contents)
        if place not in alive.methods:
            alive.methods[place] = _noting(opened.methods.contents, disk, alive)
        opened.methods = ctypes.pointer(alive.methods[place])
    return result


def _noting(methods: Methods, disk: Disk, alive: _Alive) -> Methods:
    sync, close = Syncing(methods.sync), ctypes.CFUNCTYPE(c_int, c_void_p)(methods.close)

    def noted_sync(file: int, flags: int) -> int:
        disk.before_sync()
        result: int = sync(file, flags)
        disk.synced(alive.names[file])
        return result

    def noted_close(file: int) -> int:
        alive.names.pop(file, None)
        return int(close(file))

    copy = Methods.from_buffer_copy(methods)
    copy.sync = alive.kept(Syncing(noted_sync))
    copy.close = alive.kept(ctypes.CFUNCTYPE(c_int, c_void_p)(noted_close))
    return copy
