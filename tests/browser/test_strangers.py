"""Two people at the running server, and a stranger with a hundred guesses: everybody hears their own loops only.

Nothing is mocked: the server is `streamlit run app.py`, the sessions are two browsers that walked to the Explore page,
the stranger speaks raw HTTP, so that no client library tidies the paths up.
"""

import http.client
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import soundfile
import streamlit
from playwright.sync_api import Browser, Page, Request, expect

from loopscope.audio import content_hash
from loopscope.checkpoints import AISFX
from tests.browser.driving import MODEL_SHOWN, ROOT, at_rest, choose, press, serve, wait_until
from tests.golden.clips import plucked

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
N_LOOPS = 12
RATE = 22050
LONG = 120_000  # milliseconds; a busy machine is slow
REFUSALS = {400, 403, 404, 405}


@dataclass(frozen=True)
class Guest:
    """One session: its token, and its loops by loop_id."""

    token: str
    version: str
    loops: dict[str, Path]


@dataclass(frozen=True)
class Studio:
    """The running server with two sessions."""

    host: str
    log: Path
    home: Path
    first: Guest
    second: Guest


def pack(folder: Path, seed: int) -> Path:
    folder.mkdir()
    for number in range(N_LOOPS):
        sound = plucked(0.3, RATE, seed=1000 * seed + number) * np.linspace(1, 0, int(0.3 * RATE))
        soundfile.write(folder / f"loop {number}.wav", sound, RATE)
    return folder


def walked(page: Page, url: str, folder: Path) -> Guest:
    """Choose a folder and wait for its model; the session's token is what the browser itself was told."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/ls/data/" in request.url:
            asked.append(request.url)

    page.on("request", note)
    page.goto(url)
    at_rest(page)
    page.get_by_text("Advanced: encoder, detector, seed").click()
    choose(page, "Detector", "pca")
    at_rest(page)
    page.get_by_label("Path").fill(str(folder))
    press(page, "Analyse")
    expect(page.get_by_test_id("stSidebar").get_by_text("Model: pca", exact=False)).to_be_visible(timeout=LONG)
    page.wait_for_selector(".ls-root[data-complete]", timeout=LONG)
    wait_until(lambda: page.evaluate(MODEL_SHOWN), "the model's ranking is shown", limit_s=LONG / 1000)
    version = str(page.locator(".ls-root[data-version]").get_attribute("data-version"))
    token = asked[-1].split("/ls/data/")[1].split("/")[0]
    assert f"{url}/ls/data/{token}/{version}/points" in asked
    return Guest(token, version, {content_hash(path): path for path in folder.iterdir()})


def assert_app_is_around_every_page(page: Page, url: str) -> None:
    """Also when the first address that a fresh server hears is that of a page, as after a restart."""
    page.goto(f"{url}/diagnostics")
    expect(page.get_by_role("heading", name="Diagnostics", exact=True)).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stSidebarNav").get_by_role("link", name="Diagnostics", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text("No folder chosen yet.")).to_be_visible(timeout=LONG)
    page.close()


@pytest.fixture(scope="module")
def studio(browser: Browser, fetched_aisfx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    home = tmp_path_factory.mktemp("studio")
    weights = home / "cache" / "weights" / AISFX.stored.name
    weights.parent.mkdir(parents=True)
    weights.symlink_to(fetched_aisfx)
    packs = [pack(home / f"pack {seed}", seed) for seed in (1, 2)]
    with serve(ROOT / "app.py", home, HF_HUB_OFFLINE="1", LOOPSCOPE_ROOTS=str(home)) as url:
        contexts = [browser.new_context(viewport={"width": 1440, "height": 1000}) for _ in packs]
        for context in contexts:
            context.set_default_timeout(LONG)
        assert_app_is_around_every_page(contexts[0].new_page(), url)
        guests = [walked(context.new_page(), url, folder) for context, folder in zip(contexts, packs, strict=True)]
        yield Studio(urlsplit(url).netloc, home / "server.log", home, *guests)
        for context in contexts:
            context.close()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(studio: Studio, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request, its path exactly as given."""
    connection = http.client.HTTPConnection(studio.host, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def guesses(studio: Studio) -> list[str]:
    """Traversals, foreign loops and invented tokens, on every route that gives content."""
    mine, other = studio.first, studio.second
    loop, foreign = next(iter(mine.loops)), next(iter(other.loops))
    targets = ("etc/passwd", "app.py", str(studio.home / "data" / "loopscope.sqlite3").lstrip("/"))
    climbs = ("../" * 8, "..%2f" * 8, "%2e%2e/" * 8, "%2e%2e%2f" * 8, "..%5c" * 8, "..%252f" * 8, "....//" * 8, "%2f")
    routes = (
        f"/ls/audio/{mine.token}/",
        f"/ls/data/{mine.token}/{mine.version}/",
        "/ls/assets/explorer/any/",
        "/ls/",
    )
    traversals = [f"{route}{climb}{target}" for route in routes for climb in climbs for target in targets]
    absolute = [f"/ls/audio/{mine.token}/{quote(str(path), safe='')}" for path in other.loops.values()]
    tokens = [
        "",
        "0",
        "null",
        "*",
        "%00",
        mine.token[:-1],
        mine.token + "A",
        mine.token.swapcase(),
        f"{mine.token}%00",
        f"%20{mine.token}",
        *(secrets.token_urlsafe(24) for _ in range(24)),
    ]
    invented = [
        *(f"/ls/audio/{token}/{loop}" for token in tokens),
        *(f"/ls/data/{token}/{mine.version}/points" for token in tokens),
    ]
    crossed = [
        *(f"/ls/audio/{mine.token}/{theirs}" for theirs in other.loops),
        f"/ls/audio/{other.token}/{loop}",
        f"/ls/audio/{mine.token}/{loop}/{foreign}",
        f"/ls/audio/{loop}/{mine.token}",
        f"/ls/audio/{mine.token}",
        f"/ls/audio/{mine.token}/",
        f"/ls/audio/{mine.token}/{loop[:-1]}",
        f"/ls/audio/{mine.token}/{loop}.wav",
        f"/ls/data/{mine.token}/{other.version}/points",
        f"/ls/data/{mine.token}/{mine.version}/paths",
    ]
    streamlits = [
        f"{route}{climb}{target}"
        for route in ("/media/", "/component/", "/static/", "/_stcore/upload_file/")
        for climb in climbs[:5]
        for target in targets[:1]
    ]
    return [*traversals, *absolute, *invented, *crossed, *streamlits]


def test_each_session_hears_its_own_loops_whole_and_in_parts(studio: Studio) -> None:
    for guest in (studio.first, studio.second):
        for loop_id, path in guest.loops.items():
            address = f"/ls/audio/{guest.token}/{loop_id}"
            assert ask(studio, address).body == path.read_bytes()
            part = ask(studio, address, Range="bytes=100-199")
            assert (part.status, part.body) == (206, path.read_bytes()[100:200])
    assert studio.first.token != studio.second.token
    assert len(studio.first.token) >= 32


def test_a_hundred_guesses_are_refused_without_content_and_logged(studio: Studio) -> None:
    tried = guesses(studio)
    assert len(tried) >= 100
    before = studio.log.read_text(encoding="utf-8").count("refused:")
    held = [*(path.read_bytes() for path in studio.second.loops.values()), Path("/etc/passwd").read_bytes()]
    for path in tried:
        for headers in ({}, {"Range": "bytes=0-9"}) if "/ls/audio/" in path else ({},):
            answer = ask(studio, path, **headers)
            assert answer.status in REFUSALS, f"{path} answered {answer.status}"
            assert len(answer.body) < 64, f"{path} was given {answer.body[:200]!r}"
            assert not any(answer.body and answer.body in secret for secret in held), path
    log = studio.log.read_text(encoding="utf-8")
    assert log.count("refused:") - before >= len(tried)
    for secret in (studio.first.token, studio.second.token, str(studio.home), "passwd", *studio.second.loops):
        assert secret not in log, f"the log holds {secret}"
    assert "Traceback" not in log


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_sound_and_arrays_can_only_be_read(studio: Studio, method: str) -> None:
    guest = studio.first
    for path in (f"audio/{guest.token}/{next(iter(guest.loops))}", f"data/{guest.token}/{guest.version}/points", "x"):
        answer = ask(studio, f"/ls/{path}", method, Content_Length="0")
        assert answer.status in REFUSALS
        assert len(answer.body) < 64


def test_a_page_of_another_origin_opens_no_session(studio: Studio) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    own = ask_upgrade(studio, f"http://{studio.host}", handshake)
    assert own == 101, "the server's own page is let in"
    assert ask_upgrade(studio, "http://evil.example", handshake) == 403


def ask_upgrade(studio: Studio, origin: str, handshake: dict[str, str]) -> int:
    """The status of a websocket handshake; an accepted one has no body to wait for."""
    connection = http.client.HTTPConnection(studio.host, timeout=30)
    try:
        connection.putrequest("GET", "/_stcore/stream", skip_accept_encoding=True)
        for name, value in {**handshake, "Origin": origin}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/explore", "/etc/passwd", "/_stcore/health", "/ls/nothing", "/media/none.wav"])
def test_every_answer_carries_the_policy(studio: Studio, path: str) -> None:
    answer = ask(studio, path)
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert "unsafe-inline" not in policy["script-src"]
    assert "sha256-" in policy["script-src"]
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    if path in {"/explore", "/etc/passwd"}:  # Streamlit answers pages it does not know with its start page
        start = Path(streamlit.__file__).parent / "static" / "index.html"
        assert answer.body == start.read_bytes()


def test_a_loop_replaced_by_a_link_that_leads_out_is_no_longer_served(studio: Studio) -> None:
    loop_id, path = next(reversed(studio.first.loops.items()))
    outside = studio.home / "outside.wav"
    outside.write_bytes(next(iter(studio.second.loops.values())).read_bytes())
    address = f"/ls/audio/{studio.first.token}/{loop_id}"
    assert ask(studio, address).status == 200
    own = path.read_bytes()
    path.unlink()
    path.symlink_to(outside)
    try:
        assert ask(studio, address).status == 404
    finally:
        path.unlink()
        path.write_bytes(own)


def test_a_script_that_got_into_the_page_does_not_run(studio: Studio, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"http://{studio.host}")
    expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible(timeout=LONG)
    assert not [text for text in said if "Content Security Policy" in text], "the app itself obeys the policy"
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.__injected = true';
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<img src="x:" onerror="window.__injected = true">');
    }""")
    wait_until(lambda: sum("Content Security Policy" in text for text in said) >= 2, "both are refused")
    assert page.evaluate("window.__injected") is None
    context.close()
