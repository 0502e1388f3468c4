"""Places in loops to take away: where a loop is oddest, and what the signal checks have found when.

Conventions: a table has one row a marker: loop_id, path, start_s, end_s (seconds; equal for a point), label, kind
("odd", else a kind of fault), odd (how many times as far from other loops as a typical moment; NaN for a fault). Labels
are printable ASCII, as every program that knows markers can show.
"""

import io
import math
import re
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pandas as pd

from loopscope.analysis.moments import Moments, around
from loopscope.analysis.triage import TITLES
from loopscope.exports.wave_cues import Cue
from loopscope.files import display_name

ODD = "odd"
MOST_FOUND = 1_000  # some seconds, for which somebody waits
COLUMNS = ("loop_id", "path", "start_s", "end_s", "label", "kind", "odd")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]')  # in a name on some system
Found = tuple[float, float, str, str, float]  # start_s, end_s, label, kind, odd


def markers_of(
    rows: pd.DataFrame, faults: pd.DataFrame, find: Callable[[str], Moments | None] = lambda loop_id: None
) -> pd.DataFrame:
    """Of the files of `rows` (loop_id, path, duration_s), in their order, in each by time.

    `faults`: loop_id, kind, verdict, times (seconds). `find`: where a loop is oddest, None where nobody knows; asked of
    the first MOST_FOUND loops.
    """
    found: dict[str, list[Found]] = {}
    for loop_id, duration_s in zip(rows["loop_id"], rows["duration_s"], strict=True):
        if loop_id not in found:
            found[loop_id] = _oddest(find(loop_id), float(duration_s)) if len(found) < MOST_FOUND else []
    for row in faults.loc[faults["loop_id"].isin(found.keys())].to_dict("records"):
        found[row["loop_id"]] += _fault(row["kind"], row["verdict"], row["times"])
    markers = [
        (loop_id, path, *marker)
        for loop_id, path in zip(rows["loop_id"], rows["path"], strict=True)
        for marker in sorted(found[loop_id], key=lambda marker: marker[:3])
    ]
    table = pd.DataFrame(markers, columns=list(COLUMNS), dtype=object)  # a path may be no valid text
    return table.astype({"start_s": float, "end_s": float, "odd": float})


def _oddest(moments: Moments | None, duration_s: float) -> list[Found]:
    if moments is None:
        return []
    start_s, end_s = around(moments.at_s, duration_s)
    return [(start_s, end_s, f"listen here ({moments.odd:.1f} x typical)", ODD, moments.odd)]


def _fault(kind: str, verdict: str, times_s: Collection[float]) -> list[Found]:
    title = TITLES.get(kind, kind)
    label = title if verdict == "fault" else f"perhaps {title.lower()}"
    return [(float(at_s), float(at_s), label, kind, math.nan) for at_s in times_s]


def cues_of(markers: pd.DataFrame) -> dict[str, list[Cue]]:
    """The markers of each file, by path."""
    found: dict[str, list[Cue]] = {}
    for path, *cue in zip(*(markers[column] for column in ("path", "start_s", "end_s", "label")), strict=True):
        found.setdefault(path, []).append(Cue(*cue))
    return found


def audacity_labels(cues: Sequence[Cue]) -> bytes:
    """One file's markers as Audacity imports a label track: start, end and label a line, tabs between them."""
    return "".join(f"{cue.start_s:.6f}\t{cue.end_s:.6f}\t{cue.label}\n" for cue in cues).encode()


def labels_zip(markers: pd.DataFrame, root: Path) -> bytes:
    """A label track for each file that has markers, in the folders of `root` where the file lies below it."""
    content = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, cues in cues_of(markers).items():
            archive.writestr(_free(_place(Path(path), root), taken), audacity_labels(cues))
    return content.getvalue()


def _place(path: Path, root: Path) -> str:
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    parts = [_UNSAFE.sub("_", display_name(part)) for part in inside.parts]
    return "/".join(part if part.strip(". ") else "_" for part in parts)


def _free(name: str, taken: set[str]) -> str:
    """The name with ".txt", numbered where another file has it, upper and lower case alike."""
    number = 1
    while (free := f"{name}.txt" if number == 1 else f"{name} ({number}).txt").casefold() in taken:
        number += 1
    taken.add(free.casefold())
    return free
