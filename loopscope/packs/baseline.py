"""Findings that a studio has accepted: a file that goes into version control beside the pack.

Each is known again by the content of the loop and the kind of the finding, a file that cannot be read by its path. It
stays accepted as long as it is not worse than it was.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loopscope.errors import DataError, ExportError
from loopscope.files import display_name, read_named, write_named
from loopscope.packs.findings import UNCHECKED, WEIGHTS, Finding, uri_in

FORMAT, NAME = 1, "loopscope-baseline"
LARGEST_FILE = 2**28  # bytes: a million findings
Accepted = dict[tuple[str, str], int]  # (loop_id, or path of what is no loop; kind) -> weight of its level


def write_baseline(path: Path, findings: Iterable[Finding], root: Path) -> int:
    """Accept these findings but failed checks; returns how many lines were written. Raises ExportError."""
    lines = sorted({_line(one, root) for one in findings if one.level != UNCHECKED})
    rows = [dict(zip(("path", "loop_id", "kind", "level"), line, strict=True)) for line in lines]
    text = json.dumps({NAME: FORMAT, "accepted": rows}, indent=1)
    try:
        write_named(path, f"{text}\n".encode())
    except OSError as error:
        raise ExportError(f"Could not write {display_name(path)}: {error.strerror}; choose another place.") from error
    return len(rows)


def read_baseline(path: Path) -> Accepted:
    """What was accepted. Raises DataError."""
    try:
        found = json.loads(read_named(path, LARGEST_FILE).decode("utf-8"))
    except OSError as error:
        raise DataError(f"The baseline {display_name(path)} cannot be read ({error.strerror}); write one.") from error
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get(NAME) != FORMAT or not _are_lines(found.get("accepted")):
        raise DataError(f"{display_name(path)} is no baseline of loopscope; write one with --write-baseline.")
    accepted: Accepted = {}
    for row in found["accepted"]:
        key = (row["loop_id"] or row["path"], row["kind"])
        accepted[key] = max(WEIGHTS[row["level"]], accepted.get(key, 0))
    return accepted


def is_accepted(finding: Finding, accepted: Accepted, root: Path) -> bool:
    """Whether it was accepted, and is not worse than then; a failed check never is."""
    if finding.level == UNCHECKED:
        return False
    weight = accepted.get((finding.loop_id or uri_in(finding.path, root), finding.kind))
    return weight is not None and WEIGHTS[finding.level] <= weight


def _line(finding: Finding, root: Path) -> tuple[str, str, str, str]:
    return uri_in(finding.path, root), finding.loop_id, finding.kind, finding.level


def _are_lines(rows: Any) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("path", "loop_id", "kind", "level"))
        and row["level"] in WEIGHTS
        for row in rows
    )
