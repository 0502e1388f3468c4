"""A choice between possibilities, learnt from examples: which tempo is it, which key.

A conditional logit (McFadden 1974): each possibility has a score, the sum of its features times their weights, and is
chosen with a probability that grows with e to the score. Where none need be right, "none" is one more possibility of
constant score. The weights stand in `choices.toml` beside this file, which `make fit` writes.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from loopscope.arrays import Float


@dataclass(frozen=True)
class Choice:
    """`weights` by the name of the feature; `none` is the score of "none of them", minus infinity where one must be."""

    weights: Mapping[str, float]
    none: float = -np.inf

    def probabilities(self, features: Mapping[str, Float]) -> Float:
        """(k,) from features (k,), by name; together at most 1, what is missing is the probability of none.

        Without a possibility (k = 0) nothing is chosen.
        """
        if not features:
            return np.empty(0)
        score = np.sum([weight * features[name] for name, weight in self.weights.items()], axis=0)
        highest = max(float(score.max(initial=self.none)), self.none)
        odds = np.exp(score - highest)
        return np.asarray(odds / (odds.sum() + np.exp(self.none - highest)))


@cache
def choice_of(what: str) -> Choice:
    """The learnt choice of that name ("tempo")."""
    table = tomllib.loads((Path(__file__).parent / "choices.toml").read_text(encoding="utf-8"))[what]
    return Choice(table["weights"], table.get("none", -np.inf))
