"""Files under names that nobody has: never over another, whole or not at all, and each failure is one sentence."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from loopscope.errors import ExportError
from loopscope.exports import new_files
from loopscope.exports.new_files import (
    COPY_BYTES,
    copy_content,
    holds_same,
    link,
    move_file,
    one_sentence,
    remove_file,
    rename_to_free,
)
from loopscope.files import remove_abandoned
from loopscope.user_files import UserFile
from tests.meanwhile import hidden, just_before, saved_anew


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "a.wav"
    source.write_bytes(b"sound" * 1000)
    os.utime(source, (1_500_000_000, 1_500_000_000))
    source.chmod(0o640)
    return source


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "?"), "the disk is full; free some space or choose another folder"),
        (OSError(errno.EDQUOT, "?"), "your quota is used up; free some space or choose another folder"),
        (OSError(errno.EACCES, "?"), "you may not write there; choose another folder"),
        (OSError(errno.EPERM, "?"), "you may not write there; choose another folder"),
        (OSError(errno.EROFS, "?"), "the disk is read-only; choose another folder"),
        (OSError(errno.ENAMETOOLONG, "?"), "the name is too long; choose a folder with a shorter path"),
        (OSError(errno.ENOENT, "?"), "it does not exist any more; scan the folder again"),
        (OSError(errno.ENOTDIR, "?"), "a part of the path is a file; choose another folder"),
        (OSError(errno.ELOOP, "?"), "a link is in its place; give the file itself"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("no number"), "no number"),
    ],
)
def test_each_failure_is_one_sentence_with_a_remedy(error: OSError, reason: str) -> None:
    with pytest.raises(ExportError) as caught, one_sentence("write", Path(os.fsdecode(b"/music/\xff"))):
        raise error
    assert str(caught.value) == f"Could not write /music/\\xff: {reason}."
    with pytest.raises(ValueError, match="another matter"), one_sentence("write", Path("x")):
        raise ValueError("another matter")


def test_a_copy_may_be_changed_before_it_has_its_name(source: Path) -> None:
    target, seen = source.with_name("copy.wav"), []

    def change(copy: Path) -> None:
        seen.append((copy.read_bytes() == source.read_bytes(), target.exists()))
        copy.write_bytes(b"changed")

    copy_content(source, target, change)
    assert seen == [(True, False)] and target.read_bytes() == b"changed"


def test_a_folder_that_is_renamed_takes_the_place_of_none(source: Path) -> None:
    folder, place = source.with_name("folder"), source.with_name("place")
    folder.mkdir()
    place.mkdir()
    with pytest.raises(ExportError, match="place exists already"):
        rename_to_free(folder, place)
    place.rmdir()
    rename_to_free(folder, place)
    assert place.is_dir() and not folder.exists()


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_copy_has_content_times_and_rights_and_takes_no_name(
    source: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EOPNOTSUPP))
    target = source.with_name("copy.wav")
    copy_content(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert (target.stat().st_mtime, target.stat().st_mode) == (source.stat().st_mtime, source.stat().st_mode)
    target.write_bytes(b"mine")
    with pytest.raises(ExportError, match=r"copy\.wav exists already"):
        copy_content(source, target)
    assert target.read_bytes() == b"mine"
    assert sorted(path.name for path in source.parent.iterdir()) == ["a.wav", "copy.wav"], "nothing unfinished"


def test_a_copy_is_on_the_disk_before_it_has_its_name(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = source.with_name("copy.wav")
    flushed: list[tuple[int, bool]] = []
    monkeypatch.setattr(new_files, "flush", lambda part: flushed.append((part.stat().st_size, target.exists())))
    copy_content(source, target)
    assert flushed == [(5000, False)]


def test_a_disk_that_keeps_no_times_gets_the_copy_anyway(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "copystat", refusing(errno.EPERM))
    copy_content(source, source.with_name("copy.wav"))
    assert source.with_name("copy.wav").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("number", "is_for_lack_of_links"),
    [
        *((number, True) for number in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)),
        (errno.EACCES, True),
        (errno.ENOSPC, False),
        (errno.EIO, False),
    ],
)
def test_only_where_links_are_unknown_is_there_another_way(
    source: Path, number: int, is_for_lack_of_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = source.with_name("second.wav")
    assert link(source, target) and target.samefile(source)
    monkeypatch.setattr(os, "link", refusing(number))
    if is_for_lack_of_links:
        assert not link(source, source.with_name("third.wav"))
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        link(source, source.with_name("third.wav"))


def in_its_folder(path: Path) -> UserFile:
    return UserFile(str(path), os.path.realpath(path.parent))


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_moved_file_lies_in_one_place_and_takes_no_name(
    source: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
    target, content = source.with_name("moved.wav"), source.read_bytes()
    move_file(in_its_folder(source), target)
    assert target.read_bytes() == content and not source.exists()
    source.write_bytes(b"another")
    with pytest.raises(ExportError, match="exists already"):
        move_file(in_its_folder(source), target)
    assert (target.read_bytes(), source.read_bytes()) == (content, b"another")


def test_a_file_that_is_replaced_while_it_is_moved_stays(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replaced(path: Path, target: Path) -> bool:
        path.unlink()
        path.write_bytes(b"another")
        return link(path, target)

    monkeypatch.setattr(new_files, "link", replaced)
    with pytest.raises(ExportError, match="replaced"):
        move_file(in_its_folder(source), source.with_name("moved.wav"))
    assert [path.name for path in source.parent.iterdir()] == ["a.wav"] and source.read_bytes() == b"another"


def test_an_original_is_kept_where_its_copy_differs(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
    monkeypatch.setattr(new_files, "copy_content", lambda source, target: target.write_bytes(b"sound" * 999 + b"soun?"))
    with pytest.raises(ExportError, match="differs"):
        move_file(in_its_folder(source), source.with_name("moved.wav"))
    assert source.read_bytes() == b"sound" * 1000


def test_the_same_is_every_byte(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    content = b"x" * (COPY_BYTES + 5)
    first.write_bytes(content)
    for other, same in (
        (content, True),
        (content[:-1], False),
        (content[:-1] + b"y", False),
        (b"y" + content[1:], False),
    ):
        second.write_bytes(other)
        assert holds_same(in_its_folder(first), second) is same


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_is_saved_anew_just_before_its_name_goes_is_kept(
    source: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, content = source.with_name("moved.wav"), source.read_bytes()
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
    just_before(source, saved_anew(source), monkeypatch)
    with pytest.raises(ExportError, match=r"a\.wav was replaced meanwhile, so it was kept; try again\.$"):
        move_file(in_its_folder(source), target)
    assert (source.read_bytes(), target.read_bytes()) == (b"another", content)
    assert not hidden(source.parent)


def test_what_is_written_while_a_file_is_copied_is_kept(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written into, it is the same file still: moved by a link nothing is lost, and it has moved."""

    def written() -> None:
        with source.open("ab") as file:
            file.write(b"more")

    content = source.read_bytes()
    just_before(source, written, monkeypatch)
    move_file(in_its_folder(source), source.with_name("moved.wav"))
    assert source.with_name("moved.wav").read_bytes() == content + b"more" and not source.exists()
    source.write_bytes(content)
    monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
    just_before(source, written, monkeypatch)
    with pytest.raises(ExportError, match="kept"):
        move_file(in_its_folder(source), source.with_name("moved again.wav"))
    assert source.read_bytes() == content + b"more"
    assert not hidden(source.parent)


@pytest.mark.parametrize("what", ["file", "link", "folder", "full folder"])
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_whatever_took_the_name_has_it_again(
    source: Path, what: str, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace() -> None:
        source.unlink()
        if what == "file":
            source.write_bytes(b"another")
        elif what == "link":
            source.symlink_to("nowhere")
        else:
            source.mkdir()
            if what == "full folder":
                (source / "b.wav").write_bytes(b"another")

    known = source.lstat()
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    replace()
    with pytest.raises(ExportError, match=r"kept; try again"):
        remove_file(source, known)
    assert (source.is_symlink(), source.is_dir()) == (what == "link", what.endswith("folder"))
    assert [path.read_bytes() for path in source.parent.rglob("*") if path.is_file()] == (
        [b"another"] if what in ("file", "full folder") else []
    )
    assert not hidden(source.parent)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_where_its_name_is_taken_once_more_it_gets_another_and_that_is_said(
    source: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, rename = source.lstat(), os.rename
    saved_anew(source, b"second")()

    def taken(name: Path, new: Path) -> None:
        rename(name, new)
        source.write_bytes(b"third")

    monkeypatch.setattr(os, "rename", taken)
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    with pytest.raises(ExportError, match=r"a\.wav was replaced meanwhile, so it was kept as a \(2\)\.wav; try again"):
        remove_file(source, known)
    assert (source.read_bytes(), source.with_name("a (2).wav").read_bytes()) == (b"third", b"second")
    assert not hidden(source.parent)


def test_where_it_can_have_no_name_the_hidden_one_is_said_and_never_tidied_away(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = source.lstat()
    saved_anew(source, b"second")()
    os.utime(source, (1_500_000_000, 1_500_000_000))
    monkeypatch.setattr(os, "link", refusing(errno.EIO))
    with pytest.raises(ExportError, match=r"so it was kept as \.loopscope-aside-\w+/a\.wav; try again"):
        remove_file(source, known)
    remove_abandoned(source.parent)
    (aside,) = hidden(source.parent)
    assert (aside / source.name).read_bytes() == b"second"


def test_what_is_unchanged_goes_and_leaves_nothing(source: Path) -> None:
    remove_file(source, source.lstat())
    assert not list(source.parent.iterdir())
    with pytest.raises(FileNotFoundError):
        remove_file(source, source.parent.lstat())


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_name_that_is_taken_as_it_is_given_back_is_not_overwritten(
    source: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = source.lstat()
    saved_anew(source, b"second")()

    def taken(path: Path) -> Path:
        path.write_bytes(b"third")
        return path

    monkeypatch.setattr(new_files, "free_name", taken)
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    with pytest.raises(ExportError, match=r"kept as \.loopscope-aside"):
        remove_file(source, known)
    assert source.read_bytes() == b"third"
    assert [(path / source.name).read_bytes() for path in hidden(source.parent)] == [b"second"]


def test_what_was_written_to_since_is_kept_unless_it_may_have_changed(source: Path) -> None:
    known = source.lstat()
    source.write_bytes(b"more")
    with pytest.raises(ExportError, match="kept"):
        remove_file(source, known)
    assert source.read_bytes() == b"more"
    remove_file(source, known, or_changed=True)
    assert not source.exists()


def test_of_a_link_what_it_leads_to_is_moved_and_stays_there_too(source: Path) -> None:
    alias, target = source.with_name("alias.wav"), source.with_name("moved.wav")
    alias.symlink_to(source)
    move_file(in_its_folder(alias), target)
    assert not target.is_symlink() and target.read_bytes() == source.read_bytes()
    assert not alias.is_symlink()
