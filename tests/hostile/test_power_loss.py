"""The power goes between writing and the disk: what was acknowledged is there afterwards, in a sound database."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from loopscope.store import ProjectRow, Store
from tests.hostile.power import Disk, watched

N_MARKS = 12
READ_BACK = {"synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1, "journal_mode": "wal"}


def test_what_was_acknowledged_outlives_a_power_cut_at_any_moment(tmp_path: Path) -> None:
    path, ruins = tmp_path / "home" / "store.sqlite3", tmp_path / "ruins"
    path.parent.mkdir()
    ruins.mkdir()
    acknowledged: dict[str, str] = {}
    cuts = []

    def cut(disk: Disk) -> None:
        for found in disk.after_power_cut(ruins):
            cuts.append(found)
            with sqlite3.connect(found) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            raw.close()
            with Store(found) as store:
                assert not store.notice
                marks = {loop_id: mark.note for loop_id, mark in store.get_marks().items()}
                assert marks.items() >= acknowledged.items()

    with watched(path) as disk, Store(path) as store:
        store._database.script(["PRAGMA wal_autocheckpoint = 8"])  # so that the log is taken over again and again
        disk.before_sync = lambda: cut(disk)
        for act in acts(store, acknowledged):
            act()
            cut(disk)
        disk.before_sync = lambda: None
    assert len(acknowledged) == N_MARKS
    assert len(cuts) > 100, f"only {len(cuts)} power cuts"


def acts(store: Store, acknowledged: dict[str, str]) -> list[Callable[[], Any]]:
    """What a user does, one after another; a mark's note is noted as acknowledged when its call has returned."""

    def mark(number: int) -> None:
        store.set_mark(f"{number}", "keep", f"note {number}")
        acknowledged[f"{number}"] = f"note {number}"

    def embed(number: int) -> None:
        store.put_embeddings([f"{number}"], "e", np.full((1, 3000), number, np.float32))

    project = ProjectRow("p", "local", "/music", "music", 1.0)
    others = [lambda: store.put_project(project), store.clear_cache, lambda: store.clear_embeddings("e")]
    steps: list[Callable[[], Any]] = []
    for number in range(N_MARKS):
        steps.append(lambda number=number: mark(number))
        steps.append(others[number // 4] if number % 4 == 3 else lambda number=number: embed(number))
    return steps


def test_every_connection_that_is_written_to_waits_for_the_disk(
    tmp_path: Path, connections: list[sqlite3.Connection]
) -> None:
    """Also the one after a file that was damaged, and after one that was deleted while it was open."""
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"no database" * 1000)
    with Store(path) as store:
        for loop_id in "ab":
            store.set_mark(loop_id, "keep")
            found = {name: connections[-1].execute(f"PRAGMA {name}").fetchone()[0] for name in READ_BACK}
            assert found == READ_BACK
            path.unlink()
    assert len(connections) == 4, "of a file that is damaged, from its remains, of a new one, of the one after it"
