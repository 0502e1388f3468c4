"""Taking a list away: CSV, JSON, Parquet, HTML, M3U8, and a folder of copied or moved files that can be undone.

Conventions: tables have one row per file and a `path` column with absolute paths, invalid UTF-8 as surrogates. Copies
appear whole or not at all. Nothing that exists is ever overwritten.
"""

from loopscope.exports.copying import CopyItem, CopyPlan, execute, plan_copy
from loopscope.exports.tables import csv_bytes, html_bytes, json_bytes, m3u8_bytes, parquet_bytes, record_bytes
from loopscope.exports.undo import UndoReport, undo

__all__ = [
    "CopyItem",
    "CopyPlan",
    "UndoReport",
    "csv_bytes",
    "execute",
    "html_bytes",
    "json_bytes",
    "m3u8_bytes",
    "parquet_bytes",
    "plan_copy",
    "record_bytes",
    "undo",
]
