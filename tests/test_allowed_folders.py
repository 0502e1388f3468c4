"""Only folders below the allowed roots open, whatever the path looks like."""

from pathlib import Path

import pytest

from loopscope.allowed_folders import MOUNTS, allowed_place, allowed_roots, check_root, is_allowed, is_loopback
from loopscope.errors import LibraryError


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("studio.local", False),
        (None, False),
    ],
)
def test_loopback_is_told_from_the_network(address: str | None, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_home_by_default_nothing_on_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOOPSCOPE_ROOTS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path.resolve() in allowed_roots("127.0.0.1")
    assert allowed_roots("0.0.0.0") == ()
    assert allowed_roots() == allowed_roots("127.0.0.1")


def test_drives_may_be_opened_where_systems_mount_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPSCOPE_ROOTS", raising=False)
    assert not [root for root in allowed_roots() if not root.is_dir()], "only folders that are there"
    monkeypatch.setattr(Path, "is_dir", lambda path: True)
    mounts = ("/Volumes", "/media", "/mnt", "/run/media")
    assert {Path(mount).resolve() for mount in mounts} < set(allowed_roots())
    assert len(MOUNTS) == len(mounts)


def test_roots_are_where_links_and_tildes_lead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "real" / "pack").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    real = (tmp_path / "real").resolve()
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    monkeypatch.delenv("LOOPSCOPE_ROOTS", raising=False)
    assert real in allowed_roots()
    monkeypatch.setenv("LOOPSCOPE_ROOTS", f"{tmp_path / 'link'}:~/pack")
    assert allowed_roots() == (real, real / "pack")
    assert check_root("~/pack", [real]) == real / "pack"


def test_an_explicit_list_replaces_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOPSCOPE_ROOTS", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert allowed_roots("0.0.0.0") == ((tmp_path / "a").resolve(), (tmp_path / "b").resolve())


def test_what_leaves_the_roots_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "pack").mkdir(parents=True)
    outside.mkdir()
    (root / "way-out").symlink_to(outside)
    assert check_root(root / "pack", [root.resolve()]) == (root / "pack").resolve()
    assert check_root(root, [root.resolve()]) == root.resolve()
    for folder in (
        outside,
        root / "way-out",
        root / "pack" / ".." / ".." / "outside",
        Path("/etc"),
        tmp_path / "root-twin",
    ):
        assert not is_allowed(folder, [root.resolve()])
        with pytest.raises(LibraryError, match="outside"):
            check_root(folder, [root.resolve()])


def test_a_missing_folder_and_a_broken_name_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="There is no folder"):
        check_root(tmp_path / "nowhere", [tmp_path.resolve()])
    for broken in ("a\0b", "~nobody-has-this-name/pack"):
        with pytest.raises(LibraryError, match="cannot be opened"):
            check_root(broken, [tmp_path.resolve()])
    with pytest.raises(LibraryError):
        check_root(tmp_path / ("x" * 5000), [tmp_path.resolve()])


def test_a_typed_place_is_a_full_path_below_the_roots_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = (tmp_path / "root").resolve()
    (root / "pack").mkdir(parents=True)
    (root / "way-in").symlink_to(root / "pack")
    (root / "way-out").symlink_to(tmp_path)
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.chdir(root)
    for typed in (f"{root}/pack/a.wav", "~/pack/a.wav", f"{root}/way-in/a.wav"):
        assert allowed_place(typed, [root]) == root / "pack" / "a.wav"
    for typed in ("pack/a.wav", f"{root}/way-out/a.wav", f"{root}/../a.wav", "/etc/passwd", "~nobody-has-this-name/a"):
        assert allowed_place(typed, [root]) is None
    assert allowed_place("/a\0b", [Path("/")]) is None


def test_a_place_that_the_system_refuses_to_look_at_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(path: Path) -> Path:
        raise OSError(40, "Too many levels of symbolic links")

    monkeypatch.setattr(Path, "resolve", refuse)
    assert allowed_place(str(tmp_path), [tmp_path]) is None
