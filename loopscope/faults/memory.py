"""What the checks said of each loop before, and which of them are to hear it again.

The store keeps one report a loop and set of checks; a set is all checks that made a report, each at its version, and
has a name. What a name stands for is kept beside the reports, so that a report of another set (an older loopscope's,
one by other limits, one that a check failed in) is true as far as its checks are those of now: of a check that is gone
nothing is shown, and only what is new or changed is due.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from loopscope.faults.base import CHECK_FAILED
from loopscope.faults.file_report import FileReport, Report, StoredReport, is_stored_report
from loopscope.faults.limits import SILENCED_BY
from loopscope.faults.registry import check_versions, silenced_by
from loopscope.store import Store
from loopscope.store.store import ReportTable

TABLE: ReportTable = "faults"
SETS = "sets of checks"  # stands for a version where the table keeps what each name stands for

Versions = Mapping[str, str]  # of checks, by kind of finding


@dataclass(frozen=True)
class Known:
    """What still holds of an earlier `report`, and the kinds of finding whose checks are `due`."""

    report: StoredReport
    due: frozenset[str]


@dataclass
class ReportMemory:
    """Where the reports of loops at these tempi last, as `batches.Memory` has it: whole ones are recalled.

    `on_partly` gets the findings by loop_id of the others, as far as they hold, when they are first met; `partly` has
    them.
    """

    store: Store
    tempi: Mapping[str, float | None]
    on_partly: Callable[[Mapping[str, Report]], None]
    partly: dict[str, Known] = field(default_factory=dict)

    def recall(self, loop_ids: Collection[str]) -> dict[str, FileReport]:
        """The reports of loops that every check of now has heard."""
        known = known_reports(self.store, self.tempi, loop_ids)
        met = {loop_id: one for loop_id, one in known.items() if one.due and loop_id not in self.partly}
        self.partly |= met
        if met:
            self.on_partly({loop_id: one.report["findings"] for loop_id, one in met.items()})
        return {loop_id: {**one.report, "failed": []} for loop_id, one in known.items() if not one.due}

    def remember(self, reports: Mapping[str, FileReport]) -> None:
        """Keep them; see `keep_reports`."""
        keep_reports(self.store, reports)


def known_reports(store: Store, tempi: Mapping[str, float | None], loop_ids: Collection[str]) -> dict[str, Known]:
    """By loop_id what is known of loops at their present tempo: that which leaves least to do."""
    now = check_versions()
    sets = store.get_reports(TABLE, None, SETS, _is_set) | {name_of(now): now}
    known: dict[str, Known] = {}
    by_changes = sorted(sets.items(), key=lambda one: len(_changed(one[1], now)))
    for _, alike in groupby(by_changes, key=lambda one: len(_changed(one[1], now))):
        missing = [loop_id for loop_id in loop_ids if loop_id not in known]
        if not missing:
            break
        for name, versions in alike:
            changed = _changed(versions, now)
            for loop_id, report in store.get_reports(TABLE, missing, name, is_stored_report).items():
                if report["tempo_bpm"] == tempi[loop_id]:
                    one = _still_true(report, changed, now) if changed else Known(report, frozenset())
                    if loop_id not in known or len(one.due) < len(known[loop_id].due):
                        known[loop_id] = one
    return known


def keep_reports(store: Store, reports: Mapping[str, FileReport]) -> None:
    """Keep reports by loop_id, each as one of those checks that did not fail in it."""
    now = check_versions()
    by_failed: dict[tuple[str, ...], dict[str, StoredReport]] = {}
    for loop_id, report in reports.items():
        findings = [row for row in report["findings"] if row["kind"] != CHECK_FAILED]
        stored: StoredReport = {"tempo_bpm": report["tempo_bpm"], "findings": findings, "values": report["values"]}
        by_failed.setdefault(tuple(sorted(report["failed"])), {})[loop_id] = stored
    for failed, kept in by_failed.items():
        versions = {kind: version for kind, version in now.items() if kind not in failed}
        store.put_reports(TABLE, {name_of(versions): versions}, SETS)
        store.put_reports(TABLE, kept, name_of(versions))


def joined(known: StoredReport, fresh: FileReport) -> FileReport:
    """The report of all checks, some of which have just heard the loop, as if all had."""
    findings, values = known["findings"] + fresh["findings"], known["values"] | fresh["values"]
    silenced = silenced_by({row["kind"] for row in findings})
    order = {kind: number for number, kind in enumerate(check_versions())}
    said = [row for row in findings if row["kind"] not in silenced]
    return {
        "tempo_bpm": fresh["tempo_bpm"],
        "findings": sorted(said, key=lambda row: (-row["strength"], order.get(row["kind"], len(order)))),
        "values": {kind: value for kind, value in values.items() if kind not in silenced},
        "failed": fresh["failed"],
    }


def version() -> str:
    """Names all checks of now at their versions, by the limits in force; changes with any."""
    return name_of(check_versions())


def name_of(versions: Versions) -> str:
    """The name of a set of checks."""
    return "checks " + hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:16]


def _still_true(report: StoredReport, changed: set[str], now: Versions) -> Known:
    """What holds of a report whose checks have `changed`; what one of these silenced, was never heard."""
    spoke = {row["kind"] for row in report["findings"]}
    unheard = {kind for kind, others in SILENCED_BY.items() if changed & spoke & set(others)}
    gone = changed | unheard
    findings = [row for row in report["findings"] if row["kind"] not in gone]
    values = {kind: value for kind, value in report["values"].items() if kind not in gone}
    left: StoredReport = {"tempo_bpm": report["tempo_bpm"], "findings": findings, "values": values}
    return Known(left, frozenset(gone & now.keys()))


def _changed(before: Versions, now: Versions) -> set[str]:
    return {kind for kind in before.keys() | now.keys() if before.get(kind) != now.get(kind)}


def _is_set(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
