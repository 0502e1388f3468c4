"""Taking a list away: CSV, M3U8, and a folder of copied or moved files that can be undone.

Conventions: tables have one row per file and a `path` column with absolute paths, invalid UTF-8 as surrogates. Text
files are UTF-8 and appear whole or not at all. Nothing that exists is ever overwritten.
"""

from loopscope.exports.copying import CopyItem, CopyPlan, execute, plan_copy
from loopscope.exports.files import display, write_new_file
from loopscope.exports.tables import csv_bytes, m3u8_bytes, read_csv, write_csv, write_m3u8
from loopscope.exports.undo import UndoReport, undo

__all__ = [
    "CopyItem",
    "CopyPlan",
    "UndoReport",
    "csv_bytes",
    "display",
    "execute",
    "m3u8_bytes",
    "plan_copy",
    "read_csv",
    "undo",
    "write_csv",
    "write_m3u8",
    "write_new_file",
]
