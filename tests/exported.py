"""Reading back what was exported: the proof that a table loses nothing on its way through a CSV file."""

import io
import json
import os
from typing import Any
from urllib.parse import unquote_to_bytes

import pandas as pd

TEXT_COLUMNS = frozenset(
    {"loop_id", "path", "name", "folder", "format", "subtype", "split", "key", "note", "mark", "kind", "sentence"}
)
URI = "file://"


def read_csv(content: bytes) -> pd.DataFrame:
    """The rows that `csv_bytes` was given: apostrophes and URIs undone, ids and keys as text, missing text as ""."""
    table = pd.read_csv(
        io.BytesIO(content),
        encoding="utf-8-sig",
        dtype={name: "object" for name in TEXT_COLUMNS},
        float_precision="round_trip",
        keep_default_na=False,
        na_values=[""],
    )
    table.columns = [_text(name) for name in table.columns]
    for name in table.columns:
        if table[name].dtype == object or isinstance(table[name].dtype, pd.StringDtype):
            missing = "" if name in TEXT_COLUMNS else None
            texts = [missing if pd.isna(value) else _text(value) for value in table[name]]
            table[name] = pd.Series(texts, table.index, dtype="object")
    if "times" in table:
        table["times"] = [tuple(json.loads(times)) for times in table["times"]]
    return table


def _text(value: Any) -> Any:
    """What stood in a cell before it was made harmless to spreadsheets."""
    if not isinstance(value, str):
        return value
    if value.startswith("'"):
        return value[1:]
    if value.startswith(f"{URI}/"):
        return os.fsdecode(unquote_to_bytes(value.removeprefix(URI)))
    return value
