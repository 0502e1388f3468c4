"""The two tables of a scanned folder."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope.errors import AudioError, LibraryError
from loopscope.files import display_name, is_address
from loopscope.store import FileKey, FileRow
from loopscope.user_files import UserFile

_DTYPES = {
    "loop_id": "str",
    "path": "object",  # the str dtype of pandas cannot hold the surrogates of invalid UTF-8
    "name": "str",
    "folder": "str",
    "duration_s": "float64",
    "sample_rate": "int64",
    "channels": "int64",
    "format": "str",
    "subtype": "str",
    "size_bytes": "int64",
    "mtime_ns": "int64",
}
LOOP_COLUMNS = tuple(_DTYPES)
Fetch = Callable[[str, str], UserFile]  # by loop_id and address; raises AudioError


@dataclass(frozen=True)
class Library:
    """A scanned folder. Every audio-named file below `root` is in exactly one of the two tables.

    `loops`: one row per readable file, columns `LOOP_COLUMNS`. `rejected`: path, reason. Of loops that come from many
    folders, by loop_id: `roots`, each one's own, and in `silent` why one cannot be heard.
    """

    root: Path
    loops: pd.DataFrame
    rejected: pd.DataFrame
    roots: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    fetch: Fetch | None = None

    @cached_property
    def unique(self) -> pd.DataFrame:
        """`loops` with one row per loop_id, the first path in order; index 0 to n - 1."""
        return self.loops.drop_duplicates("loop_id", ignore_index=True)

    def path_of(self, loop_id: str) -> Path:
        """The first file with this content. Raises LibraryError for an unknown loop_id."""
        try:
            return Path(self._paths[loop_id])
        except KeyError as error:
            raise LibraryError(f"No loop {loop_id!r} is in {self.root}; scan the folder again.") from error

    def file_of(self, loop_id: str) -> UserFile:
        """The same to be opened: nothing that leads out of its root is. Raises AudioError for one that is silent."""
        if reason := self.silent.get(loop_id):
            raise AudioError(reason)
        if self.fetch is not None and loop_id in self._addresses:
            return self.fetch(loop_id, self._addresses[loop_id])
        return UserFile(str(self.path_of(loop_id)), self.roots.get(loop_id, str(self.root)))

    @cached_property
    def _addresses(self) -> dict[str, str]:
        rows = zip(self.unique["loop_id"], self.unique["path"], strict=True)
        return {row_id: path for row_id, path in rows if is_address(path)}

    @cached_property
    def _paths(self) -> dict[str, str]:
        return dict(zip(self.unique["loop_id"], self.unique["path"], strict=True))


def make_library(root: Path, rows: Mapping[FileKey, FileRow], reasons: Mapping[str, str]) -> Library:
    """Tables from inspected files and from `reasons` by path for what was never inspected."""
    ordered = sorted(rows.items(), key=lambda item: os.fsencode(item[0].path))
    loops = [_loop(root, key, row) for key, row in ordered if not row.reason]
    refused = {**reasons, **{key.path: row.reason for key, row in ordered if row.reason}}
    rejected = reasons_frame((path, refused[path]) for path in sorted(refused, key=os.fsencode))
    return Library(root, loops_frame(loops), rejected)


def reasons_frame(rows: Iterable[tuple[str, str]] = ()) -> pd.DataFrame:
    """Files left out or left alone, each with why: columns path (object) and reason (str)."""
    return pd.DataFrame(list(rows), columns=["path", "reason"], dtype="object").astype({"reason": "str"})


def _loop(root: Path, key: FileKey, row: FileRow) -> dict[str, Any]:
    """What is known of a file by name, the columns of `loops` among it."""
    parent, name = os.path.split(key.path)
    folder = parent[len(str(root)) :].strip(os.sep)
    return {**key._asdict(), **vars(row), "name": display_name(name), "folder": display_name(folder)}


def loops_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows with all of LOOP_COLUMNS as the table `loops`."""
    table = list(rows)
    return pd.DataFrame({name: pd.Series([row[name] for row in table], dtype=dtype) for name, dtype in _DTYPES.items()})
