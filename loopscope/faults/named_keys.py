"""Another key than its name or tags say: the notes of the loop speak against it.

A loop need not show which key it is in to show in which it is not. A name without a mode ("Bass_120_E") may mean
either, so both have to be contradicted; so has what says "major", which names and tags keep as the root alone. Names
are looked up whenever findings are shown: a renamed file is not heard again.
"""

from collections.abc import Mapping
from typing import Any

from loopscope.faults.base import Measurement
from loopscope.faults.limits import LIMITS, OTHER_KEY
from loopscope.faults.music.key import N_KEYS, Contradicted, unpacked
from loopscope.faults.registry import judge_one
from loopscope.hearing.key import key_name, key_number


def compare_with_names(
    values: Mapping[str, Mapping[str, float]], named: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Findings by loop_id, as rows, of loops whose notes contradict the key that is said.

    `values`: loop_id -> kind -> value, as from `registry.to_compare`; `named`: loop_id -> key, such as "F#m".
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for loop_id, of_loop in values.items():
        if OTHER_KEY in of_loop:
            measured = contradiction(unpacked(of_loop[OTHER_KEY]), named.get(loop_id))
            fault = None if measured is None else judge_one(OTHER_KEY, measured)
            if fault is not None:
                found[loop_id] = [fault.row]
    return found


def contradiction(loop: Contradicted, named: str | None) -> Measurement | None:
    """What is to be said of the key in a name (None: it tells none) and in the tags; the tags go first."""
    said: dict[int, tuple[str, str]] = {}
    if loop.tagged is not None:
        said[loop.tagged] = (key_name(loop.tagged), "tags say")
    if named is not None:
        number = key_number(named)
        said[number] = (named, "name and its tags say" if number in said else "name says")
    for number, (key, who) in said.items():
        if is_contradicted(loop, number):
            heard = None if loop.heard is None or loop.heard in loop.keys else key_name(loop.heard)
            fit = f"its notes fit {heard}" if heard else "its notes do not fit that"
            brief = f"{heard}, not {key}" if heard else f"hardly {key}"
            return Measurement(LIMITS[OTHER_KEY].suspect, sentence=f"Its {who} {key}; {fit}.", brief=brief)
    return None


def is_contradicted(loop: Contradicted, key: int) -> bool:
    """Whether the loop is not in `key`: of a major one, which may only name the root, nor in its parallel minor."""
    meant = {key} if key >= N_KEYS // 2 else {key, key + N_KEYS // 2}
    return meant <= loop.keys and loop.heard not in meant
