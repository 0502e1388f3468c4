"""What can be taken away: every list holds what the screen shows, under a name that any file system takes."""

import csv
import datetime
import io
import json
import os
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.triage import FAULTY, INTERESTING, NORMAL
from loopscope.exports import csv_bytes, json_bytes, m3u8_bytes
from loopscope.exports.lists import LISTS, file_stem, in_order, members
from tests.exported import read_csv

DAY = datetime.date(2026, 11, 22)
INVALID = os.fsdecode(b"/music/caf\xe9 \xff.wav")
HOSTILE = (
    "/music/=cmd|'/C calc'!A0.wav",
    "/music/line\nbreak\r.wav",
    "/music/" + "long" * 75 + ".wav",
    "/music/a\u202eb\x07.wav",
    "/music/<img src=x onerror=alert(1)>.wav",
    INVALID,
)


def table_of(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "loop_id": [f"{i}" for i in range(n)],
            "path": pd.Series(list(HOSTILE[:n]), dtype="object"),
            "name": [f"name {i}" for i in range(n)],
            "rank": pd.array([3, 1, 2, 5, 4, None], "Int64")[:n],
            "triage_rank": [2, 5, 1, 6, 4, 3][:n],
            "triage": [FAULTY, NORMAL, INTERESTING, NORMAL, NORMAL, FAULTY][:n],
            "is_anomaly": [False, False, True, False, False, False][:n],
            "mark": ["love", "", "quarantine", "keep", "love", ""][:n],
            "score": [0.5, 1.0, 2.0, -np.inf, 0.1, np.nan][:n],
            "duration_s": [1.0, 2.0, 3.0, np.nan, 5.0, 6.0][:n],
            "times": [(0.5, 1.25), (), (), (), (), ()][:n],
        }
    )


def ids_of(name: str, filtered: tuple[str, ...] | None = None, lasso: tuple[str, ...] = ()) -> list[str]:
    table = table_of()
    return in_order(table[members(table, filtered, lasso)[name]], name)["loop_id"].tolist()


def test_each_list_holds_its_loops_in_its_order() -> None:
    assert ids_of("Listen first") == ["2", "0", "5"]
    assert ids_of("Flagged") == ["2"]
    assert ids_of("Filtered now", filtered=("4", "1", "0")) == ["0", "4", "1"], "as the list on the screen"
    assert ids_of("Filtered now", filtered=None) == []
    assert ids_of("Lasso", lasso=("5", "0", "1")) == ["1", "0", "5"], "most anomalous first, unscored ones last"
    assert (ids_of("Loved"), ids_of("Kept"), ids_of("Quarantined")) == (["0", "4"], ["3"], ["2"])
    assert ids_of("All") == ["1", "2", "0", "4", "3", "5"]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("form", ["csv", "json", "m3u8"])
def test_hostile_names_go_through_every_list_and_format(name: str, form: str) -> None:
    table = table_of()
    everything = tuple(table["loop_id"])
    rows = in_order(table[members(table, everything, everything)[name]], name)
    assert len(rows)
    paths = list(rows["path"])
    if form == "csv":
        assert list(read_csv(csv_bytes(rows, {"model": "m"}))["path"]) == paths
    elif form == "json":
        found = [row["path"] for row in json.loads(json_bytes(rows, {"model": "m"}))["rows"]]
        assert [os.fsencode(path_from(path)) for path in found] == [os.fsencode(path) for path in paths]
    else:
        lines = m3u8_bytes(rows).decode("utf-8").split("\n")
        assert len(lines) == 2 * len(rows) + 2, "one line for the title and one for the path"
        assert [os.fsencode(path_from(line)) for line in lines[2::2]] == [os.fsencode(path) for path in paths]


def path_from(written: str) -> str:
    """The path behind a file:// URI, or the path itself."""
    return (
        unquote(written.removeprefix("file://"), errors="surrogateescape") if written.startswith("file:") else written
    )


def test_json_is_one_object_with_its_context_and_null_for_what_is_not_known() -> None:
    context = {"model": "AEwRES", "threshold": float("nan"), "encoder": "aiSFX", "made_at": "2026-11-22T03:00:00+01:00"}
    whole = json.loads(json_bytes(table_of(), context))
    assert {name: whole[name] for name in context} == {**context, "threshold": None}
    rows = whole["rows"]
    assert list(rows[0]) == list(table_of().columns)
    assert rows[0]["times"] == [0.5, 1.25] and rows[0]["is_anomaly"] is False and rows[0]["rank"] == 3
    assert rows[5]["rank"] is None and rows[5]["score"] is None
    assert rows[3]["score"] is None and rows[3]["duration_s"] is None
    assert rows[0]["path"] == HOSTILE[0], "no apostrophe: nothing that reads JSON takes it for a formula"
    assert rows[5]["path"] == "file:///music/caf%E9%20%FF.wav"


def test_no_rows_are_valid_json() -> None:
    assert json.loads(json_bytes(table_of().head(0), {"model": "m"})) == {"model": "m", "rows": []}


def test_a_file_is_named_after_library_list_and_day() -> None:
    assert file_stem("bass", "Listen first", DAY) == "bass · Listen first · 2026-11-22"


@pytest.mark.parametrize(
    "library",
    [
        'a/b\\c:d*e?f"g<h>i|j',
        "line\nbreak\x07\u202e",
        "..",
        " . ",
        "",
        "CON",
        "音" * 300,
        os.fsdecode(b"caf\xe9"),
        "\ud800",
    ],
)
@pytest.mark.parametrize("name", LISTS)
def test_any_library_gives_a_name_that_any_file_system_takes(library: str, name: str, tmp_path: Path) -> None:
    stem = file_stem(library, name, DAY)
    assert len(f"{stem}.json".encode()) <= 255
    assert not set(stem) & set('<>:"/\\|?*') and stem.isprintable()
    assert stem[0] not in " ." and stem.split(" · ")[0] not in ("", ".", "..")
    (tmp_path / f"{stem}.json").touch()
    assert stem.endswith(f" · {name} · 2026-11-22")


def test_a_name_is_the_same_whichever_way_its_accents_are_written() -> None:
    assert file_stem("ba\u0308ss", "All", DAY) == file_stem("bäss", "All", DAY)


@pytest.mark.parametrize("start", [*"=+-@\t\r\n＝＋－＠'", "file://"])
def test_text_that_a_spreadsheet_would_run_or_we_would_undo_gets_one_apostrophe(start: str) -> None:
    names = [f"{start}1", f"a{start}1"]
    table = pd.DataFrame({"name": names, "kind": pd.Categorical(names), "score": [-1.5, 2.0]})
    header, first, second = csv.reader(io.StringIO(csv_bytes(table).decode("utf-8-sig"), newline=""))
    assert header == ["name", "kind", "score"]
    assert first == [f"'{names[0]}", f"'{names[0]}", "-1.5"] and second == [names[1], names[1], "2.0"]


def test_csv_is_what_spreadsheets_read_as_utf8() -> None:
    table = pd.DataFrame({"name": ["bäss", None], "times": [(0.5,), [1.0]], "n": [1, 2]})
    expected = b"\xef\xbb\xbfname,times,n,model\r\nb\xc3\xa4ss,[0.5],1,m\r\n,[1.0],2,m\r\n"
    assert csv_bytes(table, {"model": "m"}) == expected
    assert csv_bytes(table).splitlines()[0].endswith(b"n")


def test_bytes_that_are_no_text_become_a_uri_only_where_they_are_a_path() -> None:
    table = pd.DataFrame({"path": [INVALID], "name": [Path(INVALID).name]}, dtype="object")
    assert csv_bytes(table).decode("utf-8-sig").splitlines()[1] == "file:///music/caf%E9%20%FF.wav,caf\\xe9 \\xff.wav"
    (row,) = json.loads(json_bytes(table))["rows"]
    assert row == {"path": "file:///music/caf%E9%20%FF.wav", "name": "caf\\xe9 \\xff.wav"}


def test_json_is_readable_text_and_every_value_is_what_it_was() -> None:
    values = ["bäss", 1, 1.5, True, None, pd.NA, np.float32(0.5), np.nan, -np.inf, (1, (np.inf, "x")), [np.int64(2)]]
    content = json_bytes(pd.DataFrame({"value": pd.Series(values, dtype="object")}))
    found = [row["value"] for row in json.loads(content)["rows"]]
    assert found == ["bäss", 1, 1.5, True, None, None, 0.5, None, None, [1, [None, "x"]], [2]]
    assert "bäss".encode() in content


def test_a_playlist_needs_paths_only_and_says_names_and_seconds_where_it_has_them() -> None:
    table = pd.DataFrame({"path": ["/music/a.wav", "/music/b\r.wav"]})
    assert m3u8_bytes(table) == b"#EXTM3U\n#EXTINF:-1,a.wav\n/music/a.wav\n#EXTINF:-1,b .wav\nfile:///music/b%0D.wav\n"
    more = table.assign(name=["  my\tloop ", ""], duration_s=pd.Series([1.6, None], dtype="object"))
    assert m3u8_bytes(more).splitlines()[1::2] == [b"#EXTINF:2,my loop", b"#EXTINF:-1,b .wav"]
