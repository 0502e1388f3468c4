"""A database deleted or replaced while it is open is noticed before a mark counts as saved, by every process."""

import errno
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from loopscope.errors import StoreError
from loopscope.store import ProjectRow, Store
from loopscope.store.rescue import Place, close_gone, place_of, rows_to_keep, set_aside

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ProjectRow("p", "local", "/music", "music", 5.0, {"active": "m"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data" / "store.sqlite3"


def files_of(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}*"))


def marks_in(path: Path) -> dict[str, str | None]:
    """What another program finds there, which also makes sure that the file is sound."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return dict(other.execute("SELECT loop_id, mark FROM marks"))


def delete(path: Path) -> None:
    for file in files_of(path):
        file.unlink()


def delete_alone(path: Path) -> None:
    path.unlink()


def delete_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def delete_index(path: Path) -> None:
    path.with_name(f"{path.name}-shm").unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parents[1])


def move_folder(path: Path) -> None:
    path.parents[1].rename(path.parents[1].with_name("elsewhere"))


def another(path: Path) -> Path:
    """A database of somebody else, with a mark of its own and an older one of a loop that was marked here since."""
    other = path.with_name("other.sqlite3")
    with Store(other) as store:
        store.set_marks({"theirs": "love", "first": "love"})
        store.put_project(ProjectRow("p", "local", "/music", "before", 1.0, {}))
        store._database.script(["UPDATE marks SET updated_at = 1.0"])
    return other


def replace(path: Path) -> None:
    """As `cp` to a new name and `mv` do: log and index of the earlier one stay."""
    another(path).replace(path)


def replace_all(path: Path) -> None:
    """As a backup tool does that restores database and log: the other one is open elsewhere."""
    other = another(path)
    with closing(sqlite3.connect(other)) as open_elsewhere:
        open_elsewhere.execute("INSERT INTO marks VALUES ('in the log', 'keep', '', 1.0)")
        open_elsewhere.commit()
        saved = [(file.name.replace(other.name, path.name), file.read_bytes()) for file in files_of(other)]
    delete(path)
    for name, content in saved:
        if not name.endswith("-shm"):
            path.with_name(name).write_bytes(content)


def replace_by_text(path: Path) -> None:
    delete(path)
    path.write_text("no database" * 1000)


WAYS = (
    delete,
    delete_alone,
    delete_log,
    delete_index,
    delete_folder,
    move_folder,
    replace,
    replace_all,
    replace_by_text,
)


@pytest.mark.parametrize("happens", WAYS, ids=lambda way: way.__name__)
def test_a_mark_counts_only_once_it_is_in_the_file_that_lies_there(path: Path, happens: Callable[[Path], None]) -> None:
    with Store(path) as store:
        store.set_mark("first", "keep")
        store.put_setting("costs", {"scan": 1.0})
        store.put_project(PROJECT)
        store.put_embeddings(["first"], "e", np.ones((1, 4), np.float32))
        assert not store.notice
        happens(path)
        store.set_mark("second", "quarantine")
        found = marks_in(path)
        assert found.items() >= {"first": "keep", "second": "quarantine"}.items()
        assert store.notice.count("while loopscope was open") == 1 and "\n" not in store.notice
        if happens in (replace, replace_all):
            assert found["theirs"] == "love"
            assert ("in the log" in found) == (happens is replace_all)
        notice = store.notice
        store.set_note("first", "goes on")
        assert store.notice == notice, "said once"
    with Store(path) as store:
        assert not store.notice
        assert {key: mark.mark for key, mark in store.get_marks().items()} == found
        assert store.get_marks()["first"].note == "goes on"
        assert store.get_setting("costs") == {"scan": 1.0}
        assert store.get_projects("local") == [PROJECT]


def test_a_place_that_cannot_be_written_to_is_one_sentence_and_costs_nothing(path: Path) -> None:
    with Store(path) as store:
        store.set_mark("first", "keep")
        delete(path)
        path.mkdir()
        for _ in range(2):
            with pytest.raises(StoreError, match="unable to open"):
                store.set_mark("second", "keep")
        path.rmdir()
        store.set_mark("third", "keep")
    assert set(marks_in(path)) == {"first", "second", "third"}


def test_what_moved_on_is_counted_and_the_file_that_went_is_let_go(
    path: Path, connections: list[sqlite3.Connection]
) -> None:
    with Store(path) as store:
        store.set_mark("first", "keep")
        delete(path)
        store.set_mark("second", "keep")
        assert store.notice == (
            "The database was deleted or replaced while loopscope was open; the one there now got the 2 marks and "
            "settings of before. What else it lacks will be computed again."
        )
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connections[0].execute("SELECT 1")


def opened_with_a_log(path: Path) -> tuple[sqlite3.Connection, tuple[Place, ...]]:
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE marks (loop_id)")
    return connection, place_of(path)


def test_the_log_of_another_database_is_kept_from_the_one_that_is_closed(path: Path) -> None:
    """Only the log was replaced: whoever has the database open still writes to that, so all is set aside."""
    connection, opened = opened_with_a_log(path)
    delete_log(path)
    path.with_name(f"{path.name}-wal").write_bytes(b"another log")
    close_gone(connection, path, opened)
    names = [re.sub(r"-\d{8}-\d{6}-\d{6}", "-then", file.name) for file in files_of(path)]
    assert names == [f"{path.name}.replaced-then", f"{path.name}.replaced-then-wal"]
    assert files_of(path)[1].read_bytes() == b"another log"


def test_the_log_of_the_one_that_is_closed_ends_with_it(path: Path) -> None:
    connection, opened = opened_with_a_log(path)
    delete_index(path)
    close_gone(connection, path, opened)
    (aside,) = files_of(path)
    with closing(sqlite3.connect(aside)) as there:
        assert there.execute("SELECT count(*) FROM marks").fetchone() == (0,), "what stood in the log is in it"


def test_what_can_be_read_of_a_damaged_table_is_kept_from_both_its_ends(path: Path) -> None:
    class Damaged:
        """Of each query two rows can be read."""

        def execute(self, statement: str) -> Iterator[tuple[object, ...]]:
            yield from whole._database.rows(statement)[:2]
            raise sqlite3.DatabaseError("database disk image is malformed")

    with Store(path) as whole:
        whole.set_marks(dict.fromkeys("abcde", "keep"))
        kept = rows_to_keep(cast(sqlite3.Connection, Damaged()))
    assert [row[0] for row in kept["marks"]] == ["a", "b", "e", "d"]


def test_what_cannot_be_renamed_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, opened = opened_with_a_log(path)
    delete_log(path)
    path.with_name(f"{path.name}-wal").write_bytes(b"another log")

    def refuse(_file: Path, _name: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match=r"was replaced and cannot be let go \(Permission denied\)\.$"):
        close_gone(connection, path, opened)
    with pytest.raises(StoreError, match=r"^The corrupt database .* cannot be renamed \(Permission denied\); move"):
        set_aside(path, "corrupt")
    connection.close()


def test_a_file_that_is_replaced_again_and_again_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        store.set_mark("first", "keep")
        moved_on = store._database._move_on

        def replaced_again() -> None:
            moved_on()
            delete(path)

        monkeypatch.setattr(store._database, "_move_on", replaced_again)
        delete(path)
        with pytest.raises(StoreError, match="again and again"):
            store.set_mark("second", "keep")
        monkeypatch.undo()
        store.set_mark("third", "keep")
    assert {"first", "third"} <= set(marks_in(path))


def test_nothing_in_daily_use_is_taken_for_a_replacement(path: Path) -> None:
    with Store(path) as store, Store(path) as other:
        for number in range(3):
            store.put_embeddings([str(number)], "e", np.ones((1, 5000), np.float32))
            other.set_mark(str(number), "keep")
            store.clear_embeddings("e")
            other.clear_cache()
            with closing(sqlite3.connect(path)) as program:
                program.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert not store.notice and not other.notice
    assert len(marks_in(path)) == 3


WRITER = """
import sys
from loopscope.store import Store
with Store(sys.argv[1]) as store:
    for line in sys.stdin:
        store.set_mark(line.strip(), "keep")
        sys.stdout.write("there" + store.notice[:40] + "\\n")
        sys.stdout.flush()
"""


class Writer:
    """A process that sets the marks it is told to."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def mark(self, loop_id: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{loop_id}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(20) == 0


@pytest.mark.parametrize("happens", [delete, delete_alone, delete_log, replace], ids=lambda way: way.__name__)
def test_two_processes_meet_again_in_the_file_that_lies_there(path: Path, happens: Callable[[Path], None]) -> None:
    one, two = Writer(path), Writer(path)
    assert (one.mark("a"), two.mark("b")) == ("there", "there")
    happens(path)
    said = [one.mark("c"), two.mark("d"), one.mark("e"), two.mark("f"), one.mark("g"), two.mark("h")]
    assert said[0].startswith("thereThe database was") and said[1].startswith("thereThe database was")
    assert set(marks_in(path)) >= set("abcdefgh")
    one.end()
    two.mark("i")
    two.end()
    assert set(marks_in(path)) >= set("abcdefghi")
