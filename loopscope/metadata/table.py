"""Names and sounds of a library as a table: what, and where each value comes from.

Columns: loop_id, path, instrument, genre, bpm (float, NaN where unknown), key, and a `*_source` for each of the four:
"name", "folder", "audio", or "" where nothing is known. One row per file, since copies may have different names.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from loopscope.errors import AudioError, Cancelled
from loopscope.metadata.names import NameMetadata, merge, parse_name
from loopscope.metadata.tempo_key import TempoAndKey, estimate_from_audio
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

if TYPE_CHECKING:
    from loopscope.store import Store

FIELDS = ("instrument", "genre", "bpm", "key")
METADATA_COLUMNS = ("loop_id", "path", *FIELDS, *(f"{field}_source" for field in FIELDS))
TEMPO_KEY_VERSION = "heard-1"  # raise it whenever `estimate_from_audio` would hear something else in the same file
BATCH = 16
MAX_WORKERS = 8
CACHED_NAMES = 100_000  # pages read the same names at every visit


def read_names(loops: pd.DataFrame) -> pd.DataFrame:
    """What names say of each row of `loops` (loop_id, path, folder, as in Library.loops).

    The name of the file goes before its folder, a near folder before a far one; the scanned folder itself counts.
    """
    rows = [_read(*row) for row in zip(loops["loop_id"], loops["path"], loops["folder"], strict=True)]
    return _frame(rows)


def fill_from_audio(
    names: pd.DataFrame,
    store: "Store | None" = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> pd.DataFrame:
    """`names` (as from `read_names`) with tempo and key by ear where they are unknown.

    With a `store` no loop is listened to twice and a stopped run goes on where it was. A file that cannot be read keeps
    its gaps. Raises Cancelled when `should_stop` says so.
    """
    gaps = _gaps(names)
    estimates = _stored_estimates(gaps, store)
    missing = [(loop_id, path) for loop_id, path in gaps.items() if loop_id not in estimates]
    on_progress(Progress("Listening for tempo and key", len(estimates), len(gaps), unit="loops"))
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_WORKERS), thread_name_prefix="listen") as pool:
        for start in range(0, len(missing), BATCH):
            if should_stop():
                raise Cancelled("Listening for tempo and key was stopped; what was estimated is kept.")
            batch = missing[start : start + BATCH]
            found = dict(
                zip([loop_id for loop_id, _ in batch], pool.map(_estimated, [path for _, path in batch]), strict=True)
            )
            fresh = {loop_id: result for loop_id, result in found.items() if result is not None}
            if store is not None:
                store.put_measurements({key: vars(result) for key, result in fresh.items()}, TEMPO_KEY_VERSION)
            estimates |= fresh
            done = len(gaps) - len(missing) + start + len(batch)
            on_progress(Progress("Listening for tempo and key", done, len(gaps), unit="loops"))
    return _with_estimates(names, estimates)


def fill_from_store(names: pd.DataFrame, store: "Store") -> tuple[pd.DataFrame, frozenset[str]]:
    """`names` with what was estimated before, and the loops with gaps that nobody has listened to yet."""
    gaps = _gaps(names)
    estimates = _stored_estimates(gaps, store)
    return _with_estimates(names, estimates), frozenset(gaps) - frozenset(estimates)


def _gaps(names: pd.DataFrame) -> dict[str, str]:
    """loop_id -> path of the loops whose tempo or key is unknown."""
    unknown = names[(names["bpm_source"] == "") | (names["key_source"] == "")].drop_duplicates("loop_id")
    return dict(zip(unknown["loop_id"], unknown["path"], strict=True))


def _stored_estimates(gaps: Mapping[str, str], store: "Store | None") -> dict[str, TempoAndKey]:
    found = {} if store is None else store.get_measurements(gaps, TEMPO_KEY_VERSION)
    return {loop_id: TempoAndKey(report["bpm"], report["key"]) for loop_id, report in found.items()}


def _with_estimates(names: pd.DataFrame, estimates: Mapping[str, TempoAndKey]) -> pd.DataFrame:
    rows = [{str(name): value for name, value in row.items()} for row in names.to_dict("records")]
    return _frame(
        [row | _filled(row, estimates[row["loop_id"]]) if row["loop_id"] in estimates else row for row in rows]
    )


def _read(loop_id: str, path: str, folder: str) -> dict[str, Any]:
    parent, name = os.path.split(path)  # pathlib takes as long as all the parsing
    own = _of_file_name(name.rpartition(".")[0] or name)
    metadata = merge(own, _of_folder_names(parent, folder))
    sources = {
        f"{field}_source": ""
        if getattr(metadata, field) is None
        else "folder"
        if getattr(own, field) is None
        else "name"
        for field in FIELDS
    }
    return {"loop_id": loop_id, "path": path, **vars(metadata), **sources}


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


def _estimated(path: str) -> TempoAndKey | None:
    try:
        return estimate_from_audio(path)
    except AudioError:  # the scan has listed the reason, and the fault checks list it again
        return None


def _filled(row: dict[Any, Any], estimates: TempoAndKey) -> dict[str, Any]:
    """What hearing adds to a row."""
    new: dict[str, Any] = {}
    for field, value in (("bpm", estimates.bpm), ("key", estimates.key)):
        if value is not None and not row[f"{field}_source"]:
            new |= {field: value, f"{field}_source": "audio"}
    return new


def _frame(rows: Sequence[dict[Any, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype="object") for name in METADATA_COLUMNS},
    )
    texts = {f"{field}_source": "str" for field in FIELDS}
    return table.astype({"loop_id": "str", "bpm": "float64", **texts})
