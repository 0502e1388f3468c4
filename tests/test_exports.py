"""What is taken away comes back the same, harms nobody, and overwrites nothing."""

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from loopscope.errors import Cancelled, DataError, ExportError
from loopscope.exports import csv_bytes, execute, m3u8_bytes, parquet_bytes, plan_copy, undo
from loopscope.exports import new_files as new_files_module
from tests.exported import read_csv

NASTY_NAMES = (
    "=cmd|'/C calc'!A0.wav",
    "+1.wav",
    "-2+3.wav",
    "@SUM(A1).wav",
    "\t=1.wav",
    "'already quoted.wav",
    "''twice.wav",
    "<img src=x onerror=alert(1)>.wav",
    'comma, "quote" and; semicolon.wav',
    "line\nbreak.wav",
    "ünïcödé 音.wav",
    "＝full width.wav",
    "NA",
    "001",
    "1e5",
    "file:///not a uri.wav",
)


def table_of(names: tuple[str, ...]) -> pd.DataFrame:
    n = len(names)
    return pd.DataFrame(
        {
            "loop_id": [f"{i:032d}" for i in range(n)],
            "path": pd.Series([f"/music/{name}" for name in names], dtype="object"),
            "name": list(names),
            "duration_s": [0.1 + i / 3 for i in range(n)],
            "score": [-1.5e-7 * (i + 1) for i in range(n)],
            "is_anomaly": [i % 2 == 0 for i in range(n)],
            "bpm": [None if i == 0 else 120.0 for i in range(n)],
        }
    )


def test_a_table_survives_export_and_reading_exactly() -> None:
    table = table_of(NASTY_NAMES)
    again = read_csv(csv_bytes(table))
    pd.testing.assert_frame_equal(again, table, check_dtype=False, check_exact=True)


def test_no_cell_is_a_formula_to_a_spreadsheet() -> None:
    raw = pd.read_csv(io.BytesIO(csv_bytes(table_of(NASTY_NAMES))), dtype=str, keep_default_na=False)
    starts = tuple("=+-@\t\r＝＋－＠")
    assert not raw["name"].str.startswith(starts).any()
    assert raw.loc[0, "name"] == "'" + NASTY_NAMES[0]
    assert raw["score"].str.startswith("-").all(), "numbers must stay numbers"


def test_column_names_are_neutralised_too() -> None:
    table = pd.DataFrame({"=1+1": ["a"]})
    assert csv_bytes(table).decode("utf-8-sig").splitlines()[0] == "'=1+1"
    assert list(read_csv(csv_bytes(table)).columns) == ["=1+1"]


def test_paths_of_undecodable_bytes_come_back_byte_for_byte() -> None:
    path = os.fsdecode(b"/music/caf\xe9 \xff.wav")
    table = pd.DataFrame({"path": pd.Series([path], dtype="object")})
    content = csv_bytes(table)
    content.decode("utf-8")
    assert os.fsencode(read_csv(content)["path"][0]) == os.fsencode(path)


def test_context_becomes_columns_and_times_come_back_as_tuples() -> None:
    table = pd.DataFrame({"loop_id": ["a", "b"], "times": [(0.5, 1.25), ()]})
    again = read_csv(csv_bytes(table, {"model": "AEwRES", "threshold": 1.25}))
    assert again["times"].tolist() == [(0.5, 1.25), ()]
    assert again["model"].tolist() == ["AEwRES"] * 2
    assert again["threshold"].tolist() == [1.25] * 2


@pytest.mark.parametrize("write", [csv_bytes, parquet_bytes])
def test_context_hides_no_column(write: Callable[[pd.DataFrame, dict[str, str]], bytes]) -> None:
    with pytest.raises(ValueError, match="'name' is a column"):
        write(table_of(NASTY_NAMES), {"name": "of the folder"})


def test_an_empty_table_keeps_its_columns() -> None:
    assert list(read_csv(csv_bytes(table_of(()))).columns) == list(table_of(()).columns)


def test_a_playlist_holds_every_path_on_its_own_line() -> None:
    invalid = os.fsdecode(b"/music/\xff.wav")
    paths = pd.Series(["/music/a b.wav", "/music/new\nline.wav", invalid], dtype="object")
    table = pd.DataFrame({"path": paths, "duration_s": [2.4, None, 1.0]})
    lines = m3u8_bytes(table).decode("utf-8").splitlines()
    assert lines[:3] == ["#EXTM3U", "#EXTINF:2,a b.wav", "/music/a b.wav"]
    assert lines[3:5] == ["#EXTINF:-1,new line.wav", "file:///music/new%0Aline.wav"]
    assert lines[6] == "file:///music/%FF.wav"
    assert len(lines) == 7


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Five files in two folders, two of them with the same name."""
    for name in ("one/a.wav", "one/b.wav", "two/a.wav", "two/B.WAV", "two/c.wav"):
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
        os.utime(path, (1_500_000_000, 1_500_000_000))
    return tmp_path / "pack"


def rows_of(folder: Path) -> pd.DataFrame:
    return pd.DataFrame({"path": [str(path) for path in sorted(folder.rglob("*")) if path.is_file()]}, dtype="object")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusing(number: int) -> Callable[..., None]:
    """A function of the system that answers with one error."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_a_plan_touches_nothing_and_names_every_file(pack: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    plan = plan_copy(rows_of(pack), tmp_path / "out")
    assert tree(tmp_path) == before
    assert not (tmp_path / "out").exists()
    names = [item.target.name for item in plan.items]
    assert names == ["a.wav", "b.wav", "B (2).WAV", "a (2).wav", "c.wav"]
    assert len({name.casefold() for name in names}) == 5


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_copy_or_move_and_back(
    pack: Path, tmp_path: Path, move: bool, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    before = tree(pack)
    out = tmp_path / "out"
    undo_file = execute(plan_copy(rows_of(pack), out, move=move))
    copied = {name: content for name, content in tree(out).items() if not name.endswith(".jsonl")}
    assert sorted(copied.values()) == sorted(before.values())
    assert tree(pack) == ({} if move else before)
    assert int((out / "c.wav").stat().st_mtime) == 1_500_000_000
    report = undo(undo_file)
    assert (report.undone, len(report.left)) == (5, 0)
    assert tree(pack) == before
    assert tree(out) == {}


def test_folders_are_kept_below_a_root(pack: Path, tmp_path: Path) -> None:
    undo_file = execute(plan_copy(rows_of(pack), tmp_path / "out", root=pack))
    assert {k: v for k, v in tree(tmp_path / "out").items() if "undo" not in k} == tree(pack)
    undo(undo_file)
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_is_overwritten_and_copies_are_not_made_twice(pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.wav").write_bytes(b"mine")
    execute(plan_copy(rows_of(pack), out))
    assert (out / "a.wav").read_bytes() == b"mine"
    again = plan_copy(rows_of(pack / "two"), out)
    assert {Path(path).name for path in again.skipped["path"]} == {"c.wav"}
    assert again.skipped["reason"].str.contains("already").all()


def test_a_name_taken_after_planning_is_an_error_not_a_loss(pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = plan_copy(rows_of(pack), out)
    out.mkdir()
    (out / "b.wav").write_bytes(b"mine")
    with pytest.raises(ExportError, match="exists already"):
        execute(plan)
    assert (out / "b.wav").read_bytes() == b"mine"
    (undo_file,) = out.glob("loopscope-undo-*.jsonl")
    assert undo(undo_file).undone == 1
    assert (out / "b.wav").read_bytes() == b"mine"


def test_a_file_that_vanished_is_listed_and_bytes_names_work(pack: Path, tmp_path: Path) -> None:
    odd = pack / os.fsdecode(b"caf\xe9.wav")
    odd.write_bytes(b"odd")
    rows = pd.concat([rows_of(pack), pd.DataFrame({"path": [str(pack / "gone.wav")]})])
    plan = plan_copy(rows, tmp_path / "out")
    assert plan.skipped["path"].tolist() == [str(pack / "gone.wav")]
    undo_file = execute(plan)
    assert (tmp_path / "out" / odd.name).read_bytes() == b"odd"
    assert undo(undo_file).undone == 6


def test_a_copy_that_was_changed_is_not_removed(pack: Path, tmp_path: Path) -> None:
    undo_file = execute(plan_copy(rows_of(pack), tmp_path / "out"))
    (tmp_path / "out" / "c.wav").write_bytes(b"edited")
    report = undo(undo_file)
    assert report.undone == 4
    assert report.left["path"].tolist() == [str(tmp_path / "out" / "c.wav")]
    assert undo_file.exists()


def test_a_move_goes_back_only_to_a_free_name(pack: Path, tmp_path: Path) -> None:
    undo_file = execute(plan_copy(rows_of(pack / "one"), tmp_path / "out", move=True))
    (pack / "one" / "a.wav").write_bytes(b"somebody else's")
    report = undo(undo_file)
    assert report.undone == 1
    assert (pack / "one" / "a.wav").read_bytes() == b"somebody else's"
    assert (tmp_path / "out" / "a.wav").exists()


def test_a_moved_file_that_lies_elsewhere_by_now_is_not_said_to_be_taken_back(pack: Path, tmp_path: Path) -> None:
    undo_file = execute(plan_copy(rows_of(pack / "one"), tmp_path / "out", move=True))
    target = next((tmp_path / "out").glob("*.wav"))
    target.rename(tmp_path / "elsewhere.wav")
    report = undo(undo_file)
    assert report.undone == 1 and report.left["path"].tolist() == [str(target)]
    assert "neither" in report.left["reason"].iloc[0] and undo_file.exists()


def test_a_stop_or_crash_in_between_can_be_undone(pack: Path, tmp_path: Path) -> None:
    before = tree(pack)
    out = tmp_path / "out"
    done: list[object] = []
    with pytest.raises(Cancelled, match="2 of 5"):
        execute(plan_copy(rows_of(pack), out, move=True), done.append, lambda: len(done) == 2)
    (undo_file,) = out.glob("loopscope-undo-*.jsonl")
    lines = undo_file.read_text().splitlines()
    undo_file.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:10])  # as if the power had gone
    undo(undo_file)
    assert tree(pack) == before
    assert tree(out) == {}


def test_an_undo_file_reaches_nothing_outside_its_folder(pack: Path, tmp_path: Path) -> None:
    undo_file = execute(plan_copy(rows_of(pack), tmp_path / "out"))
    elsewhere = tmp_path / "elsewhere" / undo_file.name
    elsewhere.parent.mkdir()
    shutil.copy(undo_file, elsewhere)
    report = undo(elsewhere)
    assert report.undone == 0
    assert len(report.left) == 5
    assert len(tree(tmp_path / "out")) == 6


def test_too_little_space_is_said_before_anything_is_written(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(ExportError, match="0 MB free"):
        execute(plan_copy(rows_of(pack), tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_rights_and_full_disks_are_one_sentence(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_copy(rows_of(pack), tmp_path / "out")
    monkeypatch.setattr(shutil, "copyfileobj", refusing(errno.EACCES))
    with pytest.raises(ExportError, match=r"may not write there; choose another folder\.$"):
        execute(plan)
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".jsonl"]


@pytest.mark.parametrize("move", [False, True])
def test_files_are_copied_whole_or_not_at_all(
    pack: Path, tmp_path: Path, move: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(pack)
    plan = plan_copy(rows_of(pack), tmp_path / "out", move=move)
    monkeypatch.setattr(new_files_module, "flush", refusing(errno.ENOSPC))
    monkeypatch.setattr(os, "link", refusing(errno.EXDEV))  # another disk: moving is copying
    with pytest.raises(ExportError, match="disk is full; free some space or choose another folder"):
        execute(plan)
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".jsonl"]
    assert tree(pack) == before


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="path"):
        plan_copy(pd.DataFrame({"name": ["a"]}), tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="is a file"):
        plan_copy(pd.DataFrame({"path": []}), tmp_path / "file")
    with pytest.raises(ExportError, match="not an undo file"):
        undo(tmp_path / "file")
