"""Each promise of docs/RELIABILITY.md names tests, and each of them exists."""

import ast
import re
from pathlib import Path

from mutants import report

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "RELIABILITY.md"
NAMED = re.compile(r"`(test_\w+)`")


def known_tests() -> set[str]:
    """The names of all test functions."""
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tests").rglob("test_*.py")]
    return {node.name for source in sources for node in ast.walk(source) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    missing = set(NAMED.findall(DOCUMENT.read_text(encoding="utf-8"))) - known_tests()
    assert not missing


def test_every_promise_names_a_test() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    tables = re.findall(r"^\| promise \| kept by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert len(tables) == text.count("| promise |"), "every table of promises is read"
    promises = [row for table in tables for row in table.splitlines()]
    assert promises
    assert not [row for row in promises if not NAMED.search(row.rpartition(" | ")[2])]


def test_the_mutants_are_those_that_the_command_counted_and_each_survivor_has_a_reason() -> None:
    (shown,) = report.SECTION.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert shown == report.section(report.read_results()), "make mutants writes this"
    assert report.UNEXPLAINED not in shown
