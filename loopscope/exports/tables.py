"""Tables as CSV for spreadsheets and as M3U8 for players.

A spreadsheet takes a cell that begins with = + - @ for a formula, whoever named the file. Such text gets an apostrophe
in front, as does text that begins with one, so that `read_csv` can take exactly one away again. Numbers stay numbers.
A path that is not valid UTF-8 is written as its file:// URI, which holds the bytes.
"""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pandas as pd

from loopscope.errors import ExportError
from loopscope.exports.files import display, one_sentence, write_new_file

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
TEXT_COLUMNS = frozenset(
    {"loop_id", "path", "name", "folder", "format", "subtype", "split", "key", "note", "mark", "kind", "sentence"}
)
URI = "file://"


def csv_bytes(table: pd.DataFrame, context: Mapping[str, str | float] | None = None) -> bytes:
    """The table as UTF-8 CSV with a byte-order mark, which spreadsheets need to see that it is UTF-8.

    Every column is kept; each item of `context` (model, threshold, encoder …) becomes a column with one value.
    Tuples and lists are written as JSON, missing values as empty cells.
    """
    full = table.assign(**dict(context or {}))
    safe = pd.DataFrame(
        {
            _cell(str(name)): full[name].astype("object").map(_cell) if _holds_text(full[name]) else full[name]
            for name in full
        }
    )
    text: str = safe.to_csv(index=False, lineterminator="\r\n")
    return text.encode("utf-8-sig")


def write_csv(table: pd.DataFrame, path: Path, context: Mapping[str, str | float] | None = None) -> Path:
    """Write `csv_bytes` to a new file. Raises ExportError if it exists or cannot be written."""
    return write_new_file(path, csv_bytes(table, context))


def read_csv(source: Path | bytes) -> pd.DataFrame:
    """The rows that `csv_bytes` was given: apostrophes and URIs undone, ids and keys as text, missing text as "".

    Raises ExportError if the file cannot be read as such a table.
    """
    if isinstance(source, Path):
        with one_sentence("read", source):
            source = source.read_bytes()
    try:
        table = pd.read_csv(
            io.BytesIO(source),
            encoding="utf-8-sig",
            dtype={name: "object" for name in TEXT_COLUMNS},
            float_precision="round_trip",
            keep_default_na=False,
            na_values=[""],
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise ExportError(f"This is not a table that was exported here: {error}; export it again.") from error
    table.columns = [_text(name) for name in table.columns]
    for name in table.columns:
        if _holds_text(table[name]):
            missing = "" if name in TEXT_COLUMNS else None
            texts = [missing if pd.isna(value) else _text(value) for value in table[name]]
            table[name] = pd.Series(texts, table.index, dtype="object")
    if "times" in table:
        table["times"] = [tuple(json.loads(times)) for times in table["times"]]
    return table


def m3u8_bytes(table: pd.DataFrame) -> bytes:
    """A playlist of the files in the order of the table; needs `path`, uses `name` and `duration_s` where present."""
    lines = ["#EXTM3U"]
    for row in table.to_dict("records"):
        title = " ".join(display(row.get("name") or Path(row["path"]).name).split())
        seconds = row.get("duration_s")
        lines.append(f"#EXTINF:{-1 if seconds is None or pd.isna(seconds) else round(seconds)},{title}")
        lines.append(_playable(str(row["path"])))
    return ("\n".join(lines) + "\n").encode("utf-8")


def write_m3u8(table: pd.DataFrame, path: Path) -> Path:
    """Write `m3u8_bytes` to a new file. Raises ExportError if it exists or cannot be written."""
    return write_new_file(path, m3u8_bytes(table))


def _holds_text(column: "pd.Series[Any]") -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)


def _cell(value: Any) -> Any:
    """What is written for a value of a text column."""
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    if not isinstance(value, str):
        return value
    if value.startswith("/") and not _is_valid(value):
        return Path(value).as_uri()
    text = display(value)
    return f"'{text}" if text.startswith((*FORMULA_STARTS, URI)) else text


def _text(value: Any) -> Any:
    """The inverse of `_cell` for text."""
    if not isinstance(value, str):
        return value
    if value.startswith("'"):
        return value[1:]
    return _path_of_uri(value) if value.startswith(f"{URI}/") else value


def _is_valid(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _path_of_uri(uri: str) -> str:
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(URI)))


def _playable(path: str) -> str:
    """A path as it stands where a playlist can hold it, else its URI."""
    return path if _is_valid(path) and not set(path) & {"\n", "\r"} else Path(path).as_uri()
