"""Learning the weights of a `hearing.choice`, by the likelihood of what is right, with a penalty on large weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from loopscope.hearing.choice import Choice

LEAST = 1e-300  # in place of odds of 0


@dataclass(frozen=True)
class Example:
    """The features (k,) of one loop's possibilities by name, which of them are `right` (k,), and its weight."""

    features: Mapping[str, np.ndarray]
    right: np.ndarray
    weight: float = 1.0


def learn(examples: Sequence[Example], penalty: float, may_be_none: bool) -> Choice:
    """The choice with the largest likelihood of the examples, less `penalty` / 2 times the squared weights.

    The penalty counts weights of features of deviation 1. Of an example without a right possibility "none" is right,
    where there `may_be_none`; else it must have one.
    """
    used = [example for example in examples if example.features]
    names = list(used[0].features)
    X = np.vstack([np.column_stack([example.features[name] for name in names]) for example in used]).astype(float)
    mean, spread = X.mean(axis=0), X.std(axis=0) + 1e-9
    of = np.repeat(np.arange(len(used)), [len(example.right) for example in used])
    right = np.concatenate([example.right for example in used])
    likelihood = _Likelihood((X - mean) / spread, of, right, np.array([example.weight for example in used]), penalty)
    start = np.zeros(len(names) + 1)
    bounds = [(None, None)] * len(names) + [(None, None) if may_be_none else (-1e3, -1e3)]
    found = minimize(likelihood, np.clip(start, None, bounds[-1][1]), jac=True, method="L-BFGS-B", bounds=bounds)
    weights = found.x[:-1] / spread
    none = float(found.x[-1] + weights @ mean) if may_be_none else -np.inf
    return Choice({name: float(f"{weight:.5g}") for name, weight in zip(names, weights, strict=True)}, round(none, 5))


@dataclass(frozen=True)
class _Likelihood:
    """Called with the weights and, last, the score of none: minus the log-likelihood with the penalty, its gradient.

    `X` (rows, features) standardised, `of` (rows,) the example of each row, `right` (rows,), `weight` (examples,).
    """

    X: np.ndarray
    of: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    penalty: float

    def __call__(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, none = parameters[:-1], parameters[-1]
        n = len(self.weight)
        score = self.X @ weights
        highest = np.full(n, none)
        np.maximum.at(highest, self.of, score)
        odds, odds_of_none = np.exp(score - highest[self.of]), np.exp(none - highest)
        total = np.bincount(self.of, odds, n) + odds_of_none
        of_right = np.bincount(self.of, odds * self.right, n)
        is_none = np.bincount(self.of, self.right, n) == 0
        chosen = np.maximum(np.where(is_none, odds_of_none, of_right), LEAST)
        value = -(self.weight * np.log(chosen / total)).sum() + self.penalty / 2 * weights @ weights
        too_much = odds / total[self.of] - odds * self.right / np.where(is_none, np.inf, chosen)[self.of]
        slope = self.X.T @ (too_much * self.weight[self.of]) + self.penalty * weights
        slope_of_none = (self.weight * (odds_of_none / total - is_none)).sum()
        return float(value), np.append(slope, slope_of_none)
