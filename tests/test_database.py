"""The connection under the store: how durable it is, what an error says, and that nothing of a failed write stays."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from loopscope.errors import StoreError
from loopscope.store import database
from loopscope.store.database import Database

SETTING = "INSERT INTO settings VALUES (?, ?)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


def test_what_is_committed_is_past_every_cache_and_schemas_of_strangers_run_nothing(
    path: Path, connections: list[sqlite3.Connection]
) -> None:
    with Database(path):
        said = {
            name: connections[0].execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "fullfsync",
                "checkpoint_fullfsync",
                "foreign_keys",
                "trusted_schema",
            )
        }
    assert list(said.values()) == ["wal", 2, 1, 1, 1, 0]


def test_of_a_write_that_fails_nothing_stays_and_others_can_write(path: Path) -> None:
    with Database(path) as opened:
        with pytest.raises(StoreError, match="UNIQUE constraint failed"):
            opened.write((SETTING, [("a", "1"), ("b", "2"), ("a", "3")]))
        assert opened.rows("SELECT * FROM settings") == []
        other = sqlite3.connect(path, timeout=0.1)
        other.execute(SETTING, ("c", "4"))
        other.commit()
        other.close()
        opened.write((SETTING, [("a", "1")]))
        assert opened.rows("SELECT * FROM settings ORDER BY key") == [("a", "1"), ("c", "4")]
        opened.write((SETTING, []))


def test_any_number_of_values_is_asked_for(path: Path) -> None:
    with Database(path) as opened:
        names = [str(number) for number in range(2_001)]
        opened.write((SETTING, [(name, "1") for name in names]))
        asked = "SELECT key FROM settings WHERE value = ? AND key IN ({marks})"
        assert sorted(row[0] for row in opened.rows_in(asked, ["1"], names)) == sorted(names)
        assert list(opened.rows_in(asked, ["2"], names)) == list(opened.rows_in(asked, ["1"], [])) == []


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("database or disk is full", "free some disk space."),
        ("disk I/O error", "free some disk space, or check the disk."),
        ("attempt to write a readonly database", "make the file writable or set LOOPSCOPE_HOME to another folder."),
        ("unable to open database file", "check the folder's permissions or set LOOPSCOPE_HOME to another folder."),
        ("database is locked", "close the other program that uses it."),
        ("Cannot operate on a closed database.", "open the store again."),
        ("something new", "see the log for the cause."),
    ],
)
def test_each_error_has_its_remedy(path: Path, said: str, remedy: str) -> None:
    assert database._sentence(path, sqlite3.OperationalError(said)) == (
        f"The database {path} cannot be used ({said}); {remedy}"
    )


@pytest.mark.parametrize(
    ("said", "is_damage"),
    [
        ("database disk image is malformed", True),
        ("file is not a database", True),
        ("database corruption", True),
        ("CORRUPT", True),
        ("no such table: marks", True),
        ("no such column: note", True),
        ("table marks has no column named note", True),
        ("database is locked", False),
        ("disk I/O error", False),
    ],
)
def test_damage_is_told_from_trouble_that_passes(said: str, is_damage: bool) -> None:
    assert database._is_damage(sqlite3.DatabaseError(said)) is is_damage


def test_what_a_newer_version_wrote_is_let_go_of(path: Path, connections: list[sqlite3.Connection]) -> None:
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(StoreError, match="written by a newer loopscope"):
        Database(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connections[-1].execute("SELECT 1")


def test_where_no_new_file_can_be_begun_that_is_one_sentence_and_nothing_stays_open(
    path: Path, connections: list[sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"no database" * 1000)
    connect = database._connect

    def full(wanted: Path) -> sqlite3.Connection:
        if not wanted.exists():
            raise sqlite3.OperationalError("database or disk is full")
        return connect(wanted)

    monkeypatch.setattr(database, "_connect", full)
    with pytest.raises(StoreError, match=r"cannot be used \(database or disk is full\); free some disk space\.$"):
        Database(path)
    (aside,) = path.parent.glob(f"{path.name}.corrupt-*")
    assert aside.read_bytes() == b"no database" * 1000
    for connection in connections:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_others_are_waited_for_and_nothing_stays_open(path: Path, connections: list[sqlite3.Connection]) -> None:
    with Database(path):
        assert connections[0].execute("PRAGMA busy_timeout").fetchone() == (30_000,)
    assert is_closed(connections[0])


def test_what_was_damaged_and_replaced_is_let_go_said_and_logged(
    path: Path, connections: list[sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    def damage() -> None:
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        path.write_bytes(b"no database" * 1000)

    with Database(path) as opened:
        opened.write((SETTING.replace("INSERT", "INSERT OR REPLACE"), [("a", "1")]))
        damage()
        opened.write((SETTING.replace("INSERT", "INSERT OR REPLACE"), [("b", "2")]))
        (aside,) = path.parent.glob(f"{path.name}.corrupt-*")
        assert opened.notice == (
            "The database was deleted or replaced while loopscope was open; the one there now got the 2 marks and "
            "settings of before. The database was damaged (file is not a database) and is kept as "
            f"{aside.name}; a new one was begun with the 0 marks and settings that could still be read. "
            "Embeddings will be computed again."
        )
        assert [is_closed(connection) for connection in connections] == [True] * (len(connections) - 1) + [False]
        opened.rows("SELECT * FROM settings")
        connections[-1].execute("DROP TABLE settings")
        assert opened.rows("SELECT * FROM settings") == []
        assert [is_closed(connection) for connection in connections] == [True] * (len(connections) - 1) + [False]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "store: a damaged database was set aside, 0 marks and settings were saved from it",
        "store: the database was deleted or replaced, 2 marks and settings moved on",
        "store: a damaged database was set aside, 0 marks and settings were saved from it",
    ]


def test_a_file_that_cannot_take_what_is_carried_is_let_go(
    path: Path, connections: list[sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with Database(path) as opened:
        opened.write((SETTING, [("a", "1")]))
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(database, "put_back", full)
            with pytest.raises(StoreError, match="disk is full"):
                opened.write((SETTING, [("b", "2")]))
        assert all(map(is_closed, connections))
        assert opened.rows("SELECT key FROM settings ORDER BY key") == [("a",), ("b",)]


def test_a_file_that_another_process_is_just_making_is_waited_for(path: Path) -> None:
    """To make it a WAL file SQLite wants it alone, and where it is not, refuses without the wait that was asked for."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE another (n)")
        soon = threading.Timer(0.2, other.execute, ["COMMIT"])
        soon.start()
        Database(path).close()
        soon.join()
