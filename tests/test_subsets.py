"""Subsets hold what they name, nothing too small to learn from, and never simply everything."""

import pandas as pd
import pytest

from loopscope.analysis.subsets import EVERYTHING, in_subset, subsets

LOOPS = pd.DataFrame(
    {
        "loop_id": [f"l{i}" for i in range(30)],
        "folder": ["Bass/Blues"] * 9 + ["Bass/Funk"] * 9 + ["Guitar"] * 10 + [""] * 2,
        "instrument": ["bass"] * 18 + ["guitar"] * 5 + [None] * 7,
    }
)


def test_instruments_and_folders_with_enough_loops_are_offered() -> None:
    found = subsets(LOOPS)
    assert list(found) == [
        EVERYTHING,
        "instrument bass",
        "folder Bass",
        "folder Guitar",
        "folder Bass/Blues",
        "folder Bass/Funk",
    ]
    assert found["folder Bass"] == found["instrument bass"] == tuple(LOOPS["loop_id"][:18])
    assert found["folder Guitar"] == tuple(LOOPS["loop_id"][18:28])
    assert len(found[EVERYTHING]) == 30


def test_what_holds_every_loop_is_not_offered_twice() -> None:
    same = LOOPS.assign(folder="Pack", instrument="bass")
    assert list(subsets(same)) == [EVERYTHING]


def test_nothing_known_leaves_everything() -> None:
    assert list(subsets(LOOPS.assign(folder="", instrument=None))) == [EVERYTHING]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("instrument guitar", range(18, 23)),
        ("folder bass", range(18)),
        ("folder Bass/Funk", range(9, 18)),
        ("folder Ba", range(0)),
        ("folder Funk", range(0)),
        ("instrument kazoo", range(0)),
    ],
)
def test_a_subset_is_found_by_its_name_however_few_loops_it_has(name: str, rows: range) -> None:
    assert in_subset(LOOPS, name) == tuple(f"l{i}" for i in rows)
    assert in_subset(LOOPS.iloc[:0], name) == ()
