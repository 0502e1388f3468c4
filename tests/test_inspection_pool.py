"""What workers say of the files of a scan, whoever says it: an answer, a reason, or how a process ended."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loopscope.audio import isolation, isolation_worker
from loopscope.audio.inspection import Inspection, inspect_file
from loopscope.audio.isolation import InspectionPool, InspectionWorker
from loopscope.audio.readers import AudioInfo, TransientAudioError
from loopscope.children.child import Death
from loopscope.errors import AudioError, LibraryError
from loopscope.user_files import UserFile

INFO = AudioInfo(format="WAV", sample_rate=8000, channels=1, duration_s=0.5, subtype="PCM_16")
Answering = Callable[[Mapping[str, Any], float], Any]


def answer(question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What a file is that is named after its path."""
    return {"loop_id": question["path"], "info": INFO.__dict__}


class FakeChild:
    """Answers as it is told, without a process."""

    answering: Answering = staticmethod(answer)
    made: list["FakeChild"]

    def __init__(self, module: str, niceness: int = 0) -> None:
        self.module = module
        self.is_closed = False
        self.made.append(self)

    def ask(self, question: Mapping[str, Any], seconds: float) -> Any:
        return Death(None) if self.is_closed else type(self).answering(question, seconds)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeChild]:
    """The children of a test, in the order in which they were made."""
    kind = type("Fake", (FakeChild,), {"made": []})
    monkeypatch.setattr(isolation, "Child", kind)
    return kind


def says(fake: type[FakeChild], answering: Answering) -> None:
    fake.answering = staticmethod(answering)  # type: ignore[assignment]


def test_a_worker_asks_for_the_file_and_its_root_and_gives_it_its_time(fake: type[FakeChild]) -> None:
    asked: list[tuple[Mapping[str, Any], float]] = []
    says(fake, lambda question, seconds: asked.append((question, seconds)) or answer(question, seconds))
    worker = InspectionWorker(seconds=7.0)
    assert worker.inspect("/pack/a.wav") == Inspection("/pack/a.wav", INFO)
    assert worker.inspect(UserFile("/pack/b.wav", "/pack")) == Inspection("/pack/b.wav", INFO)
    InspectionWorker().inspect("/pack/c.wav")
    assert asked == [
        ({"path": "/pack/a.wav", "root": None}, 7.0),
        ({"path": "/pack/b.wav", "root": "/pack"}, 7.0),
        ({"path": "/pack/c.wav", "root": None}, 60.0),
    ]
    assert fake.made[0].module == isolation_worker.__name__


@pytest.mark.parametrize("transient", [True, False])
def test_a_reason_that_may_pass_is_told_apart(fake: type[FakeChild], transient: bool) -> None:
    says(fake, lambda question, seconds: {"reason": "It is broken.", "transient": transient})
    found = InspectionWorker().inspect("a.wav")
    assert (type(found), str(found)) == (TransientAudioError if transient else AudioError, "It is broken.")


@pytest.mark.parametrize(
    ("death", "kind", "said"),
    [
        (Death(None), TransientAudioError, "stopped before"),
        (Death(-signal.SIGALRM), AudioError, "longer than 7 s"),
        (Death(-signal.SIGKILL), TransientAudioError, "was killed"),
        (Death(-signal.SIGSEGV), AudioError, r"crashed on this file \(status -11\)"),
        (Death(0), AudioError, r"crashed on this file \(status 0\)"),
    ],
)
def test_what_ended_the_process_is_the_file_s_reason(
    fake: type[FakeChild], death: Death, kind: type[AudioError], said: str
) -> None:
    says(fake, lambda question, seconds: death)
    found = InspectionWorker(seconds=7.0).inspect("a.wav")
    assert type(found) is kind
    with pytest.raises(kind, match=said):
        raise found


def test_every_path_has_its_own_result_and_a_pool_is_closed_with_all_its_workers(fake: type[FakeChild]) -> None:
    paths = [f"{number}.wav" for number in range(100)]
    with InspectionPool(3) as pool:
        found = list(pool.inspect_all(paths))
        assert len(fake.made) == 3 and not any(child.is_closed for child in fake.made)
    assert sorted(path for path, _ in found) == sorted(paths)
    assert all(result == Inspection(path, INFO) for path, result in found)
    assert all(child.is_closed for child in fake.made)


def test_as_many_files_are_read_at_once_as_there_are_workers_each_by_its_own(fake: type[FakeChild]) -> None:
    together = threading.Barrier(3, timeout=60)

    def meet(question: Mapping[str, Any], seconds: float) -> Any:
        together.wait()  # breaks unless three ask at once
        return answer(question, seconds)

    says(fake, meet)
    with InspectionPool(3) as pool:
        assert len(list(pool.inspect_all([f"{number}.wav" for number in range(9)]))) == 9
    assert together.broken is False


def test_paths_are_taken_a_few_ahead_and_no_more(fake: type[FakeChild]) -> None:
    taken: list[int] = []
    free = threading.Semaphore(5)

    def endless() -> Iterator[str]:
        while True:
            taken.append(1)
            yield f"{len(taken)}.wav"

    def when_free(question: Mapping[str, Any], seconds: float) -> Any:
        free.acquire(timeout=60)
        return answer(question, seconds)

    says(fake, when_free)
    with InspectionPool(2) as pool:
        results = pool.inspect_all(endless())
        next(results)
        assert len(taken) == 2 * 8
        for _ in range(4):
            next(results)
        assert len(taken) <= 5 + 2 * 8
        free.release(100)


def test_a_result_comes_as_soon_as_it_is_there(fake: type[FakeChild], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "STOP_CHECK_S", 600.0)
    seen = threading.Event()

    def first_at_once(question: Mapping[str, Any], seconds: float) -> Any:
        if question["path"] != "0.wav":
            seen.wait(600)
        return answer(question, seconds)

    says(fake, first_at_once)
    with InspectionPool(2) as pool:
        results = pool.inspect_all(["0.wav", "1.wav"])
        assert next(results)[0] == "0.wav"
        seen.set()
        assert next(results)[0] == "1.wav"


def test_a_stop_is_asked_for_several_times_a_second(fake: type[FakeChild], monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    real = isolation.wait

    def noted(pending: Any, timeout: float, return_when: str) -> Any:
        waits.append(timeout)
        return real(pending, timeout=timeout, return_when=return_when)

    monkeypatch.setattr(isolation, "wait", noted)
    with InspectionPool(1) as pool:
        list(pool.inspect_all(["a.wav"]))
    assert waits and max(waits) <= 0.5


def test_a_pool_waits_for_its_threads_which_are_named_after_what_they_do(fake: type[FakeChild]) -> None:
    asked, closed = threading.Event(), threading.Event()

    def hold(question: Mapping[str, Any], seconds: float) -> Any:
        asked.set()
        closed.wait(60)
        return answer(question, seconds)

    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("inspect")]

    says(fake, hold)
    answers: list[Any] = []
    with InspectionPool(1) as pool:
        reading = threading.Thread(target=lambda: answers.extend(pool.inspect_all(["a.wav"], closed.is_set)))
        reading.start()
        asked.wait(60)
        assert len(threads()) == 1
        threading.Timer(0.2, closed.set).start()  # it answers while the pool is left
    assert not threads()
    reading.join(60)


def test_a_stop_ends_it_while_a_file_takes_long_and_what_waits_is_never_begun(fake: type[FakeChild]) -> None:
    begun: list[str] = []
    held = threading.Event()

    def hold(question: Mapping[str, Any], seconds: float) -> Any:
        begun.append(question["path"])
        held.wait(60)
        return answer(question, seconds)

    says(fake, hold)
    asked_to_stop = iter([False, False, True])
    with InspectionPool(1) as pool:
        assert list(pool.inspect_all(["a.wav", "b.wav", "c.wav"], lambda: next(asked_to_stop))) == []
        fake.made[0].close()
        held.set()
    assert begun == ["a.wav"]


def test_told_to_stop_at_once_nothing_is_begun(fake: type[FakeChild]) -> None:
    with InspectionPool(1) as pool:
        assert list(pool.inspect_all(["a.wav"], lambda: True)) == []


def test_a_worker_that_cannot_be_started_is_said_and_the_others_go_on(fake: type[FakeChild]) -> None:
    def refuse(question: Mapping[str, Any], seconds: float) -> Any:
        if question["path"] == "a.wav":
            raise LibraryError("No process starts.")
        return answer(question, seconds)

    says(fake, refuse)
    with InspectionPool(1) as pool:
        with pytest.raises(LibraryError, match="No process starts"):
            list(pool.inspect_all(["a.wav"]))
        assert [path for path, _ in pool.inspect_all(["b.wav"])] == ["b.wav"], "the worker is free again"


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """A short sound."""
    path = tmp_path / "pack" / "tone.wav"
    path.parent.mkdir()
    soundfile.write(path, 0.3 * np.sin(np.arange(4000) / 10), 8000)
    return path


def asked(path: Path, root: Path | None = None) -> dict[str, Any]:
    """The child's answer, as it arrives."""
    found = isolation_worker.answer_to({"path": str(path), "root": root and os.path.realpath(root)})
    again: dict[str, Any] = json.loads(json.dumps(found))
    return again


def test_the_child_tells_all_that_was_found(tone: Path) -> None:
    found = asked(tone, tone.parent)
    assert Inspection(found["loop_id"], AudioInfo(**found["info"])) == inspect_file(tone)


def test_the_child_tells_reasons_and_which_of_them_may_pass(tone: Path, tmp_path: Path) -> None:
    tone.with_name("text.wav").write_bytes(b"no sound")
    assert asked(tone.with_name("text.wav")) == {"reason": "The file holds text, not sound.", "transient": False}
    assert asked(tone.with_name("gone.wav"))["transient"] is True
    (tmp_path / "other").mkdir()
    assert "reason" in asked(tone, tmp_path / "other"), "it leads out of its root"


def test_a_file_that_needs_too_much_memory_is_left_out_for_good(tone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(file: object) -> None:
        raise MemoryError

    monkeypatch.setattr(isolation_worker, "inspect_file", too_much)
    assert asked(tone) == {"reason": "Decoding needs more than 4 GiB of memory.", "transient": False}
