"""How far work of several stages has come, and how long the rest will take.

Conventions: times are seconds, shares 0 to 1. A stage that runs is judged by its own pace once it has one; stages to
come by what they cost a loop on this machine the last time (`costs`, kept in the store), at first by ours.
"""

import time
from collections.abc import Mapping

from loopscope.store import Store
from loopscope.store.parsing import is_number

SETTING = "stage_costs"
# Seconds a loop, and of any number of loops; two cores, loops of 5 s. Of the checks what is left after training.
COSTS: Mapping[str, float] = {"scan": 0.004, "embed": 0.07, "train": 0.009, "check": 0.07, "listen": 0.03}
FIXED: Mapping[str, float] = {"scan": 0.5, "embed": 3.0, "train": 14.0, "check": 0.0, "listen": 2.0}
FEWEST = 50  # loops from which a stage's pace is worth keeping


class Forecast:
    """Of the stages named, in their order."""

    def __init__(self, stages: Mapping[str, str], costs: Mapping[str, float] | None = None) -> None:
        """`stages`: name of a stage -> what it costs by, a key of COSTS, perhaps with more after a space."""
        self._stages = dict(stages)
        self._costs = dict(costs or {})
        self._n_loops = 400  # before anything was counted
        self._stage, self._began = "", time.monotonic()
        self._spent = 0.0
        self._share = 0.0
        self._done = 0.0

    def count(self, n_loops: int) -> None:
        """So many loops there are."""
        self._n_loops = n_loops

    def begin(self, stage: str) -> None:
        """This stage begins; those before it are done."""
        now = time.monotonic()
        self._spent += now - self._began if self._stage else 0.0
        self._stage, self._began, self._done = stage, now, 0.0

    def at(self, done: float) -> tuple[str, float, float]:
        """With this share of the present stage done: ("2 of 3", share of all, seconds left of all)."""
        self._done = done
        spent = time.monotonic() - self._began
        names = list(self._stages)
        place = names.index(self._stage)
        known = min(1.0, 2.0 * done)  # its own pace counts the more, the more of it is done
        here = (1 - known) * self._expected(self._stage) + (known * spent / done if done else 0.0)
        left = (1 - done) * here + sum(self._expected(name) for name in names[place + 1 :])
        spent_in_all = self._spent + spent
        self._share = max(self._share, spent_in_all / max(spent_in_all + left, 1e-9))
        return f"{place + 1} of {len(names)}", self._share, left

    def learnt(self, n_computed: int) -> dict[str, float]:
        """What the present stage costs here, after it has computed so many loops; empty where they were too few."""
        if n_computed < FEWEST:
            return {}
        kind = self._stages[self._stage]
        seconds = max(0.0, time.monotonic() - self._began - FIXED[_family(kind)])
        return {kind: seconds / n_computed}

    def _expected(self, stage: str) -> float:
        kind = self._stages[stage]
        family = _family(kind)
        return FIXED[family] + self._n_loops * self._costs.get(kind, COSTS[family])


def known_costs(store: Store) -> dict[str, float]:
    """Seconds a loop by stage, as measured on this machine before."""
    known = store.get_setting(SETTING, {})
    pairs = known.items() if isinstance(known, dict) else ()
    return {str(kind): float(cost) for kind, cost in pairs if is_number(cost) and cost >= 0}


def keep_costs(store: Store, learnt: Mapping[str, float]) -> None:
    """Remember what was measured."""
    if learnt:
        store.put_setting(SETTING, known_costs(store) | dict(learnt))


def _family(kind: str) -> str:
    return kind.partition(" ")[0]
