"""What a plan of copies promises: every file with its reason or its place, the room it needs, and each step said."""

import errno
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from loopscope.errors import Cancelled, ExportError
from loopscope.exports import CopyPlan, copying, execute, plan_copy
from loopscope.exports.journal import read_journal
from loopscope.progress import Progress

RESERVE = 16 * 2**20
GONE = "The file does not exist any more; scan the folder again."


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Three files of 100 bytes each."""
    folder = Path(os.path.realpath(tmp_path)) / "pack"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        (folder / name).write_bytes(name[-5:].encode() * 20)
    return folder


def rows(*paths: Path) -> pd.DataFrame:
    return pd.DataFrame({"path": [str(path) for path in paths]}, dtype="object")


def all_of(pack: Path) -> pd.DataFrame:
    return rows(pack / "a.wav", pack / "b.wav", pack / "sub" / "c.wav")


def with_free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(n_bytes, 0, n_bytes))


def elsewhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What lies below the folder is on another disk."""
    real = Path.stat

    def stat(path: Path, **options: Any) -> os.stat_result:
        found = real(path, **options)
        return os.stat_result((*found[:2], 9_999, *found[3:10])) if path.is_relative_to(folder) else found

    monkeypatch.setattr(Path, "stat", stat)


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_a_plan_copies_unless_it_is_said_that_it_moves(pack: Path) -> None:
    plan = plan_copy(all_of(pack), pack.parent / "out")
    assert (plan.move, plan.root, plan.total_bytes, len(plan.items)) == (False, None, 300, 3)
    bare = CopyPlan(plan.destination, (), plan.skipped)
    assert (bare.move, bare.root, bare.total_bytes) == (False, None, 0)
    moving = plan_copy(all_of(pack), pack.parent / "out", move=True, root=pack)
    assert (moving.move, moving.root) == (True, pack)
    assert [item.target.relative_to(moving.destination) for item in moving.items] == [
        Path("a.wav"),
        Path("b.wav"),
        Path("sub/c.wav"),
    ]


@pytest.mark.parametrize(
    ("move", "is_far"), [(False, True), (False, False), (True, True)], ids=["copy to another disk", "copy", "move"]
)
def test_room_for_the_files_and_a_reserve_is_enough_and_a_byte_less_is_not(
    pack: Path, monkeypatch: pytest.MonkeyPatch, move: bool, is_far: bool
) -> None:
    if is_far:
        elsewhere(monkeypatch, pack)
    plan = plan_copy(all_of(pack), pack.parent / "out", move=move)
    with_free(monkeypatch, RESERVE + 300 - 1)
    with pytest.raises(ExportError, match=r"out has 17 MB free, 0 MB are needed; free some space"):
        execute(plan)
    assert not list(plan.destination.iterdir()), "nothing was begun"
    with_free(monkeypatch, RESERVE + 300)
    execute(plan)


def test_a_move_within_a_disk_needs_the_reserve_alone(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_copy(all_of(pack), pack.parent / "out", move=True)
    (pack / "a.wav").rename(pack / "gone.wav")  # what is gone is on no disk
    with_free(monkeypatch, RESERVE - 1)
    with pytest.raises(ExportError, match="MB free"):
        execute(plan)
    (pack / "gone.wav").rename(pack / "a.wav")
    with_free(monkeypatch, RESERVE)
    execute(plan)
    assert not list(pack.rglob("*.wav"))


def test_a_disk_that_cannot_be_asked_is_one_sentence(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", refusing(errno.EIO))
    with pytest.raises(ExportError, match=r"Could not look at /.*out: Input/output error\.$"):
        execute(plan_copy(all_of(pack), pack.parent / "out"))


def test_the_destination_is_where_its_path_leads(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pack.parent))
    assert plan_copy(all_of(pack), Path("~/out")).destination == pack.parent / "out"
    (pack.parent / "door").symlink_to("out", target_is_directory=True)
    assert plan_copy(all_of(pack), pack.parent / "door").destination == pack.parent / "out"
    with pytest.raises(ExportError, match=r"Could not open /.*: the name is too long; choose a folder with a shorter"):
        plan_copy(all_of(pack), pack.parent / ("x" * 300))


def test_what_is_left_out_has_its_reason_and_what_follows_goes_on(pack: Path, tmp_path: Path) -> None:
    out = pack.parent / "out"
    out.mkdir()
    shutil.copy(pack / "b.wav", out / "b.wav")
    (out / "own.wav").write_bytes(b"own")
    (out / "sub").symlink_to(pack.parent)
    os.mkfifo(pack / "pipe.wav")
    (pack.parent / "secret.wav").write_bytes(b"secret")
    (pack / "leaves.wav").symlink_to(pack.parent / "secret.wav")
    names = ["gone.wav", "pipe.wav", "leaves.wav", "b.wav", "sub/c.wav", "a.wav"]
    plan = plan_copy(rows(*(pack / name for name in names), pack / "a.wav"), out, root=pack)
    assert [item.source.name for item in plan.items] == ["a.wav"], "each path once"
    assert dict(zip(plan.skipped["path"].map(os.path.basename), plan.skipped["reason"], strict=True)) == {
        "gone.wav": GONE,
        "pipe.wav": GONE,
        "leaves.wav": "The file cannot be opened: it leads out of its folder; scan the folder again.",
        "b.wav": "The same file is in this folder already.",
        "c.wav": "Its folder there is a link that leads elsewhere; choose another folder.",
    }
    again = plan_copy(rows(out / "own.wav", pack / "a.wav"), out)
    assert again.skipped["reason"].tolist() == ["The file is in this folder already."]
    assert [item.source.name for item in again.items] == ["a.wav"]


def test_names_that_differ_in_case_alone_get_numbers_whichever_comes_first(pack: Path) -> None:
    (pack / "sub" / "A.WAV").write_bytes(b"another")
    out = pack.parent / "out"
    for first, second, numbered in (("a.wav", "sub/A.WAV", "A (2).WAV"), ("sub/A.WAV", "a.wav", "a (2).wav")):
        plan = plan_copy(rows(pack / first, pack / second), out)
        assert [item.target.name for item in plan.items] == [Path(first).name, numbered]


def test_a_file_outside_the_root_gets_its_name_alone(pack: Path) -> None:
    plan = plan_copy(rows(pack / "sub" / "c.wav"), pack.parent / "out", root=pack / "sub")
    assert [item.target.relative_to(plan.destination) for item in plan.items] == [Path("c.wav")]
    assert copying._relative(pack / "a.wav", pack / "sub") == Path("a.wav")


@pytest.mark.parametrize(("move", "stage", "verb"), [(False, "Copying", "copy"), (True, "Moving", "move")])
def test_what_is_done_is_said_as_it_goes_and_can_be_read_later(
    pack: Path, move: bool, stage: str, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[Progress] = []
    begun: list[tuple[Path, bool]] = []
    plan = plan_copy(all_of(pack), pack.parent / "new" / "out", move=move)
    with caplog.at_level(logging.INFO, logger="loopscope.exports.copying"):
        undo_file = execute(plan, said.append, on_begun=lambda path: begun.append((path, path.is_file())))
    assert [(step.stage, step.done, step.total) for step in said] == [(stage, done, 3) for done in (1, 2, 3)]
    assert begun == [(undo_file, True)]
    assert [message.partition(" files")[0] for message in caplog.messages] == [f"{verb}: 3"]
    journal = read_journal(undo_file)
    assert (journal.move, [entry.done for entry in journal.entries]) == (move, [True] * 3)
    assert [(entry.source, entry.target) for entry in journal.entries] == [
        (item.source, item.target) for item in plan.items
    ]


def test_the_undo_file_says_what_was_begun_and_not_finished(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "copy_content", refusing(errno.EIO))
    begun: list[Path] = []
    with pytest.raises(ExportError, match=r"Could not copy /.*a\.wav: Input/output error"):
        execute(plan_copy(all_of(pack), pack.parent / "out"), on_begun=begun.append)
    (entry,) = read_journal(begun[0]).entries
    assert (entry.source, entry.done) == (pack / "a.wav", False)
    monkeypatch.setattr(copying, "move_file", refusing(errno.EIO))
    with pytest.raises(ExportError, match="Could not move /"):
        execute(plan_copy(all_of(pack), pack.parent / "out", move=True))


def test_a_stop_comes_before_the_next_file_and_says_what_takes_it_back(pack: Path) -> None:
    begun: list[Path] = []
    plan = plan_copy(all_of(pack), pack.parent / "out")
    with pytest.raises(Cancelled, match="Stopped after 0 of 3 files") as stopped:
        execute(plan, should_stop=lambda: True, on_begun=begun.append)
    assert begun[0].name in str(stopped.value)
    assert not list(plan.destination.glob("*.wav"))


def test_a_destination_that_is_a_link_or_lies_below_a_file_by_then_is_refused(pack: Path) -> None:
    plan = plan_copy(all_of(pack), pack.parent / "out")
    (pack.parent / "other").mkdir()
    plan.destination.symlink_to(pack.parent / "other")
    with pytest.raises(ExportError, match="reached through a link by now"):
        execute(plan)
    assert not list((pack.parent / "other").iterdir())
    below = plan_copy(all_of(pack), pack.parent / "file" / "out")
    (pack.parent / "file").write_bytes(b"")
    with pytest.raises(ExportError, match=r"Could not create the folder /.*file/out: a part of the path is a file"):
        execute(below)
