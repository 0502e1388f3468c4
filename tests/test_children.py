"""A child process answers, is limited in time and memory, and whatever ends it is told apart from an answer."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import loopscope
from loopscope.children import child as child_module
from loopscope.children import run
from loopscope.children.child import Child, Death
from loopscope.errors import LibraryError

ANSWERING = """
import os
import resource
import signal
import time

NICE_AT_IMPORT = os.nice(0)
os.write(2, b"a warning of a library")


def died(question):
    os.kill(os.getpid(), question["signal"])
    time.sleep(60)


SAYS = {
    "echo": lambda question: question["what"],
    "pid": lambda question: os.getpid(),
    "nice": lambda question: [NICE_AT_IMPORT, os.nice(0)],
    "limits": lambda question: [resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_CORE)],
    "environment": lambda question: dict(os.environ),
    "group": lambda question: os.getpgid(0),
    "print": lambda question: os.write(1, b"printed by a library, even this: {}\\n") and os.write(2, b"x" * 100_000),
    "sleep": lambda question: time.sleep(question["seconds"]),
    "die": died,
    "exit": lambda question: os._exit(question["status"]),
    "fail": lambda question: 1 / 0,
}


def answer_to(question):
    return {"said": SAYS[question["do"]](question)}
"""
LONG_S = 30.0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[str]"]:
    """Every process that a test starts."""
    found: list[subprocess.Popen[str]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            found.append(self)

    monkeypatch.setattr(child_module.subprocess, "Popen", Noted)
    return found


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """A child process that does what it is told."""
    (tmp_path / "answering.py").write_text(ANSWERING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = Child("answering", niceness=3)
    yield child
    child.close()


def said(child: Child, do: str, seconds: float = LONG_S, **more: object) -> Any:
    answer = child.ask({"do": do, **more}, seconds)
    return answer if isinstance(answer, Death) else answer["said"]


@pytest.mark.parametrize("what", ["", "caf\udce9 音\n.wav", [1, None, 0.25, {"a": True}], "x" * 300_000])
def test_what_is_asked_and_answered_arrives_as_it_was(answering: Child, what: object) -> None:
    assert said(answering, "echo", what=what) == what


def test_one_process_answers_all_and_what_libraries_print_is_no_answer(answering: Child) -> None:
    first = said(answering, "pid")
    said(answering, "print")
    assert said(answering, "echo", what="after") == "after"
    assert said(answering, "pid") == first


def test_a_child_stands_back_before_it_imports_and_takes_no_more_memory_and_threads_than_it_may(
    answering: Child, tmp_path: Path
) -> None:
    own = os.nice(0)
    assert said(answering, "nice") == [min(own + 3, 19)] * 2
    assert said(answering, "limits") == [[4 << 30, 4 << 30], [0, 0]]
    environment = said(answering, "environment")
    assert (environment["OMP_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == ("1", "1")
    assert str(tmp_path) in environment["PYTHONPATH"].split(os.pathsep), "what the user set stays"
    assert said(answering, "group") == said(answering, "pid"), "a terminal's Ctrl-C is for us alone"
    plain = Child("answering")
    try:
        assert said(plain, "nice") == [own, own]
    finally:
        plain.close()


def test_what_a_library_prints_while_it_answers_is_seen_nowhere(tmp_path: Path) -> None:
    (tmp_path / "answering.py").write_text(ANSWERING)
    found = subprocess.run(
        [sys.executable, "-P", "-m", "loopscope.children.run", "answering", "0"],
        input='[5, {"do": "print"}]\n',
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(loopscope.__file__).parents[1])])},
    )
    assert found.stdout == 'ready\n{"said": 100000}\n'
    assert found.stderr == "a warning of a library", "while it is imported it may still say why it fails"


def test_where_no_process_can_stand_back_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "nice")
    served: list[object] = []
    monkeypatch.setattr(run, "serve", served.append)
    run.main("loopscope.audio.isolation_worker", 3)
    assert served


def test_an_answer_that_takes_too_long_ends_the_child_and_the_time_between_questions_does_not(
    answering: Child,
) -> None:
    before = said(answering, "pid", seconds=1.0)
    time.sleep(1.2)
    assert said(answering, "pid") == before, "the timer runs while it answers only"
    death = answering.ask({"do": "sleep", "seconds": 60}, 0.2)
    assert isinstance(death, Death) and death.took_too_long and not death.was_killed and not death.was_closed
    assert said(answering, "pid") != before, "another takes its place"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV])
def test_a_death_has_its_signal_and_the_next_question_another_process(answering: Child, number: int) -> None:
    before = said(answering, "pid")
    assert said(answering, "die", signal=int(number)) == Death(-number)
    assert said(answering, "pid") != before


def test_a_child_that_leaves_without_an_answer_is_dead_whatever_its_status(answering: Child) -> None:
    assert said(answering, "exit", status=0) == Death(0)
    assert said(answering, "exit", status=9) == Death(9)
    assert said(answering, "fail") == Death(1)


def test_half_an_answer_is_none(answering: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen
    half = "import sys; print('ready', flush=True); sys.stdin.readline(); print('[1, 2]', end='', flush=True)"
    monkeypatch.setattr(
        child_module.subprocess, "Popen", lambda command, **options: real([command[0], "-c", half], **options)
    )
    assert answering.ask({}, LONG_S) == Death(0)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (None, "was_closed"),
        (-signal.SIGALRM, "took_too_long"),
        *((-number, "was_killed") for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        *((status, "") for status in (0, 1, 9, 15, -signal.SIGSEGV, -signal.SIGABRT)),
    ],
)
def test_a_death_means_one_thing(status: int | None, meaning: str) -> None:
    death = Death(status)
    meanings = ("was_closed", "took_too_long", "was_killed")
    assert [name for name in meanings if getattr(death, name)] == ([meaning] if meaning else [])


def test_a_closed_child_answers_nothing_and_leaves_no_process(
    answering: Child, started: list["subprocess.Popen[str]"]
) -> None:
    said(answering, "pid")
    answering.close()
    answering.close()
    assert said(answering, "pid") == Death(None)
    (process,) = started
    assert process.returncode is not None
    assert process.stdin is not None and process.stdin.closed
    assert process.stdout is not None and process.stdout.closed


def test_closing_does_not_wait_for_an_answer(answering: Child, started: list["subprocess.Popen[str]"]) -> None:
    said(answering, "pid")
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(answering.ask({"do": "sleep", "seconds": 600}, 600)))
    asking.start()
    answering.close()
    asking.join(60)
    assert answers == [Death(None)]
    assert [process.returncode is not None for process in started] == [True]


def test_a_child_that_dies_leaves_no_pipe_open(answering: Child, started: list["subprocess.Popen[str]"]) -> None:
    said(answering, "exit", status=0)
    (process,) = started
    assert process.stdin is not None and process.stdin.closed
    assert process.stdout is not None and process.stdout.closed


def test_a_child_that_does_not_come_up_is_said_and_may_come_up_later(answering: Child, tmp_path: Path) -> None:
    (tmp_path / "answering.py").write_text("raise SystemExit(7)")
    with pytest.raises(LibraryError, match=r"ended while starting \(status 7\)"):
        answering.ask({"do": "pid"}, LONG_S)
    (tmp_path / "answering.py").write_text(ANSWERING)
    assert isinstance(said(answering, "pid"), int)


def test_what_says_something_else_than_that_it_is_up_is_ended(
    answering: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen
    other = "import time; print('something else', flush=True); time.sleep(600)"
    monkeypatch.setattr(
        child_module.subprocess, "Popen", lambda command, **options: real([command[0], "-c", other], **options)
    )
    with pytest.raises(LibraryError, match=r"ended while starting \(status -9\)"):
        answering.ask({}, LONG_S)


def test_closed_while_it_starts_it_is_nobody_s_fault(
    answering: Child, tmp_path: Path, started: list["subprocess.Popen[str]"]
) -> None:
    (tmp_path / "answering.py").write_text("import time; time.sleep(600)")
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(answering.ask({"do": "pid"}, LONG_S)))
    asking.start()
    while not started:
        time.sleep(0.01)
    answering.close()
    asking.join(60)
    assert answers == [Death(None)]


def test_a_program_that_is_not_there_is_one_sentence(answering: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module.sys, "executable", "/nowhere/python")
    with pytest.raises(LibraryError, match="cannot be started: No such file or directory"):
        answering.ask({"do": "pid"}, LONG_S)


def test_a_child_ends_with_its_parent(answering: Child, started: list["subprocess.Popen[str]"]) -> None:
    said(answering, "pid")
    (process,) = started
    assert process.stdin is not None
    process.stdin.close()  # as the system does for a parent that is gone
    assert process.wait(60) == 0
