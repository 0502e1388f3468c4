"""The most anomalous loops of an archive as a library of their own, with what there is to say of the rest.

Nothing is heard anew: findings, tempo, key and bars are those that lie beside the embeddings. A file is opened only
where it lies below a folder that was indexed: on this machine's disks, as long as it was then, or at an address, from
where it is fetched when it is to be heard.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loopscope.analysis.scoring import ScoredLoops
from loopscope.archive.place import Place
from loopscope.archive.shown import Shown
from loopscope.arrays import Float
from loopscope.detection.thresholds import is_anomaly
from loopscope.embeddings import EmbeddingSet
from loopscope.faults.check import faults_frame, rows_of
from loopscope.faults.file_report import Report, is_report
from loopscope.files import display_name, is_address, path_from_text
from loopscope.library import Library
from loopscope.library.tables import Fetch, loops_frame, reasons_frame
from loopscope.metadata.collect import MetadataTable
from loopscope.metadata.table import METADATA_COLUMNS, metadata_frame, read_names
from loopscope.store.parsing import is_number
from loopscope.wording import counted

NUMBERS = {"duration_s": np.nan, "sample_rate": 0, "channels": 0, "size_bytes": 0, "mtime_ns": 0}  # where nobody says
MEASURED = ("n_bars", "loop_structure")
FROM_NAMES = ("loop_id", "path")

# Why a loop cannot be heard; a row of the list says what stands before the colon.
UNKNOWN = "No sound, as no path is known: the archive does not say where the file lies."
ELSEWHERE = "No sound, it lies elsewhere: copy it to this machine and index that folder to hear it."
AT_AN_ADDRESS = "No sound, it lies at an address: only whoever sits at the app's machine hears those."
OUTSIDE = "No sound, its folder is not open to this app: the app's owner names it in LOOPSCOPE_ROOTS."
GONE = "No sound, its file is gone: it was moved or deleted, or its disk is not connected; index its folder again."
CHANGED = "No sound, its file has changed: it has another size than when it was indexed; index its folder again."


@dataclass(frozen=True)
class Counts:
    """What is said of a whole archive: `scores` (n_loops,) of all its loops, ascending, of which `n_shown` are shown.

    `n_faulty`: loops that are not shown and in which the checks are sure of a fault.
    """

    scores: Float
    n_shown: int
    n_folders: int
    n_learnt: int
    n_faulty: int

    def n_flagged(self, threshold: float) -> int:
        """How many loops of the archive lie above a threshold."""
        return int(is_anomaly(self.scores, threshold).sum())

    def sentence(self, threshold: float) -> str:
        """What is shown of how many, and what is not."""
        n, flagged = len(self.scores), self.n_flagged(threshold)
        hidden, hidden_flagged = n - self.n_shown, max(0, flagged - self.n_shown)
        said = f"{counted(n, 'loop')} in {counted(self.n_folders, 'folder')}, {flagged:,} flagged"
        if not hidden:
            return f"{said}; all are here."
        faulty = f", the checks are sure of a fault in {self.n_faulty:,} of them" if self.n_faulty else ""
        return (
            f"{said}. Here are the {self.n_shown:,} most anomalous; {hidden:,} are not shown, "
            f"{hidden_flagged:,} of them flagged{faulty}."
        )


@dataclass(frozen=True)
class Top:
    """The shown loops as a page takes them; `scored` and `embeddings` have their rows in one order.

    `faults` is None where the checks have heard none of these loops.
    """

    library: Library
    metadata: MetadataTable
    faults: pd.DataFrame | None
    embeddings: EmbeddingSet
    scored: ScoredLoops
    counts: Counts


def top_of(shown: Shown, place: Place, may_open: Callable[[Path], bool], fetch: Fetch | None = None) -> Top:
    """These loops of the archive at `place`. `may_open` is asked for each folder that a sound is to be opened in;
    `fetch`: how sounds come from an address, None where they may not."""
    ids = shown.embeddings.loop_ids
    files, reports, metadata = (
        [_read(text) for text in shown.records.column(name).to_pylist()] for name in ("file", "report", "metadata")
    )
    library = _library(shown, place, files, may_open, fetch)
    found = {loop_id: _findings(report) for loop_id, report in zip(ids, reports, strict=True)}
    counts = Counts(
        shown.scores, len(ids), len(shown.folders), len(shown.scored.detector.scores_), shown.n_faulty_hidden
    )
    faults = faults_frame(rows_of(found, ids)) if any(reports) else None
    return Top(library, _metadata(library, metadata), faults, shown.embeddings, shown.scored, counts)


def _read(text: str | None) -> Mapping[str, Any]:
    """A record of a part; none where it is none, as in parts made elsewhere."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _findings(report: Mapping[str, Any]) -> Report:
    found = report.get("findings", [])
    return found if is_report(found) else []


def _library(
    shown: Shown,
    place: Place,
    files: Sequence[Mapping[str, Any]],
    may_open: Callable[[Path], bool],
    fetch: Fetch | None,
) -> Library:
    places, paths = _Places(shown.folders, may_open, fetch is not None), shown.records.column("path").to_pylist()
    rows, roots, silent = [], {}, {}
    for loop_id, text, file in zip(shown.embeddings.loop_ids, paths, files, strict=True):
        row: dict[str, Any] = {name: _number(file.get(name), usual) for name, usual in NUMBERS.items()}
        row |= {name: str(file.get(name) or "") for name in ("format", "subtype")}
        path, folder, root, reason = places.of(text, row["size_bytes"])
        name = display_name(path.rpartition("/")[2]) or loop_id
        rows.append({**row, "loop_id": loop_id, "path": path or loop_id, "name": name, "folder": display_name(folder)})
        roots[loop_id] = root
        if reason:
            silent[loop_id] = reason
    return Library(Path(place.path), loops_frame(rows), reasons_frame(), roots, silent, fetch)


class _Places:
    """Where files lie: below which indexed folder, and whether they may be opened. Folders are asked for once."""

    def __init__(self, folders: Sequence[str], may_open: Callable[[Path], bool], may_fetch: bool) -> None:
        self._may_open, self._may_fetch = may_open, may_fetch
        self._indexed = frozenset(path_from_text(folder) for folder in folders)
        self._known: dict[str, tuple[str, str, bool]] = {}

    def of(self, text: str, size_bytes: int) -> tuple[str, str, str, str]:
        """Path, folder to show, root, and why it cannot be heard, "" where it can."""
        path = path_from_text(text)
        if is_address(path):
            reason = ELSEWHERE if not self._is_indexed(path) else "" if self._may_fetch else AT_AN_ADDRESS
            return path, path.rpartition("/")[0], "", reason
        if not path.startswith("/"):
            return path, "", "", UNKNOWN
        parent = path.rpartition("/")[0] or "/"
        if parent not in self._known:
            self._known[parent] = self._looked_up(parent)
        folder, root, is_allowed = self._known[parent]
        return path, folder, root, _silence(path, size_bytes) if is_allowed else OUTSIDE

    def _is_indexed(self, address: str) -> bool:
        """Whether it lies below an address that was indexed: what else a record names is not asked for."""
        return any(address.startswith(f"{folder.rstrip('/')}/") for folder in self._indexed if is_address(folder))

    def _looked_up(self, parent: str) -> tuple[str, str, bool]:
        """Folder to show, root and whether it may be opened: the indexed folder, else the file's own."""
        above = (str(folder) for folder in (Path(parent), *Path(parent).parents))
        top = Path(next((folder for folder in above if folder in self._indexed), parent))
        try:
            root = top.resolve()
            return str(Path(top.name) / os.path.relpath(parent, top)), str(root), self._may_open(root)
        except (OSError, ValueError, RuntimeError):
            return parent, parent, False


def _silence(path: str, size_bytes: int) -> str:
    """Why a file on this machine cannot be heard; its size stands for its content, which is read when it is heard."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        return GONE
    return CHANGED if size_bytes and size != size_bytes else ""


def _number(value: Any, usual: float) -> float:
    if not is_number(value):
        return usual
    return float(value) if isinstance(usual, float) else int(value)


def _metadata(library: Library, known: Sequence[Mapping[str, Any]]) -> MetadataTable:
    """What names say, and of what was listened to what was found then; nothing is left to listen to."""
    named = read_names(library.loops)
    rows = [row | _of_its_kind(row, found) for row, found in zip(named.to_dict("records"), known, strict=True)]
    measured = {name: [_number(found.get(name), np.nan) for found in known] for name in MEASURED}
    return MetadataTable(metadata_frame(rows).assign(**measured))


def _of_its_kind(row: Mapping[Any, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `found` that are what such a field may be."""
    fields = [name for name in METADATA_COLUMNS if name not in FROM_NAMES and name in found]
    numeric = {name for name, value in row.items() if isinstance(value, float)}
    return {name: found[name] for name in fields if _fits(found[name], name in numeric)}


def _fits(value: Any, is_numeric: bool) -> bool:
    return value is None or (is_number(value) if is_numeric else isinstance(value, str))
