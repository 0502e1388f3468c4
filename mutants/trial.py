"""Runs tests against mutants: in a copy of the checkout, each in a process of its own.

What makes it quick: other people's packages are imported once, and a fork has them; of the tests that a module names
only those run that went through the mutant's line, the quickest first, until one fails. A line that no test went
through in its own process may be run by a child process, or as the module is imported: then all tests run.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import hypothesis
import pytest

from mutants.mutations import Mutant

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("app.py", "pyproject.toml", ".streamlit", "assets", "benchmarks", "docs", "loopscope", "pages", "tests")
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "--tb=no", "-o", "addopts="]
BASELINE_LIMIT_S = 600.0
SPARE_S = 20.0  # what a mutant may take beyond thrice the time of its tests; the machine may be busy
SLOW_S = 5.0  # a test that takes longer costs too much to be run for hundreds of mutants
NO_SUCH_TEST = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass(frozen=True)
class Baseline:
    """What the tests of a module do with it as it is."""

    seconds: dict[str, float]  # by test
    tests_of_line: dict[int, list[str]]
    packages: list[str]  # modules of others that they imported

    @classmethod
    def read(cls, file: Path) -> Self:
        """What the process that ran the tests wrote."""
        told = json.loads(file.read_text(encoding="utf-8"))
        lines = {int(line): tests for line, tests in told["tests_of_line"].items()}
        return cls(told["seconds"], lines, told["packages"])

    def tests_for(self, line: int) -> list[str]:
        """The tests that may notice a change of that line, the quickest first; of slow ones, one where all are slow."""
        ordered = sorted(self.tests_of_line.get(line) or self.seconds, key=self.seconds.__getitem__)
        return [test for test in ordered if self.seconds[test] < SLOW_S] or ordered[:1]


class _Watch:
    """A plug-in of pytest that takes the time of each test and tells coverage which one runs."""

    def __init__(self, coverage: Any = None) -> None:
        self.seconds: dict[str, float] = {}
        self._coverage = coverage

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        """The copy's caches are warm: tests/conftest.py need not fill them in every process. Nobody is in a hurry."""
        config.workerinput = {}
        hypothesis.settings.register_profile("mutants", deadline=None)
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


class Checkout:
    """A copy of the checkout in which modules are made wrong, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log.txt"
        for name in COPIED:
            place = ROOT / name
            copy = shutil.copytree if place.is_dir() else shutil.copy2
            copy(place, folder / name)

    def baseline(self, module: Path, tests: Sequence[str]) -> Baseline:
        """Runs the tests on the module as it is, and imports here what they imported. `RuntimeError` if one fails."""
        told = self._folder / "baseline.json"
        status = self._in_a_fork(lambda: self._measure(module, tests, told), BASELINE_LIMIT_S)
        if status != 0:
            said = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"The tests of {module} fail without a mutant (status {status}):\n{said}")
        found = Baseline.read(told)
        for name in found.packages:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        gc.freeze()  # no fork looks through all of that again
        return found

    def outcome(self, module: Path, mutant: Mutant, baseline: Baseline, all_tests: Sequence[str]) -> str:
        """ "killed", "timed out" or "survived"."""
        tests = baseline.tests_for(mutant.line)
        limit = SPARE_S + 3 * sum(baseline.seconds[test] for test in tests)
        with self._changed(module, mutant.source):
            status = self._in_a_fork(lambda: _run_tests(tests), limit)
            if status in NO_SUCH_TEST:  # cases that are taken from the module have other names now
                status = self._in_a_fork(lambda: _run_tests(all_tests), limit)
        return {0: "survived", None: "timed out"}.get(status, "killed")

    @contextmanager
    def _changed(self, module: Path, source: str) -> Iterator[None]:
        target = self._folder / module
        original = target.read_text(encoding="utf-8")
        for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
            compiled.unlink()
        target.write_text(source, encoding="utf-8")
        try:
            yield
        finally:
            target.write_text(original, encoding="utf-8")

    def _measure(self, module: Path, tests: Sequence[str], told: Path) -> int:
        import coverage

        tracer = coverage.Coverage(data_file=None, include=[str(self._folder / module)], config_file=False)
        tracer.start()
        watch = _Watch(tracer)
        status = _run_tests(tests, watch)
        tracer.switch_context("")
        tracer.stop()
        data = tracer.get_data()
        contexts = data.contexts_by_lineno(str((self._folder / module).resolve()))
        lines = {line: [test for test in found if test] for line, found in contexts.items()}
        report = {"seconds": watch.seconds, "tests_of_line": lines, "packages": _packages_of_others(self._folder)}
        told.write_text(json.dumps(report), encoding="utf-8")
        return status

    def _in_a_fork(self, work: Callable[[], int], limit: float) -> int | None:
        """The status of what is done in a process of its own, within the copy. None if it took too long."""
        child = os.fork()
        if child == 0:
            os.setsid()
            self._enter()
            status = 99
            try:
                status = work()
            finally:
                os._exit(status)
        until = time.monotonic() + limit
        try:
            while time.monotonic() < until:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.02)
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)

    def _enter(self) -> None:
        """From here on this process, and those that it starts, know the copy only."""
        os.chdir(self._folder)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.path[:] = [str(self._folder), *(place for place in sys.path if place and Path(place).resolve() != ROOT)]
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = io.TextIOWrapper(io.FileIO(1, "w")), io.TextIOWrapper(io.FileIO(2, "w"))


@contextmanager
def checkout() -> Iterator[Checkout]:
    """A copy that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="loopscope-mutants-", ignore_cleanup_errors=True) as folder:
        yield Checkout(Path(folder).resolve())


def _run_tests(tests: Iterable[str], watch: _Watch | None = None) -> int:
    sys.dont_write_bytecode = watch is None  # nothing of a mutant outlives it
    with tempfile.TemporaryDirectory(prefix="tests-", dir=".", ignore_cleanup_errors=True) as place:
        return int(pytest.main([*OPTIONS, f"--basetemp={place}/base", *tests], plugins=[watch or _Watch()]))


def _packages_of_others(folder: Path) -> list[str]:
    places = ((name, getattr(module, "__file__", None) or "") for name, module in list(sys.modules.items()))
    return sorted(name for name, place in places if place and folder not in Path(place).parents and name != "__main__")
