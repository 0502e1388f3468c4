"""Taking back: what is counted, what is tidied up, and what is no matter because nobody lost anything."""

import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from loopscope.errors import Cancelled, ExportError
from loopscope.exports import asides, execute, plan_copy, undo
from loopscope.exports import journal as journal_module
from loopscope.exports.asides import NAMELESS, give_back
from loopscope.exports.journal import UndoFile, read_journal
from loopscope.exports.new_files import ASIDE_PREFIX
from loopscope.exports.undo import LAST, TAKEN, put_back
from loopscope.files import PART_PREFIX
from loopscope.progress import Progress
from tests.meanwhile import hidden, just_before, saved_anew


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Two files."""
    pack = tmp_path / "pack" / "deep"
    pack.mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        (pack / name).write_bytes(name.encode() * 100)
    return pack


def taken(pack: Path, *, move: bool) -> Path:
    """The undo file of a copy or move."""
    rows = pd.DataFrame({"path": [str(path) for path in sorted(pack.iterdir())]}, dtype="object")
    return execute(plan_copy(rows, pack.parents[1] / "out", move=move))


def without_the_last_success(undo_file: Path) -> Path:
    """As a crash leaves it between the copy and the note of it."""
    undo_file.write_text("".join(undo_file.read_text().splitlines(keepends=True)[:-1]))
    return undo_file


def test_progress_is_said_for_every_file(pack: Path) -> None:
    said: list[Progress] = []
    undo(taken(pack, move=False), said.append)
    assert [(report.done, report.total) for report in said] == [(0, 2), (1, 2)]


def test_what_was_never_finished_is_taken_back_and_not_counted(pack: Path) -> None:
    (pack / "a.wav").unlink()
    undo_file = without_the_last_success(taken(pack, move=False))
    left_over = undo_file.with_name(f"{PART_PREFIX}1")
    left_over.touch()
    os.utime(left_over, (0, 0))
    report = undo(undo_file)
    assert report.undone == 0 and report.left.empty
    assert [path.name for path in pack.iterdir()] == ["b.wav"]
    assert list(undo_file.parent.iterdir()) == [], "nor is what the crash left half written"


@pytest.mark.parametrize("move", [False, True])
def test_a_folder_that_is_gone_is_made_again_where_files_go_back_to_it(pack: Path, move: bool) -> None:
    undo_file = taken(pack, move=move)
    if move:
        pack.rmdir()
    assert undo(undo_file).undone == 2
    assert (pack / "b.wav").read_bytes() == b"b.wav" * 100


def test_a_copy_that_was_removed_by_hand_is_no_matter_even_without_its_original(pack: Path) -> None:
    undo_file = taken(pack, move=False)
    for folder in (pack, undo_file.parent):
        (folder / "b.wav").unlink()
    report = undo(undo_file)
    assert report.undone == 1 and report.left.empty and not undo_file.exists()


def test_a_move_that_never_came_about_is_no_matter(pack: Path) -> None:
    undo_file = without_the_last_success(taken(pack, move=True))
    (undo_file.parent / "b.wav").unlink()
    report = undo(undo_file)
    assert report.undone == 1 and report.left.empty and not undo_file.exists()


def test_a_journal_says_what_was_written_into_it(tmp_path: Path) -> None:
    first, second = UndoFile.create(tmp_path, True), UndoFile.create(tmp_path, False)
    assert first.path != second.path and len(list(tmp_path.iterdir())) == 2
    odd = Path(os.fsdecode(b"/music/caf\xe9.wav"))
    longest = Path("/" + "x" * 4095)
    first.will_write(odd, longest)
    first.written(longest)
    first.will_write(longest, odd)
    journal = read_journal(first.path)
    assert journal.move and [(entry.source, entry.target, entry.done) for entry in journal.entries] == [
        (odd, longest, True),
        (longest, odd, False),
    ]
    assert not read_journal(second.path).move and read_journal(second.path).entries == ()
    second.will_write(Path(f"{longest}x"), odd)
    with pytest.raises(ExportError, match="damaged in line 2"):
        read_journal(second.path)


def test_a_line_that_is_deeper_than_a_parser_can_go_is_one_sentence(pack: Path) -> None:
    undo_file = taken(pack, move=False)
    with undo_file.open("a") as out:
        out.write("[" * 20_000 + "]" * 20_000 + "\n")
    with pytest.raises(ExportError, match="damaged in line 6"):
        undo(undo_file)
    undo_file.write_text("[" * 20_000 + "\n")
    with pytest.raises(ExportError, match="not an undo file"):
        undo(undo_file)


def test_a_copy_that_is_saved_anew_just_before_it_is_taken_back_is_kept(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo_file = taken(pack, move=False)
    copy = undo_file.parent / "a.wav"
    just_before(copy, saved_anew(copy), monkeypatch)
    report = undo(undo_file)
    assert (report.undone, list(report.left["path"])) == (1, [str(copy)])
    assert "replaced meanwhile" in report.left["reason"][0]
    assert copy.read_bytes() == b"another" and (pack / "a.wav").is_file() and undo_file.is_file()
    assert not hidden(undo_file.parent)


def test_a_moved_file_that_is_saved_anew_just_before_it_goes_back_is_kept(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo_file = taken(pack, move=True)
    moved = undo_file.parent / "a.wav"
    content = moved.read_bytes()
    just_before(moved, saved_anew(moved), monkeypatch)
    report = undo(undo_file)
    assert (report.undone, list(report.left["path"])) == (1, [str(moved)])
    assert (moved.read_bytes(), (pack / "a.wav").read_bytes()) == (b"another", content)


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_what_cannot_be_removed_or_taken_back_is_one_sentence(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undo_file = taken(pack, move=False)
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["loopscope.exports.undo"], "remove_file", refusing(errno.EIO))
        report = undo(undo_file)
    assert report.undone == 0
    assert [reason.partition(" /")[0] for reason in report.left["reason"]] == ["Could not take back"] * 2
    unlink = Path.unlink
    monkeypatch.setattr(
        Path, "unlink", lambda path: refusing(errno.EACCES)() if path.suffix == ".jsonl" else unlink(path)
    )
    with pytest.raises(ExportError, match=r"Could not remove /.*\.jsonl: you may not write there"):
        undo(undo_file)


@pytest.mark.parametrize("again", ["moved", "copied"])
def test_what_somebody_took_back_by_hand_is_no_matter(pack: Path, again: str) -> None:
    undo_file = taken(pack, move=True)
    moved = undo_file.parent / "a.wav"
    shutil.move(moved, pack / "a.wav") if again == "moved" else shutil.copy(moved, pack / "a.wav")
    report = undo(undo_file)
    assert report.left.empty and report.undone == (1 if again == "moved" else 2)
    assert sorted(path.name for path in pack.iterdir()) == ["a.wav", "b.wav"]
    assert not moved.exists()


@pytest.mark.parametrize(("move", "reason"), [(True, TAKEN), (False, LAST)])
def test_a_folder_that_has_the_original_name_by_now_keeps_the_file_where_it_is(
    pack: Path, move: bool, reason: str
) -> None:
    undo_file = taken(pack, move=move)
    (pack / "a.wav").unlink(missing_ok=True)
    (pack / "a.wav").mkdir()
    report = undo(undo_file)
    assert report.left["reason"].tolist() == [reason]
    assert (undo_file.parent / "a.wav").is_file()


def test_folders_that_are_gone_are_made_again_however_many(pack: Path) -> None:
    undo_file = taken(pack, move=True)
    shutil.rmtree(pack.parent)
    assert undo(undo_file).left.empty
    assert sorted(path.name for path in pack.iterdir()) == ["a.wav", "b.wav"]


def test_a_copy_that_is_a_second_name_of_its_original_goes_and_the_only_name_stays(pack: Path) -> None:
    undo_file = taken(pack, move=False)
    copy = undo_file.parent / "a.wav"
    copy.unlink()
    copy.hardlink_to(pack / "a.wav")
    report = undo(undo_file)
    assert report.undone == 2 and report.left.empty
    assert (pack / "a.wav").is_file() and not copy.exists()


def test_every_line_of_the_journal_is_on_the_disk_before_the_next_step(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[list[str]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        if place.suffix == ".jsonl":
            flushed.append(place.read_text().splitlines())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    journal = UndoFile.create(pack, move=True)
    assert len(flushed) == 1
    journal.will_write(pack / "a.wav", pack / "c.wav")
    assert len(flushed) == 2
    journal.written(pack / "c.wav")
    assert flushed[-1] == journal.path.read_text().splitlines()
    assert [len(lines) for lines in flushed] == [1, 2, 3]


def test_undo_files_are_called_after_the_time_and_numbered_within_a_second(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strftime = time.strftime
    monkeypatch.setattr(time, "strftime", lambda form, *_: strftime(form, (2026, 11, 22, 13, 5, 9, 6, 326, 0)))
    names = [UndoFile.create(pack, move=False).path.name for _ in range(3)]
    stem = "loopscope-undo-20261122-130509"
    assert names == [f"{stem}.jsonl", f"{stem}-2.jsonl", f"{stem}-3.jsonl"]
    with pytest.raises(ExportError, match=r"Could not write /.*\.jsonl: it does not exist any more"):
        UndoFile.create(pack / "nowhere", move=False)
    for number in range(4, 1000):
        (pack / f"{stem}-{number}.jsonl").touch()
    with pytest.raises(ExportError, match="is full of undo files; remove some"):
        UndoFile.create(pack, move=False)


def test_a_journal_of_the_most_files_is_read_and_one_more_is_refused(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_ENTRIES", 2)
    undo_file = taken(pack, move=False)
    assert len(read_journal(undo_file).entries) == 2
    UndoFile(undo_file).will_write(pack / "c.wav", undo_file.parent / "c.wav")
    with pytest.raises(ExportError, match="more than 2 files"):
        read_journal(undo_file)


def killed(what: Callable[[], object]) -> None:
    """In a process that is killed as the first file that it removes has its hidden name."""
    child = os.fork()
    if not child:
        rename = os.rename

        def rename_and_die(name: Path, new: Path) -> None:
            rename(name, new)
            if ASIDE_PREFIX in str(new):
                os.kill(os.getpid(), signal.SIGKILL)

        os.rename = rename_and_die  # type: ignore[assignment]
        try:
            what()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asides, "MOMENT_S", 0.0)


def broken_off(pack: Path, when: str) -> Path:
    """The undo file of a move or copy that was killed, or taking back which was, with a file aside."""
    if when == "moving":
        killed(lambda: taken(pack, move=True))
        (undo_file,) = (pack.parents[1] / "out").glob("loopscope-undo-*.jsonl")
    else:
        undo_file = taken(pack, move=when == "taking a move back")
        killed(lambda: undo(undo_file))
    assert len(hidden(pack.parents[1])) == 1, "a file is aside"
    return undo_file


WHEN = ("moving", "taking a move back", "taking a copy back")


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("opened", [True, False], ids=["opened again", "taken back at once"])
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_what_a_kill_left_aside_has_its_name_again_and_is_taken_back(
    pack: Path, when: str, opened: bool, links: bool, no_moment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = pack.parents[1]
    before = tree(top)
    undo_file = broken_off(pack, when)
    names = {Path(name).name for name in tree(top)} - {undo_file.name}
    assert names == {"a.wav", "b.wav"}
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    if opened:
        assert put_back(undo_file, pack) == []
        assert not hidden(top)
        places = {"moving": pack, "taking a move back": undo_file.parent, "taking a copy back": undo_file.parent}
        assert len(list(places[when].glob("*.wav"))) == 2, "where it was"
    assert undo(undo_file).left.empty
    assert tree(top) == before and not hidden(top)


@pytest.mark.parametrize("when", WHEN)
def test_what_was_left_aside_and_cannot_have_its_name_is_said_and_kept(pack: Path, when: str, no_moment: None) -> None:
    undo_file = broken_off(pack, when)
    (aside,) = (path for folder in hidden(pack.parents[1]) for path in folder.iterdir())
    taken_since, content = aside.parents[1] / aside.name, aside.read_bytes()
    taken_since.write_bytes(b"another")
    ((path, reason),) = put_back(undo_file, pack)
    assert path == str(aside)
    assert reason == f"It was being moved as {taken_since}, which is another file by now; give it another name."
    report = undo(undo_file)
    assert (str(aside), reason) in set(zip(report.left["path"], report.left["reason"], strict=True))
    assert (aside.read_bytes(), taken_since.read_bytes()) == (content, b"another") and undo_file.exists()


def test_what_lies_aside_outside_the_open_folder_is_let_alone(
    pack: Path, no_moment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo_file = broken_off(pack, "moving")
    assert put_back(undo_file, pack / "another") == [] and len(hidden(pack)) == 1
    monkeypatch.chdir(undo_file.parent)
    assert undo(Path(undo_file.name)).left.empty, "without an open folder all is taken back"
    assert sorted(tree(pack.parents[1])) == ["pack/deep/a.wav", "pack/deep/b.wav"] and not hidden(pack)


def test_what_lies_aside_is_found_from_a_path_that_is_not_whole(
    pack: Path, no_moment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo_file = broken_off(pack, "taking a copy back")
    monkeypatch.chdir(undo_file.parent)
    assert put_back(Path(undo_file.name), pack) == [] and not hidden(undo_file.parent)


def test_taking_back_that_is_stopped_goes_on(pack: Path) -> None:
    undo_file, asked = taken(pack, move=True), iter([False, True])
    with pytest.raises(Cancelled, match=r"^Stopped after 1 of 2 files; take them back again to go on\.$"):
        undo(undo_file, should_stop=lambda: next(asked))
    assert list(tree(pack)) == ["b.wav"]
    assert undo(undo_file).undone == 1 and sorted(tree(pack)) == ["a.wav", "b.wav"]


def test_what_somebody_holds_aside_for_a_moment_is_let_alone(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aside = pack / f"{ASIDE_PREFIX}1"
    aside.mkdir()
    (aside / "c.wav").write_bytes(b"c")
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        (aside / "c.wav").unlink()  # as `remove_file` goes on
        aside.rmdir()

    monkeypatch.setattr(time, "sleep", meanwhile)
    assert give_back([pack, pack.parent]) == []
    assert waited == [1.0] and sorted(tree(pack)) == ["a.wav", "b.wav"]
    assert give_back([pack, pack / "gone"]) == [] and len(waited) == 1, "nothing is waited for where nothing lies aside"


def test_where_files_have_no_numbers_of_their_own_no_other_is_taken_for_the_same(
    pack: Path, no_moment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = pack / f"{ASIDE_PREFIX}1"
    aside.mkdir()
    (aside / "a.wav").write_bytes(b"another")
    monkeypatch.setattr(os.path, "samestat", lambda first, second: True)
    assert [path for path, _ in give_back([pack])] == [str(aside / "a.wav")]
    assert (aside / "a.wav").read_bytes() == b"another" and (pack / "a.wav").read_bytes() == b"a.wav" * 100


def test_whatever_lies_aside_keeps_its_content(pack: Path, no_moment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty folders, two names of one file, folders, files of older versions, links, and what nobody may rename."""
    asides_of = [pack / f"{ASIDE_PREFIX}{number}" for number in range(6)]
    empty, second_name, folder, older, to_folder, refused = asides_of
    for aside in (empty, second_name, folder / "full", refused):
        aside.mkdir(parents=True)
    os.link(pack / "a.wav", second_name / "a.wav")
    (folder / "full" / "c.wav").write_bytes(b"c")
    older.write_bytes(b"nameless")
    to_folder.symlink_to(pack.parent)
    (refused / "d.wav").write_bytes(b"d")
    link = os.link
    monkeypatch.setattr(os, "link", lambda old, new: refusing(errno.EIO)() if new.name == "d.wav" else link(old, new))
    said = dict(give_back([pack]))
    assert said == {
        str(older): NAMELESS,
        str(refused / "d.wav"): f"It was being moved as {pack / 'd.wav'} and cannot get that name back "
        f"({os.strerror(errno.EIO)}).",
    }
    assert set(hidden(pack)) == {older, to_folder, refused}
    assert tree(pack) == {
        "a.wav": b"a.wav" * 100,
        "b.wav": b"b.wav" * 100,
        "full/c.wav": b"c",
        older.name: b"nameless",
        f"{refused.name}/d.wav": b"d",
    }
