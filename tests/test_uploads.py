"""A folder that a browser sends arrives whole, below its own folder and nowhere else, without being held in memory."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from loopscope import files
from loopscope.ui.server import media, messages, received, upload_routes
from loopscope.ui.server.media import MediaRegistry, routes
from loopscope.ui.server.received import safe_places, safe_relative
from loopscope.ui.widgets import upload
from loopscope.ui.widgets.javascript import Commits

TOKEN = "a-session"
OWN = {"Origin": "http://testserver"}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MediaRegistry:
    """Of one session, which may upload into tmp_path/uploads."""
    registry = MediaRegistry()
    registry.publish_uploads(TOKEN, tmp_path / "uploads")
    for module in (messages, upload_routes):
        monkeypatch.setattr(module, "media_registry", lambda: registry)
    return registry


@pytest.fixture
def client(registry: MediaRegistry) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes()), headers=OWN) as client:
        yield client


def begun(client: TestClient, files: dict[str, bytes]) -> str:
    """Announce a folder; the address of its upload."""
    listed = [[name, len(content)] for name, content in files.items()]
    answer = client.post(f"/ls/upload/{TOKEN}", json={"files": listed})
    assert answer.status_code == 200, answer.text
    return f"/ls/upload/{TOKEN}/{answer.json()['upload']}"


def sent(client: TestClient, files: dict[str, bytes]) -> str:
    address = begun(client, files)
    for number, content in enumerate(files.values()):
        assert client.put(f"{address}/{number}", content=content).status_code == 204
    return address


def upload_at(registry: MediaRegistry, address: str) -> received.Upload | None:
    uploads = registry.uploads(TOKEN)
    assert uploads is not None
    return uploads.get(address.rpartition("/")[2])


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pack/bass/a.wav", "pack/bass/a.wav"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/shadow.wav", "etc/shadow.wav"),
        ("C:\\Users\\me\\a.wav", "C_/Users/me/a.wav"),
        ("//etc/shadow.wav", "etc/shadow.wav"),
        ("\\\\server\\share\\a.wav", "server/share/a.wav"),
        ("pack//./a.wav", "pack/a.wav"),
        ("..", "unnamed"),
        (".", "unnamed"),
        ("//", "unnamed"),
        ("", "unnamed"),
        ("a\0b.wav", "a_b.wav"),
    ],
)
def test_known_tricks(name: str, expected: str) -> None:
    assert safe_relative(name) == Path(expected)


@given(st.text(max_size=200) | st.text(st.sampled_from("/\\.:a\0"), max_size=8))
def test_never_absolute_never_upwards(name: str) -> None:
    path = safe_relative(name)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert (Path("/uploads") / path).is_relative_to("/uploads")
    assert "\0" not in str(path)


def test_uploaded_files_stay_below_their_folder(client: TestClient, registry: MediaRegistry, tmp_path: Path) -> None:
    names = ["pack/a.wav", "../../b.wav", "//c.wav", "pack/../../../d.wav", "pack\\..\\e.wav"]
    upload = upload_at(registry, sent(client, dict.fromkeys(names, b"sound")))
    assert upload is not None and upload.is_whole
    assert [path.name for path in tmp_path.iterdir()] == ["uploads"]
    assert upload.folder.is_relative_to(tmp_path / "uploads")
    assert sorted(Path(name).name for name in tree(upload.folder)) == ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]
    assert set(tree(upload.folder).values()) == {b"sound"}


LONG = "a very long name of a loop " * 12
MANY = [
    f"{LONG}one.wav",
    f"{LONG}two.wav",
    f"{LONG}one.mp3",
    "音" * 200 + ".flac",
    "a:b.wav",
    "a_b.wav",
    "a_b (2).wav",
    "A_B.wav",
    "caf\u00e9.wav",
    "cafe\u0301.wav",
    "folder:1/x.wav",
    "folder_1/x.wav",
    "x" * 300,
    "lone \ud800.wav",
]


def test_long_and_colliding_names_all_arrive_with_their_suffixes(client: TestClient, registry: MediaRegistry) -> None:
    files = {name.encode("utf-8", "replace").decode(): str(i).encode() for i, name in enumerate(MANY)}
    upload = upload_at(registry, sent(client, files))
    assert upload is not None
    assert [(upload.base / place).read_bytes() for place in upload.places] == list(files.values())
    assert len(tree(upload.base)) == len(MANY)
    assert [place.suffix for place in upload.places] == [Path(name).suffix for name in MANY]


def test_a_name_that_can_be_kept_is_kept() -> None:
    places = dict(zip(MANY, safe_places(MANY), strict=True))
    for name in ("a_b.wav", "a_b (2).wav", "folder_1/x.wav"):
        assert places[name] == Path(name)
    assert places["A_B.wav"] == Path("A_B (3).wav"), "some file systems do not tell case"
    assert places["a:b.wav"] == Path("a_b (4).wav")
    assert safe_places(["a.wav"] * 3) == [Path("a.wav"), Path("a (2).wav"), Path("a (3).wav")]


SUFFIX = f".{'s' * 15}"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (f"{'x' * 156}.wav", f"{'x' * 156}.wav"),
        (f"{'x' * 157}.wav", f"{'x' * 156}.wav"),
        (f"{'x' * 145}{SUFFIX}", f"{'x' * 144}{SUFFIX}"),
        (f"{'x' * 144}{SUFFIX}s", f"{'x' * 144}{SUFFIX}"),
    ],
)
def test_names_have_160_bytes_and_suffixes_16_at_most(name: str, kept: str) -> None:
    assert safe_relative(name) == Path(kept)


@given(st.lists(st.text(max_size=200), max_size=8))
def test_no_two_uploads_share_a_place(names: list[str]) -> None:
    places = safe_places(names)
    assert len({place.as_posix().casefold() for place in places}) == len(names)
    assert all(len(part.encode()) <= 160 for place in places for part in place.parts)


def test_every_renaming_is_listed() -> None:
    def page() -> None:
        from pathlib import Path

        from loopscope.ui.server.received import Upload, safe_places
        from loopscope.ui.views.uploads import list_renamed
        from tests.test_uploads import MANY

        for names in (MANY, ["pack/a.wav"]):
            list_renamed(Upload(Path(), tuple(names), tuple(safe_places(names)), ()).renamed)

    shown = AppTest.from_function(page, default_timeout=60).run()
    assert not shown.exception
    (table,) = shown.dataframe
    kept = {"a_b.wav", "a_b (2).wav", "caf\u00e9.wav", "folder_1/x.wav"}
    renamed = [name for name in MANY if name not in kept]
    assert "too long" in shown.expander[0].caption[0].value
    assert shown.expander[0].label == f"{len(renamed)} files are kept under another name"
    assert list(table.value["Uploaded as"]) == [name.encode("utf-8", "replace").decode() for name in renamed]
    assert "A_B (3).wav" in set(table.value["Kept as"])


PACK = {"pack/a.wav": b"first", "pack/sub/b.wav": b"", "pack/c.flac": bytes(3_000_000)}


def test_a_folder_arrives_as_it_was(client: TestClient, registry: MediaRegistry) -> None:
    address = sent(client, PACK)
    upload = upload_at(registry, address)
    assert upload is not None and upload.is_whole and upload.renamed == []
    assert upload.folder.name == "pack"
    assert tree(upload.base) == PACK
    assert client.put(f"{address}/0", content=b"again").status_code == 204, "an answer that was lost"
    assert (upload.folder / "a.wav").read_bytes() == b"again"
    second = upload_at(registry, sent(client, PACK))
    assert second is not None and second.base != upload.base


def test_an_upload_counts_as_whole_when_every_file_is_there(client: TestClient, registry: MediaRegistry) -> None:
    address = begun(client, PACK)
    upload = upload_at(registry, address)
    assert upload is not None
    for number, content in reversed(list(enumerate(PACK.values()))):
        assert not upload.is_whole
        client.put(f"{address}/{number}", content=content)
    assert upload.is_whole


@pytest.mark.parametrize("content", [b"firs", b"first!", b""])
def test_a_file_of_another_length_is_refused_and_leaves_nothing(
    client: TestClient, registry: MediaRegistry, content: bytes
) -> None:
    address = begun(client, PACK)
    answer = client.put(f"{address}/0", content=content)
    assert answer.status_code in {400, 413} and answer.json()["error"].endswith(".")
    upload = upload_at(registry, address)
    assert upload is not None and not upload.arrived and tree(upload.base) == {}


def test_only_the_session_s_own_page_uploads(client: TestClient, registry: MediaRegistry, tmp_path: Path) -> None:
    address = begun(client, PACK)
    foreign = {"Origin": "http://evil.test"}
    for where in (f"/ls/upload/{TOKEN}", "/ls/upload/another"):
        assert client.post(where, json={"files": [["a.wav", 1]]}, headers=foreign).status_code == 403
    assert client.put(f"{address}/0", content=b"first", headers=foreign).status_code == 403
    assert client.delete(address, headers=foreign).status_code == 403
    assert client.post("/ls/upload/another", json={"files": [["a.wav", 1]]}).status_code == 404
    for wrong in (f"{address}/3", f"{address}/-1", f"{address}/x", f"{address}x/0", address.replace(TOKEN, "b") + "/0"):
        assert client.put(wrong, content=b"first").status_code in {404, 405}
    assert not (tmp_path / "uploads").exists() or tree(tmp_path / "uploads") == {}


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        *({"files": [["a.wav", size]]} for size in (-1, 1.5, True, "1")),
        *({"files": files} for files in ({}, [], [["a.wav"]], [[1, 1]], [["a.wav", 1, 2]], [5], [{"a": 1, "b": 2}])),
    ],
    ids=lambda said: str(said)[:40],
)
def test_what_is_no_list_of_files_is_one_sentence(client: TestClient, said: Any) -> None:
    answer = client.post(f"/ls/upload/{TOKEN}", json=said)
    assert answer.status_code in {400, 413}
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(
    ("files", "is_taken"),
    [
        ([[f"{number}.wav", 1] for number in range(10_000)], True),
        ([[f"{number}.wav", 1] for number in range(10_001)], False),
        ([["a.wav", 2_000_000_000]], True),
        ([["a.wav", 2_000_000_000], ["b.wav", 1]], False),
    ],
    ids=["as many as may be", "one more", "as much as may be", "one byte more"],
)
def test_an_upload_is_limited(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, files: list[Any], is_taken: bool
) -> None:
    usage = received.shutil.disk_usage("/")
    monkeypatch.setattr(received.shutil, "disk_usage", lambda _: usage._replace(free=10**12))
    answer = client.post(f"/ls/upload/{TOKEN}", json={"files": files})
    assert answer.status_code == (200 if is_taken else 413)
    assert is_taken or "10,000 and 2 GB are the limits" in answer.json()["error"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError("the disk is gone")])
def test_a_full_disk_is_one_sentence(client: TestClient, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise error

    address = begun(client, PACK)
    monkeypatch.setattr(upload_routes, "written_whole", refuse)
    answer = client.put(f"{address}/0", content=b"first")
    assert answer.status_code == 507
    assert f"could not be kept ({error.strerror or error})" in answer.json()["error"]


def test_a_disk_that_cannot_be_asked_is_one_sentence(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(received.shutil, "disk_usage", refuse)
    answer = client.post(f"/ls/upload/{TOKEN}", json={"files": [["a.wav", 1]]})
    assert (answer.status_code, "could not be kept" in answer.json()["error"]) == (507, True)


def test_a_file_that_is_not_of_the_upload_is_not_found(client: TestClient) -> None:
    assert client.put(f"{begun(client, PACK)}/3", content=b"first").status_code == 404


def test_nobody_waits_for_the_disk_as_the_user_has_the_original(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(files, "flush", flushed.append)
    sent(client, PACK)
    assert not flushed


def test_a_sender_that_hangs_up_is_answered_and_leaves_nothing(registry: MediaRegistry, tmp_path: Path) -> None:
    uploads = registry.uploads(TOKEN)
    assert uploads is not None
    name = uploads.begin([("pack/long.wav", 10)])
    heard = iter([{"type": "http.request", "body": b"first", "more_body": True}, {"type": "http.disconnect"}])
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(heard)

    async def send(message: Any) -> None:
        answers.append(message)

    path = f"/ls/upload/{TOKEN}/{name}/0"
    scope = {"type": "http", "method": "PUT", "path": path, "raw_path": path.encode(), "query_string": b""}
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    asyncio.run(Starlette(routes=routes())({**scope, "headers": headers}, receive, send))
    assert answers[0]["status"] == 400
    assert tree(tmp_path / "uploads") == {}


def page() -> None:
    import streamlit

    from loopscope.ui.views.uploads import upload_folder

    streamlit.session_state["written to"] = upload_folder()


def test_a_folder_that_is_here_is_scanned_once_the_user_confirms_it(
    client: TestClient, registry: MediaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "media_registry", lambda: registry)
    monkeypatch.setattr(media, "session_token", lambda: TOKEN)
    told: dict[str, Any] = {}
    monkeypatch.setattr(upload, "component", lambda *_, **asked: Commits(told, frozenset()))
    for name in (None, "invented", begun(client, PACK).rpartition("/")[2]):
        told["uploaded"] = {"value": name}
        shown = AppTest.from_function(page, default_timeout=60).run()
        assert not shown.exception and not shown.button and shown.session_state["written to"] is None
    address = sent(client, {"pack/bass/a.wav": b"first", "pack/b:c.wav": b"second"})
    told["uploaded"] = {"value": address.rpartition("/")[2]}
    shown = AppTest.from_function(page, default_timeout=60).run()
    assert shown.expander[0].label.startswith("1 file is kept") and shown.session_state["written to"] is None
    target = shown.button("upload-scan").click().run().session_state["written to"]
    assert target.name == "pack" and tree(target) == {"bass/a.wav": b"first", "b_c.wav": b"second"}


@pytest.mark.parametrize(("missing", "status"), [(0, 200), (1, 413)])
def test_a_folder_that_the_disk_does_not_hold_is_refused_before_it_is_sent(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, missing: int, status: int
) -> None:
    usage, room = received.shutil.disk_usage("/"), 64 * 2**20 + 2_000_000 - missing
    monkeypatch.setattr(received.shutil, "disk_usage", lambda _: usage._replace(free=room))
    answer = client.post(f"/ls/upload/{TOKEN}", json={"files": [["a.wav", 2_000_000]]})
    assert answer.status_code == status
    if missing:
        assert answer.json()["error"] == "The upload needs 2 MB and 2 MB are free; make room first."


def test_the_folder_of_uploads_is_made_with_those_above_it(tmp_path: Path) -> None:
    uploads = received.Uploads(tmp_path / "home" / "uploads")
    uploads.cancel("unknown")
    name = uploads.begin([("a.wav", 1)])
    upload = uploads.get(name)
    assert upload is not None and (tmp_path / "home" / "uploads").is_dir()
    uploads.cancel(name)
    upload.base.mkdir()
    (upload.base / "a.wav").write_bytes(b"x")  # it was under way
    uploads.note(upload, 0)
    assert not list((tmp_path / "home" / "uploads").iterdir())


def test_an_upload_that_is_cancelled_or_cut_off_leaves_nothing(
    client: TestClient, registry: MediaRegistry, tmp_path: Path
) -> None:
    whole, partial, cancelled = sent(client, PACK), begun(client, PACK), begun(client, PACK)
    for address in (partial, cancelled):
        client.put(f"{address}/0", content=b"first")
    assert {client.delete(address).status_code for address in (cancelled, whole)} == {204}
    assert client.put(f"{cancelled}/0", content=b"first").status_code == 404
    kept, late = upload_at(registry, whole), upload_at(registry, partial)
    uploads = registry.uploads(TOKEN)
    assert kept is not None and late is not None and uploads is not None
    registry.forget(TOKEN)
    uploads.note(late, 1)  # a file that was under way
    assert tree(tmp_path / "uploads") == {f"{kept.base.name}/{name}": content for name, content in PACK.items()}


def test_no_more_than_a_piece_of_a_file_is_held_in_memory(registry: MediaRegistry, tmp_path: Path) -> None:
    """The sender waits for each piece to be written: what was taken and is not on the disk stays small."""
    uploads, size, piece = registry.uploads(TOKEN), 40_000_000, 100_000
    assert uploads is not None
    name = uploads.begin([("pack/long.wav", size)])
    taken = held = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken, held
        written = sum(path.stat().st_size for path in (tmp_path / "uploads").rglob("*") if path.is_file())
        held = max(held, taken - written)
        taken += piece
        return {"type": "http.request", "body": bytes(piece), "more_body": taken < size}

    answers: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        answers.append(message)

    path = f"/ls/upload/{TOKEN}/{name}/0"
    scope = {"type": "http", "method": "PUT", "path": path, "raw_path": path.encode(), "query_string": b""}
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    asyncio.run(Starlette(routes=routes())({**scope, "headers": headers}, receive, send))
    assert answers[0]["status"] == 204
    assert held <= 2 * upload_routes.PIECE_BYTES
