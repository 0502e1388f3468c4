"""Loops of an archive that lie at an address are heard as those on this machine are, by the person at it alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from starlette.applications import Starlette
from starlette.testclient import TestClient

from loopscope import config
from loopscope.analysis.walk import Plan
from loopscope.archive import fetched, sounds, top
from loopscope.archive.grow import add_address
from loopscope.archive.manifest import Archive, open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.archive.shown import shown_of
from loopscope.archive.sounds import fetch_sound
from loopscope.archive.top import AT_AN_ADDRESS, ELSEWHERE
from loopscope.audio import content_hash
from loopscope.errors import AudioError
from loopscope.library import Library
from loopscope.ui.projects.archived import rank_archive
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.tasks import Task
from loopscope.ui.server import media
from loopscope.ui.server.media import MediaRegistry, routes
from loopscope.user_files import open_user_file
from tests.buckets import KINDS, bucket_of
from tests.golden.clips import plucked
from tests.tiny import Tiny

RATE, N = 8000, 10


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder of ten loops elsewhere."""
    with bucket_of(request.param) as bucket:
        for i in range(N):
            file = tmp_path / "made" / f"pluck {i}.wav"
            file.parent.mkdir(exist_ok=True)
            sf.write(file, plucked(1.0, RATE, i), RATE)
            Place.of(f"{bucket}/loops/Bass/{file.name}").write(file.read_bytes())
        yield f"{bucket}/loops"


@pytest.fixture
def archive(address: str, tmp_path: Path) -> Archive:
    add_address(Place.of(tmp_path / "archive"), address, Tiny())
    return open_archive(Place.of(tmp_path / "archive"))


def library_of(archive: Archive, fetch: object = fetch_sound) -> Library:
    parts, paths = archive.present
    ranking = rank_parts(parts, "knn", paths=paths)
    return top.top_of(shown_of(ranking, archive, 50), archive.place, lambda _: False, fetch).library  # type: ignore[arg-type]


def rows(library: Library) -> list[tuple[str, str]]:
    return list(zip(library.unique["loop_id"], library.unique["path"], strict=True))


def test_each_loop_sounds_as_what_lies_at_its_address_and_is_fetched_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = library_of(archive)
    assert len(rows(library)) == N and not library.silent
    for loop_id, path in rows(library):
        with open_user_file(library.file_of(loop_id)) as file:
            assert file.read() == Place.of(path).read()
    monkeypatch.setattr(sounds, "bring", lambda *_: pytest.fail("it was fetched again"))
    for loop_id, _ in rows(library):
        with open_user_file(library.file_of(loop_id)) as file:
            assert content_hash(file) == loop_id


def test_the_browser_plays_it_and_hears_why_one_is_silent(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    library = library_of(archive)
    registry = MediaRegistry()
    monkeypatch.setattr(media, "media_registry", lambda: registry)
    registry.publish_library("token", dict(rows(library)), library.root, library.roots, library.silent, library.fetch)
    (loop_id, path), (other, gone), (third, changed), *_ = rows(library)
    home = Place.of(gone)
    home.system.rm(home.path)
    Place.of(changed).write(b"another content")
    with TestClient(Starlette(routes=routes())) as client:
        answer = client.get(f"/ls/audio/token/{loop_id}")
        assert answer.status_code == 200 and answer.content == Place.of(path).read()
        answer = client.get(f"/ls/audio/token/{other}")
        assert answer.status_code == 410 and answer.text.startswith("No sound: it cannot be fetched"), answer.text
        answer = client.get(f"/ls/audio/token/{third}")
        assert answer.status_code == 410 and answer.text == sounds.CHANGED
    assert [file.name for file in config.paths().fetched.iterdir()] == [f"{loop_id}.wav"], "nothing half or wrong stays"


def test_only_what_was_indexed_is_fetched_and_only_for_whoever_may(archive: Archive) -> None:
    assert set(library_of(archive, None).silent.values()) == {AT_AN_ADDRESS}
    places = top._Places(["s3://label/loops"], lambda _: True, True)
    assert places.of("s3://label/loops/Bass/a.wav", 0)[3] == ""
    for path in ("s3://label/loops-secret/a.wav", "s3://other/a.wav", "http://127.0.0.1/a.wav", "memory://loops/a.wav"):
        assert places.of(path, 0)[3] == ELSEWHERE


@pytest.mark.parametrize(("owner", "reasons"), [("local", set()), ("browser:stranger", {AT_AN_ADDRESS})])
def test_what_lies_at_an_address_only_the_person_at_this_machine_hears(
    archive: Archive, owner: str, reasons: set[str]
) -> None:
    """The archive itself lies in a folder that both may open."""
    folder = Path(archive.place.path)
    project = Project.new(owner, folder, Plan(detector="knn"), project_registry().store)
    rank_archive(project, project_registry().store, Task("Ranking"), None)
    library = project.contents.library
    assert library is not None and set(library.silent.values()) == reasons
    loop_id = library.unique["loop_id"][0]
    if reasons:
        with pytest.raises(AudioError, match="only whoever sits at the app's machine"):
            library.file_of(loop_id)
    else:
        with open_user_file(library.file_of(loop_id)) as file:
            assert content_hash(file) == loop_id
    project_registry().end()


@pytest.mark.parametrize("loop_id", ["../../outside", "", "0" * 31, "A" * 32])
def test_an_archive_names_no_file_of_this_machine(archive: Archive, loop_id: str) -> None:
    _, path = rows(library_of(archive))[0]
    with pytest.raises(AudioError, match="no hash of a content"):
        fetch_sound(loop_id, path)
    assert not config.paths().fetched.exists()


def test_what_was_heard_longest_ago_makes_room(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    library = library_of(archive)
    size = len(Place.of(rows(library)[0][1]).read())
    monkeypatch.setattr(config, "FETCHED_BYTES", 3 * size + size // 2)
    ids = [loop_id for loop_id, _ in rows(library)][:4]
    for loop_id in [*ids[:3], ids[0], ids[3]]:
        library.file_of(loop_id)
    kept = {file.stem for file in config.paths().fetched.iterdir()}
    assert kept == {ids[0], ids[2], ids[3]}


def test_a_file_too_large_or_a_file_system_that_nobody_has_is_one_sentence(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_id, path = rows(library_of(archive))[0]
    with pytest.raises(AudioError, match=r"^No sound: .*cannot be opened"):
        fetch_sound(loop_id, "nosuch://label/a.wav")
    monkeypatch.setattr(fetched, "LARGEST_FILE", 100)
    with pytest.raises(AudioError, match=r"^No sound: it is larger than"):
        fetch_sound(loop_id, path)
    assert not np.any([*config.paths().fetched.glob("*")])
