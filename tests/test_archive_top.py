"""The most anomalous loops of an archive as a library: the same as in the ranking, heard where that may be."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from loopscope.archive import top
from loopscope.archive.grow import add_folder
from loopscope.archive.manifest import Archive, open_archive
from loopscope.archive.place import Place
from loopscope.archive.score import Ranking, rank_parts
from loopscope.archive.shown import shown_of
from loopscope.archive.top import CHANGED, ELSEWHERE, GONE, OUTSIDE, UNKNOWN, Top
from loopscope.cluster.work import hear
from loopscope.detection.thresholds import threshold_at
from loopscope.errors import AudioError
from loopscope.faults.check import rows_of
from loopscope.library import Library, scan_folder
from loopscope.user_files import open_user_file
from tests.golden.clips import plucked
from tests.tiny import Tiny

RATE = 8000


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders of eight loops, the last of which is clipped."""
    found = []
    for number, name in enumerate(("one", "two")):
        place = tmp_path / "loops" / name
        (place / "Bass").mkdir(parents=True)
        for seed in range(8):
            sound = plucked(0.5, RATE, seed=10 * number + seed)
            sound = np.clip(sound * 4, -1, 1) if seed == 7 else sound
            sf.write(place / "Bass" / f"{'abcdefgh'[seed]}_120bpm_Em.wav", sound, RATE)
        found.append(place)
    return found


@pytest.fixture
def archive(folders: list[Path], tmp_path: Path) -> Archive:
    for folder in folders:
        grown = add_folder(Place.of(tmp_path / "archive"), scan_folder(folder), Tiny())
    return grown.archive


def ranked(archive: Archive) -> Ranking:
    parts, paths = archive.present
    return rank_parts(parts, "knn", paths=paths)


def top_of(ranking: Ranking, archive: Archive, may_open: Callable[[Path], bool], first: int) -> Top:
    return top.top_of(shown_of(ranking, archive, first), archive.place, may_open)


def anywhere(folder: Path) -> bool:
    return True


def test_the_first_loops_are_those_of_the_ranking_and_the_rest_is_counted(archive: Archive) -> None:
    ranking = ranked(archive)
    found = top_of(ranking, archive, anywhere, 5)
    table = ranking.table(first=5).to_pandas()
    mine = found.scored.scores.sort_values(["score", "loop_id"], ascending=[False, True])
    assert mine["loop_id"].tolist() == table["loop_id"].tolist()
    assert mine["score"].tolist() == table["score"].tolist()
    assert tuple(found.scored.scores["loop_id"]) == found.embeddings.loop_ids == tuple(found.library.unique["loop_id"])
    for percentile in (0.0, 50.0, 95.0):
        threshold = threshold_at(ranking.detector.reference_scores_, percentile)
        assert found.counts.n_flagged(threshold) == ranking.n_flagged(percentile)
    threshold = float(np.sort(ranking.scores)[-8])  # seven lie above it
    said = found.counts.sentence(threshold)
    assert said.startswith(
        "16 loops in 2 folders, 7 flagged. Here are the 5 most anomalous; 11 are not shown, 2 of them flagged"
    )
    clipped = {json.dumps(row) for row in archive.parts.column("report").to_pylist() if '"fault"' in row}
    assert found.faults is not None
    shown = found.faults.loc[found.faults["verdict"] == "fault", "loop_id"].nunique()
    assert len(clipped) >= 2 and found.counts.n_faulty == len(clipped) - shown
    everything = top_of(ranking, archive, anywhere, 50)
    assert everything.counts.sentence(threshold) == "16 loops in 2 folders, 7 flagged; all are here."


def test_what_the_checks_and_the_ear_found_is_what_a_scan_of_the_folder_finds(
    archive: Archive, folders: list[Path]
) -> None:
    found = top_of(ranked(archive), archive, anywhere, 50)
    assert found.faults is not None
    libraries = [scan_folder(folder) for folder in folders]
    scanned = pd.concat([library.loops for library in libraries]).set_index("loop_id")
    mine = found.library.loops.set_index("loop_id").loc[scanned.index]
    columns = ["path", "name", "duration_s", "sample_rate", "channels", "format", "subtype", "size_bytes", "mtime_ns"]
    pd.testing.assert_frame_equal(mine[columns], scanned[columns])
    assert mine["folder"].tolist() == ["one/Bass"] * 8 + ["two/Bass"] * 8
    for library in libraries:
        heard = hear(library, Tiny())
        expected = rows_of({loop_id: one["findings"] for loop_id, one in heard.reports.items()}, heard.reports)
        ids = found.faults["loop_id"].isin(list(heard.reports))
        rows = found.faults[ids].to_dict("records")
        mine_sorted, wanted = (
            sorted(str(sorted({**row, "times": tuple(row["times"])}.items())) for row in some)
            for some in (rows, expected)
        )
        assert mine_sorted == wanted
        table = found.metadata.table.set_index("loop_id")
        for loop_id, one in heard.metadata.items():
            for name, value in one.items():
                mine_too = table.loc[loop_id, name]
                assert (pd.isna(value) and pd.isna(mine_too)) or mine_too == value, name
    assert not found.metadata.missing


def test_a_loop_sounds_where_its_file_is_at_hand_and_says_why_where_it_is_not(
    archive: Archive, folders: list[Path], tmp_path: Path
) -> None:
    one, two = folders
    gone, changed, linked = (one / "Bass" / f"{name}_120bpm_Em.wav" for name in "abc")
    gone.unlink()
    changed.write_bytes(changed.read_bytes() + b"\0\0")
    secret = tmp_path / "secret.wav"
    shutil.move(linked, secret)
    linked.symlink_to(secret)
    asked: list[Path] = []

    def may_open(folder: Path) -> bool:
        asked.append(folder)
        return folder == one.resolve()

    ranking = ranked(archive)
    library = top_of(ranking, archive, may_open, 50).library
    by_path = {
        Path(path): loop_id for path, loop_id in zip(library.loops["path"], library.loops["loop_id"], strict=True)
    }
    assert library.silent[by_path[gone]] == GONE and library.silent[by_path[changed]] == CHANGED
    assert {library.silent.get(by_path[path]) for path in by_path if two in path.parents} == {OUTSIDE}
    with pytest.raises(AudioError, match="was moved or deleted"):
        library.file_of(by_path[gone])
    good = one / "Bass" / "d_120bpm_Em.wav"
    with open_user_file(library.file_of(by_path[good])) as file:
        assert file.read() == good.read_bytes()
    with pytest.raises(OSError, match="leads out"):
        open_user_file(library.file_of(by_path[linked]))
    assert sorted(asked) == sorted(folder.resolve() for folder in (one, two)), "a folder is asked for once"


def test_paths_at_an_address_or_unknown_make_no_sound(archive: Archive) -> None:
    parts, paths = archive.present
    texts = ["s3://label/loops/x.wav", "", "beside.wav", *paths.to_pylist()[3:]]
    ranking = rank_parts(parts, "knn", paths=pa.chunked_array([pa.array(texts, pa.large_string())]))
    library = top_of(ranking, archive, anywhere, 50).library
    ids = parts.loop_ids.to_pylist()
    assert [library.silent.get(loop_id) for loop_id in ids[:4]] == [ELSEWHERE, UNKNOWN, UNKNOWN, None]
    names = library.loops.set_index("loop_id")["name"]
    assert [names[loop_id] for loop_id in ids[:3]] == ["x.wav", ids[1], "beside.wav"]


def test_records_that_are_none_are_passed_over(archive: Archive) -> None:
    """Parts may come from anybody."""
    [*places] = archive.parts.places
    table = pq.read_table(places[0].path)
    odd = ['{"findings": [{"kind": 3}]}', "[" * 10_000, '{"bpm": "x", "key": 4, "duration_s": "long"}', "7"]
    n = len(table)
    for name in ("file", "report", "metadata"):
        column = [odd[row % len(odd)] for row in range(n)]
        table = table.set_column(table.column_names.index(name), name, [column])
    pq.write_table(table, places[0].path)
    again = open_archive(archive.place)
    found = top_of(ranked(again), again, anywhere, 50)
    assert len(found.library.loops) == 16
    broken = set(pq.read_table(places[0].path)["loop_id"].to_pylist())
    assert found.faults is not None and not broken & set(found.faults["loop_id"])
    loops = found.library.loops.set_index("loop_id")
    assert (
        loops.loc[sorted(broken), "duration_s"].isna().all() and (loops.loc[sorted(broken), "sample_rate"] == 0).all()
    )


def test_only_the_rows_that_are_shown_are_read_of_what_was_found(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million reports at once would take gigabytes."""
    read: list[object] = []
    monkeypatch.setattr(top, "json", SimpleNamespace(loads=lambda text: read.append(text) or json.loads(text)))
    top_of(ranked(archive), archive, anywhere, 3)
    assert len(read) == 9


def test_of_loops_that_nobody_checked_nothing_is_said(folders: list[Path], tmp_path: Path) -> None:
    """No finding would mean that there is no fault."""
    unchecked = add_folder(Place.of(tmp_path / "bare"), scan_folder(folders[0]), Tiny(), everything=False).archive
    assert top_of(ranked(unchecked), unchecked, anywhere, 50).faults is None


def test_a_scanned_library_is_silent_nowhere(folders: list[Path]) -> None:
    library: Library = scan_folder(folders[0])
    assert not library.silent and library.file_of(library.unique["loop_id"][0]).root == str(library.root)
