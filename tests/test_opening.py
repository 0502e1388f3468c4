"""The one opener of users' files on every system: what it refuses it has not even opened, and it never waits."""

import errno
import fcntl
import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from loopscope import user_files
from loopscope.user_files import UserFile, open_user_file, path_to_open

Opened = list[str]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A folder with one file; another file lies beside it."""
    folder = Path(os.path.realpath(tmp_path)) / "pack"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"own")
    (folder.parent / "secret.wav").write_bytes(b"secret")
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Every path that the opener opens."""
    found: Opened = []
    real = os.open

    def noted(path: str, flags: int) -> int:
        found.append(path)
        return real(path, flags)

    monkeypatch.setattr(user_files.os, "open", noted)
    return found


@pytest.fixture(params=["Linux", "macOS", "neither"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a system tells where an open file lies: /proc, F_GETPATH, or not at all."""
    if request.param != "Linux":
        readlink = Path.readlink

        def without_proc(path: Path) -> Path:
            if path.is_relative_to("/proc"):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            return readlink(path)

        monkeypatch.setattr(Path, "readlink", without_proc)
    if request.param == "macOS":

        def get_path(descriptor: int, question: int, room: bytes) -> bytes:
            assert (question, len(room)) == (50, 1024), "F_GETPATH writes as much as MAXPATHLEN"
            return os.fsencode(readlink(Path(f"/proc/self/fd/{descriptor}"))).ljust(len(room), b"\0")

        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(fcntl, "F_GETPATH", 50, raising=False)
        monkeypatch.setattr(fcntl, "fcntl", get_path)
    return str(request.param)


def content(path: Path, root: Path | None) -> bytes:
    with open_user_file(UserFile(str(path), root and str(root))) as file:
        return file.read()


def taking_the_place(
    path: Path, replace: Callable[[], object], monkeypatch: pytest.MonkeyPatch, *, reverting: Callable[[], object]
) -> None:
    """Something else takes the place of `path` after the opener looked at it, just before it opens it."""
    real = os.open

    def late(name: str, flags: int) -> int:
        replace()
        try:
            return real(name, flags)
        finally:
            reverting()

    monkeypatch.setattr(user_files.os, "open", late)


def nothing() -> None:
    """Nobody puts back what was there."""


def test_what_lies_below_the_root_is_opened_and_what_does_not_is_not(pack: Path, system: str) -> None:
    (pack / "alias.wav").symlink_to("a.wav")
    (pack / "door").symlink_to(pack.parent)
    assert content(pack / "a.wav", pack) == content(pack / "alias.wav", pack) == content(pack / "a.wav", None) == b"own"
    for outside in (pack / ".." / "secret.wav", pack / "door" / "secret.wav", pack.parent / "secret.wav"):
        assert content(outside, None) == b"secret"
        with pytest.raises(OSError, match="leads out of its folder"):
            content(outside, pack)


@pytest.mark.parametrize("system", ["macOS"], indirect=True)
def test_macos_is_asked_for_the_place_and_nothing_is_guessed_from_the_path(pack: Path, system: str) -> None:
    path = pack / "ends with X"
    path.write_bytes(b"own")
    with FileIO(path) as file:
        assert user_files._place_of(file, "/nowhere") == path


def test_a_plain_path_has_no_root(pack: Path) -> None:
    for plain in (str(pack / "a.wav"), pack / "a.wav"):
        with open_user_file(plain) as file:
            assert file.read() == b"own"


def test_what_is_refused_for_what_it_is_or_where_it_leads_is_not_opened(pack: Path, opened: Opened) -> None:
    """Opening is enough to wake a tape, to take a message from a pipe, or to tell its writer that somebody reads."""
    os.mkfifo(pack / "pipe.wav")
    (pack / "folder.wav").mkdir()
    (pack / "device.wav").symlink_to("/dev/null")
    (pack / "leaves.wav").symlink_to(pack.parent / "secret.wav")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(pack / "s.wav"))
        for name in ("pipe.wav", "folder.wav", "device.wav", "leaves.wav", "s.wav", "gone.wav"):
            with pytest.raises(OSError):
                content(pack / name, pack)
    assert not opened
    assert content(pack / "a.wav", pack) == b"own" and opened == [str(pack / "a.wav")]


def test_a_circle_of_links_is_said_to_be_one(pack: Path) -> None:
    (pack / "circle.wav").symlink_to("circle.wav")
    with pytest.raises(OSError) as refused:
        content(pack / "circle.wav", pack)
    assert refused.value.errno == errno.ELOOP


def test_a_link_that_takes_its_place_is_not_followed(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack / "a.wav"

    def replace() -> None:
        path.unlink()
        path.symlink_to(pack.parent / "secret.wav")

    taking_the_place(path, replace, monkeypatch, reverting=nothing)
    with pytest.raises(OSError) as refused:
        content(path, None)
    assert refused.value.errno == errno.ELOOP


@pytest.mark.timeout(10)
def test_a_pipe_that_takes_its_place_is_not_waited_for(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack / "a.wav"

    def replace() -> None:
        path.unlink()
        os.mkfifo(path)

    taking_the_place(path, replace, monkeypatch, reverting=nothing)
    with pytest.raises(OSError, match="not a regular file"):
        content(path, None)


def test_a_link_that_takes_the_place_of_its_folder_leads_nowhere(
    pack: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last part of a path is opened without following; the rest is asked of the open file."""
    folder = pack / "sub"
    folder.mkdir()
    (folder / "secret.wav").write_bytes(b"own")

    def replace() -> None:
        folder.rename(pack / "was here")
        folder.symlink_to(pack.parent)

    def put_back() -> None:
        folder.unlink()
        (pack / "was here").rename(folder)

    taking_the_place(folder, replace, monkeypatch, reverting=put_back)
    with pytest.raises(OSError, match=r"leads out|was replaced"):
        content(folder / "secret.wav", pack)


def test_where_flags_are_unknown_files_are_opened_and_links_checked_all_the_same(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_NONBLOCK")
    monkeypatch.delattr(os, "O_NOFOLLOW")
    spec = importlib.util.find_spec("loopscope.user_files")
    assert spec is not None and spec.loader is not None
    windows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(windows)
    with windows.open_user_file(windows.UserFile(str(pack / "a.wav"), str(pack))) as file:
        assert file.read() == b"own"
    monkeypatch.setattr(user_files, "_FLAGS", 0)
    path = pack / "a.wav"

    def replace() -> None:
        path.unlink()
        path.symlink_to(pack.parent / "secret.wav")

    taking_the_place(path, replace, monkeypatch, reverting=nothing)
    with pytest.raises(OSError, match="leads out of its folder"):
        content(path, pack)


def test_what_is_refused_is_closed(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    class Noted(FileIO):
        def close(self) -> None:
            closed.append(True)
            super().close()

    monkeypatch.setattr(user_files, "FileIO", Noted)
    (pack / "door").symlink_to(pack.parent)
    with pytest.raises(OSError, match="leads out"):
        content(pack / "door" / "secret.wav", pack)
    assert closed == [True]
    file = open_user_file(pack / "a.wav")
    assert not file.closed
    file.close()


def test_a_root_that_the_system_spells_in_another_way_is_the_same_folder(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not tell upper and lower case apart, or the Unicode forms of a name."""
    place_of = user_files._place_of
    for name, spelt in (("caf\u00e9", "cafe\u0301"), ("Drums", "DRUMS")):
        folder = pack / name
        folder.mkdir()
        (folder / "a.wav").write_bytes(b"own")
        (pack / spelt).symlink_to(folder)  # one folder with two names
        monkeypatch.setattr(
            user_files, "_place_of", lambda file, path, here=pack / spelt: here / place_of(file, path).name
        )
        assert content(folder / "a.wav", folder) == b"own"
        monkeypatch.setattr(user_files, "_place_of", place_of)
    (pack / "drums").mkdir()
    with pytest.raises(OSError, match="leads out"):
        content(pack / "Drums" / "a.wav", pack / "drums")


def test_an_open_file_has_a_path_where_there_is_no_proc(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack / "a.wav"
    with open_user_file(path) as file:
        path.unlink()
        path.write_bytes(b"another")
        assert Path(path_to_open(file)).read_bytes() == b"own"
        monkeypatch.setattr(user_files.os, "getpid", lambda: -1)
        assert path_to_open(file) == str(path)
