"""The rules of a pack, as its studio writes them into a TOML file.

fail-on = "suspect"                 # or "fault", "outlier"
ignore = ["hum", "silence"]         # or select = [...]: these kinds alone
notes = true                        # show what is worth knowing and breaks nothing too
baseline = "accepted.json"          # as seen from this file
[limits.clipping]                   # scores in the unit of `faults.limits`
fault = 16
[expected]
sample-rate = [44100, 48000]        # Hz
bit-depth = 24
tempo = [80, 160]                   # BPM, lowest and highest
name = '[A-Z][a-z]+_\\d+_.*'         # a regular expression for the whole name
loudness = [-24, -9]                # LUFS, lowest and highest
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopscope.errors import DataError
from loopscope.faults import LIMITS
from loopscope.files import display_name, is_file, read_named
from loopscope.packs.expected import Expected, Range
from loopscope.packs.findings import FAILING, KINDS
from loopscope.store.parsing import is_number

LARGEST_FILE = 2**20  # bytes


@dataclass(frozen=True)
class Rules:
    """What to look for, and what makes a pack fail. Without any: every kind, and faults fail it."""

    fail_on: str = "fault"
    select: frozenset[str] = frozenset()  # empty: every kind
    ignore: frozenset[str] = frozenset()
    notes: bool = False
    baseline: Path | None = None
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    expected: Expected = field(default_factory=Expected)


def known_kinds(kinds: Collection[str]) -> frozenset[str]:
    """The same, if each is a kind of finding. Raises DataError."""
    unknown = sorted(set(kinds) - KINDS.keys())
    if unknown:
        raise DataError(f"There is no kind of finding {unknown[0]!r}; choose among {', '.join(KINDS)}.")
    return frozenset(kinds)


def read_rules(path: Path) -> Rules:
    """The rules in a file. Raises DataError, in a sentence that names the file and what is wrong in it."""
    try:
        return _rules(tomllib.loads(read_named(path, LARGEST_FILE).decode("utf-8")), path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, re.error, OverflowError, RecursionError) as error:  # no TOML, no UTF-8, too many or too deep
        reason = str(error).partition("\n")[0]
    except DataError as error:
        reason = str(error).rstrip(".")
    raise DataError(f"The rules in {display_name(path)} cannot be used ({reason}); correct that file.")


def _rules(found: Mapping[str, Any], folder: Path) -> Rules:
    _only(found, ("fail-on", "select", "ignore", "notes", "baseline", "limits", "expected"), "the file")
    baseline = folder / _right(found["baseline"], str, "baseline") if "baseline" in found else None
    if baseline is not None and baseline.exists() and not is_file(baseline):  # who wrote the rules may be a stranger
        raise DataError(f"baseline is {str(baseline)!r}, which is no regular file")
    return Rules(
        fail_on=_one_of(found.get("fail-on", "fault"), FAILING, "fail-on"),
        select=known_kinds(_texts(found.get("select", []), "select")),
        ignore=known_kinds(_texts(found.get("ignore", []), "ignore")),
        notes=bool(_right(found.get("notes", False), bool, "notes")),
        baseline=baseline,
        limits=_limits(_right(found.get("limits", {}), dict, "limits")),
        expected=_expected(_right(found.get("expected", {}), dict, "expected")),
    )


def _expected(found: Mapping[str, Any]) -> Expected:
    _only(found, ("sample-rate", "bit-depth", "tempo", "name", "loudness"), "[expected]")
    return Expected(
        sample_rates=_whole_numbers(found.get("sample-rate", []), "sample-rate"),
        bit_depths=_whole_numbers(found.get("bit-depth", []), "bit-depth"),
        tempo=_range(found.get("tempo"), "tempo"),
        name=re.compile(_right(found["name"], str, "name")) if "name" in found else None,
        loudness=_range(found.get("loudness"), "loudness"),
    )


def _limits(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    for kind, change in found.items():
        _one_of(kind, LIMITS, "[limits]")
        _only(_right(change, dict, kind), ("suspect", "fault"), f"[limits.{kind}]")
        if not all(map(is_number, change.values())):
            raise DataError(f"[limits.{kind}] has {change!r} where numbers are due")
    return {kind: dict(change) for kind, change in found.items()}


def _only(found: Mapping[str, Any], known: Collection[str], place: str) -> None:
    unknown = next((name for name in found if name not in known), None)
    if unknown is not None:
        raise DataError(f"{place} has {unknown!r}, which is none of {', '.join(known)}")


def _right(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise DataError(f"{name} is {value!r}, which is no {_IN_WORDS[kind]}")
    return value


_IN_WORDS = {str: "text", bool: "true or false", dict: "table"}


def _one_of(value: Any, known: Collection[str], name: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise DataError(f"{name} has {value!r}, which is none of {', '.join(known)}")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError(f"{name} is {value!r}, which is no list of texts")
    return value


def _whole_numbers(value: Any, name: str) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(type(item) is int and item > 0 for item in values):
        raise DataError(f"{name} is {value!r}, which is no whole number and no list of them")
    return tuple(values)


def _range(value: Any, name: str) -> Range | None:
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2 and all(map(is_number, value)) and value[0] <= value[1]):
        raise DataError(f"{name} is {value!r}, which is no [lowest, highest]")
    return float(value[0]), float(value[1])
