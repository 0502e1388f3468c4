"""Archives at an address open in the app as those on this machine's disks do, for the person at it alone."""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from loopscope.archive.manifest import MANIFEST, make_archive, open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import rank_parts
from loopscope.cli.main import main
from loopscope.config import FOLDER_VARIABLE, paths
from loopscope.errors import AudioError
from loopscope.ui.projects.registry import project_registry
from tests.buckets import KINDS, bucket_of, google_keeps_away
from tests.test_archive_kept import N_FEATURES, SHOWN, add_part
from tests.test_archive_pages import APP, finish, said, state_of


@pytest.fixture(autouse=True)
def _few_are_shown(loopscope_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("loopscope.ui.projects.archived.FIRST", SHOWN)
    monkeypatch.setattr("loopscope.ui.state.LED_S", -1.0)  # who goes back to the Library page stays there
    yield
    project_registry().end()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "none")
        super().end_headers()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a folder behind a plain web server, which gives files as a whole and takes none."""
    with web_server(partial(Quiet, directory=str(tmp_path))) as address:
        yield address


@contextmanager
def web_server(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def filled(address: str) -> str:
    """An archive whose sounds lie in the bucket beside it."""
    archive = make_archive(Place.of(address), "tiny-1", N_FEATURES)
    for start in (0, 20):
        add_part(archive, start, folder=f"{address}-loops")
    return address


def opened(address: str) -> AppTest:
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    at.selectbox(key="detector-name").set_value("knn").run()
    at.text_input(key="path").set_value(address)
    next(button for button in at.button if button.label == "Analyse").click().run()
    finish(at)
    return at


def is_as_ranked(at: AppTest, address: str) -> bool:
    parts, where = open_archive(Place.of(address)).present
    expected = rank_parts(parts, "knn", paths=where).table(first=SHOWN)["loop_id"].to_pylist()
    library = state_of(at).library
    return library is not None and set(library.unique["loop_id"]) == set(expected)


def explored(at: AppTest) -> str:
    at.switch_page("pages/explore.py").run()
    assert not at.exception
    return said(at)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_at_an_address_opens_and_says_of_sounds_that_are_gone(kind: str) -> None:
    with bucket_of(kind) as bucket:
        address = filled(f"{bucket}/archive")
        at = opened(address)
        assert is_as_ranked(at, address)
        state = state_of(at)
        library = state.library
        assert library is not None and not library.silent, "they are asked for when they are to be heard"
        with pytest.raises(AudioError, match="No sound"):
            library.file_of(library.unique["loop_id"][0])
        assert state.project.address == address and state.project.name == "archive"
        assert "40 loops in 2 folders" in explored(at)
        at.switch_page("pages/library.py").run()
        assert not at.exception and f"Archive: {address}" in said(at)
        assert len(Place.of(f"{address}/rankings").names()) == 2, "what was ranked is kept there"
        project_registry().end()
        again = AppTest.from_file(APP, default_timeout=60)
        again.query_params["project"] = state.project.id
        again.run()
        finish(again)
        assert is_as_ranked(again, address), "the project that is remembered opens again"


def test_an_archive_behind_a_web_server_opens_and_its_ranking_is_kept_here(served: str, tmp_path: Path) -> None:
    filled(str(tmp_path / "archive"))
    at = opened(f"{served}/archive")
    assert is_as_ranked(at, str(tmp_path / "archive"))
    assert not (tmp_path / "archive" / "rankings").exists()
    assert len([*(paths().cache / "rankings").glob("*/*")]) == 2


def test_the_command_opens_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    address = filled(f"memory://{uuid.uuid4()}/archive")
    given: list[object] = []
    monkeypatch.setattr("loopscope.ui.server.start.serve", lambda *words: given.append(words))
    assert main(["app", address, "--server.port", "8600"]) == 0
    assert given == [(address, ["--server.port", "8600"])]
    monkeypatch.setenv(FOLDER_VARIABLE, address)
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    finish(at)
    assert state_of(at).project.address == address and "40 loops in 2 folders" in explored(at)


def test_what_is_wrong_with_an_address_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], served: str, tmp_path: Path
) -> None:
    monkeypatch.setattr("loopscope.ui.server.start.serve", lambda *_: pytest.fail("the server was started"))
    (tmp_path / MANIFEST).write_text("[]")
    wrong = {
        f"memory://{uuid.uuid4()}/nothing": "is no archive; make one with loopscope index",
        "nosuch://bucket/archive": "cannot be",
        "http://127.0.0.1:9/archive": "check address and access",
        served: "does not read",
    }
    for address, sentence in wrong.items():
        assert main(["app", address]) == 2
        said_there = capfd.readouterr().err
        assert sentence in said_there and len(said_there.strip().splitlines()) == 1, said_there
    for address, sentence in wrong.items():
        at = opened(address)
        errors = [str(error.value).replace("\\", "") for error in at.error]
        assert any(sentence in error for error in errors) and not at.exception, (address, errors)


class Locked(BaseHTTPRequestHandler):
    """Answers as Google does where it wants to know who asks."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        said = "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object."
        content = json.dumps({"error": {"code": 401, "message": said, "errors": [{"message": said}]}}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def command(*arguments: str, without: str = "") -> str:
    """What a process of its own says on standard error, which must be one line; `without` a package."""
    hidden = f"import sys; sys.modules[{without!r}] = None; from loopscope.cli.main import main; sys.exit(main())"
    start = ["-c", hidden] if without else ["-m", "loopscope"]
    words = [sys.executable, *start, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize("words", [["app"], ["analyse", "--embeddings"]])
def test_a_bucket_without_a_key_is_one_sentence(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket_of("s3") as bucket:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        said = command(*words, f"{bucket}/archive")
        assert said.startswith(f"loopscope: {bucket}/archive/manifest.json cannot be read")
        assert said.endswith("check address and access (AWS_ACCESS_KEY_ID, or aws configure).")
    with web_server(Locked) as endpoint:
        google_keeps_away(monkeypatch, endpoint)
        said = command(*words, "gs://label/archive")
        assert said.startswith("loopscope: gs://label/archive/manifest.json cannot be read")
        assert "Anonymous caller" in said
        assert said.endswith("check address and access (gcloud auth application-default login).")


@pytest.mark.parametrize(
    ("address", "package"),
    [("s3://label", "s3fs"), ("gs://label", "gcsfs"), ("gcs://label", "gcsfs"), ("https://label.example", "aiohttp")],
)
def test_an_address_whose_package_is_missing_names_it(address: str, package: str) -> None:
    said = command("app", f"{address}/archive", without=package)
    assert said == f"loopscope: {address}/archive needs the package {package}; run: python -m pip install {package}."


def test_a_stranger_opens_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be read with the keys of the app's machine, and from within its network."""
    monkeypatch.setenv("LOOPSCOPE_ROOTS", str(Path.cwd()))  # as a path the address would lie below
    monkeypatch.setattr("loopscope.ui.state.owner", lambda: "browser:" + 32 * "x")
    address = filled(f"memory://{uuid.uuid4()}/archive")
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    at.text_input(key="path").set_value(address)
    next(button for button in at.button if button.label == "Analyse").click().run()
    time.sleep(0.2)
    assert "whoever sits at the app" in said(at) and not state_of(at).project.id
    from loopscope.analysis.walk import Plan

    project = project_registry().create("browser:" + 32 * "x", address, Plan())
    again = AppTest.from_file(APP, default_timeout=60)
    again.query_params["project"] = project.id
    again.run()
    assert state_of(again).library is None and not project.tasks.any_running()
