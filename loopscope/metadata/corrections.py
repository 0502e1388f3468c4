"""What users say of tempo and key: how it is typed, and that it goes before file, name and ear."""

import re
from collections.abc import Mapping

import pandas as pd

from loopscope.audio.tags import FileTags
from loopscope.errors import DataError
from loopscope.metadata.bars import FASTEST, SLOWEST
from loopscope.metadata.table import HEARD
from loopscope.metadata.tags import key_of
from loopscope.store.records import Correction

USER = "user"  # the source of what was corrected
_TEMPO = re.compile(r"(\d{1,3}(?:[.,]\d{1,3})?)\s*(?:bpm)?", re.IGNORECASE)


def read_correction(bpm: str, key: str) -> Correction:
    """What was typed as tempo and key, either of them empty where nothing is to be said. Raises DataError."""
    return Correction(_read_tempo(bpm.strip()), _read_key(key.strip()))


def with_corrections(table: pd.DataFrame, corrections: Mapping[str, Correction]) -> pd.DataFrame:
    """`table` (METADATA_COLUMNS) with what users say of these loops, by loop_id, whatever else is said of them."""
    if not table["loop_id"].isin(list(corrections)).any():
        return table
    table = table.copy()
    for field in HEARD:
        said = {loop_id: getattr(own, field) for loop_id, own in corrections.items() if getattr(own, field) is not None}
        is_said = table["loop_id"].isin(list(said))
        table.loc[is_said, field] = [said[loop_id] for loop_id in table.loc[is_said, "loop_id"]]
        table.loc[is_said, f"{field}_source"] = USER
    return table


def is_said(table: pd.DataFrame, field: str) -> frozenset[str]:
    """The loops of `table` (METADATA_COLUMNS) whose tempo ("bpm") or key a user has settled."""
    return frozenset(table.loc[table[f"{field}_source"] == USER, "loop_id"])


def _read_tempo(text: str) -> float | None:
    if not text:
        return None
    found = _TEMPO.fullmatch(text)
    bpm = float(found[1].replace(",", ".")) if found else 0.0
    if not SLOWEST <= bpm <= FASTEST:
        raise DataError(f"{text[:40]!r} is no tempo; give beats per minute from {SLOWEST:g} to {FASTEST:g}, as 117.5.")
    return bpm


def _read_key(text: str) -> str | None:
    if not text:
        return None
    key = key_of(FileTags(key=text))
    if key is None:
        raise DataError(f"{text[:40]!r} is no key; give a note with its mode, as in F#m, Eb major or 11A.")
    return key
