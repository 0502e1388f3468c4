"""What was put is there afterwards: from other threads, after kill -9, after a full disk; damage is set aside."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopscope.config import paths
from loopscope.errors import DataError, StoreError
from loopscope.store import FileKey, FileRow, Store
from loopscope.store import schema as schema_module
from loopscope.store.records import ProjectRow
from loopscope.store.schema import MIGRATIONS, VERSION
from tests.stored import row_counts

ROW = FileRow("1/1.2.2", "ab" * 16, 1.5, 44100, 2, "WAV", "PCM_16")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store.sqlite3"


def rows_of(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What another program reads from the file while the store has it open."""
    with closing(sqlite3.connect(path)) as reader:
        return reader.execute(query).fetchall()


def ids(n: int) -> list[str]:
    return [f"{number:032x}" for number in range(n)]


def vectors(n: int, n_features: int = 16) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, n_features)).astype("float32")


# --- what goes in comes out


def test_files_are_known_only_while_size_and_time_match(path: Path) -> None:
    key = FileKey("/a/b.wav", 100, 5)
    refused = FileKey("/a/c.wav", 7, 7)
    with Store(path) as store:
        store.put_files({key: ROW, refused: FileRow("1", reason="The file is empty (0 bytes).")})
        assert store.get_files([key, refused]) == {
            key: ROW,
            refused: FileRow("1", reason="The file is empty (0 bytes)."),
        }
        assert store.get_files([FileKey("/a/b.wav", 101, 5), FileKey("/a/b.wav", 100, 6)]) == {}
        store.put_files({FileKey("/a/b.wav", 101, 6): ROW})
        assert store.get_files([key]) == {}
        assert row_counts(store)["files"] == 2


def test_of_a_file_that_is_left_out_nothing_is_said_but_why() -> None:
    row = asdict(FileRow("reader 1", reason="It is broken."))
    assert {name for name, value in row.items() if value} == {"reader", "reason"}
    assert ProjectRow("id", "local", "/pack", "pack", 1.0).state == {}, "nor of a project that nobody touched"


@pytest.mark.parametrize("name", ["caf\udce9.wav", "\U0001f3b8\n'\"<b>.wav", "=1+1.wav", "é.wav", "é.wav", "x" * 250])
def test_any_file_name_survives(path: Path, name: str) -> None:
    key = FileKey(f"/pack/{name}", 1, 2)
    with Store(path) as store:
        store.put_files({key: ROW})
    with Store(path) as store:
        assert store.get_files([key]) == {key: ROW}


def test_embeddings_come_back_exactly_and_by_encoder(path: Path) -> None:
    X = vectors(2500)
    with Store(path) as store:
        store.put_embeddings(ids(2500), "aisfx", X)
        store.put_embeddings(ids(1), "clap", X[:1] + 1)
        assert store.get_embeddings(ids(1), "nobody") == {}
        found = store.get_embeddings([*ids(2500), "f" * 32], "aisfx")
        assert set(found) == set(ids(2500))
        assert all(np.array_equal(found[loop_id], X[row]) for row, loop_id in enumerate(ids(2500)))
        assert found[ids(1)[0]].dtype == np.float32
        assert np.array_equal(store.get_embeddings(ids(1), "clap")[ids(1)[0]], X[0] + 1)
        store.put_embeddings(ids(1), "aisfx", X[1:2])
        assert np.array_equal(store.get_embeddings(ids(1), "aisfx")[ids(1)[0]], X[1])


def test_embeddings_that_do_not_fit_are_refused(path: Path) -> None:
    with Store(path) as store:
        with pytest.raises(DataError, match=r"\(2, 16\) do not fit 3 loops"):
            store.put_embeddings(ids(3), "e", vectors(2))
        with pytest.raises(DataError, match="NaN"):
            store.put_embeddings(ids(1), "e", np.full((1, 4), np.nan, np.float32))
        assert row_counts(store)["embeddings"] == 0


def test_a_vector_with_flipped_bits_is_absent(path: Path) -> None:
    with Store(path) as store:
        store.put_embeddings(ids(2), "e", vectors(2))
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE embeddings SET vector = ? WHERE loop_id = ?", (bytes(64), ids(1)[0]))
    raw.close()
    with Store(path) as store:
        assert set(store.get_embeddings(ids(2), "e")) == {ids(2)[1]}


def test_embeddings_of_any_kind_of_number_are_kept_and_of_one_row_a_loop_only(path: Path) -> None:
    X = vectors(2)
    with Store(path) as store:
        store.put_embeddings(ids(2), "e", X.astype(np.float64).T.copy().T)
        assert np.array_equal(store.get_embeddings(ids(2), "e")[ids(2)[1]], X[1])
        for shape in ((2,), (2, 4, 4)):
            with pytest.raises(DataError, match="do not fit 2 loops"):
                store.put_embeddings(ids(2), "e", np.zeros(shape, np.float32))


def test_patches_belong_to_their_loop_and_maker_and_go_with_its_embeddings(path: Path) -> None:
    patches = [np.full((number, 300), number, np.float16) for number in (2, 5)]
    with Store(path) as store:
        store.put_embeddings(ids(2), "aisfx", vectors(2), "aisfx-patches-1", patches)
        store.put_embeddings(ids(1), "clap", vectors(1), "clap-patches-1", patches[:1])
        found = store.get_patches([*ids(2), "unknown"], "aisfx-patches-1")
        assert list(found) == ids(2) and all(map(np.array_equal, found.values(), patches))
        assert store.get_patches(ids(2), "clap-patches-2") == {}
        store.put_embeddings(ids(500), "aisfx", vectors(500, 512))
        assert store.embeddings_by_encoder() == {"aisfx": 500, "clap": 1}
        before = bytes_on_disk(path)
        store.clear_embeddings("aisfx")
        assert store.embeddings_by_encoder() == {"clap": 1} and bytes_on_disk(path) < before / 10
        assert store.get_patches(ids(2), "aisfx-patches-1") == {}
        assert list(store.get_patches(ids(2), "clap-patches-1")) == ids(1)


def test_a_memory_has_the_reports_of_one_version_that_fit(path: Path) -> None:
    with Store(path) as store:
        memory = store.memory("faults", "1", lambda report: isinstance(report, dict))
        memory.remember({"a": {"click": 1}, "b": ["misfit"]})
        store.put_reports("faults", {"a": {"click": 2}}, "2")
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("INSERT INTO faults VALUES ('1', 'c', '{')")
        assert memory.recall(["a", "b", "c"]) == {"a": {"click": 1}}
        assert store.get_reports("faults", ["a", "b", "c"], "1") == {"a": {"click": 1}, "b": ["misfit"]}


def test_a_file_s_row_that_cannot_be_read_is_unknown(path: Path) -> None:
    key = FileKey("/a/b.wav", 100, 5)
    with Store(path) as store:
        store.put_files({key: ROW})
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE files SET duration_s = 'long'")
        assert store.get_files([key]) == {}


def test_a_project_that_is_deleted_is_gone_with_its_files_and_no_other_is(path: Path) -> None:
    with Store(path) as store:
        for name in ("a", "b"):
            store.put_project(ProjectRow(name, "me", "/music", name, 1.0, {}))
            store.put_project_files(name, {f"/music/{name}.wav": "ab" * 16})
        store.delete_project("a")
        assert [project.project_id for project in store.get_projects("me")] == ["b"]
        assert store.get_project_files("a") == {} and len(store.get_project_files("b")) == 1


def test_a_note_in_which_bits_flipped_is_read_as_far_as_it_is_text(path: Path) -> None:
    with Store(path) as store:
        store.set_mark("a", "keep")
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("UPDATE marks SET note = CAST(x'ff6e6f7465' AS TEXT)")
        assert store.get_marks()["a"].note == "\ufffdnote"


def test_marks_are_set_changed_and_removed(path: Path) -> None:
    with Store(path) as store:
        before = time.time()
        store.set_mark("a", "keep", "nice <b>")
        store.set_marks({"b": "love", "c": "quarantine"})
        mark = store.get_marks(["a", "unknown"])["a"]
        assert (mark.mark, mark.note) == ("keep", "nice <b>")
        assert before - 1 <= mark.updated_at <= time.time() + 1
        assert set(store.get_marks()) == {"a", "b", "c"}
        store.set_mark("a", None, "")
        store.set_mark("b", None, "only a note")
        assert set(store.get_marks(["a", "b"])) == {"b"}
        with pytest.raises(DataError, match="Unknown mark 'burn'; give one of keep, quarantine, love or None"):
            store.set_marks({"d": "keep", "e": "burn"})
        assert "d" not in store.get_marks()


def test_notes_and_marks_do_not_disturb_each_other(path: Path) -> None:
    with Store(path) as store:
        store.set_note("a", "= what a <take>")
        store.set_mark("a", "love")
        store.set_marks({"a": "keep", "b": "keep"})
        assert {key: (mark.mark, mark.note) for key, mark in store.get_marks().items()} == {
            "a": ("keep", "= what a <take>"),
            "b": ("keep", ""),
        }
        store.set_mark("a", None)
        store.set_note("b", "again")
        assert (store.get_marks()["a"].mark, store.get_marks()["a"].note) == (None, "= what a <take>")
        assert (store.get_marks()["b"].mark, store.get_marks()["b"].note) == ("keep", "again")
        store.set_note("a", "")
        assert set(store.get_marks()) == {"b"}


def test_measurements_are_kept_by_version(path: Path) -> None:
    with Store(path) as store:
        store.put_reports("measurements", {"a": {"bpm": 120.0, "key": None}}, "ear 1")
        assert store.get_reports("measurements", ["a", "b"], "ear 1") == {"a": {"bpm": 120.0, "key": None}}
        assert store.get_reports("measurements", ["a"], "ear 2") == {} == store.get_reports("faults", ["a"], "ear 1")


def test_faults_and_settings_hold_what_json_holds(path: Path) -> None:
    report = {"click": 3, "at_s": [0.1, 2.5], "text": "é\udce9"}
    with Store(path) as store:
        store.put_reports("faults", {"a": report, "b": None}, "2")
        assert store.get_reports("faults", ["a", "b", "c"], "2") == {"a": report, "b": None}
        assert store.get_reports("faults", ["a"], "1") == {}
        assert store.get_setting("recent", []) == []
        store.put_setting("recent", ["/music", {"n": 1}])
        assert store.get_setting("recent") == ["/music", {"n": 1}]
        with pytest.raises(DataError, match="recent"):
            store.put_setting("recent", object())
        with pytest.raises(DataError, match="recent"):
            store.put_setting("recent", float("nan"))


def bytes_on_disk(path: Path) -> int:
    """Of the database with its write-ahead log."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def test_clearing_the_cache_keeps_what_the_user_did(path: Path) -> None:
    with Store(path) as store:
        store.put_embeddings(ids(500), "e", vectors(500, 512))
        store.put_files({FileKey("/a", 1, 1): ROW})
        store.put_reports("faults", {"a": 1}, "1")
        store.put_reports("measurements", {"a": 1}, "1")
        store.set_mark("a", "keep")
        store.put_setting("k", 1)
        before = bytes_on_disk(path)
        store.clear_cache()
        assert row_counts(store) == {
            "files": 0,
            "embeddings": 0,
            "patches": 0,
            "faults": 0,
            "measurements": 0,
            "marks": 1,
            "corrections": 0,
            "settings": 1,
            "projects": 0,
        }
        assert bytes_on_disk(path) < before / 10


def test_default_is_below_loopscope_home(loopscope_home: Path) -> None:
    with Store.default() as store:
        assert store.path == paths().database
        assert loopscope_home in store.path.parents


# --- threads and processes


def test_threads_and_two_stores_write_at_once(path: Path) -> None:
    X = vectors(400)
    with Store(path) as first, Store(path) as second:

        def put(store: Store, start: int) -> None:
            for row in range(start, start + 100, 10):
                store.put_embeddings(ids(400)[row : row + 10], "e", X[row : row + 10])
                store.set_mark(ids(400)[row], "keep")
                store.get_embeddings(ids(400), "e")

        threads = [threading.Thread(target=put, args=(store, start)) for store, start in
                   ((first, 0), (first, 100), (second, 200), (second, 300))]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(first.get_embeddings(ids(400), "e")) == 400
        assert len(second.get_marks()) == 40


WRITER = """
import sys, numpy as np
from loopscope.store import FileKey, FileRow, Store
store = Store(sys.argv[1])
first = int(sys.argv[2])
for batch in range(first, first + 100000):
    names = [f"{batch:08d}-{row}" for row in range(20)]
    store.put_embeddings(names, "e", np.full((20, 256), batch, np.float32))
    store.put_files({FileKey(f"/{name}", batch, batch): FileRow("r", name) for name in names})
    store.set_mark(names[0], "keep", str(batch))
    sys.stdout.write(f"{batch}\\n")
    sys.stdout.flush()
"""


def test_kill_minus_nine_loses_nothing_that_was_acknowledged(path: Path) -> None:
    rng = np.random.default_rng(1)
    first, acknowledged = 0, []
    for _ in range(20):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(first)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert writer.stdout is not None
        acknowledged.append(int(writer.stdout.readline()))
        time.sleep(rng.uniform(0.0, 0.06))
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        first = acknowledged[-1] + 2  # the batch after the last one may be there in part
    with Store(path) as store:
        assert not store.notice
        names = [f"{batch:08d}-{row}" for batch in acknowledged for row in range(20)]
        found = store.get_embeddings(names, "e")
        assert set(found) == set(names)
        assert all((found[name] == int(name[:8])).all() for name in names)
        assert len(store.get_files([FileKey(f"/{name}", int(name[:8]), int(name[:8])) for name in names])) == len(names)
        assert {int(mark.note) for mark in store.get_marks().values()} >= set(acknowledged)
        sizes = rows_of(path, "SELECT count(*) FROM embeddings GROUP BY substr(loop_id, 1, 8)")
        assert {size for (size,) in sizes} == {20}  # a batch is there as a whole or not at all


def test_a_full_disk_is_said_and_harms_nothing(path: Path, connections: list[sqlite3.Connection]) -> None:
    with Store(path) as store:
        store.put_embeddings(ids(10), "e", vectors(10))
        (connection,) = connections
        n_pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {n_pages + 2}")
        with pytest.raises(StoreError, match="full\\); free some disk space"):
            store.put_embeddings(ids(5000), "e", vectors(5000, 64))
        assert len(store.get_embeddings(ids(5000), "e")) == 10
        connection.execute("PRAGMA max_page_count = 1000000")
        store.put_embeddings(ids(5000), "e", vectors(5000, 64))
        assert len(store.get_embeddings(ids(5000), "e")) == 5000


# --- damage


def filled(path: Path, n_marks: int = 2000) -> None:
    with Store(path) as store:
        store.put_setting("theme", "dark")
        store.set_marks(dict.fromkeys(ids(n_marks), "keep"), "a note long enough to fill several pages of the file")
        store.put_embeddings(ids(300), "e", vectors(300, 256))


def assert_set_aside(path: Path, store: Store, data: bytes) -> None:
    aside = [
        other
        for other in path.parent.iterdir()
        if ".corrupt-" in other.name and not other.name.endswith(("-wal", "-shm"))
    ]
    assert len(aside) == 1
    assert aside[0].read_bytes() == data
    assert aside[0].name in store.notice
    store.set_mark("new", "love")
    assert store.get_marks(["new"])["new"].mark == "love"


def test_a_file_that_is_no_database_is_set_aside(path: Path) -> None:
    path.parent.mkdir()
    data = b"this was once a database" * 500
    path.write_bytes(data)
    with Store(path) as store:
        assert_set_aside(path, store, data)
    with Store(path) as store:
        assert not store.notice
        assert set(store.get_marks()) == {"new"}


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
def test_a_damaged_page_is_found_and_marks_are_saved(path: Path, where: float) -> None:
    filled(path)
    data = bytearray(path.read_bytes())
    page = int(len(data) * where) // 4096 * 4096
    data[page : page + 4096] = os.urandom(4096)
    path.write_bytes(data)
    with Store(path) as store:
        assert_set_aside(path, store, bytes(data))
        saved = store.get_marks(ids(2000))
        assert store.get_setting("theme") == "dark"
        assert all(mark.note.startswith("a note") for mark in saved.values())
        assert len(saved) > 100
        assert f"the {len(saved) + 1} marks and settings" in store.notice


def test_a_file_cut_short_is_set_aside(path: Path) -> None:
    filled(path)
    data = path.read_bytes()[: 4096 * 3]
    path.write_bytes(data)
    with Store(path) as store:
        assert_set_aside(path, store, data)


def test_damage_that_appears_while_open_is_survived(path: Path, connections: list[sqlite3.Connection]) -> None:
    filled(path)
    with Store(path) as store:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(path.stat().st_size - 4096))
        connections[-1].execute("PRAGMA cache_size = 1")
        connections[-1].execute("PRAGMA shrink_memory")
        assert store.get_embeddings(ids(300), "e") == {}
        assert ".corrupt-" in store.notice
        store.put_embeddings(ids(300), "e", vectors(300))
        assert len(store.get_embeddings(ids(300), "e")) == 300


def test_garbage_in_the_log_does_not_reach_the_tables(path: Path) -> None:
    filled(path)
    path.with_name(path.name + "-wal").write_bytes(os.urandom(40960))
    with Store(path) as store:
        assert len(store.get_marks()) == 2000
        assert len(store.get_embeddings(ids(300), "e")) == 300


# --- versions


def test_a_newer_database_is_left_alone(path: Path) -> None:
    filled(path, 10)
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()
    data = path.read_bytes()
    with pytest.raises(StoreError, match=f"newer loopscope \\(version {VERSION + 1}, this one knows {VERSION}\\)"):
        Store(path)
    assert path.read_bytes() == data
    assert not list(path.parent.glob("*.corrupt-*"))


def test_an_older_database_is_migrated_and_keeps_its_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, 10)
    later = (*MIGRATIONS, "ALTER TABLE marks ADD COLUMN colour TEXT; CREATE TABLE extra (x INTEGER);")
    monkeypatch.setattr(schema_module, "MIGRATIONS", later)
    monkeypatch.setattr(schema_module, "VERSION", len(later))
    with Store(path) as store:
        assert len(store.get_marks()) == 10
        assert rows_of(path, "SELECT colour FROM marks LIMIT 1") == [(None,)]


def test_a_failing_migration_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, 10)
    broken = (*MIGRATIONS, "CREATE TABLE extra (x INTEGER); CREATE TABLE marks (again INTEGER);")
    with monkeypatch.context() as patch:
        patch.setattr(schema_module, "MIGRATIONS", broken)
        patch.setattr(schema_module, "VERSION", len(broken))
        with pytest.raises(StoreError, match="already exists"):
            Store(path)
    with Store(path) as store:
        assert len(store.get_marks()) == 10
        assert rows_of(path, "SELECT name FROM sqlite_schema WHERE name = 'extra'") == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "store.sqlite3")
    (tmp_path / "folder.sqlite3").mkdir()
    with pytest.raises(StoreError, match="check the folder's permissions"):
        Store(tmp_path / "folder.sqlite3")


def test_a_closed_store_says_so(path: Path) -> None:
    store = Store(path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="open the store again"):
        store.get_marks()


def test_nothing_in_the_file_needs_pickle(path: Path) -> None:
    filled(path, 1)
    with sqlite3.connect(path) as raw:
        assert json.loads(raw.execute("SELECT value FROM settings").fetchone()[0]) == "dark"
        blob = raw.execute("SELECT vector FROM embeddings WHERE loop_id = ?", ids(1)).fetchone()[0]
    raw.close()
    assert np.array_equal(np.frombuffer(blob, "<f4"), vectors(300, 256)[0])
