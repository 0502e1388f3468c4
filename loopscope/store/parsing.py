"""Rows as they lie in the file → plain values. Bits flip, other programs write: what cannot be read is said to be so.

What can be computed again is None or UNREADABLE then, and counts as never computed. Of what the user did, the part that
can be read stays.
"""

import json
import os
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from loopscope.errors import DataError
from loopscope.store.records import MARK_NAMES, Correction, FileRow, Mark, ProjectRow

VECTOR = np.dtype("<f4")
PATCHES = np.dtype("<f2")
UNREADABLE: Final = object()  # None is a value that JSON has
Number = TypeVar("Number", np.float16, np.float32)
LARGEST = 1e300  # JSON has integers that no float can hold
_FILE_KINDS = (str, str, float, int, int, str, str, str)  # of FileRow's fields


def json_value(text: Any) -> Any:
    """What the text says as JSON, or UNREADABLE. What we write is ASCII; anything else was put there by chance."""
    if not isinstance(text, str) or not text.isascii():
        return UNREADABLE
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE


def is_number(value: Any) -> bool:
    """Whether it is a finite number, as JSON holds one; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def file_row(values: tuple[Any, ...]) -> FileRow | None:
    """The columns of `files` after its key; None unless they are a loop's header or the reason why it is none."""
    if not all(isinstance(value, kind) for value, kind in zip(values, _FILE_KINDS, strict=True)):
        return None
    row = FileRow(*values)
    is_header = 0 <= row.duration_s < LARGEST and row.sample_rate >= 0 and row.channels >= 0
    is_text = (row.loop_id + row.format + row.subtype).isascii()
    return row if bool(row.loop_id) != bool(row.reason) and is_header and is_text else None


def vector(checksum: Any, blob: Any) -> npt.NDArray[np.float32] | None:
    """(n_features,) float32, None where it does not match its checksum or is no row of finite numbers."""
    if not isinstance(blob, bytes) or zlib.crc32(blob) != checksum or len(blob) % VECTOR.itemsize:
        return None
    values = np.frombuffer(blob, VECTOR).astype(np.float32)
    return values if np.isfinite(values).all() else None


def patches_of(checksum: Any, n_values: Any, blob: Any) -> npt.NDArray[np.float16] | None:
    """(n_patches, n_values) float16, None where it does not match its checksum or is no such array of numbers."""
    if not isinstance(blob, bytes) or zlib.crc32(blob) != checksum or type(n_values) is not int or n_values < 1:
        return None
    if not blob or len(blob) % (n_values * PATCHES.itemsize):
        return None
    values = np.frombuffer(blob, PATCHES).astype(np.float16).reshape(-1, n_values)
    return values if np.isfinite(values).all() else None


def patch_rows(
    loop_ids: Sequence[str], patch_id: str | None, patches: Sequence[npt.NDArray[np.float16]]
) -> list[tuple[Any, ...]]:
    """The rows that `patches_of` reads, one for each loop; none without a `patch_id`. Raises DataError."""
    if patch_id is None:
        return []
    if len(patches) != len(loop_ids) or not all(of.ndim == 2 and of.size and np.isfinite(of).all() for of in patches):
        raise DataError(f"{len(patches)} arrays of patches do not fit {len(loop_ids)} loops; give each finite ones.")
    blobs = [np.ascontiguousarray(of, dtype=PATCHES).tobytes() for of in patches]
    rows = zip(loop_ids, blobs, patches, strict=True)
    return [(patch_id, loop_id, zlib.crc32(blob), of.shape[1], blob) for loop_id, blob, of in rows]


def of_one_length(arrays: Mapping[str, npt.NDArray[Number] | None]) -> dict[str, npt.NDArray[Number]]:
    """The vectors that are there and as long as most, or patches with as many values: an encoder makes no other."""
    there = {loop_id: values for loop_id, values in arrays.items() if values is not None}
    lengths = Counter(values.shape[-1] for values in there.values())
    usual = max(lengths, key=lengths.__getitem__, default=0)
    return {loop_id: values for loop_id, values in there.items() if values.shape[-1] == usual and usual}


def mark_of(values: tuple[Any, ...]) -> Mark:
    """The columns of `marks` after its key: of a row that is partly unreadable what is left."""
    mark, note, updated_at = values
    known = mark if isinstance(mark, str) and mark in MARK_NAMES else None
    return Mark(known, note if isinstance(note, str) else "", float(updated_at) if is_number(updated_at) else 0.0)


def correction_of(values: Sequence[Any]) -> Correction:
    """The tempo and key of a row of `corrections`: of a row that is partly unreadable what is left."""
    bpm, key = values
    return Correction(float(bpm) if is_number(bpm) else None, key if isinstance(key, str) else None)


def project_row(values: tuple[Any, ...]) -> ProjectRow | None:
    """A row of `projects`, None where the folder cannot be read; a state that cannot be read is as new."""
    project_id, owner, folder, name, opened_at, text = values
    if not isinstance(folder, bytes) or not isinstance(project_id, str) or b"\0" in folder:
        return None
    path, state = os.fsdecode(folder), json_value(text)
    return ProjectRow(
        project_id,
        owner,
        path,
        name if isinstance(name, str) else path,
        float(opened_at) if is_number(opened_at) else 0.0,
        state if isinstance(state, dict) else {},
    )
