"""What is odd about a loop only beside the others of its folder.

A check of scope "folder" leaves one value a loop; here it is compared with those of the nearest folder that holds
enough of them. Values are kept with the loop, the comparison is made anew whenever findings are shown, so that it
follows every loop that comes, goes or moves.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from loopscope.arrays import Float
from loopscope.faults.base import Measurement
from loopscope.faults.levels import compare_levels
from loopscope.faults.music.tuning import compare_tunings
from loopscope.faults.registry import judge_one

Compare = Callable[[Float, Float], list[Measurement]]  # values (k,), those of their folder (m,) -> one each

COMPARISONS: dict[str, Compare] = {"off_tuning": compare_tunings, "off_level": compare_levels}
MIN_LOOPS = 8  # with a value, before a folder says what is usual in it


def compare_in_folders(
    values: Mapping[str, Mapping[str, float]], loops: pd.DataFrame
) -> dict[str, list[dict[str, Any]]]:
    """Findings by loop_id, as rows, of loops that differ from their folder.

    `values`: loop_id -> kind -> value, as from `registry.to_compare`; `loops` as in Library.unique.
    """
    folder_of = dict(zip(loops["loop_id"], loops["folder"], strict=True))
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, compare in COMPARISONS.items():
        own = {
            loop_id: of_loop[kind] for loop_id, of_loop in values.items() if kind in of_loop and loop_id in folder_of
        }
        for loop_ids, around in _groups(own, folder_of):
            measured = compare(np.array([own[loop_id] for loop_id in loop_ids]), np.array(around))
            for loop_id, measurement in zip(loop_ids, measured, strict=True):
                fault = judge_one(kind, measurement)
                if fault is not None:
                    found.setdefault(loop_id, []).append(fault.row)
    return found


def _groups(own: Mapping[str, float], folder_of: Mapping[str, str]) -> list[tuple[list[str], list[float]]]:
    """The loops of each folder, and the values of the nearest folder around them that holds MIN_LOOPS."""
    inside: dict[PurePath, list[float]] = {}
    members: dict[PurePath, list[str]] = {}
    for loop_id, value in own.items():
        place = PurePath(folder_of[loop_id])
        members.setdefault(place, []).append(loop_id)
        for folder in (place, *place.parents):
            inside.setdefault(folder, []).append(value)
    groups = []
    for place, loop_ids in members.items():
        around = next((inside[folder] for folder in (place, *place.parents) if len(inside[folder]) >= MIN_LOOPS), None)
        if around is not None:
            groups.append((loop_ids, around))
    return groups
