"""The offer to fetch CLAP's weights: nothing comes unasked; a download shows how far it is, and can be stopped."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from loopscope.checkpoints import CLAP_FUSION, downloading, is_ready, load_weights
from loopscope.ui.server.published import media_registry
from loopscope.ui.server.received import Upload, Uploads
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.views import weights
from tests.model_hub import Hub, asked_for, running_hub

APP = str(Path(__file__).resolve().parents[1] / "app.py")
DOWNLOAD = f"weights-{CLAP_FUSION.encoder}"
CANCEL = f"weights-cancel-{CLAP_FUSION.encoder}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    with running_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.fixture
def at() -> AppTest:
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    return at


def wait_for(is_so: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def after(at: AppTest, is_so: Callable[[], bool]) -> None:
    """Waits, then draws the page anew."""
    wait_for(is_so)
    at.run()
    assert not at.exception


def ends() -> bool:
    task = weights.weights_tasks().get(CLAP_FUSION.encoder)
    return task is not None and not task.running


def keys(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def test_the_first_page_offers_clap_with_its_size_and_asks_nobody(hub: type[Hub], at: AppTest) -> None:
    assert any("1.9 GB to download" in expander.label for expander in at.expander)
    assert DOWNLOAD in keys(at)
    assert not hub.requests


def test_the_download_is_started_by_hand_and_the_offer_ends_with_it(hub: type[Hub], at: AppTest) -> None:
    at.button(key=DOWNLOAD).click().run()
    after(at, ends)
    assert asked_for(hub) == [""]
    assert is_ready(CLAP_FUSION)
    assert any("CLAP is here" in element.value for element in at.success)
    assert DOWNLOAD not in keys(at)
    at.run()
    assert not at.success, "once"


@pytest.mark.parametrize("has_digest", [True, False])
def test_what_no_server_gave_a_digest_of_is_said_to_be_unverified(
    hub: type[Hub], at: AppTest, has_digest: bool
) -> None:
    if has_digest:
        hub.tag = hashlib.sha256(hub.content).hexdigest()
    at.button(key=DOWNLOAD).click().run()
    after(at, ends)
    assert any("CLAP is here" in element.value for element in at.success)
    assert any("not verified" in element.value for element in at.warning) is not has_digest


def test_cancel_keeps_what_arrived_and_the_offer_goes_on_from_there(
    hub: type[Hub], at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "REPORT_S", 0.0)
    hub.may_end = threading.Event()
    at.button(key=DOWNLOAD).click().run()
    after(at, lambda: downloading.bytes_here(CLAP_FUSION) > 1_000_000)
    at.button(key=CANCEL).click().run()
    hub.may_end.set()
    after(at, ends)
    assert any("what arrived is kept" in element.value for element in at.info)
    assert not is_ready(CLAP_FUSION)
    here = downloading.bytes_here(CLAP_FUSION)
    assert at.button(key=DOWNLOAD).label.startswith("Go on")
    at.button(key=DOWNLOAD).click().run()
    after(at, ends)
    assert asked_for(hub) == ["", f"bytes={here}-"]
    assert is_ready(CLAP_FUSION)


def test_a_mirror_is_typed_in_and_a_failure_stays_to_be_read(hub: type[Hub], at: AppTest) -> None:
    at.text_input(key="weights-mirror").set_value("nowhere")
    at.button(key=DOWNLOAD).click().run()
    after(at, ends)
    at.run()
    assert any("no address of a mirror" in element.value for element in at.error)
    at.text_input(key="weights-mirror").set_value(hub.address)
    at.button(key=DOWNLOAD).click().run()
    after(at, ends)
    assert is_ready(CLAP_FUSION)


def test_who_comes_over_a_network_names_no_mirror_and_brings_no_file(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopscope.ui.state.owner", lambda: "browser:" + "x" * 32)
    visitor = AppTest.from_file(APP, default_timeout=60)
    visitor.run()
    assert visitor.session_state["loopscope"].owner != LOCAL
    assert DOWNLOAD in keys(visitor)
    assert "weights-mirror" not in {field.key for field in visitor.text_input}


def test_without_the_package_the_offer_says_how_to_install_it(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    at = AppTest.from_file(APP, default_timeout=60)
    at.run()
    assert any("laion" in element.value for element in at.warning)
    assert DOWNLOAD not in keys(at)


def test_a_file_that_was_brought_is_read_and_its_copy_removed(hub: type[Hub], at: AppTest, tmp_path: Path) -> None:
    base = tmp_path / "uploads" / "one"
    base.mkdir(parents=True)
    file = base / CLAP_FUSION.filename
    file.write_bytes(hub.content)
    weights.start_reading(CLAP_FUSION, file, base)
    after(at, ends)
    assert is_ready(CLAP_FUSION)
    assert not base.exists()
    assert not hub.requests


def copy_brought(uploads: Uploads, content: bytes) -> Upload:
    """A whole upload of the checkpoint."""
    upload = uploads.get(uploads.begin([(CLAP_FUSION.filename, len(content))]))
    assert upload is not None
    upload.base.mkdir(parents=True)
    (upload.base / CLAP_FUSION.filename).write_bytes(content)
    uploads.note(upload, 0)
    assert upload.is_whole
    return upload


def test_a_copy_that_was_not_used_goes_with_its_session_and_one_that_is_read_is_read(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_read = threading.Event(), threading.Event()

    def load_later(*given: Any) -> None:
        begun.set()
        assert may_read.wait(120)
        load_weights(*given)

    monkeypatch.setattr(weights, "load_weights", load_later)
    uploads = media_registry().publish_uploads("a-token", tmp_path / "uploads" / "a-token")
    unused, used = copy_brought(uploads, hub.content), copy_brought(uploads, hub.content)
    weights.start_reading(CLAP_FUSION, used.base / CLAP_FUSION.filename, used.base)
    assert begun.wait(60)
    weights.forget_copies("a-token")
    assert not unused.base.exists()
    may_read.set()
    wait_for(ends)
    assert is_ready(CLAP_FUSION)
    assert not list(uploads.folder.glob("*"))


def test_a_copy_that_comes_while_another_is_read_stays_for_another_try(hub: type[Hub], tmp_path: Path) -> None:
    may_end = threading.Event()
    weights.weights_tasks().start(CLAP_FUSION.encoder, "Fetching", lambda task: may_end.wait(120))
    uploads = media_registry().publish_uploads("b-token", tmp_path / "uploads" / "b-token")
    brought = copy_brought(uploads, hub.content)
    weights.start_reading(CLAP_FUSION, brought.base / CLAP_FUSION.filename, brought.base)
    may_end.set()
    wait_for(ends)
    assert (brought.base / CLAP_FUSION.filename).is_file()
    weights.forget_copies("b-token")
    assert not uploads.folder.exists()
