"""Names from a browser cannot leave the uploads folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from loopscope.config import AUDIO_EXTENSIONS, paths
from loopscope.ui.views import uploads
from loopscope.ui.views.uploads import safe_places, safe_relative, write_below


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


def test_uploaded_files_stay_below_their_folder(tmp_path: Path) -> None:
    target = tmp_path / "uploads" / "session" / "pack"
    for relative in safe_places(["pack/a.wav", "../../b.wav", "//c.wav", "pack/../../../d.wav", "pack\\..\\e.wav"]):
        place = write_below(target, relative, b"sound")
        assert place.read_bytes() == b"sound"
        assert place.resolve().is_relative_to(target)
    assert [path.name for path in tmp_path.iterdir()] == ["uploads"]
    left = [path.name for path in target.rglob("*") if path.is_file()]
    assert sorted(left) == ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]


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


def test_long_and_colliding_names_all_arrive_with_their_suffixes(tmp_path: Path) -> None:
    places = safe_places(MANY)
    written = [write_below(tmp_path, place, str(i).encode()) for i, place in enumerate(places)]
    assert [path.read_bytes() for path in written] == [str(i).encode() for i in range(len(MANY))]
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(MANY)
    assert [place.suffix for place in places] == [Path(name).suffix for name in MANY]


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
        from loopscope.ui.views.uploads import list_renamed, safe_places
        from tests.test_uploads import MANY

        list_renamed(MANY, safe_places(MANY))
        list_renamed(["pack/a.wav"], safe_places(["pack/a.wav"]))

    shown = AppTest.from_function(page).run()
    assert not shown.exception
    (table,) = shown.dataframe
    kept = {"a_b.wav", "a_b (2).wav", "caf\u00e9.wav", "folder_1/x.wav"}
    renamed = [name for name in MANY if name not in kept]
    assert list(table.value["Uploaded as"]) == [name.encode("utf-8", "replace").decode() for name in renamed]
    assert "A_B (3).wav" in set(table.value["Kept as"])


@dataclass(frozen=True)
class Sent:
    """A file as the browser sent it."""

    name: str
    size: int = 5

    def getbuffer(self) -> memoryview:
        return memoryview(b"sound")


def page() -> None:
    import streamlit

    from loopscope.ui.views.uploads import upload_folder

    streamlit.session_state["written to"] = upload_folder()


def offered(monkeypatch: pytest.MonkeyPatch, files: Sequence[Sent]) -> AppTest:
    """The page after a folder was dropped on it."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(uploads.st, "file_uploader", lambda label, **options: asked.update(options) or list(files))
    shown = AppTest.from_function(page).run()
    assert not shown.exception
    assert asked["accept_multiple_files"] == "directory" and set(asked["type"]) == set(AUDIO_EXTENSIONS)
    return shown


def test_a_folder_is_written_once_the_user_confirms_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = offered(monkeypatch, [Sent("pack/bass/a.wav", 1_500_000), Sent("pack/b:c.wav", 20_000)])
    assert "2 files, 1.5 MB" in [caption.value for caption in shown.caption]
    assert shown.expander[0].label.startswith("1 file is kept")
    assert shown.session_state["written to"] is None and not paths().uploads.exists()
    target = shown.button("upload-scan").click().run().session_state["written to"]
    assert target.name == "pack" and target.parents[1] == paths().uploads and len(target.parent.name) == 16
    written = {path.relative_to(target).as_posix() for path in paths().uploads.rglob("*") if path.is_file()}
    assert written == {"pack/bass/a.wav", "pack/b_c.wav"}


def test_nothing_is_asked_before_there_is_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = offered(monkeypatch, [])
    assert not shown.button and not shown.caption and shown.session_state["written to"] is None


@pytest.mark.parametrize(
    ("files", "is_taken"),
    [
        ([Sent(f"{number}.wav") for number in range(2000)], True),
        ([Sent(f"{number}.wav") for number in range(2001)], False),
        ([Sent("a.wav", 2_000_000_000)], True),
        ([Sent("a.wav", 2_000_000_001)], False),
    ],
    ids=["as many as may be", "one more", "as much as may be", "one byte more"],
)
def test_an_upload_is_limited(monkeypatch: pytest.MonkeyPatch, files: list[Sent], is_taken: bool) -> None:
    shown = offered(monkeypatch, files)
    assert bool(shown.button) is is_taken
    assert ["2,000 files and 2 GB" in error.value for error in shown.error] == [True] * (not is_taken)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError("the disk is gone")])
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(*_args: object) -> None:
        raise error

    shown = offered(monkeypatch, [Sent("pack/a.wav")])
    monkeypatch.setattr(uploads, "write_below", refuse)
    shown.button("upload-scan").click().run()
    (said,) = shown.error
    assert f"could not be kept ({error.strerror or error})" in said.value and "free some space" in said.value
    assert shown.session_state["written to"] is None
