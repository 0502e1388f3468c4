"""Names and sounds of a library as a table: what, and where each value comes from.

Columns: loop_id, path, instrument, genre, bpm (float, NaN where unknown), key, and a `*_source` for each of the four:
"file" (its tags), "name", "folder", "audio" (by ear), or "" where nothing is known. Of tempo and key the first of these
holds that says something, unless a user says otherwise (`corrections`, "user"); what each says stands in `bpm_file`,
`bpm_name` (or folder), `bpm_audio`, and so for the key; `tonic_audio` is the root by ear, also where the mode is not
clear. `root_note` (MIDI) and `loop_start_s` to `loop_end_s` are what a sampler is told in the file. One row per file:
copies may differ in name.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from loopscope.audio.tags import FileTags
from loopscope.metadata.names import NameMetadata, merge, parse_name
from loopscope.metadata.tags import key_of
from loopscope.store import Store
from loopscope.store.parsing import is_number

FIELDS = ("instrument", "genre", "bpm", "key")
HEARD = ("bpm", "key")  # said by files and by the ear too
SAID = tuple(f"{field}_{source}" for field in HEARD for source in ("file", "name", "audio"))
BESIDE = ("tonic_audio", "root_note", "loop_start_s", "loop_end_s")
METADATA_COLUMNS = ("loop_id", "path", *FIELDS, *(f"{field}_source" for field in FIELDS), *SAID, *BESIDE)
TEMPO_KEY_VERSION = "heard-4"  # raise it whenever `tempo_key` or `hearing.riff` would find something else in a file
CACHED_NAMES = 100_000  # pages read the same names at every visit

Estimate = dict[str, Any]  # bpm, key and tonic as in TempoAndKey


def read_names(loops: pd.DataFrame) -> pd.DataFrame:
    """What names say of each row of `loops` (loop_id, path, folder, as in Library.loops).

    The name of the file goes before its folder, a near folder before a far one; the scanned folder itself counts.
    """
    rows = [_read(*row) for row in zip(loops["loop_id"], loops["path"], loops["folder"], strict=True)]
    return metadata_frame(rows)


def named_tempi(loops: pd.DataFrame) -> dict[str, float | None]:
    """The tempo that each row's name tells in beats per minute, by loop_id; None where it tells none."""
    rows = zip(loops["loop_id"], loops["path"], loops["folder"], strict=True)
    return {loop_id: _named(path, folder)[1].bpm for loop_id, path, folder in rows}


def named_keys(loops: pd.DataFrame) -> dict[str, str]:
    """The key that rows' names tell, such as "F#m", by loop_id; without those of which none is told, or of whose copies
    some are named otherwise."""
    told: dict[str, set[str | None]] = {}
    for loop_id, path, folder in zip(loops["loop_id"], loops["path"], loops["folder"], strict=True):
        told.setdefault(loop_id, set()).add(_named(path, folder)[1].key)
    return {loop_id: key for loop_id, keys in told.items() if len(keys) == 1 for key in keys if key is not None}


def with_tags(names: pd.DataFrame, tags: Mapping[str, FileTags]) -> pd.DataFrame:
    """`names` (as from `read_names`) with what the files' tags say, by loop_id, which goes before names."""
    if all(own == FileTags() for own in tags.values()):
        return names  # as of most libraries, of which a stored project waits for this
    rows = _rows(names)
    for row in rows:
        own = tags.get(row["loop_id"], FileTags())
        for field, value in (("bpm", own.bpm), ("key", key_of(own))):
            if value is not None:
                row |= {field: value, f"{field}_source": "file", f"{field}_file": value}
        start_s, end_s = own.loop_s or (None, None)
        row |= {"root_note": own.root_note, "loop_start_s": start_s, "loop_end_s": end_s}
    return metadata_frame(rows)


def fill_from_store(names: pd.DataFrame, store: Store) -> tuple[pd.DataFrame, frozenset[str]]:
    """`names` with what was estimated before, and the loops that nobody has listened to yet."""
    estimates = store.get_reports("measurements", names["loop_id"], TEMPO_KEY_VERSION, _is_estimate)
    return _with_estimates(names, estimates), frozenset(names["loop_id"]) - frozenset(estimates)


def _is_estimate(found: Any) -> bool:
    """Whether something read from the store is what `tempo_key` finds."""
    if not isinstance(found, dict) or found.keys() != {"bpm", "key", "tonic"}:
        return False
    bpm, *names = found["bpm"], found["key"], found["tonic"]
    return (bpm is None or is_number(bpm)) and all(name is None or isinstance(name, str) for name in names)


def _with_estimates(names: pd.DataFrame, estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    if not estimates:
        return names
    return metadata_frame([row | _filled(row, estimates.get(row["loop_id"], {})) for row in _rows(names)])


def _rows(names: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {str(name): names[name].tolist() for name in names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _read(loop_id: str, path: str, folder: str) -> dict[str, Any]:
    own, said = _named(path, folder)
    row = {"loop_id": loop_id, "path": path, **vars(said)}
    for field in FIELDS:
        known = "folder" if getattr(own, field) is None else "name"
        row[f"{field}_source"] = "" if row[field] is None else known
    return row | {f"{field}_name": row[field] for field in HEARD}


def _named(path: str, folder: str) -> tuple[NameMetadata, NameMetadata]:
    """What the file's own name says, and all that its names say."""
    parent, name = os.path.split(path)  # pathlib takes as long as all the parsing
    own = _of_file_name(name.rpartition(".")[0] or name)
    return own, merge(own, _of_folder_names(parent, folder))


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
    new: dict[str, Any] = {"tonic_audio": estimate.get("tonic")}
    for field in HEARD:
        value = estimate.get(field)
        if value is not None:
            new[f"{field}_audio"] = value
            new |= {} if row[f"{field}_source"] else {field: value, f"{field}_source": "audio"}
    return new


def metadata_frame(rows: Sequence[dict[Any, Any]]) -> pd.DataFrame:
    """Rows as a table with METADATA_COLUMNS, empty where a row has none."""
    table = pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype="object") for name in METADATA_COLUMNS},
    )
    texts = {f"{field}_source": "str" for field in FIELDS}
    numbers = dict.fromkeys(("bpm", "bpm_file", "bpm_name", "bpm_audio", *BESIDE[1:]), "float64")
    return table.astype({"loop_id": "str", **numbers, **texts})
