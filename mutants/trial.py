"""Runs tests against mutants: in a copy of the checkout, each in a process of its own.

What makes it quick: other people's packages are imported once, and a fork has them. A second process has imported the
tests too and collected them; a fork of that one gets the mutant's code (`replacing`), so that nothing is imported
again, unless the mutant differs in what runs on import. Of the tests that a module names those run first that went
through the mutant's line, of these those that noticed most mutants in the least time, until one fails. What they let
live the others try too: a child process may run the line, or a cache hides who does. Hypothesis stops at the first
example that fails and looks for no shorter one.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import hypothesis
import pytest

from mutants import forks
from mutants.mutations import Mutant
from mutants.replacing import functions_of, replace_code

ROOT = Path(__file__).resolve().parents[1]
IN_MEMORY = Path("/dev/shm")  # on Linux: what is flushed to the disk is flushed at once
COPIED = ("app.py", "pyproject.toml", ".streamlit", "assets", "benchmarks", "docs", "loopscope", "pages", "tests")
OPTIONS = ["-xq", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "--tb=line", "-o", "addopts="]
BASELINE_LIMIT_S = 600.0
SPARE_S = 10.0  # what a test may take beyond thrice its time; the machine may be busy
SLOW_S = 5.0  # a test that takes longer costs too much to be run for hundreds of mutants
START_S = 0.02  # about what a test costs beside its own time
NO_SUCH_TEST = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)
TOOK_TOO_LONG = 97  # the status of a fork in which one test did not end
IMPORT_ANEW = 98  # the status of a fork that cannot take the mutant's code


@dataclass(frozen=True)
class Baseline:
    """What the tests of a module do with it as it is."""

    seconds: dict[str, float]  # by test
    tests_of_line: dict[int, list[str]]
    import_lines: frozenset[int]  # that run while the tests are collected
    packages: list[str]  # modules of others that they imported

    @classmethod
    def read(cls, file: Path) -> Self:
        """What the process that ran the tests wrote."""
        told = json.loads(file.read_text(encoding="utf-8"))
        contexts = {int(line): tests for line, tests in told["contexts"].items()}
        tests_of_line = {line: [test for test in tests if test] for line, tests in contexts.items()}
        on_import = frozenset(line for line, tests in contexts.items() if "" in tests)
        return cls(told["seconds"], tests_of_line, on_import, told["packages"])

    def tests_for(self, line: int, kills: Counter[str]) -> tuple[list[str], list[str]]:
        """The tests that went through that line, and the others; in each, those first that noticed most for their time.

        Slow ones are left out, but for one where all that went through it are slow.
        """
        through = set(self.tests_of_line.get(line, []))
        ordered = sorted(self.seconds, key=lambda test: (self.seconds[test] + START_S) / (kills[test] + 1))
        quick = [test for test in ordered if self.seconds[test] < SLOW_S]
        first = [test for test in quick if test in through] or [test for test in ordered if test in through][:1]
        return first, [test for test in quick if test not in through]


class _Watch:
    """A plug-in of pytest: takes the time of each test, tells coverage which one runs, and notes the one that fails."""

    def __init__(self, noted: Path, coverage: Any = None) -> None:
        self.seconds: dict[str, float] = {}
        self._noted = noted
        self._coverage = coverage

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        """The copy's caches are warm: tests/conftest.py need not fill them in every process. Nobody is in a hurry."""
        config.workerinput = {}
        hypothesis.settings.register_profile(
            "mutants",
            deadline=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """One test."""
        if self._coverage is not None:
            self._coverage.switch_context(item.nodeid)
        started = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.monotonic() - started

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The end of a test."""
        if report.failed:
            self._noted.write_text(f"{report.nodeid}\n{report.longreprtext}", encoding="utf-8")


class _Collected:
    """A plug-in of pytest that, instead of running what was collected, forks for each mutant that it is asked about.

    Asked in JSON: source, limits (seconds by test, in their order), limit_s of all. Answered: the status of the fork.
    """

    def __init__(self, asked: Connection, module: Path) -> None:
        self._asked, self._module = asked, module

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Serves until nothing more is asked."""
        original = self._module.read_text(encoding="utf-8")
        functions = functions_of(self._module)
        items = {item.nodeid: item for item in session.items}
        gc.freeze()  # no fork looks through all of that again

        def work(source: str, limits: Mapping[str, float]) -> int:
            sys.dont_write_bytecode = True
            if not limits.keys() <= items.keys() or not replace_code(functions, original, source):
                return IMPORT_ANEW
            return _run_items(session, [(items[test], limit_s) for test, limit_s in limits.items()])

        with contextlib.suppress(EOFError):
            while True:
                asked = json.loads(self._asked.recv_bytes())
                status = forks.in_a_fork(partial(work, asked["source"], asked["limits"]), asked["limit_s"])
                self._asked.send_bytes(json.dumps(status).encode())
        return True


class Trial:
    """A copy of the checkout in which one module is made wrong, again and again."""

    def __init__(self, folder: Path, module: Path, tests: Sequence[str], stack: ExitStack) -> None:
        """`module` and `tests` as paths in the checkout. Raises RuntimeError where a test fails without a mutant."""
        self._folder, self._module, self._tests = folder, folder / module, list(tests)
        self._name = ".".join(module.with_suffix("").parts)
        self._log, self._noted = folder / "log.txt", folder / "noted.txt"
        self._kills: Counter[str] = Counter()
        for name in COPIED:
            place = ROOT / name
            copy = shutil.copytree if place.is_dir() else shutil.copy2
            copy(place, folder / name)
        self._original = self._module.read_text(encoding="utf-8")
        self.baseline = self._measured()
        self._collected = stack.enter_context(self._waiting())
        _, every = self.baseline.tests_for(0, self._kills)
        self._expect_success(self._status(self._original, every, BASELINE_LIMIT_S))

    def outcome(self, mutant: Mutant) -> str:
        """ "killed", "timed out" or "survived"."""
        status: int | None = 0
        self._noted.unlink(missing_ok=True)
        with self._changed(mutant.source):
            for tests in self.baseline.tests_for(mutant.line, self._kills):
                if tests and status == 0:
                    status = self._tried(mutant, tests)
        if self._noted.exists():
            self._kills[self._noted.read_text(encoding="utf-8").partition("\n")[0]] += 1
        return {0: "survived", None: "timed out", TOOK_TOO_LONG: "timed out"}.get(status, "killed")

    def _tried(self, mutant: Mutant, tests: Sequence[str]) -> int | None:
        """The status of these tests with the mutant."""
        limit_s = 2 * SPARE_S + 3 * sum(self.baseline.seconds[test] for test in tests)
        status: int | None = IMPORT_ANEW
        if mutant.line not in self.baseline.import_lines:
            status = self._status(mutant.source, tests, limit_s)
        if status == IMPORT_ANEW:
            status = self._in_a_fork(lambda: self._run(tests), limit_s)
        if status in NO_SUCH_TEST:  # cases that are taken from the module have other names now
            status = self._in_a_fork(lambda: self._run(self._tests), limit_s)
        return status

    def _measured(self) -> Baseline:
        """Runs the tests on the module as it is, and imports here what they imported."""
        told = self._folder / "baseline.json"
        self._expect_success(self._in_a_fork(lambda: self._measure(told), BASELINE_LIMIT_S))
        found = Baseline.read(told)
        for name in found.packages:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        gc.freeze()
        return found

    def _measure(self, told: Path) -> int:
        import coverage

        tracer = coverage.Coverage(data_file=None, include=[str(self._module)], config_file=False)
        tracer.start()
        importlib.import_module(self._name)  # else the first test that imports it had all the lines to itself
        watch = _Watch(self._noted, tracer)
        status = self._run(self._tests, watch)
        tracer.switch_context("")
        tracer.stop()
        contexts = tracer.get_data().contexts_by_lineno(str(self._module))
        report = {"seconds": watch.seconds, "contexts": contexts, "packages": _packages_of_others(self._folder)}
        told.write_text(json.dumps(report), encoding="utf-8")
        return status

    @contextmanager
    def _waiting(self) -> Iterator[Connection]:
        """A process that has collected the tests, by the pipe through which it is asked."""
        ours, theirs = Pipe()

        def work() -> int:
            ours.close()
            self._enter()
            importlib.import_module(self._name)
            return self._run(self._tests, _Watch(self._noted), _Collected(theirs, self._module))

        child = forks.begin(work)
        theirs.close()
        try:
            yield ours
        finally:
            ours.close()
            forks.end(child)

    def _status(self, source: str, tests: Sequence[str], limit_s: float) -> int | None:
        """What the fork of the process that has collected the tests says."""
        limits = {test: SPARE_S + 3 * self.baseline.seconds[test] for test in tests}
        self._collected.send_bytes(json.dumps({"source": source, "limits": limits, "limit_s": limit_s}).encode())
        try:
            status: int | None = json.loads(self._collected.recv_bytes())
        except EOFError:
            raise RuntimeError(f"The process that collected the tests ended:\n{self._said()}") from None
        return status

    def _expect_success(self, status: int | None) -> None:
        if status != 0:
            noted = self._noted.read_text(encoding="utf-8") if self._noted.exists() else "no test"
            raise RuntimeError(f"Without a mutant {noted} fails (status {status}):\n{self._said()}")

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def _changed(self, source: str) -> Iterator[None]:
        for compiled in (self._module.parent / "__pycache__").glob(f"{self._module.stem}.*"):
            compiled.unlink()
        self._module.write_text(source, encoding="utf-8")
        try:
            yield
        finally:
            self._module.write_text(self._original, encoding="utf-8")

    def _in_a_fork(self, work: Any, limit_s: float) -> int | None:
        def entered() -> int:
            self._enter()
            return int(work())

        return forks.in_a_fork(entered, limit_s)

    def _run(self, tests: Iterable[str], *plugins: object) -> int:
        sys.dont_write_bytecode = not plugins  # nothing of a mutant outlives it
        with tempfile.TemporaryDirectory(prefix="tests-", dir=".", ignore_cleanup_errors=True) as place:
            arguments = [*OPTIONS, f"--basetemp={place}/base", *tests]
            return int(pytest.main(arguments, plugins=list(plugins) or [_Watch(self._noted)]))

    def _enter(self) -> None:
        """From here on this process, and those that it starts, know the copy only."""
        os.chdir(self._folder)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.path[:] = [str(self._folder), *(place for place in sys.path if place and Path(place).resolve() != ROOT)]
        sys.modules["__main__"] = ModuleType("__main__")  # which child processes would run
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = io.TextIOWrapper(io.FileIO(1, "w")), io.TextIOWrapper(io.FileIO(2, "w"))


@contextmanager
def trial(module: Path, tests: Sequence[str]) -> Iterator[Trial]:
    """The trial of a module in a copy that is removed at the end."""
    place = IN_MEMORY if IN_MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="loopscope-mutants-", dir=place, ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        yield Trial(Path(folder).resolve(), module, tests, stack)


def _run_items(session: pytest.Session, items: Sequence[tuple[pytest.Item, float]]) -> int:
    """One after the other until one fails, or takes longer than its limit."""
    following = [*(item for item, _ in items[1:]), None]
    for (item, limit_s), after in zip(items, following, strict=True):
        alarm = threading.Timer(limit_s, os._exit, (TOOK_TOO_LONG,))  # SIGALRM belongs to pytest-timeout
        alarm.daemon = True
        alarm.start()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        alarm.cancel()
        if session.testsfailed:
            return 1
    return 0


def _packages_of_others(folder: Path) -> list[str]:
    """In the order in which they were imported: some do not bear another (asyncio loses its tasks after _asyncio)."""
    places = ((name, getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items()))
    return [name for name, place in places if place and folder not in Path(place).parents and name != "__main__"]
