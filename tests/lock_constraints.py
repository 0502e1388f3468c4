"""Writes constraints.txt: every package that requirements.txt pulls in, at the version installed here (make lock)."""

import re
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
HEADER = "# Every package the app pulls in, at the version the tests ran with (made by: make lock).\n"


def names_in(requirements: Path) -> list[str]:
    """The distributions named in a requirements file."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    return [Requirement(line).name for line in lines if line and not line.startswith("-")]


def closure(names: list[str]) -> dict[str, str]:
    """Installed versions of `names` and of everything they require here, by normalised name."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
        needed = (Requirement(line) for line in requires(name) or [])
        waiting += [item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})]
    return found


if __name__ == "__main__":
    pins = closure(names_in(ROOT / "requirements.txt"))
    lines = [f"{name}=={pins[name]}\n" for name in sorted(pins)]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines), encoding="utf-8")
