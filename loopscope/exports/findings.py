"""The findings of a pack as lines of text, JSON, SARIF 2.1.0 and JUnit, each as bytes in UTF-8.

The name of a file may be any bytes. A line of text has them as they are, less control characters, which become `\\xNN`;
JSON has a file:// URI where they are no UTF-8; SARIF and JUnit have the path percent-encoded.
"""

import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # written only, never read

from loopscope import __version__
from loopscope.exports.tables import record_bytes
from loopscope.faults import LIMITS
from loopscope.faults.limits import changed_limits
from loopscope.files import display_name
from loopscope.packs.check import PackReport
from loopscope.packs.findings import KINDS, UNCHECKED, Finding, Level, uri_in
from loopscope.wording import in_line

SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SARIF_LEVELS: dict[Level, str] = {
    "unchecked": "error",
    "fault": "error",
    "suspect": "warning",
    "outlier": "warning",
    "note": "note",
}
FOLDER = "FOLDER"
_NO_XML = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text_bytes(report: PackReport, folder: str) -> bytes:
    """A line a finding, `path:seconds: kind: sentence`, paths as seen from where `folder` was named."""
    lines = (_line(one, report.library.root, folder) for one in report.findings)
    return "".join(f"{in_line(line)}\n" for line in lines).encode("utf-8", "surrogateescape")


def findings_json(report: PackReport) -> bytes:
    """One object: the folder, counts by level, whether it failed, and a row a finding."""
    return record_bytes(
        {
            "loopscope": __version__,
            "folder": str(report.library.root),
            "files": len(report.library.loops) + len(report.library.rejected),
            "fail_on": report.rules.fail_on,
            "failed": report.failed,
            "counts": report.counts,
            "accepted": report.accepted,
            "findings": [_record(one) for one in report.findings],
        }
    )


def sarif_bytes(report: PackReport) -> bytes:
    """A SARIF 2.1.0 log with one run. A sound has no lines: a result is about the whole file and has its seconds."""
    kinds = sorted({one.kind for one in report.findings})
    root, loops = report.library.root, report.library.loops
    sizes = dict(zip(loops["path"], loops["size_bytes"].tolist(), strict=True))
    with changed_limits(report.rules.limits):  # those it was checked by
        rules = [_rule(kind) for kind in kinds]
    driver = {"name": "loopscope", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not report.unchecked}],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {FOLDER: {"uri": f"{root.as_uri().rstrip('/')}/"}},
        "results": [_result(one, kinds.index(one.kind), root, sizes.get(one.path)) for one in report.findings],
    }
    return record_bytes({"$schema": SARIF, "version": "2.1.0", "runs": [run]})


def junit_bytes(report: PackReport) -> bytes:
    """JUnit XML: a test case a file: a failure where a finding makes the pack fail, an error where a check failed."""
    root = report.library.root
    paths = sorted([*report.library.loops["path"], *report.library.rejected["path"]], key=os.fsencode)
    of_file: dict[str, list[Finding]] = {path: [] for path in paths}
    for one in report.findings:
        of_file[one.path].append(one)
    wrong = {
        path: [one for one in found if one.level == UNCHECKED or report.fails(one)] for path, found in of_file.items()
    }
    tags = {path: "error" if found[0].level == UNCHECKED else "failure" for path, found in wrong.items() if found}
    said = Counter(tags.values())
    counts = {"tests": str(len(paths)), "failures": str(said["failure"]), "errors": str(said["error"])}
    top = ElementTree.Element("testsuites", {"name": "loopscope check", **counts})
    suite = ElementTree.SubElement(top, "testsuite", {"name": _xml_text(str(root)), **counts, "skipped": "0"})
    for path, found in of_file.items():
        place, name = os.path.split(os.path.relpath(path, root))
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml_text(place or "."), name=_xml_text(name), file=uri_in(path, root)
        )
        if wrong[path]:
            main = wrong[path][0]
            element = ElementTree.SubElement(case, tags[path], type=main.kind, message=_xml_text(main.said))
            element.text = _xml_lines(wrong[path])
        if passing := [one for one in found if one not in wrong[path]]:
            ElementTree.SubElement(case, "system-out").text = _xml_lines(passing)
    ElementTree.indent(top)
    return bytes(ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)) + b"\n"


def _line(finding: Finding, root: Path, folder: str) -> str:
    place = os.path.normpath(Path(folder) / os.path.relpath(finding.path, root))
    when = f"{finding.times_s[0]:.3f}:" if finding.times_s else ""
    return f"{place}:{when} {finding.kind}: {finding.said}"


def _record(finding: Finding) -> dict[str, Any]:
    said = {name: getattr(finding, name) for name in ("path", "loop_id", "kind", "level", "sentence", "strength")}
    return {**said, "seconds": finding.times_s}


def _rule(kind: str) -> dict[str, Any]:
    name = kind.title().replace("_", "")
    rule: dict[str, Any] = {"id": kind, "name": name, "shortDescription": {"text": KINDS[kind]}}
    if kind in LIMITS:
        limit = LIMITS[kind]
        text = f"Suspected from {limit.suspect:g} {limit.unit}, sure from {limit.fault:g}. {limit.source}."
        rule["fullDescription"] = {"text": text}
    return rule


def _result(finding: Finding, rule: int, root: Path, n_bytes: int | None) -> dict[str, Any]:
    uri = uri_in(finding.path, root)
    region = {} if n_bytes is None else {"region": {"byteOffset": 0, "byteLength": n_bytes}}
    known_by = hashlib.sha256(f"{finding.loop_id or uri} {finding.kind}".encode()).hexdigest()
    return {
        "ruleId": finding.kind,
        "ruleIndex": rule,
        "level": SARIF_LEVELS[finding.level],
        "message": {"text": display_name(finding.said)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": FOLDER}, **region}}],
        "partialFingerprints": {"loopAndKind/v1": known_by},
        "properties": {"seconds": finding.times_s, "strength": finding.strength, "level": finding.level},
    }


def _xml_lines(findings: list[Finding]) -> str:
    def when(one: Finding) -> str:
        return f" at {one.times_s[0]:.3f} s" if one.times_s else ""

    return _xml_text("\n".join(f"{one.kind}{when(one)}: {in_line(one.said)}" for one in findings))


def _xml_text(text: str) -> str:
    """What XML can hold of a text and no terminal obeys: anything else as `\\xNN`."""
    return _NO_XML.sub(lambda sign: f"\\x{ord(sign[0]):02x}", display_name(text))
