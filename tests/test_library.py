"""Every audio-named file is in exactly one table, nothing is read twice, nothing outside the folder is read at all."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.audio import content_hash
from loopscope.audio.isolation import InspectionPool, InspectionWorker
from loopscope.errors import Cancelled, LibraryError
from loopscope.library import LOOP_COLUMNS, Library, library_statistics, list_subfolders, scan_folder, suffixes_below
from loopscope.library import scan as scan_module
from loopscope.library.walk import is_audio_name
from loopscope.progress import Progress
from loopscope.store import Store
from loopscope.user_files import FilePath
from tests.stored import row_counts

RATE = 8000


def tone(path: Path, seconds: float = 0.25, hz: float = 220.0) -> Path:
    """A short tone; its frequency makes its content its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * RATE)) / RATE
    container = "AIFF" if path.suffix.lower() in (".aif", ".aiff") else path.suffix[1:].upper()
    with path.open("wb") as file:
        soundfile.write(file, 0.5 * np.sin(2 * np.pi * hz * times), RATE, format=container)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were hashed and decoded."""
    seen: list[str] = []
    inspect = InspectionWorker.inspect

    def counting(self: InspectionWorker, path: FilePath) -> object:
        seen.append(os.fspath(path))
        return inspect(self, path)

    monkeypatch.setattr(InspectionWorker, "inspect", counting)
    return seen


def names(library: Library) -> list[str]:
    return library.loops["name"].tolist()


def reasons(library: Library) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in library.rejected.itertuples(index=False)}


# --- the tables


def test_a_row_says_what_the_file_is(root: Path) -> None:
    path = tone(root / "Bass" / "Funk" / "Loop 1.WAV", 0.5)
    library = scan_folder(root)
    assert tuple(library.loops.columns) == LOOP_COLUMNS
    row = library.loops.iloc[0].to_dict()
    assert row == {
        "loop_id": content_hash(path),
        "path": str(path),
        "name": "Loop 1.WAV",
        "folder": str(Path("Bass", "Funk")),
        "duration_s": 0.5,
        "sample_rate": RATE,
        "channels": 1,
        "format": "WAV",
        "subtype": "PCM_16",
        "size_bytes": path.stat().st_size,
        "mtime_ns": path.stat().st_mtime_ns,
    }
    assert library.rejected.empty
    assert library.root == root


def test_the_order_is_that_of_the_paths(root: Path) -> None:
    for name in ("b/1.wav", "a.wav", "B/1.wav", "b.wav", "b/0.flac", "ä.wav"):
        tone(root / name)
    library = scan_folder(root)
    relative = [os.path.relpath(path, root) for path in library.loops["path"]]
    assert relative == sorted(relative, key=os.fsencode)
    assert scan_folder(root).loops.equals(library.loops)


def test_equal_content_under_two_names_is_one_loop_in_two_rows(root: Path) -> None:
    first = tone(root / "a.wav")
    (root / "copy.wav").write_bytes(first.read_bytes())
    tone(root / "other.wav", hz=330)
    library = scan_folder(root)
    assert names(library) == ["a.wav", "copy.wav", "other.wav"]
    assert library.loops["loop_id"].nunique() == 2
    assert library.unique["name"].tolist() == ["a.wav", "other.wav"]
    assert library.unique.index.tolist() == [0, 1]
    assert library.path_of(content_hash(first)) == first
    with pytest.raises(LibraryError, match="No loop 'nothing'"):
        library.path_of("nothing")


def test_all_formats_by_extension_in_any_case(root: Path) -> None:
    for name in ("a.wav", "b.WAV", "c.flac", "d.Ogg", "e.mp3", "f.aif", "g.AIFF", "h.aiff"):
        tone(root / name, 1.0)
    (root / "notes.txt").write_text("not a loop")
    (root / "wav").write_text("no extension")
    library = scan_folder(root)
    assert names(library) == ["a.wav", "b.WAV", "c.flac", "d.Ogg", "e.mp3", "f.aif", "g.AIFF", "h.aiff"]
    assert library.rejected.empty
    assert [is_audio_name(name) for name in (".wav", "a.wav.txt", "a.wav.", "a.b.wav")] == [False, False, False, True]


def test_an_empty_folder_gives_empty_tables_with_their_columns(root: Path) -> None:
    library = scan_folder(root)
    assert tuple(library.loops.columns) == LOOP_COLUMNS
    assert list(library.rejected.columns) == ["path", "reason"]
    assert library.loops["duration_s"].dtype == "float64"
    assert library.unique.empty


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere", "There is no folder"), ("a.wav", "is a file"), ("a\0b", "cannot be read")]
)
def test_a_folder_that_is_none_is_said(root: Path, name: str, reason: str) -> None:
    tone(root / "a.wav")
    with pytest.raises(LibraryError, match=reason):
        scan_folder(root / name)


# --- what is left out


def test_broken_files_are_listed_with_reasons(root: Path) -> None:
    tone(root / "good.wav")
    (root / "empty.wav").write_bytes(b"")
    (root / "text.wav").write_text("this is text")
    (root / "cut.flac").write_bytes(tone(root / "whole.flac", 2.0).read_bytes()[:3000])
    library = scan_folder(root)
    assert names(library) == ["good.wav", "whole.flac"]
    assert set(reasons(library)) == {"empty.wav", "text.wav", "cut.flac"}
    assert "empty" in reasons(library)["empty.wav"]
    assert "text" in reasons(library)["text.wav"]


def test_hidden_and_appledouble_files_are_passed_over(root: Path) -> None:
    for name in ("a.wav", ".hidden.wav", "._a.wav", ".git/b.wav", "__MACOSX/c.wav", "__MACOSX/._a.wav"):
        tone(root / name)
    library = scan_folder(root)
    assert names(library) == ["a.wav"]
    assert library.rejected.empty


def test_a_hidden_root_is_scanned_when_asked_for(tmp_path: Path) -> None:
    tone(tmp_path / ".cache" / "a.wav")
    assert names(scan_folder(tmp_path / ".cache")) == ["a.wav"]


def test_links_stay_inside(root: Path, tmp_path: Path) -> None:
    inside = tone(root / "sub" / "a.wav")
    outside = tone(tmp_path / "outside" / "secret.wav", hz=500)
    (root / "alias.wav").symlink_to(inside)
    (root / "relative.wav").symlink_to("sub/a.wav")
    (root / "leaves.wav").symlink_to(outside)
    (root / "climbs.wav").symlink_to("../outside/secret.wav")
    (root / "dangling.wav").symlink_to(root / "nowhere.wav")
    (root / "circle.wav").symlink_to(root / "circle.wav")
    (root / "zero.wav").symlink_to("/dev/zero")
    (root / "folder link").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to(root)
    (root / "dangling.txt").symlink_to(root / "nowhere.txt")
    library = scan_folder(root)
    assert names(library) == ["alias.wav", "relative.wav", "a.wav"]
    assert len(set(library.loops["loop_id"])) == 1
    assert reasons(library) == {
        "leaves.wav": "The link leaves the folder that is scanned; copy the file into it.",
        "climbs.wav": "The link leaves the folder that is scanned; copy the file into it.",
        "zero.wav": "The link leaves the folder that is scanned; copy the file into it.",
        "dangling.wav": "The link leads to a file that does not exist.",
        "circle.wav": "The link goes in a circle.",
        "folder link": "A link to a folder is not followed; scan the folder it leads to.",
        "up": "A link to a folder is not followed; scan the folder it leads to.",
    }


def test_a_root_that_is_a_link_is_resolved(root: Path, tmp_path: Path) -> None:
    tone(root / "a.wav")
    (tmp_path / "link").symlink_to(root)
    library = scan_folder(tmp_path / "link")
    assert library.root == root
    assert library.loops["path"].tolist() == [str(root / "a.wav")]


def test_special_files_are_listed_and_never_opened(
    root: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "pipe.wav")
    tone(root / "folder.wav" / "inside.wav")
    monkeypatch.chdir(root)  # the address of a socket may have 100 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.wav")
        library = scan_folder(root)
    assert names(library) == ["inside.wav"]
    assert reasons(library) == {
        "pipe.wav": "It is a pipe, not a file.",
        "socket.wav": "It is a socket, not a file.",
        "folder.wav": "It is a folder with the name of a sound file; the files inside are listed by themselves.",
    }
    assert inspected == [str(root / "folder.wav" / "inside.wav")]


def test_unreadable_folders_and_files_are_listed_but_not_remembered(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(root / "a.wav")
    tone(root / "locked" / "b.wav")
    scandir = os.scandir

    def guarded(path: object) -> object:
        if Path(str(path)).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with Store(tmp_path / "s.sqlite3") as store:
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", guarded)
            library = scan_folder(root, store)
        assert names(library) == ["a.wav"]
        assert reasons(library) == {"locked": "The folder cannot be read: permission denied."}
        assert names(scan_folder(root, store)) == ["a.wav", "b.wav"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_permissions_of_a_file_are_looked_at_again(root: Path, tmp_path: Path) -> None:
    path = tone(root / "a.wav")
    path.chmod(0)
    with Store(tmp_path / "s.sqlite3") as store:
        assert "permission denied" in reasons(scan_folder(root, store))["a.wav"]
        path.chmod(stat.S_IRUSR)
        assert names(scan_folder(root, store)) == ["a.wav"]


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f3b8 emoji.wav",
        "new\nline.wav",
        "quote'\".wav",
        "<img src=x onerror=alert(1)>.wav",
        "=HYPERLINK(1).wav",
        "  spaces  .wav",
        "-rf.wav",
        "x" * 246 + ".wav",
    ],
)
def test_any_name_is_kept_exactly(root: Path, name: str) -> None:
    tone(root / name)
    library = scan_folder(root)
    assert names(library) == [name]
    assert library.path_of(library.loops["loop_id"][0]).name == name


def test_names_in_invalid_utf8_are_shown_escaped_and_opened_exactly(root: Path, tmp_path: Path) -> None:
    raw = os.fsdecode(b"caf\xe9.wav")
    try:
        tone(root / os.fsdecode(b"d\xe9j\xe0") / raw)
    except OSError:
        pytest.skip("this file system takes valid UTF-8 only")
    (root / os.fsdecode(b"bad\xff.wav")).write_bytes(b"")
    with Store(tmp_path / "s.sqlite3") as store:
        for _ in range(2):
            library = scan_folder(root, store)
            assert names(library) == ["caf\\xe9.wav"]
            assert library.loops["folder"].tolist() == ["d\\xe9j\\xe0"]
            assert library.path_of(library.loops["loop_id"][0]).is_file()
            assert library.rejected["path"].tolist() == [str(root / os.fsdecode(b"bad\xff.wav"))]


def test_twins_in_nfc_and_nfd_are_two_files(root: Path) -> None:
    tone(root / "caf\u00e9.wav")
    tone(root / "cafe\u0301.wav", hz=330)
    if len(list(root.iterdir())) < 2:
        pytest.skip("this file system takes the two for one name")
    assert len(scan_folder(root).loops) == 2


# --- remembering


def test_an_unchanged_folder_is_not_read_again(root: Path, tmp_path: Path, inspected: list[str]) -> None:
    for index in range(12):
        tone(root / f"{index}.wav", hz=200 + index)
    (root / "bad.wav").write_text("text")
    with Store(tmp_path / "s.sqlite3") as store:
        first = scan_folder(root, store)
        assert len(inspected) == 13
        second = scan_folder(root, store)
        assert len(inspected) == 13
        assert second.loops.equals(first.loops)
        assert second.rejected.equals(first.rejected)


def test_only_what_changed_is_read_again(root: Path, tmp_path: Path, inspected: list[str]) -> None:
    changed, touched, same = (tone(root / name) for name in ("changed.wav", "touched.wav", "same.wav"))
    with Store(tmp_path / "s.sqlite3") as store:
        before = scan_folder(root, store)
        inspected.clear()
        tone(changed, hz=300)
        os.utime(changed, ns=(1, 1))
        os.utime(touched, ns=(2, 2))
        new = tone(root / "new.wav", hz=400)
        after = scan_folder(root, store)
    assert sorted(inspected) == sorted(map(str, (changed, touched, new)))
    ids = [dict(zip(library.loops["name"], library.loops["loop_id"], strict=True)) for library in (before, after)]
    assert ids[0]["changed.wav"] != ids[1]["changed.wav"]
    assert ids[0]["touched.wav"] == ids[1]["touched.wav"]
    assert ids[1]["changed.wav"] == content_hash(changed)
    assert same.exists()


def test_another_reader_looks_again(
    root: Path, tmp_path: Path, inspected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tone(root / "a.wav")
    with Store(tmp_path / "s.sqlite3") as store:
        scan_folder(root, store)
        monkeypatch.setattr(scan_module, "RULES", "next")
        scan_folder(root, store)
        scan_folder(root, store)
    assert len(inspected) == 2


def test_without_a_store_everything_is_read(root: Path, inspected: list[str]) -> None:
    tone(root / "a.wav")
    scan_folder(root)
    scan_folder(root)
    assert len(inspected) == 2


def test_a_stopped_scan_keeps_what_it_did(root: Path, tmp_path: Path, inspected: list[str]) -> None:
    for index in range(60):
        tone(root / f"{index:02d}.wav", hz=200 + index)
    done = 0

    def on_progress(report: Progress) -> None:
        nonlocal done
        done = report.done

    with Store(tmp_path / "s.sqlite3") as store:
        with pytest.raises(Cancelled, match="files are done and need no second look"):
            scan_folder(root, store, on_progress, should_stop=lambda: done >= 20)
        kept = row_counts(store)["files"]
        assert 20 <= kept < 60
        inspected.clear()
        assert len(scan_folder(root, store).loops) == 60
        assert len(inspected) == 60 - kept


def test_a_scan_told_to_stop_at_once_reads_nothing(root: Path, inspected: list[str]) -> None:
    tone(root / "a.wav")
    with pytest.raises(Cancelled):
        scan_folder(root, should_stop=lambda: True)
    assert not inspected


def test_progress_counts_to_the_number_of_files(root: Path, tmp_path: Path) -> None:
    for index in range(5):
        tone(root / f"{index}.wav", hz=200 + index)
    reports: list[Progress] = []
    with Store(tmp_path / "s.sqlite3") as store:
        scan_folder(root, store, reports.append)
        assert [report.done for report in reports] == [0, 1, 2, 3, 4, 5]
        assert {(report.total, report.stage) for report in reports} == {(5, "Scanning")}
        reports.clear()
        scan_folder(root, store, reports.append)
        assert [report.done for report in reports] == [5]


def test_a_file_that_changes_under_the_scan_is_listed_and_not_remembered(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tone(root / "a.wav")
    gone = tone(root / "gone.wav", hz=300)
    inspect_all = InspectionPool.inspect_all

    def change_then_inspect(*arguments: Any) -> object:
        tone(path, hz=500, seconds=0.3)
        gone.unlink()
        return inspect_all(*arguments)

    with Store(tmp_path / "s.sqlite3") as store:
        with monkeypatch.context() as patch:
            patch.setattr(InspectionPool, "inspect_all", change_then_inspect)
            library = scan_folder(root, store)
        assert library.loops.empty
        assert "changed while the folder was scanned" in reasons(library)["a.wav"]
        assert "cannot be opened: no such file" in reasons(library)["gone.wav"]
        assert row_counts(store)["files"] == 0
        assert names(scan_folder(root, store)) == ["a.wav"]


# --- numbers


def test_statistics_are_those_of_the_durations() -> None:
    loops = pd.DataFrame({"loop_id": ["a", "b", "c", "c"], "duration_s": [1.0, 2.0, 3.0, 6.0]})
    values = library_statistics(loops).set_index("statistic")["value"]
    assert values.to_dict() == pytest.approx(
        {
            "Loops": 4,
            "Different loops": 3,
            "Total duration": 12 / 3600,
            "Mean": 3.0,
            "Standard deviation": np.std([1, 2, 3, 6], ddof=1),
            "Minimum": 1.0,
            "25 %": 1.75,
            "50 %": 2.5,
            "75 %": 3.75,
            "Maximum": 6.0,
        }
    )


def test_statistics_of_nothing_are_zero_or_nan(root: Path) -> None:
    values = library_statistics(scan_folder(root).loops).set_index("statistic")["value"]
    assert values["Loops"] == 0
    assert values["Total duration"] == 0
    assert np.isnan(values["Mean"])


def test_subfolders_are_counted_recursively_and_in_order(root: Path, tmp_path: Path) -> None:
    for name in ("b/1.wav", "b/deep/2.wav", "A/3.mp3", ".hidden/4.wav", "__MACOSX/5.wav"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    (root / "b" / "notes.txt").write_text("")
    (root / "c").mkdir()
    (root / "link").symlink_to(tmp_path)
    table = list_subfolders(root)
    assert table["name"].tolist() == ["A", "b", "c"]
    assert table["path"].tolist() == [str(root / name) for name in ("A", "b", "c")]
    assert table["n_audio_files"].tolist() == [1, 2, 0]
    assert table["count"].tolist() == ["1", "2", "0"]
    assert not table["is_partial"].any()


def test_counting_stops_at_a_number_and_at_a_time(root: Path) -> None:
    for index in range(30):
        (root / "many" / f"{index % 5}").mkdir(parents=True, exist_ok=True)
        (root / "many" / f"{index % 5}" / f"{index}.wav").write_bytes(b"")
    assert list_subfolders(root, count_limit=10)["count"].tolist() == ["10+"]
    hurried = list_subfolders(root, seconds=0.0)
    assert hurried["is_partial"].tolist() == [True]
    assert hurried["n_audio_files"][0] < 30
    with pytest.raises(LibraryError, match="cannot be read"):
        list_subfolders(root / "nowhere")


def test_what_lies_in_a_folder_without_audio_is_counted_by_kind(tmp_path: Path) -> None:
    (tmp_path / "Midi").mkdir()
    for name in ("a.MID", "b.mid", ".hidden.mid", "readme"):
        (tmp_path / "Midi" / name).touch()
    assert suffixes_below(tmp_path) == {".mid": 2, "without a suffix": 1}
    assert sum(suffixes_below(tmp_path, most=2).values()) == 2
