"""Parts of a library that a model of its own can be trained on: one instrument, or one folder with what is below it.

A detector trained on basses and guitars together calls an odd bass normal if it resembles a guitar; one trained on
basses alone does not. Subsets are named in words, which become part of the model's label and card.
"""

from collections.abc import Collection
from pathlib import PurePosixPath

import pandas as pd

from loopscope.detection.base import MIN_LOOPS
from loopscope.library import Library

EVERYTHING = "all loops"
INSTRUMENT, FOLDER = "instrument ", "folder "  # what the names of subsets begin with


def loops_of(library: Library, metadata: pd.DataFrame, loop_ids: Collection[str]) -> pd.DataFrame:
    """The loops of these ids as the other functions here take them; `metadata` has loop_id and instrument."""
    known = metadata.drop_duplicates("loop_id")[["loop_id", "instrument"]]
    loops = library.unique[["loop_id", "folder"]].merge(known, on="loop_id", validate="one_to_one")
    return loops[loops["loop_id"].isin(loop_ids)]


def in_subset(loops: pd.DataFrame, name: str) -> tuple[str, ...]:
    """loop_ids of the subset of this name, however few; a folder goes with what is below it, in capitals or not."""
    if name.startswith(INSTRUMENT):
        inside = loops["instrument"] == name.removeprefix(INSTRUMENT)
    else:
        folder = name.removeprefix(FOLDER).casefold()
        inside = loops["folder"].map(lambda other: folder in {part.casefold() for part in _with_parents(other)})
    return tuple(loops["loop_id"][inside.astype(bool)])


def subsets(loops: pd.DataFrame, smallest: int = MIN_LOOPS) -> dict[str, tuple[str, ...]]:
    """Name of the subset -> its loop_ids, all loops first, then instruments, then folders, larger ones first.

    `loops` has one row per loop: loop_id, folder ("" for the top), instrument (None where unknown). Subsets of fewer
    than `smallest` loops and those that hold every loop are left out.
    """
    instruments = {
        f"{INSTRUMENT}{name}": tuple(rows["loop_id"]) for name, rows in loops.groupby("instrument", sort=True)
    }
    inside: dict[str, list[str]] = {}
    for loop_id, folder in zip(loops["loop_id"], loops["folder"], strict=True):
        for part in _with_parents(folder):
            inside.setdefault(f"{FOLDER}{part}", []).append(loop_id)
    parts = {**_by_size(instruments), **_by_size({name: tuple(ids) for name, ids in inside.items()})}
    proper = {name: ids for name, ids in parts.items() if smallest <= len(ids) < len(loops)}
    return {EVERYTHING: tuple(loops["loop_id"]), **proper}


def _with_parents(folder: str) -> list[str]:
    """A folder and those above it, without the scanned one itself."""
    path = PurePosixPath(folder)
    return [str(part) for part in (path, *path.parents) if str(part) != "."]


def _by_size(parts: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return dict(sorted(parts.items(), key=lambda part: -len(part[1])))
