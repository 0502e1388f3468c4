"""Tables as CSV for spreadsheets, as JSON and Parquet for programs, as HTML to look at and as M3U8 for players.

A spreadsheet takes a cell that begins with = + - @ for a formula, whoever named the file. Such text gets an apostrophe
in front, as does text that begins with one, so that exactly one can be taken away again. Numbers stay numbers.
A path that is not valid UTF-8 is written as its file:// URI, which holds the bytes.
"""

import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loopscope.files import URI, display_name, path_as_text

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
_STEERING = re.compile("[\x7f-\x9f]")  # control characters that JSON lets stand, and terminals obey


def csv_bytes(table: pd.DataFrame, context: Mapping[str, str | float] | None = None) -> bytes:
    """The table as UTF-8 CSV with a byte-order mark, which spreadsheets need to see that it is UTF-8.

    Every column is kept; each item of `context` (model, threshold, encoder …) becomes a column with one value.
    Tuples and lists are written as JSON, missing values as empty cells. Raises ValueError where an item has the name of
    a column.
    """
    full = _with_context(table, context)
    safe = pd.DataFrame(
        {
            _cell(str(name)): full[name].astype("object").map(_cell) if _holds_text(full[name]) else full[name]
            for name in full
        }
    )
    text: str = safe.to_csv(index=False, lineterminator="\r\n")
    return text.encode("utf-8-sig")


def json_bytes(table: pd.DataFrame, context: Mapping[str, str | float] | None = None) -> bytes:
    """One JSON object: the items of `context`, and `rows`, an object per row with every column.

    What is missing, not a number or infinite is null; texts are as in CSV, without the apostrophe.
    """
    columns = {str(name): list(table[name].astype("object")) for name in table}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return record_bytes(dict(context or {}) | {"rows": rows})


def record_bytes(record: Mapping[str, Any]) -> bytes:
    """One JSON object of names, texts, numbers, lists and objects; what is missing as in `json_bytes`."""
    text = json.dumps(_json_value(record), ensure_ascii=False, allow_nan=False, indent=1)
    return _STEERING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text).encode()


def parquet_bytes(table: pd.DataFrame, context: Mapping[str, str | float] | None = None) -> bytes:
    """The table as Parquet, columns as in CSV; texts as there, without the apostrophe, tuples as lists."""
    full = _with_context(table, context)
    columns = {str(name): full[name].map(_json_value) if _holds_text(full[name]) else full[name] for name in full}
    content: bytes = pd.DataFrame(columns).to_parquet(None, engine="pyarrow", index=False)
    return content


def html_bytes(table: pd.DataFrame, title: str) -> bytes:
    """A page that needs no network: the title and the table, texts escaped."""
    texts = {name: table[name].map(_json_value) if _holds_text(table[name]) else table[name] for name in table}
    rows = pd.DataFrame(texts).to_html(index=False, escape=True, border=0, na_rep="", float_format="{:.4g}".format)
    shown = html.escape(display_name(title))
    return _PAGE.format(title=shown, rows=rows).encode()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px system-ui, sans-serif; margin: 2rem; color-scheme: light dark }}
table {{ border-collapse: collapse }} th, td {{ padding: .3rem .8rem; text-align: left; vertical-align: top }}
tr:nth-child(even) {{ background: color-mix(in srgb, currentColor 6%, transparent) }}
</style></head><body><h1>{title}</h1>
{rows}
</body></html>
"""


def m3u8_bytes(table: pd.DataFrame) -> bytes:
    """A playlist of the files in the order of the table; needs `path`, uses `name` and `duration_s` where present."""
    lines = ["#EXTM3U"]
    for row in table.to_dict("records"):
        title = " ".join(display_name(row.get("name") or Path(row["path"]).name).split())
        seconds = row.get("duration_s")
        lines.append(f"#EXTINF:{-1 if pd.isna(seconds) else round(seconds)},{title}")
        lines.append(_playable(str(row["path"])))
    return ("\n".join(lines) + "\n").encode("utf-8")


def _with_context(table: pd.DataFrame, context: Mapping[str, str | float] | None) -> pd.DataFrame:
    if taken := table.columns.intersection(list(context or {})).tolist():
        raise ValueError(f"{taken[0]!r} is a column of the table already; give the item of the context another name.")
    return table.assign(**dict(context or {}))


def _holds_text(column: "pd.Series[Any]") -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)


def _cell(value: Any) -> Any:
    """What is written for a value of a text column."""
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    if not isinstance(value, str):
        return value
    text = _text(value)
    if text.startswith(URI) and not value.startswith(URI):
        return text
    return f"'{text}" if text.startswith((*FORMULA_STARTS, URI)) else text


def _json_value(value: Any) -> Any:
    """What JSON can hold of a value."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple | list):
        return [_json_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _json_value(item) for name, item in value.items()}
    if isinstance(value, np.generic):
        return _json_value(value.item())
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _text(value: str) -> str:
    """Valid Unicode; of a path that is none, its URI."""
    return display_name(path_as_text(value))


def _playable(path: str) -> str:
    """A path as it stands where a playlist can hold it, else its URI."""
    return path if path == display_name(path) and not set(path) & {"\n", "\r"} else Path(path).as_uri()
