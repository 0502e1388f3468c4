"""A row that cannot be read counts as absent and is computed again, whatever lies in it; nothing else is harmed."""

import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.forecast import SETTING, known_costs
from loopscope.library import scan_folder
from loopscope.metadata.collect import known_metadata, measure_metadata
from loopscope.store import ProjectRow, Store
from loopscope.ui.projects.project import Remembered
from tests.hostile.walked import Bands, Ended, walk_as_the_app, write_loops
from tests.stored import row_counts

N_LOOPS = 8
NO_TEXT = (b"\xff\xfe", b"")
NO_UTF8 = "CAST(x'7bff7d' AS TEXT)"
NO_REPORT = (
    "", "{", "[" * 100_000, "1" * 5000, "null", "true", "1", '"text"', "[1]", "[null]", '["text"]', "{}", '{"bpm": {}}',
    '[{"kind": "click"}]', '[{"kind": 1, "strength": NaN, "verdict": [], "sentence": "", "brief": "", "times": []}]',
    '[{"kind": "click", "strength": 1e999, "verdict": "fault", "sentence": "", "brief": "", "times": [0]}]',
    '[{"kind": "click", "strength": 1.0, "verdict": "fault", "sentence": "", "brief": "", "times": {"a": 1}}]',
    '{"tempo_bpm": "fast", "findings": [], "values": {}}', '{"tempo_bpm": null, "findings": {}, "values": {}}',
    '{"tempo_bpm": null, "findings": [1], "values": {}}', '{"tempo_bpm": null, "findings": [], "values": {"a": "b"}}',
    '{"tempo_bpm": null, "findings": [], "values": []}', '{"findings": []}',
    '{"bpm": 1e999, "key": null}', '{"bpm": null, "key": 3}', '{"bpm": 120, "n_bars": -1, "loop_structure": null}',
)  # fmt: skip
Tamper = Callable[[sqlite3.Connection], object]


def setting(table: str, column: str, value: Any) -> Tamper:
    """In every row of a table."""
    if isinstance(value, str) and value.startswith("CAST"):
        return lambda raw: raw.execute(f"UPDATE {table} SET {column} = {value}")
    return lambda raw: raw.execute(f"UPDATE {table} SET {column} = ?", (value,))


def blob(content: bytes) -> Tamper:
    """A vector that matches its checksum."""
    return lambda raw: raw.execute("UPDATE embeddings SET vector = ?, checksum = ?", (content, zlib.crc32(content)))


def one_is_shorter(raw: sqlite3.Connection) -> None:
    content = bytes(8)
    raw.execute(
        "UPDATE embeddings SET vector = ?, checksum = ? WHERE loop_id = (SELECT min(loop_id) FROM embeddings)",
        (content, zlib.crc32(content)),
    )


WAYS: dict[str, Tamper] = {
    **{f"files {column}": setting("files", column, NO_UTF8) for column in ("loop_id", "format", "subtype", "reader")},
    **{f"files {column} as bytes": setting("files", column, b"\xff") for column in ("loop_id", "format", "reason")},
    **{f"files {c}": setting("files", c, "text") for c in ("duration_s", "sample_rate", "channels", "size_bytes")},
    "files negative": setting("files", "duration_s", -1.0),
    "files endless": setting("files", "duration_s", float("inf")),
    "files without anything": lambda raw: raw.execute("UPDATE files SET loop_id = '', reason = ''"),
    "files with both": lambda raw: raw.execute("UPDATE files SET reason = 'It is empty.' WHERE loop_id != ''"),
    "vector as text": setting("embeddings", "vector", "text"),
    "vector checksum": setting("embeddings", "checksum", b""),
    "vector empty": blob(b""),
    "vector odd": blob(bytes(33)),
    "vector NaN": blob(np.full(8, np.nan, "<f4").tobytes()),
    "vector short": one_is_shorter,
    **{f"{table} {text[:40]}": setting(table, "report", text)
       for table in ("faults", "measurements") for text in (*NO_REPORT, *NO_TEXT, NO_UTF8)},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tampered") / "loops"
    write_loops(folder, N_LOOPS)
    (folder / "copy.wav").write_bytes((folder / "loop 00.wav").read_bytes())  # a finding in the reports of pairs
    return folder


@pytest.fixture(scope="module")
def walked(folder: Path) -> tuple[Path, Ended]:
    """A home after a walk, and how that ended."""
    home = folder.with_name("home")
    home.mkdir()
    return home, walk_as_the_app(folder, home)


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_read_is_computed_again(
    way: str, folder: Path, walked: tuple[Path, Ended], tmp_path: Path
) -> None:
    home, before = walked
    shutil.copy(home / "store.sqlite3", tmp_path)
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as raw, raw:
        WAYS[way](raw)
    for _ in range(2):  # from what is there, and from what was put in its place
        after = walk_as_the_app(folder, tmp_path)
        assert before.library is not None and after.library is not None
        assert after.library.loops.equals(before.library.loops)
        assert after.library.rejected.equals(before.library.rejected)
        assert before.embeddings is not None and after.embeddings is not None
        assert after.embeddings.loop_ids == before.embeddings.loop_ids
        assert np.array_equal(after.embeddings.X, before.embeddings.X)
        assert before.metadata is not None and after.metadata is not None
        assert after.metadata.table.equals(before.metadata.table)
        assert before.faults is not None and after.faults is not None
        by = ["loop_id", "kind"]
        pd.testing.assert_frame_equal(
            after.faults.sort_values(by, ignore_index=True), before.faults.sort_values(by, ignore_index=True)
        )
        with Store(tmp_path / "store.sqlite3") as store:
            assert not store.notice
            assert row_counts(store)["embeddings"] == len(
                store.get_embeddings(before.embeddings.loop_ids, Bands.encoder_id)
            )


@pytest.mark.parametrize("report", [*NO_REPORT, *NO_TEXT])
def test_what_was_heard_and_cannot_be_read_is_heard_again(report: str | bytes, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    shutil.copy(folder / "loop 00.wav", tmp_path / "pack" / "Bass_120_Em.wav")
    loops = scan_folder(tmp_path / "pack").loops
    with Store(tmp_path / "store.sqlite3") as store:
        before = measure_metadata(loops, store).table
        store._database.write(("UPDATE measurements SET report = ?", [(report,)]))
        assert known_metadata(loops, store).missing == set(loops["loop_id"])
        assert measure_metadata(loops, store).table.equals(before)
        assert not known_metadata(loops, store).missing


@pytest.mark.parametrize("value", ["{", "[]", "1", '{"embed": "fast"}', '{"embed": NaN}', '{"embed": 1e999}', b"\xff"])
def test_settings_that_cannot_be_read_are_as_never_set(value: str | bytes, tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        store.put_setting(SETTING, {"embed": 1.0})
        store._database.write(("UPDATE settings SET value = ?", [(value,)]))
        assert known_costs(store) == {}


def test_of_marks_what_can_be_read_stays(tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        for loop_id in "abcd":
            store.set_mark(loop_id, "keep", "a note")
        for column, loop_id, value in (
            ("mark", "a", "'burn'"), ("mark", "b", "x'6b656570'"), ("note", "c", NO_UTF8), ("updated_at", "d", "'now'")
        ):  # fmt: skip
            store._database.script([f"UPDATE marks SET {column} = {value} WHERE loop_id = '{loop_id}'"])
        found = {loop_id: (mark.mark, mark.note) for loop_id, mark in store.get_marks().items()}
        assert found == {
            "a": (None, "a note"),
            "b": (None, "a note"),
            "c": ("keep", "{\ufffd}"),
            "d": ("keep", "a note"),
        }
        assert all(isinstance(mark.updated_at, float) for mark in store.get_marks().values())


STATES = ("", "{", "[" * 100_000, "[]", "null", "1", b"\xff", *(
    json.dumps({name: value}) for name in asdict(Remembered())
    for value in (None, True, -1, 1e300, 10**400, "text", [], [[]], {}, {"a": None}, {"a": {"path": 1}}, {"encoder": 3},
                  {"detector": "gone"})
))  # fmt: skip


def test_a_project_whose_state_cannot_be_read_opens_as_new(tmp_path: Path) -> None:
    known = ProjectRow("p", "local", "/music", "music", 5.0, {})
    with Store(tmp_path / "store.sqlite3") as store:
        store.put_project(known)
        for state in STATES:
            store._database.write(("UPDATE projects SET state = ?", [(state,)]))
            (row,) = store.get_projects("local")
            memory = Remembered.from_row(row.state)
            assert Remembered.from_row(json.loads(json.dumps(asdict(memory)))) == memory
            assert row.folder == "/music"


@pytest.mark.parametrize("column", ["folder", "name", "opened_at", "project_id"])
def test_a_project_that_cannot_be_read_hides_no_other(column: str, tmp_path: Path) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        for project_id in "ab":
            store.put_project(ProjectRow(project_id, "local", f"/music/{project_id}", "music", 5.0, {}))
            store.put_project_files(project_id, {"x.wav": "id"})
        value = NO_UTF8 if column == "name" else "'text'" if column != "project_id" else "x'ff'"
        store._database.script([f"UPDATE projects SET {column} = {value} WHERE project_id = 'a'"])
        store._database.script(["UPDATE project_files SET path = 'text' WHERE project_id = 'a'"])
        rows = {row.project_id: row for row in store.get_projects("local")}
        assert rows["b"].folder == "/music/b" and rows["b"].opened_at == 5.0
        assert ("a" in rows) == (column in ("name", "opened_at"))
        assert (store.get_project_files("a"), store.get_project_files("b")) == ({}, {"x.wav": "id"})


@pytest.mark.parametrize("statement", ["DROP TABLE faults", "ALTER TABLE embeddings DROP COLUMN checksum"])
def test_a_database_without_a_table_or_column_is_set_aside(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with Store(path) as store:
        store.set_mark("a", "keep")
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(statement)
    with Store(path) as store:
        for _ in range(2):  # what was in the others has gone with the file
            store.put_reports("faults", {"a": []}, "1")
            store.put_embeddings(["a"], "e", np.ones((1, 2), np.float32))
        assert store.get_marks()["a"].mark == "keep"
        assert set(store.get_reports("faults", ["a"], "1")) == {"a"} == set(store.get_embeddings(["a"], "e"))
        assert ".corrupt-" in store.notice
