"""What came out, as docs/RELIABILITY.md shows it: a score for each module, and every survivor with the reason."""

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "RELIABILITY.md"
RESULTS = HERE / "results.json"
START = "<!-- mutants: written by `make mutants`; do not edit -->\n"
SECTION = re.compile(f"(?<={START}).*(?=<!-- end mutants -->)", re.DOTALL)
UNEXPLAINED = "Not looked at yet."


@dataclass(frozen=True)
class Result:
    """What became of the mutants of a module that were `tried`; `state` is a digest of module and tests then."""

    mutants: int
    tried: int
    timed_out: int
    survivors: list[str]
    seconds: int
    state: str

    @property
    def killed(self) -> int:
        """Those that a test noticed, by failing or by not ending."""
        return self.tried - len(self.survivors)


def read_table() -> dict[str, list[str]]:
    """The tests of each module, in the order of modules.toml."""
    tests: dict[str, list[str]] = _settings()["tests"]
    return tests


def read_results() -> dict[str, Result]:
    """What came out last, by module."""
    if not RESULTS.exists():
        return {}
    return {name: Result(**result) for name, result in json.loads(RESULTS.read_text(encoding="utf-8")).items()}


def write_results(results: Mapping[str, Result]) -> None:
    """Keeps what came out, in the order of modules.toml."""
    kept = {name: asdict(results[name]) for name in read_table() if name in results}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_document(results: Mapping[str, Result]) -> None:
    """Puts the section into docs/RELIABILITY.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(SECTION.sub(lambda _: section(results), text), encoding="utf-8")


def section(results: Mapping[str, Result]) -> str:
    """Scores and survivors in Markdown."""
    return "\n".join([*_scores(results), "", *_survivors(results), ""])


def _scores(results: Mapping[str, Result]) -> Iterator[str]:
    tried = [name for name in read_table() if name in results]
    waiting = [f"`{name}`" for name in read_table() if name not in results]
    found = [results[name] for name in tried]
    n_tried, n_killed = sum(result.tried for result in found), sum(result.killed for result in found)
    n_mutants = sum(result.mutants for result in found)
    yield f"**{n_killed:,} of {n_tried:,} mutants killed ({_percent(n_killed, n_tried)})**; there are {n_mutants:,}."
    if waiting:
        yield f"Not tried yet: {', '.join(waiting)}."
    yield ""
    yield "| module | mutants | tried | killed | of these by not ending | s |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, result in zip(tried, found, strict=True):
        killed = f"{result.killed} ({_percent(result.killed, result.tried)})"
        yield f"| `{name}` | {result.mutants} | {result.tried} | {killed} | {result.timed_out} | {result.seconds} |"


def _survivors(results: Mapping[str, Result]) -> Iterator[str]:
    reasons = {(entry["module"], name): entry["why"] for entry in _settings()["survivors"] for name in entry["mutants"]}
    by_reason: dict[str, list[str]] = defaultdict(list)
    for module in (name for name in read_table() if name in results):
        for mutant in results[module].survivors:
            by_reason[reasons.get((module, mutant), UNEXPLAINED)].append(f"`{module}`: {_code(mutant)}")
    if by_reason:
        yield "Survivors:"
        yield ""
    for reason, mutants in by_reason.items():
        yield f"- {reason}"
        yield from (f"  - {mutant}" for mutant in mutants)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def _settings() -> dict[str, dict[str, list[str]]]:
    settings: dict[str, dict[str, list[str]]] = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))
    return settings
