"""A folder of loops as two tables: what can be heard, and what was left out and why.

Conventions: one row per file in the order of the paths' bytes; `loop_id` is the hash of the content, so that copies
share it; paths are absolute and exact (invalid UTF-8 as surrogates, in columns of dtype object), while `name` and
`folder` are always valid Unicode. Durations are seconds, sizes bytes, times ns.
"""

from loopscope.library.changes import Changes, changes_between
from loopscope.library.scan import scan_file, scan_folder
from loopscope.library.statistics import library_statistics
from loopscope.library.subfolders import list_subfolders
from loopscope.library.tables import LOOP_COLUMNS, Library
from loopscope.library.walk import suffixes_below

__all__ = [
    "LOOP_COLUMNS",
    "Changes",
    "Library",
    "changes_between",
    "library_statistics",
    "list_subfolders",
    "scan_file",
    "scan_folder",
    "suffixes_below",
]
