"""Names and sounds of a library as a table: what, and where each value comes from.

Columns: loop_id, path, instrument, genre, bpm (float, NaN where unknown), key, and a `*_source` for each of the four:
"name", "folder", "audio", or "" where nothing is known. One row per file, since copies may have different names.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope.batches import measure_loops
from loopscope.metadata.names import NameMetadata, merge, parse_name
from loopscope.metadata.tempo_key import estimate_from_audio
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store
from loopscope.store.parsing import is_number
from loopscope.user_files import UserFile

FIELDS = ("instrument", "genre", "bpm", "key")
METADATA_COLUMNS = ("loop_id", "path", *FIELDS, *(f"{field}_source" for field in FIELDS))
TEMPO_KEY_VERSION = "heard-2"  # raise it whenever `estimate_from_audio` would find something else in the same file
CACHED_NAMES = 100_000  # pages read the same names at every visit

Estimate = dict[str, Any]  # bpm and key as in TempoAndKey


def read_names(loops: pd.DataFrame) -> pd.DataFrame:
    """What names say of each row of `loops` (loop_id, path, folder, as in Library.loops).

    The name of the file goes before its folder, a near folder before a far one; the scanned folder itself counts.
    """
    rows = [_read(*row) for row in zip(loops["loop_id"], loops["path"], loops["folder"], strict=True)]
    return _frame(rows)


def fill_from_audio(
    names: pd.DataFrame,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    root: Path | None = None,
) -> pd.DataFrame:
    """`names` (as from `read_names`) with tempo and key by ear where they are unknown.

    No file that leads out of `root` is opened, and no loop is listened to twice: a stopped run goes on where it was. A
    file that cannot be read keeps its gaps: the scan and the fault checks list the reason. Raises Cancelled when
    `should_stop` says so.
    """
    top = None if root is None else str(root)
    gaps = {loop_id: UserFile(path, top) for loop_id, path in _gaps(names).items()}
    measured = measure_loops(
        gaps,
        lambda loop_id: vars(estimate_from_audio(gaps[loop_id])),
        "Listening for tempo and key",
        store.memory("measurements", TEMPO_KEY_VERSION, _is_estimate),
        on_progress,
        should_stop,
    )
    return _with_estimates(names, measured.results)


def fill_from_store(names: pd.DataFrame, store: Store) -> tuple[pd.DataFrame, frozenset[str]]:
    """`names` with what was estimated before, and the loops with gaps that nobody has listened to yet."""
    gaps = _gaps(names)
    estimates = store.get_reports("measurements", gaps, TEMPO_KEY_VERSION, _is_estimate)
    return _with_estimates(names, estimates), frozenset(gaps) - frozenset(estimates)


def _is_estimate(found: Any) -> bool:
    """Whether something read from the store is what `estimate_from_audio` finds."""
    if not isinstance(found, dict) or found.keys() != {"bpm", "key"}:
        return False
    bpm, key = found["bpm"], found["key"]
    return (bpm is None or is_number(bpm)) and (key is None or isinstance(key, str))


def _gaps(names: pd.DataFrame) -> dict[str, str]:
    """loop_id -> path of the loops whose tempo or key is unknown."""
    unknown = names[(names["bpm_source"] == "") | (names["key_source"] == "")].drop_duplicates("loop_id")
    return dict(zip(unknown["loop_id"], unknown["path"], strict=True))


def _with_estimates(names: pd.DataFrame, estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    rows = [{str(name): value for name, value in row.items()} for row in names.to_dict("records")]
    return _frame([row | _filled(row, estimates.get(row["loop_id"], {})) for row in rows])


def _read(loop_id: str, path: str, folder: str) -> dict[str, Any]:
    parent, name = os.path.split(path)  # pathlib takes as long as all the parsing
    own = _of_file_name(name.rpartition(".")[0] or name)
    row = {"loop_id": loop_id, "path": path, **vars(merge(own, _of_folder_names(parent, folder)))}
    for field in FIELDS:
        known = "folder" if getattr(own, field) is None else "name"
        row[f"{field}_source"] = "" if row[field] is None else known
    return row


@lru_cache(CACHED_NAMES)
def _of_file_name(stem: str) -> NameMetadata:
    return parse_name(stem)


@lru_cache(CACHED_NAMES)
def _of_folder_names(parent: str, folder: str) -> NameMetadata:
    """What the folders say, from the file's own (`parent`) up to the scanned one, `folder` being the part below it."""
    metadata = NameMetadata()
    depth = len(Path(folder).parts) + 1
    for place in (Path(parent), *Path(parent).parents)[:depth]:
        metadata = merge(metadata, parse_name(place.name, is_folder=True))
    return metadata


def _filled(row: Mapping[str, Any], estimate: Estimate) -> dict[str, Any]:
    """What an estimate adds to a row."""
    new: dict[str, Any] = {}
    for field, value in estimate.items():
        if value is not None and not row[f"{field}_source"]:
            new |= {field: value, f"{field}_source": "audio"}
    return new


def _frame(rows: Sequence[dict[Any, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype="object") for name in METADATA_COLUMNS},
    )
    texts = {f"{field}_source": "str" for field in FIELDS}
    return table.astype({"loop_id": "str", "bpm": "float64", **texts})
