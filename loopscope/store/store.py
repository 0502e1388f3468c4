"""The questions the rest of loopscope asks of the database.

Every `get_` takes any number of keys and returns a dict of what is known; what is missing there must be computed.
A row that cannot be read (`parsing`) is missing.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from loopscope.batches import Memory
from loopscope.config import paths
from loopscope.errors import DataError
from loopscope.store.database import Database, Row
from loopscope.store.marks import LoopMarks
from loopscope.store.parsing import (
    UNREADABLE,
    VECTOR,
    file_row,
    json_value,
    of_one_length,
    patch_rows,
    patches_of,
    project_row,
    vector,
)
from loopscope.store.records import FileKey, FileRow, ProjectRow
from loopscope.store.schema import COMPACT, RECOMPUTABLE

_FILE_COLUMNS = "reader, loop_id, duration_s, sample_rate, channels, format, subtype, reason"
_PROJECT_COLUMNS = "project_id, owner, folder, name, opened_at, state"
ReportTable = Literal["faults", "measurements"]
Fits = Callable[[Any], bool]


class Store(LoopMarks):
    """The database at `path`; may be used from several threads at once, and by several processes.

    `notice` is one sentence if a damaged database was set aside, else empty. Raises StoreError.
    """

    def __init__(self, path: Path | str) -> None:
        self._database = Database(path)

    @classmethod
    def default(cls) -> Self:
        """The user's own database."""
        return cls(paths().database)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    @property
    def notice(self) -> str:
        """What happened to a damaged database, or empty."""
        return self._database.notice

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._database.close()

    def get_files(self, keys: Iterable[FileKey]) -> dict[FileKey, FileRow]:
        """What is known of files that have not changed: same path, size and modification time."""
        wanted = set(keys)
        found = self._database.rows_in(
            f"SELECT path, size_bytes, mtime_ns, {_FILE_COLUMNS} FROM files WHERE path IN ({{marks}})",
            (),
            sorted(os.fsencode(key.path) for key in wanted),
        )
        rows = {FileKey(os.fsdecode(row[0]), row[1], row[2]): file_row(row[3:]) for row in found}
        return {key: row for key, row in rows.items() if row is not None and key in wanted}

    def embedded_files(self, encoder_id: str) -> dict[str, str]:
        """Every file whose content was embedded by an encoder, as it was when it was last read: path -> loop_id."""
        found = self._database.rows(
            "SELECT path, loop_id FROM files WHERE loop_id IN (SELECT loop_id FROM embeddings WHERE encoder_id = ?)",
            (encoder_id,),
        )
        return {os.fsdecode(path): loop_id for path, loop_id in found if isinstance(path, bytes)}

    def put_files(self, rows: Mapping[FileKey, FileRow]) -> None:
        """Remember what inspections found; a path's older row is replaced."""
        self._database.write(
            (
                f"INSERT OR REPLACE INTO files (path, size_bytes, mtime_ns, {_FILE_COLUMNS}) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_file_values(key, row) for key, row in rows.items()],
            )
        )

    def get_embeddings(self, loop_ids: Iterable[str], encoder_id: str) -> dict[str, npt.NDArray[np.float32]]:
        """The known embeddings, (n_features,) float32 each, by loop_id."""
        found = self._database.rows_in(
            "SELECT loop_id, checksum, vector FROM embeddings WHERE encoder_id = ? AND loop_id IN ({marks})",
            (encoder_id,),
            sorted(set(loop_ids)),
        )
        return of_one_length({loop_id: vector(checksum, blob) for loop_id, checksum, blob in found})

    def put_embeddings(
        self,
        loop_ids: Sequence[str],
        encoder_id: str,
        X: npt.NDArray[np.float32],
        patch_id: str | None = None,
        patches: Sequence[npt.NDArray[np.float16]] = (),
    ) -> None:
        """Remember embeddings: row i of X (n_loops, n_features) belongs to loop_ids[i], and so do `patches`, if any.

        Raises DataError.
        """
        vectors = np.ascontiguousarray(X, dtype=VECTOR)
        if vectors.ndim != 2 or len(vectors) != len(loop_ids):
            raise DataError(
                f"Embeddings of shape {vectors.shape} do not fit {len(loop_ids)} loops; give one row a loop."
            )
        if not np.isfinite(vectors).all():
            raise DataError("Embeddings with NaN or infinity are not stored; leave those loops out.")
        blobs = [row.tobytes() for row in vectors]
        self._database.write(
            (
                "INSERT OR REPLACE INTO embeddings (encoder_id, loop_id, checksum, vector) VALUES (?, ?, ?, ?)",
                [(encoder_id, loop_id, zlib.crc32(blob), blob) for loop_id, blob in zip(loop_ids, blobs, strict=True)],
            ),
            ("INSERT OR REPLACE INTO patches VALUES (?, ?, ?, ?, ?)", patch_rows(loop_ids, patch_id, patches)),
        )

    def get_patches(self, loop_ids: Iterable[str], patch_id: str) -> dict[str, npt.NDArray[np.float16]]:
        """The known patches of one maker, (n_patches, n_values) float16 each, by loop_id."""
        found = self._database.rows_in(
            "SELECT loop_id, checksum, n_values, patches FROM patches WHERE patch_id = ? AND loop_id IN ({marks})",
            (patch_id,),
            sorted(set(loop_ids)),
        )
        return of_one_length({row[0]: patches_of(*row[1:]) for row in found})

    def memory(self, table: ReportTable, version: str, fits: Fits) -> Memory[Any]:
        """Where the reports of this version last; `version` names what was looked for and how."""
        return Memory(
            partial(self.get_reports, table, version=version, fits=fits),
            partial(self.put_reports, table, version=version),
        )

    def get_reports(
        self, table: ReportTable, loop_ids: Iterable[str] | None, version: str, fits: Fits = lambda report: True
    ) -> dict[str, Any]:
        """What the signal checks found, or was measured of the sound (tempo, key, bars), by loop_id; None: of all.

        `fits`: whether something that JSON can hold is such a report; what is not counts as missing.
        """
        columns = f"SELECT loop_id, report FROM {table} WHERE version = ?"
        found: Iterable[Row] = (
            self._database.rows(columns, (version,))
            if loop_ids is None
            else self._database.rows_in(f"{columns} AND loop_id IN ({{marks}})", (version,), sorted(set(loop_ids)))
        )
        reports = {loop_id: json_value(text) for loop_id, text in found}
        return {loop_id: report for loop_id, report in reports.items() if report is not UNREADABLE and fits(report)}

    def put_reports(self, table: ReportTable, reports: Mapping[str, Any], version: str) -> None:
        """Remember reports (anything JSON can hold) by loop_id."""
        self._database.write(
            (
                f"INSERT OR REPLACE INTO {table} (version, loop_id, report) VALUES (?, ?, ?)",
                [(version, loop_id, json.dumps(report)) for loop_id, report in reports.items()],
            )
        )

    def get_setting(self, key: str, default: Any = None) -> Any:
        """A setting, or the default where it was never set or cannot be read."""
        found = self._database.rows("SELECT value FROM settings WHERE key = ?", (key,))
        value = json_value(found[0][0]) if found else UNREADABLE
        return default if value is UNREADABLE else value

    def put_setting(self, key: str, value: Any) -> None:
        """Remember a setting (anything JSON can hold). Raises DataError for what it cannot."""
        text = _as_json(f"setting {key!r}", value)
        self._database.write(("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", [(key, text)]))

    def get_projects(self, owner: str) -> list[ProjectRow]:
        """The projects of one owner, the one opened last first."""
        found = self._database.rows(
            f"SELECT {_PROJECT_COLUMNS} FROM projects WHERE owner = ? ORDER BY opened_at DESC, project_id", (owner,)
        )
        projects = (project_row(row) for row in found)
        return [project for project in projects if project is not None]

    def put_project(self, project: ProjectRow) -> None:
        """Remember a project as it now stands. Raises DataError for a state that JSON cannot hold."""
        folder, state = os.fsencode(project.folder), _as_json(f"state of {project.name!r}", project.state)
        values = (project.project_id, project.owner, folder, project.name, project.opened_at, state)
        self._database.write(
            (f"INSERT OR REPLACE INTO projects ({_PROJECT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", [values])
        )

    def delete_project(self, project_id: str) -> None:
        """Forget a project; sounds, marks and embeddings stay."""
        self._database.write(
            ("DELETE FROM projects WHERE project_id = ?", [(project_id,)]),
            ("DELETE FROM project_files WHERE project_id = ?", [(project_id,)]),
        )

    def get_project_files(self, project_id: str) -> dict[str, str]:
        """The files a project held when it was last analysed: path -> loop_id."""
        found = self._database.rows("SELECT path, loop_id FROM project_files WHERE project_id = ?", (project_id,))
        return {os.fsdecode(path): loop_id for path, loop_id in found if isinstance(path, bytes)}

    def put_project_files(self, project_id: str, files: Mapping[str, str]) -> None:
        """Remember the files of a project (path -> loop_id) in place of those known before."""
        self._database.write(
            ("DELETE FROM project_files WHERE project_id = ?", [(project_id,)]),
            (
                "INSERT INTO project_files (project_id, path, loop_id) VALUES (?, ?, ?)",
                [(project_id, os.fsencode(path), loop_id) for path, loop_id in files.items()],
            ),
        )

    def clear_cache(self) -> None:
        """Forget what can be computed again: all but marks, corrections, settings and projects."""
        self._database.script([*(f"DELETE FROM {table}" for table in RECOMPUTABLE), *COMPACT])

    def clear_embeddings(self, encoder_id: str) -> None:
        """Forget the embeddings of one encoder, and the patches that it made."""
        self._database.write(
            ("DELETE FROM embeddings WHERE encoder_id = ?", [(encoder_id,)]),
            ("DELETE FROM patches WHERE instr(patch_id, ? || '-patches-') = 1", [(encoder_id,)]),
        )
        self._database.script(COMPACT)

    def embeddings_by_encoder(self) -> dict[str, int]:
        """How many embeddings of each encoder are kept."""
        return dict(self._database.rows("SELECT encoder_id, count(*) FROM embeddings GROUP BY encoder_id"))


def _as_json(what: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"The {what} cannot be stored ({error}); give numbers, texts, lists.") from error


def _file_values(key: FileKey, row: FileRow) -> Row:
    """In the order of the table's columns, which is that of the records' fields."""
    return (os.fsencode(key.path), key.size_bytes, key.mtime_ns, *astuple(row))
