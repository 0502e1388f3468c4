"""Files and folders are there whole or not at all, and their names can be shown and are free."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopscope import files
from loopscope.files import (
    PART_PREFIX,
    display_name,
    file_sha256,
    flush,
    free_name,
    read_named,
    remove_abandoned,
    remove_folder,
    unfinished_file,
    unfinished_folder,
    write_named,
    written_whole,
)


def full(_path: Path) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.bin"
    for content in (b"first", b"second"):
        with written_whole(target) as part:
            part.write_bytes(content)
            assert not target.exists() or target.read_bytes() == b"first"
        assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("existing", [None, b"old"])
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, existing: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.bin"
    if existing is not None:
        target.write_bytes(existing)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="half way"), written_whole(target) as part:
        part.write_bytes(b"half")
        raise ValueError("half way")
    monkeypatch.setattr(files, "flush", full)
    with pytest.raises(OSError, match="No space left"), written_whole(target) as part:
        part.write_bytes(b"whole, but not on the disk")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.bin"
    flushed: list[tuple[int, bool]] = []

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_size, target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with written_whole(target) as part:
        part.write_bytes(b"content")
    assert flushed == [(7, False)]


def test_what_a_user_names_stays_what_it_is(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    target, link, pipe = tmp_path / "a.json", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    for content in (b"first", b"second"):  # it leads nowhere, and to a file
        write_named(link, content)
        assert link.is_symlink() and target.read_bytes() == content == read_named(link, 6)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_named(pipe, b"through")
    assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    os.close(reader)
    os.write(1, b"before ")
    write_named(Path("/dev/stdout"), b"after")
    assert capfdbinary.readouterr().out == b"before after"
    with pytest.raises(IsADirectoryError):
        write_named(tmp_path, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "link", "pipe"]


def test_every_file_of_a_folder_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    for size, name in enumerate(("a", "b/c", "b/d/e"), start=1):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    flush(tmp_path)
    assert sorted(sizes) == [1, 2, 3]


def test_what_nobody_named_is_gone_at_the_end(tmp_path: Path) -> None:
    with unfinished_file(tmp_path) as file, unfinished_folder(tmp_path / "deep" / "er") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_bytes(b"a")
        assert file.read_bytes() == b"" and file.name.startswith(".")
        assert folder.name.startswith(".")
    assert [path.name for path in tmp_path.rglob("*")] == ["deep", "er"]
    with unfinished_folder(tmp_path) as folder:
        (folder / "a").write_bytes(b"a")
        folder.rename(tmp_path / "named")
    assert (tmp_path / "named" / "a").read_bytes() == b"a"


def test_new_files_and_folders_have_the_rights_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with unfinished_file(tmp_path) as file, unfinished_folder(tmp_path) as folder:
        assert file.stat().st_mode == (tmp_path / "file").stat().st_mode
        assert folder.stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_only_what_was_abandoned_long_ago_is_removed(tmp_path: Path) -> None:
    old_file, old_folder = tmp_path / f"{PART_PREFIX}1", tmp_path / f"{PART_PREFIX}2"
    others = [tmp_path / f"{PART_PREFIX}3", tmp_path / "mine", tmp_path / ".part"]
    for path in (old_file, *others):
        path.write_bytes(b"x")
    (old_folder / "sub").mkdir(parents=True)
    for path in (old_file, old_folder, *others[1:]):
        os.utime(path, (0, 0))
    remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_long_ago_is_more_than_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age in (3599.5, 3600.0, 3600.5):
        (tmp_path / f"{PART_PREFIX}{age}").touch()
        os.utime(tmp_path / f"{PART_PREFIX}{age}", (0, 1e6 - age))
    monkeypatch.setattr(files.time, "time", lambda: 1e6)
    remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{PART_PREFIX}{age}" for age in (3599.5, 3600.0)]


def test_of_an_abandoned_link_the_link_goes(tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    (kept / "kept.txt").write_text("kept")
    link = tmp_path / f"{PART_PREFIX}link"
    link.symlink_to(kept)
    os.utime(link, (0, 0), follow_symlinks=False)
    with unfinished_folder(tmp_path):
        assert not link.is_symlink(), "whoever begins something there tidies up first"
    assert [path.name for path in kept.iterdir()] == ["kept.txt"]


def test_a_folder_is_removed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    seen: list[bool] = []
    real = files.shutil.rmtree
    monkeypatch.setattr(
        files.shutil, "rmtree", lambda path, **options: (seen.append((tmp_path / "folder").exists()), real(path))
    )
    remove_folder(tmp_path / "folder")
    assert seen == [False]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_removed_is_gone_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    monkeypatch.setattr(os, "unlink", lambda *args, **options: full(tmp_path))
    remove_folder(tmp_path / "folder")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(PART_PREFIX), "which is removed when it is old"


def test_of_a_link_to_a_folder_the_link_goes(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.txt").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    remove_folder(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    assert (tmp_path / "elsewhere" / "kept.txt").read_text() == "kept"


def test_a_free_name_belongs_to_nobody(tmp_path: Path) -> None:
    wanted = tmp_path / "Loop.WAV"
    assert free_name(wanted) == wanted
    wanted.touch()
    assert free_name(wanted) == tmp_path / "Loop (2).WAV"
    (tmp_path / "Loop (2).WAV").symlink_to("nowhere")
    assert free_name(wanted) == tmp_path / "Loop (3).WAV"
    assert free_name(wanted, {str(tmp_path / "Loop (3).WAV").casefold()}) == tmp_path / "Loop (4).WAV"


def test_the_digest_is_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.binary(max_size=40))
def test_bytes_that_are_not_utf8_are_shown_as_hexadecimal(name: bytes) -> None:
    assert display_name(os.fsdecode(name)) == name.decode("utf-8", "backslashreplace")


@given(st.text(st.characters(categories=("L", "Cs")), max_size=40))
@example("a lone \ud800")
def test_every_name_can_be_shown(name: str) -> None:
    display_name(name).encode("utf-8")
