"""`make bench` runs the benchmarks and writes docs/BENCHMARKS.md and docs/SCALE.md; `make bench BENCH_ARGS="growth"`
runs some.

Each `bench_<topic>.py` has `run() -> str`, one Markdown section. A section that was not run keeps its last text, with
the date and machine it was made on.
"""

import datetime
import importlib
import os
import platform
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
USUAL = "BENCHMARKS.md"
ELSEWHERE = {"growth": "SCALE.md", "cluster": "SCALE.md", "opening": "SCALE.md"}  # topic -> report
HEADERS = {
    USUAL: "# Benchmarks\n\nWritten by `make bench`; do not edit.\n",
    "SCALE.md": '# Scale\n\nWritten by `make bench BENCH_ARGS="cluster growth opening"`; do not edit.\n',
}
SECTION = re.compile(r"<!-- (?P<topic>\w+) -->\n(?P<text>.*?)<!-- end (?P=topic) -->\n", re.DOTALL)


def topics() -> list[str]:
    """The benchmarks there are, by file name."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def machine() -> str:
    """Processor, cores, memory and system in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = re.findall(r"model name\s*:\s*(.+)", cpuinfo.read_text(encoding="utf-8"))
        model = names[0] if names else model
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {pages:.0f} GiB, {system}"


def run_topic(topic: str) -> str:
    """One section with the line that says when and where it was made."""
    started = time.monotonic()
    text: str = importlib.import_module(f"benchmarks.bench_{topic}").run()
    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return f"{text.strip()}\n\n<sub>Made on {made} in {time.monotonic() - started:.0f} s on {machine()}.</sub>\n\n"


def main(wanted: list[str]) -> None:
    """Runs the wanted topics (all without arguments) and rewrites the report after each."""
    known = topics()
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        sys.exit(f"There is no benchmark named {', '.join(unknown)}; there are {', '.join(known)}.")
    for topic in wanted or known:
        write_section(topic, run_topic(topic))


def write_section(topic: str, text: str) -> None:
    """Puts a section into its report, among those that were written before."""
    name = ELSEWHERE.get(topic, USUAL)
    report = DOCS / name
    present = report.read_text(encoding="utf-8") if report.exists() else ""
    sections = {match["topic"]: match["text"] for match in SECTION.finditer(present)} | {topic: text}
    body = "".join(f"<!-- {of} -->\n{sections[of]}<!-- end {of} -->\n" for of in topics() if of in sections)
    report.write_text(f"{HEADERS[name]}\n{body}", encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
