"""What was checked is what is read, whatever takes the place of a file meanwhile: a link, a pipe, another folder."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.applications import Starlette
from starlette.testclient import TestClient

from loopscope import audio
from loopscope.audio import loudness
from loopscope.audio.isolation import InspectionWorker
from loopscope.audio.spectrogram import outline_of_file
from loopscope.embeddings import embed_library
from loopscope.errors import AudioError, ExportError
from loopscope.exports import execute, plan_copy
from loopscope.faults import check_library
from loopscope.faults.file_report import check_file
from loopscope.library import Library, scan_folder
from loopscope.metadata.bars import structure_of_file
from loopscope.metadata.collect import measure_metadata
from loopscope.store import Store
from loopscope.ui.server import media
from loopscope.ui.server.media import MediaRegistry, routes
from loopscope.ui.widgets import player
from loopscope.user_files import UserFile, open_user_file, path_to_open

RATE, TOKEN = 8000, "a-session"
SWAPPING = """
import ctypes, os, sys
path, other = map(os.fsencode, sys.argv[1:])
exchange = ctypes.CDLL(None).renameat2
print("ready", flush=True)
while exchange(-100, path, -100, other, 2) == 0:
    pass
"""


def tone(path: Path, hz: float, **form: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE), RATE, **form)
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A sound that lies beside the library."""
    return tone(tmp_path / "outside" / "a 120bpm.wav", 997)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """One loop in a folder of its own."""
    tone(tmp_path / "pack" / "sub" / "a 120bpm.wav", 220)
    return scan_folder(tmp_path / "pack")


@pytest.fixture
def client(library: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    registry = MediaRegistry()
    registry.publish_library(TOKEN, {the_loop(library): library.loops["path"][0]}, library.root)
    monkeypatch.setattr(media, "media_registry", lambda: registry)
    with TestClient(Starlette(routes=routes())) as client:
        yield client


def the_loop(library: Library) -> str:
    return str(library.loops["loop_id"][0])


def n_open() -> int:
    """How many files this process holds open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def address(library: Library) -> str:
    return f"/ls/audio/{TOKEN}/{the_loop(library)}"


def link_out(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


def pipe(path: Path, secret: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder_link_out(path: Path, secret: Path) -> None:
    path.parent.rename(path.parents[1] / "was here")
    path.parent.symlink_to(secret.parent)


exchange = pytest.mark.skipif(sys.platform != "linux", reason="two names are exchanged in one step on Linux only")
Swap = Callable[[Path, Path], None]
replaced = pytest.mark.parametrize("swap", [link_out, pipe, folder_link_out], ids=lambda swap: swap.__name__)


@contextmanager
def swapping(path: Path, foreign: Path) -> Iterator[None]:
    """Another process goes on exchanging a file or folder with a link to a foreign one, as fast as it can."""
    other = path.with_name("other")
    other.symlink_to(foreign)
    command = [sys.executable, "-c", SWAPPING, str(path), str(other)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.kill()


def test_files_below_the_root_are_opened_and_links_inside_too(library: Library) -> None:
    path, root = Path(library.loops["path"][0]), library.root
    (root / "alias.wav").symlink_to(path)
    (root / "relative.wav").symlink_to("sub/a 120bpm.wav")
    (root / "again.wav").symlink_to("alias.wav")
    for name in (path, root / "alias.wav", root / "relative.wav", root / "again.wav"):
        with open_user_file(UserFile(str(name), str(root))) as file:
            assert file.read() == path.read_bytes()


def test_what_leads_out_or_is_no_file_is_not_opened(library: Library, secret: Path, tmp_path: Path) -> None:
    root = library.root
    (root / "leaves.wav").symlink_to(secret)
    (root / "zero.wav").symlink_to("/dev/zero")
    (root / "circle.wav").symlink_to("circle.wav")
    (root / "gone.wav").symlink_to("nowhere.wav")
    (root / "folder").symlink_to(secret.parent)
    os.mkfifo(root / "pipe.wav")
    tone(tmp_path / "PACK" / "a.wav", 300)
    tone(tmp_path / "pack 2" / "a.wav", 300)
    names = [root / name for name in ("leaves.wav", "zero.wav", "circle.wav", "gone.wav", "pipe.wav", "sub")]
    outside = [root / "folder" / secret.name, root / ".." / "outside" / secret.name, secret]
    for path in [*names, *outside, tmp_path / "PACK" / "a.wav", tmp_path / "pack 2" / "a.wav"]:
        with pytest.raises(OSError):
            open_user_file(UserFile(str(path), str(root)))


@exchange
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_race_for_the_path_never_opens_what_lies_outside(library: Library, secret: Path, what: str) -> None:
    path = Path(library.loops["path"][0])
    own = path.read_bytes()
    opened = refused = 0
    with swapping(*((path, secret) if what == "file" else (path.parent, secret.parent))):
        while min(opened, refused) < 500 and opened + refused < 200_000:
            try:
                with open_user_file(UserFile(str(path), str(library.root))) as file:
                    content = file.read()
            except OSError:
                refused += 1
                continue
            opened += 1
            assert content == own
    assert opened and refused, "nothing was tried"


@exchange
def test_a_race_for_the_path_never_sends_what_lies_outside(client: TestClient, library: Library, secret: Path) -> None:
    path = Path(library.loops["path"][0])
    own = path.read_bytes()
    answers: Counter[tuple[int, bytes]] = Counter()
    with swapping(path, secret):
        while (len(answers) < 2 or min(answers.values()) < 50) and answers.total() < 10_000:
            answer = client.get(address(library))
            answers[answer.status_code, answer.content] += 1
    assert set(answers) == {(200, own), (404, b"Not found")}


@replaced
def test_a_file_replaced_while_it_is_asked_for_is_sent_as_it_was(
    client: TestClient, library: Library, secret: Path, swap: Swap, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(library.loops["path"][0])
    own, measure = path.read_bytes(), loudness.measure_file

    def replaced_meanwhile(file: Any) -> Any:
        found = measure(file)
        swap(path, secret)
        return found

    monkeypatch.setattr(loudness, "measure_file", replaced_meanwhile)
    assert client.get(address(library)).content == own
    assert client.get(address(library)).status_code == 404


@replaced
def test_the_plain_player_sounds_what_it_looked_at(
    library: Library, secret: Path, swap: Swap, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(library.loops["path"][0])
    own, playable = path.read_bytes(), player.playable
    heard: list[bytes] = []
    said: list[AudioError] = []

    def replaced_meanwhile(*arguments: Any) -> Any:
        found = playable(*arguments)
        swap(path, secret)
        return found

    monkeypatch.setattr(player, "playable", replaced_meanwhile)
    monkeypatch.setattr(player.st, "audio", lambda data, **_: heard.append(data.read()))
    monkeypatch.setattr(player, "show_failure", said.append)
    player.sound(library, the_loop(library))
    assert heard == [own]
    monkeypatch.setattr(player, "playable", playable)
    player.sound(library, the_loop(library))
    assert heard == [own] and len(said) == 1


@replaced
def test_whatever_reads_a_loop_refuses_what_took_its_place(
    library: Library, secret: Path, swap: Swap, tmp_path: Path
) -> None:
    swap(Path(library.loops["path"][0]), secret)
    file = library.file_of(the_loop(library))
    readers: list[Callable[[UserFile], object]] = [
        audio.probe,
        audio.decode,
        audio.content_hash,
        audio.inspect_file,
        loudness.measure_file,
        outline_of_file,
        check_file,
        lambda path: structure_of_file(path, 120.0),
        lambda path: audio.playable(path, tmp_path / "cache"),
    ]
    for read in readers:
        with pytest.raises(audio.TransientAudioError, match="cannot be opened"):
            read(file)
    worker = InspectionWorker()
    try:
        assert isinstance(worker.inspect(file), audio.TransientAudioError)
    finally:
        worker.close()


@replaced
def test_the_walk_lists_what_took_a_loop_s_place_and_reads_none_of_it(
    library: Library, secret: Path, swap: Swap, tmp_path: Path
) -> None:
    swap(Path(library.loops["path"][0]), secret)
    embeddings = embed_library(library, Untouched())
    assert list(embeddings.rejected["path"]) == list(library.loops["path"])
    assert list(check_library(library)["kind"]) == ["unreadable"]
    with Store(tmp_path / "store.sqlite3") as store:
        known = measure_metadata(library.loops, store, root=library.root)
        assert known.table["key_source"][0] == "" and known.table["n_bars"][0] == 0


class Untouched:
    """An encoder that is never asked."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "none-1", RATE, 8, "", "", 2

    def embed(self, waveforms: Any) -> np.ndarray:
        raise AssertionError("an encoder heard what lies outside")


@replaced
@pytest.mark.parametrize("move", [False, True], ids=["copy", "move"])
def test_nothing_is_copied_or_moved_that_took_the_place_of_a_loop(
    library: Library, secret: Path, swap: Swap, move: bool, tmp_path: Path
) -> None:
    plan = plan_copy(library.loops, tmp_path / "out", move=move, root=library.root)
    swap(Path(library.loops["path"][0]), secret)
    with pytest.raises(ExportError, match=r"not a regular file|leads out of its folder"):
        execute(plan)
    assert not list((tmp_path / "out").rglob("*.wav")) and secret.is_file()
    again = plan_copy(library.loops, tmp_path / "out", move=move, root=library.root)
    assert not again.items and len(again.skipped) == 1


def test_every_answer_closes_the_file(client: TestClient, library: Library) -> None:
    tag = client.get(address(library)).headers["etag"]
    before = n_open()
    for _ in range(5):
        assert client.head(address(library)).status_code == 200
        assert client.get(address(library), headers={"If-None-Match": tag}).status_code == 304
        assert client.get(address(library), headers={"Range": "bytes=0-9"}).status_code == 206
        assert client.get(address(library), headers={"Range": "bytes=99999999-"}).status_code == 416
        assert client.get(address(library), headers={"Range": "nonsense"}).status_code == 400
    assert n_open() == before


def test_a_file_that_is_open_is_opened_again_by_the_path_it_gives(library: Library, secret: Path) -> None:
    path = Path(library.loops["path"][0])
    own = path.read_bytes()
    with open_user_file(path) as file:
        link_out(path, secret)
        seen = subprocess.run(["cat", path_to_open(file)], capture_output=True, check=True).stdout
    assert seen == own
