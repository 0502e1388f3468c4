"""The two tables of a scanned folder."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope.errors import LibraryError
from loopscope.files import display_name
from loopscope.store import FileKey, FileRow

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


@dataclass(frozen=True)
class Library:
    """A scanned folder. Every audio-named file below `root` is in exactly one of the two tables.

    `loops`: one row per readable file, columns `LOOP_COLUMNS`. `rejected`: path, reason.
    """

    root: Path
    loops: pd.DataFrame
    rejected: pd.DataFrame

    @cached_property
    def unique(self) -> pd.DataFrame:
        """`loops` with one row per loop_id, the first path in order; index 0 to n - 1."""
        return self.loops.drop_duplicates("loop_id", ignore_index=True)

    def path_of(self, loop_id: str) -> Path:
        """The first file with this content. Raises LibraryError for an unknown loop_id."""
        try:
            return self._paths[loop_id]
        except KeyError as error:
            raise LibraryError(f"No loop {loop_id!r} is in {self.root}; scan the folder again.") from error

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {row_id: Path(path) for row_id, path in zip(self.unique["loop_id"], self.unique["path"], strict=True)}


def make_library(root: Path, rows: Mapping[FileKey, FileRow], reasons: Mapping[str, str]) -> Library:
    """Tables from inspected files and from `reasons` by path for what was never inspected."""
    ordered = sorted(rows.items(), key=lambda item: os.fsencode(item[0].path))
    loops = [_loop(root, key, row) for key, row in ordered if not row.reason]
    refused = {**reasons, **{key.path: row.reason for key, row in ordered if row.reason}}
    return Library(root, _frame(loops, _DTYPES), rejected_frame(refused))


def rejected_frame(reasons: Mapping[str, str]) -> pd.DataFrame:
    """Columns path (object) and reason, ordered by path."""
    ordered = [{"path": path, "reason": reasons[path]} for path in sorted(reasons, key=os.fsencode)]
    return _frame(ordered, {"path": "object", "reason": "str"})


def _loop(root: Path, key: FileKey, row: FileRow) -> dict[str, Any]:
    folder, name = os.path.split(key.path)
    return {
        "loop_id": row.loop_id,
        "path": key.path,
        "name": display_name(name),
        "folder": display_name(folder[len(str(root)) :].strip(os.sep)),
        "duration_s": row.duration_s,
        "sample_rate": row.sample_rate,
        "channels": row.channels,
        "format": row.format,
        "subtype": row.subtype,
        "size_bytes": key.size_bytes,
        "mtime_ns": key.mtime_ns,
    }


def _frame(rows: Iterable[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    table = list(rows)
    return pd.DataFrame({name: pd.Series([row[name] for row in table], dtype=dtype) for name, dtype in dtypes.items()})
