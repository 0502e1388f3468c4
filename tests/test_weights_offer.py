"""The offer to fetch CLAP's weights: nothing comes unasked; a download shows how far it is, and can be stopped."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from loopscope.checkpoints import CLAP_FUSION, downloading, is_ready
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


def after(at: AppTest, is_so: Callable[[], bool], seconds: float = 30) -> None:
    """Waits, then draws the page anew."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)
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
