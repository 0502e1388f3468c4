"""What the browser posts and asks, as the app's own page, a broken one and a stranger's do it."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from loopscope.errors import DataError, ModelError, StoreError
from loopscope.store import Store
from loopscope.ui.server import messages
from loopscope.ui.server.headers import SecurityHeaders
from loopscope.ui.server.media import MediaRegistry, routes

TOKEN, LOOP, OTHER = "a-session", "0123abcd", "4567ef89"
OWN = {"Origin": "http://testserver", "Content-Type": "application/json"}
Taken = list[tuple[str, str, str | None]]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> MediaRegistry:
    registry = MediaRegistry()
    monkeypatch.setattr(messages, "media_registry", lambda: registry)
    registry.publish_library(TOKEN, {LOOP: "/pack/a.wav", OTHER: "/pack/b.wav"})
    return registry


@pytest.fixture
def client(registry: MediaRegistry) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes(), middleware=[Middleware(SecurityHeaders)])) as client:
        yield client


@pytest.fixture
def taken(registry: MediaRegistry) -> Taken:
    """What the session's outbox has stored, in order."""
    stored: Taken = []
    registry.publish_outbox(TOKEN, lambda *entry: stored.append(entry))
    return stored


def post(client: TestClient, said: Any, where: str = f"outbox/{TOKEN}", headers: Mapping[str, str] = OWN) -> Any:
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    return client.post(f"/ls/{where}", content=content, headers=dict(headers))


def entry(serial: int, value: Any = "keep", kind: str = "mark", loop_id: str = LOOP) -> dict[str, Any]:
    return {"serial": serial, "kind": kind, "loop_id": loop_id, "value": value}


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_marks_and_notes_are_stored_in_order_and_acknowledged(client: TestClient, taken: Taken) -> None:
    said = [
        entry(7),
        entry(8, None),
        entry(9, "two clicks", "note"),
        entry(10, "love", loop_id=OTHER),
        entry(11, "", "note"),
    ]
    answer = post(client, said)
    assert (answer.status_code, answer.json()) == (200, {"acknowledged": [7, 8, 9, 10, 11], "refused": []})
    assert answer.headers["cache-control"] == "no-store"
    assert taken == [
        ("mark", LOOP, "keep"),
        ("mark", LOOP, None),
        ("note", LOOP, "two clicks"),
        ("mark", OTHER, "love"),
        ("note", LOOP, ""),
    ]


def test_what_is_acknowledged_is_in_the_database(client: TestClient, registry: MediaRegistry, tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        registry.publish_outbox(TOKEN, messages.kept_in(store))
        assert post(client, [entry(1), entry(2, "Größe 🥁 \x00", "note")]).json()["acknowledged"] == [1, 2]
        mark = store.get_marks()[LOOP]
    assert (mark.mark, mark.note) == ("keep", "Größe 🥁 \x00")


@pytest.mark.parametrize(
    ("wrong", "elsewhere"),
    [
        (entry(1, loop_id="of-another-session"), True),
        (entry(1, "burn"), False),
        (entry(1, ["keep"]), False),
        (entry(1, True), False),
        (entry(1, {}), False),
        (entry(1, kind="percentile"), False),
        (entry(1, None, "note"), False),
        (entry(1, 5, "note"), False),
        (entry(1, "x" * (messages.LONGEST_NOTE + 1), "note"), False),
        (entry(1, "half a character: \ud83e", "note"), False),
        ({"serial": 1}, False),
        ({**entry(1), "loop_id": ["0123abcd"]}, False),
        ({**entry(1), "loop_id": {}}, False),
        ({**entry(1), "kind": ["mark"]}, False),
    ],
)
def test_one_wrong_entry_is_refused_with_a_reason_and_keeps_no_other_from_being_stored(
    client: TestClient, taken: Taken, wrong: dict[str, Any], elsewhere: bool
) -> None:
    answer = post(client, [wrong, entry(2, "love")])
    assert answer.status_code == 200
    (refused,) = answer.json()["refused"]
    assert refused["serial"] == 1 and refused["reason"].endswith(".") and "wav" not in refused["reason"]
    assert refused.get("elsewhere", False) == elsewhere, "only a loop that another session holds is worth keeping"
    assert answer.json()["acknowledged"] == [2]
    assert taken == [("mark", LOOP, "love")]


def test_the_longest_note_is_taken_whole(client: TestClient, taken: Taken) -> None:
    note = "🥁" * messages.LONGEST_NOTE
    assert post(client, [entry(1, note, "note")]).json()["acknowledged"] == [1]
    assert taken == [("note", LOOP, note)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 20_000, 400),
        (b"NaN", 400),
        (b"[" + b"9" * 5000 + b"]", 400),
        (b"null", 400),
        (b"{}", 400),
        (b'"mark"', 400),
        (b"[1]", 400),
        (b"[[]]", 400),
        (b"[{}]", 400),
        (b'[{"serial": "1"}]', 400),
        (b'[{"serial": true}]', 400),
        (b'[{"serial": 1.0}]', 400),
        (b'[{"serial": -1}]', 400),
        (b'[{"serial": 9007199254740993}]', 400),
        (json.dumps([entry(i) for i in range(1001)]).encode(), 400),
        (json.dumps([entry(1, "x" * 260_000, "note")]).encode(), 413),
        (b" " * 256_001, 413),
    ],
)
def test_what_is_no_list_of_entries_is_answered_with_one_sentence(
    client: TestClient, taken: Taken, body: bytes, status: int
) -> None:
    answer = post(client, body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"} and answer.json()["error"].endswith(".")
    assert len(answer.content) < 200 and not taken


def test_a_thousand_marks_are_taken_at_once(client: TestClient, taken: Taken) -> None:
    assert post(client, [entry(i) for i in range(1000)]).json()["acknowledged"] == list(range(1000))
    assert len(taken) == 1000


STRANGERS = [
    ({}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "testserver"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://testserver.evil.example"}, 403),
    ({"Origin": "http://testserver:8501"}, 403),
    ({"Origin": "http://evil.example://testserver"}, 403),
    ({"Origin": "http://testserver", "Content-Type": "text/plain"}, 415),
    ({"Origin": "http://testserver", "Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Origin": "http://testserver", "Content-Type": "text/plain; application/json"}, 415),
    ({"Origin": "http://testserver", "Content-Type": ""}, 415),
]


@pytest.mark.parametrize("where", ["outbox", "view"])
@pytest.mark.parametrize(("headers", "status"), STRANGERS)
def test_only_the_app_s_own_page_may_post(
    client: TestClient, registry: MediaRegistry, taken: Taken, where: str, headers: dict[str, str], status: int
) -> None:
    kept: list[object] = []
    registry.publish_view(TOKEN, kept.append)
    sent = headers if "Content-Type" in headers else {**headers, "Content-Type": "application/json"}
    answer = post(client, [entry(1)] if where == "outbox" else {}, f"{where}/{TOKEN}", sent)
    assert answer.status_code == status
    assert not taken and not kept


@pytest.mark.parametrize("origin", ["https://testserver", "HTTP://TestServer"])
def test_a_proxy_that_adds_https_is_no_stranger(client: TestClient, taken: Taken, origin: str) -> None:
    typed = {"Origin": origin, "Content-Type": "Application/JSON; charset=utf-8"}
    assert post(client, [entry(1)], headers=typed).status_code == 200


def test_the_unknown_answers_404_and_the_log_names_no_token(
    client: TestClient, registry: MediaRegistry, taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for where in ("outbox", "view"):
            assert post(client, [], f"{where}/no-such-session").status_code == 404
        assert post(client, {}, f"view/{TOKEN}").status_code == 404, "nothing keeps its view"
        assert client.get("/ls/pulse/no-such-session").status_code == 404
        assert client.get(f"/ls/pulse/{TOKEN}").status_code == 404, "its pulse was not published"
        assert post(client, b"{", f"outbox/{TOKEN}").status_code == 400
        registry.forget(TOKEN)
        assert post(client, [entry(1)]).status_code == 404
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("loopscope")]
    assert len(ours) == 7 and all("/ls/" in line for line in ours)
    assert not any(secret in line for line in ours for secret in (TOKEN, "no-such-session", LOOP))
    assert not taken


def test_what_cannot_be_stored_now_is_said_and_what_was_stored_before_it_acknowledged(
    client: TestClient, registry: MediaRegistry
) -> None:
    stored: Taken = []

    def take(kind: str, loop_id: str, value: str | None) -> None:
        if value == "love":
            raise StoreError("The disk is full; make room.")
        stored.append((kind, loop_id, value))

    registry.publish_outbox(TOKEN, take)
    answer = post(client, [entry(1), entry(2, "love"), entry(3, "quarantine")])
    assert answer.status_code == 507
    assert answer.json() == {"acknowledged": [1], "refused": [], "error": "The disk is full; make room."}
    assert stored == [("mark", LOOP, "keep")], "what comes after it waits, else the order would be lost"


@pytest.mark.parametrize(("error", "status"), [(StoreError("Full."), 507), (ModelError("No."), 500)])
def test_an_error_of_ours_is_answered_with_its_sentence(
    client: TestClient, registry: MediaRegistry, error: Exception, status: int
) -> None:
    for publish in (registry.publish_outbox, registry.publish_view, registry.publish_pulse):
        publish(TOKEN, failing(error))
    answers = [post(client, [entry(1)]), post(client, {}, f"view/{TOKEN}")]
    assert {answer.status_code for answer in answers} == {status}
    assert {answer.json()["error"] for answer in answers} == {str(error)}
    pulse = client.get(f"/ls/pulse/{TOKEN}")
    assert (pulse.status_code, pulse.json()) == (500, {"error": str(error)})


def test_what_the_store_will_never_take_is_refused(client: TestClient, registry: MediaRegistry) -> None:
    registry.publish_outbox(TOKEN, failing(DataError("Unknown mark.")))
    answer = post(client, [entry(1)])
    assert (answer.status_code, answer.json()["refused"]) == (200, [{"serial": 1, "reason": "Unknown mark."}])


def test_the_pulse_is_what_was_published_last_and_is_never_kept(client: TestClient, registry: MediaRegistry) -> None:
    beats = iter(range(10))
    registry.publish_pulse(TOKEN, lambda: {"task": None, "generation": next(beats)})
    said = [client.get(f"/ls/pulse/{TOKEN}") for _ in range(2)]
    assert [answer.json() for answer in said] == [{"task": None, "generation": beat} for beat in range(2)]
    assert {answer.headers["cache-control"] for answer in said} == {"no-store"}
    registry.publish_pulse(TOKEN, lambda: {"generation": 99})
    assert client.get(f"/ls/pulse/{TOKEN}").json() == {"generation": 99}
    assert client.post(f"/ls/pulse/{TOKEN}", headers=OWN).status_code == 405
    assert client.get(f"/ls/outbox/{TOKEN}").status_code in {404, 405}


def test_a_view_is_kept_as_it_came_up_to_its_bound(client: TestClient, registry: MediaRegistry) -> None:
    kept: list[Mapping[str, Any]] = []
    registry.publish_view(TOKEN, kept.append)
    answer = post(client, {"zoom": [1, 2], "search": "kick 🥁"}, f"view/{TOKEN}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert kept == [{"zoom": [1, 2], "search": "kick 🥁"}]
    assert post(client, {"a": "x" * 16_000}, f"view/{TOKEN}").status_code == 413
    for wrong in (b"[]", b"1", b"{", b'{"zoom": NaN}', b'"a"', b"null"):
        assert post(client, wrong, f"view/{TOKEN}").status_code == 400
    assert len(kept) == 1
