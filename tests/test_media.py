"""The media routes as a browser and as a stranger meet them."""

import gzip
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import plotly
import pytest
import soundfile
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from loopscope import config
from loopscope.ui.server import media, published
from loopscope.ui.server.media import MediaRegistry, routes

TOKEN, LOOP = "a-session", "0123abcd"
RATE = 44_100


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> MediaRegistry:
    registry = MediaRegistry()
    monkeypatch.setattr(media, "media_registry", lambda: registry)
    return registry


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes())) as client:
        yield client


@pytest.fixture
def tone(tmp_path: Path, registry: MediaRegistry) -> Path:
    """A tone of one second at -20 dBFS, published as LOOP."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * 997 * np.arange(RATE) / RATE), RATE)
    registry.publish_library(TOKEN, {LOOP: path})
    return path


def test_a_loop_arrives_whole_with_its_type_and_loudness(client: TestClient, tone: Path) -> None:
    answer = client.get(f"/ls/audio/{TOKEN}/{LOOP}")
    assert answer.status_code == 200
    assert answer.content == tone.read_bytes()
    assert answer.headers["content-type"] == "audio/wav"
    assert float(answer.headers["x-loudness-lufs"]) == pytest.approx(-23.0, abs=0.2)  # mono sine: -20 dBFS peak, -3 dB
    assert float(answer.headers["x-peak-dbfs"]) == pytest.approx(-20.0, abs=0.05)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-99", slice(0, 100)), ("bytes=100-", slice(100, None)), ("bytes=-50", slice(-50, None))],
)
def test_ranges_are_served(client: TestClient, tone: Path, header: str, expected: slice) -> None:
    answer = client.get(f"/ls/audio/{TOKEN}/{LOOP}", headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == tone.read_bytes()[expected]
    assert answer.headers["content-range"].endswith(f"/{tone.stat().st_size}")


def test_a_range_beyond_the_end_is_refused(client: TestClient, tone: Path) -> None:
    assert client.get(f"/ls/audio/{TOKEN}/{LOOP}", headers={"Range": "bytes=99999999-"}).status_code == 416


def test_an_unchanged_loop_is_not_sent_again_and_a_changed_one_is(client: TestClient, tone: Path) -> None:
    first = client.get(f"/ls/audio/{TOKEN}/{LOOP}")
    again = client.get(f"/ls/audio/{TOKEN}/{LOOP}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    soundfile.write(tone, np.zeros(RATE // 2), RATE)
    changed = client.get(f"/ls/audio/{TOKEN}/{LOOP}", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert "x-loudness-lufs" not in changed.headers, "digital silence has no loudness"


def test_a_loop_of_which_nothing_is_sent_is_closed_again(
    client: TestClient, tone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[FileIO] = []
    playable = media.audio.playable

    def noted(*arguments: Any) -> tuple[FileIO, str]:
        file, mime = playable(*arguments)
        opened.append(file)
        return file, mime

    monkeypatch.setattr(media.audio, "playable", noted)
    etag = client.get(f"/ls/audio/{TOKEN}/{LOOP}").headers["etag"]
    assert client.get(f"/ls/audio/{TOKEN}/{LOOP}", headers={"If-None-Match": etag}).status_code == 304
    assert [file.closed for file in opened] == [True, True]


@pytest.mark.parametrize(
    "path",
    [
        "/ls/audio/another-session/0123abcd",
        f"/ls/audio/{TOKEN}/another-loop",
        f"/ls/audio/{TOKEN}/..%2F..%2Fetc%2Fpasswd",
        f"/ls/audio/{TOKEN}/%2Fetc%2Fpasswd",
        f"/ls/data/{TOKEN}/version/points",
        "/ls/data/another-session/version/points",
        "/ls/assets/explorer/any/..%2Fexplorer.py",
        "/ls/assets/explorer/any/main.py",
    ],
)
def test_the_unknown_answers_404_and_tells_nothing(
    client: TestClient, tone: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="loopscope"):
        answer = client.get(path)
    assert answer.status_code == 404
    assert answer.text.lower() == "not found"
    assert TOKEN not in caplog.text and "session/" not in caplog.text and str(tone) not in caplog.text


def test_only_reading_is_possible(client: TestClient, tone: Path) -> None:
    address = f"/ls/audio/{TOKEN}/{LOOP}"
    assert client.head(address).status_code == 200
    assert {client.request(method, address).status_code for method in ("POST", "PUT", "DELETE", "PATCH")} == {405}


def test_a_file_that_went_missing_answers_404(client: TestClient, tone: Path) -> None:
    tone.unlink()
    assert client.get(f"/ls/audio/{TOKEN}/{LOOP}").status_code == 404


def test_a_file_that_cannot_be_decoded_says_so_without_its_path(client: TestClient, tone: Path) -> None:
    tone.write_bytes(b"this is no sound" * 50)
    answer = client.get(f"/ls/audio/{TOKEN}/{LOOP}")
    assert answer.status_code == 415
    assert tone.name not in answer.text


def test_aiff_arrives_as_a_copy_that_browsers_play_and_is_made_once(
    client: TestClient, tmp_path: Path, registry: MediaRegistry
) -> None:
    path = tmp_path / "tone.aiff"
    samples = 0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    soundfile.write(path, samples, RATE, format="AIFF", subtype="PCM_16")
    registry.publish_library(TOKEN, {LOOP: path})
    answer = client.get(f"/ls/audio/{TOKEN}/{LOOP}")
    assert answer.headers["content-type"] == "audio/flac"
    copies = [copy for copy in config.paths().transcoded.rglob("*") if copy.is_file()]
    assert len(copies) == 1
    assert np.allclose(soundfile.read(copies[0])[0], samples, atol=2**-14)
    made = copies[0].stat().st_mtime_ns
    assert client.get(f"/ls/audio/{TOKEN}/{LOOP}").content == answer.content
    assert copies[0].stat().st_mtime_ns == made


def test_a_session_hears_only_what_was_published_last(client: TestClient, tone: Path, registry: MediaRegistry) -> None:
    registry.publish_library(TOKEN, {"another": tone})
    assert client.get(f"/ls/audio/{TOKEN}/{LOOP}").status_code == 404
    assert client.get(f"/ls/audio/{TOKEN}/another").status_code == 200
    registry.forget(TOKEN)
    assert client.get(f"/ls/audio/{TOKEN}/another").status_code == 404


def test_blobs_are_made_once_and_arrive_unpacked_by_the_browser(client: TestClient, registry: MediaRegistry) -> None:
    calls = []

    def make() -> dict[str, bytes]:
        calls.append(1)
        return {"points": gzip.compress(b"0123456789" * 100)}

    for _ in range(3):
        registry.publish_blobs(TOKEN, "v1", make)
    assert len(calls) == 1
    answer = client.get(f"/ls/data/{TOKEN}/v1/points")
    assert answer.content == b"0123456789" * 100
    assert answer.headers["content-encoding"] == "gzip" and "immutable" in answer.headers["cache-control"]
    plain = client.get(f"/ls/data/{TOKEN}/v1/points", headers={"Accept-Encoding": "identity"})
    assert plain.content == answer.content and "content-encoding" not in plain.headers
    again = client.get(f"/ls/data/{TOKEN}/v1/points", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get("/ls/data/another/v1/points").status_code == 404


def test_a_file_to_save_is_made_at_each_download_from_what_was_published_last(
    client: TestClient, registry: MediaRegistry
) -> None:
    address = f"/ls/file/{TOKEN}/list-0"
    name = "bäss · Flagged · 2026-11-22.csv"
    assert client.get(address).status_code == 404
    registry.publish_file(TOKEN, "list-0", "first.csv", "text/csv", lambda: b"first")
    assert client.get(address).content == b"first"
    registry.publish_file(TOKEN, "list-0", name, "text/csv", "später".encode)
    answer = client.get(address)
    assert answer.text == "später"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    disposition = answer.headers["content-disposition"]
    assert unquote(disposition.removeprefix("attachment; filename*=UTF-8''")) == name
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/ls/file/another-session/list-0").status_code == 404
    assert client.get(f"/ls/file/{TOKEN}/other.csv").status_code == 404
    registry.forget(TOKEN)
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("limit", ["_BYTES_KEPT", "_VERSIONS_KEPT"])
def test_only_the_newest_versions_are_kept(
    limit: str, registry: MediaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_VERSIONS_KEPT", 100)
    monkeypatch.setattr(published, limit, 4)
    for version in "abcdef":
        registry.publish_blobs(TOKEN, version, lambda: {"points": b"x"})
        registry.publish_blobs(TOKEN, "a", lambda: {"points": b"x"})  # in use all the time
    kept = {version for version in "abcdef" if registry.blob(TOKEN, version, "points")}
    assert len(kept) == 4 and {"a", "f"} <= kept


def test_plotly_and_the_explorers_files_come_as_installed(client: TestClient) -> None:
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert client.get(f"/{media.plotly_address()}").content == source.read_bytes()
    files = list(media.ASSETS_FOLDER.iterdir())
    assert {"main.js", "explorer.css"} <= {file.name for file in files}
    for file in files:
        answer = client.get(f"/{media.assets_address()}/{file.name}")
        assert answer.content == file.read_bytes()
        assert answer.headers["content-type"].startswith({".js": "text/javascript", ".css": "text/css"}[file.suffix])


def test_routes_stand_below_the_base_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "get_option", lambda name: "studio/" if name == "server.baseUrlPath" else None)
    assert all(route.path.startswith("/studio/ls/") for route in routes())


def test_without_a_base_path_routes_stand_below_ls(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in (None, "", "/"):
        monkeypatch.setattr(st, "get_option", lambda name, said=said: said)
        assert all(route.path.startswith("/ls/") for route in routes())


def test_browsers_hold_what_has_a_version_for_good_and_a_loop_for_minutes(
    client: TestClient, tone: Path, registry: MediaRegistry
) -> None:
    """Kept by the browser alone: an address below /ls is of one session."""
    registry.publish_blobs(TOKEN, "v1", lambda: {"points": gzip.compress(b"0123456789")})
    assert client.get(f"/ls/audio/{TOKEN}/{LOOP}").headers["cache-control"] == "private, max-age=600"
    for address, kind in (
        (f"/ls/data/{TOKEN}/v1/points", "application/octet-stream"),
        (f"/{media.plotly_address()}", "text/javascript; charset=utf-8"),
        (f"/{media.assets_address()}/main.js", "text/javascript; charset=utf-8"),
    ):
        answer = client.get(address)
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding", "a proxy tells packed from unpacked"
        assert len(answer.headers["etag"]) == 18


def test_asked_for_the_head_of_a_file_nothing_is_made(client: TestClient, registry: MediaRegistry) -> None:
    made: list[int] = []
    registry.publish_file(TOKEN, "list-0", "a.csv", "text/csv", lambda: made.append(1) or b"first")
    answer = client.head(f"/ls/file/{TOKEN}/list-0")
    assert (answer.status_code, answer.headers["content-length"], made) == (200, "0", [])


def test_the_address_of_the_explorer_s_files_is_that_of_their_content_whenever_they_are_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = media.assets_address()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1_000_000)
    for made_once in (media._assets_gzipped, media.assets_address):
        made_once.cache_clear()
    assert media.assets_address() == address
