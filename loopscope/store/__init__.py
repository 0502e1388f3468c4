"""The one SQLite file: what was found in files, embeddings, faults, measurements, triage marks, settings and projects.

Conventions: everything about sound is keyed by `loop_id` (content hash), file rows by (path, size, mtime_ns). Paths are
kept as the bytes the file system uses, so that names in invalid UTF-8 survive. Vectors are little-endian float32 with
a checksum; a vector that does not match it is treated as absent. Each put is one transaction.
"""

from loopscope.store.database import Database
from loopscope.store.records import FileKey, FileRow, Mark, ProjectRow
from loopscope.store.store import Store

__all__ = ["Database", "FileKey", "FileRow", "Mark", "ProjectRow", "Store"]
