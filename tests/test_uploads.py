"""Names from a browser cannot leave the uploads folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopscope.ui.views.uploads import safe_relative, write_below


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pack/bass/a.wav", "pack/bass/a.wav"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/shadow.wav", "etc/shadow.wav"),
        ("C:\\Users\\me\\a.wav", "C_/Users/me/a.wav"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("a\0b.wav", "a_b.wav"),
    ],
)
def test_known_tricks(name: str, expected: str) -> None:
    assert safe_relative(name) == Path(expected)


@given(st.text(max_size=200))
def test_never_absolute_never_upwards(name: str) -> None:
    path = safe_relative(name)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert (Path("/uploads") / path).is_relative_to("/uploads")
    assert "\0" not in str(path)


def test_uploaded_files_stay_below_their_folder(tmp_path: Path) -> None:
    target = tmp_path / "uploads" / "session" / "pack"
    for name in ("pack/a.wav", "../../b.wav", "/c.wav", "pack/../../../d.wav", "pack\\..\\e.wav"):
        place = write_below(target, name, b"sound")
        assert place.read_bytes() == b"sound"
        assert place.resolve().is_relative_to(target)
    assert [path.name for path in tmp_path.iterdir()] == ["uploads"]
    left = [path.name for path in target.rglob("*") if path.is_file()]
    assert sorted(left) == ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]
