"""Detectors of PyOD to be measured beside ours, where `requirements-bench.txt` is installed; nothing else needs it.

Each learns from z-scored rows, with PyOD's own settings. Scores: higher = more anomalous.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from loopscope.arrays import Float

Peer = Callable[[Float, Float, int], Float]  # rows to learn from (m, d), rows to score (n, d), seed -> (n,)
ABSENT = "PyOD was not measured: it is not installed (`pip install -r requirements-bench.txt`)."


def peers() -> Mapping[str, Peer]:
    """By name; none where PyOD is not installed."""
    if find_spec("pyod") is None:
        return {}
    return {"PyOD ECOD": _ecod, "PyOD DeepSVDD": _deep_svdd, "PyOD mean of ECOD, IForest, KNN, LOF": _ensemble}


def _ecod(learnt: Float, X: Float, seed: int) -> Float:
    return _scores([_made("ecod", "ECOD")], learnt, X)[:, 0]


def _deep_svdd(learnt: Float, X: Float, seed: int) -> Float:
    model = _made("deep_svdd", "DeepSVDD", n_features=learnt.shape[1], random_state=seed, verbose=0)
    return _scores([model], learnt, X)[:, 0]


def _ensemble(learnt: Float, X: Float, seed: int) -> Float:
    """The mean of z-scores, as PyOD's `combination.average` takes it."""
    of_trees = _made("iforest", "IForest", random_state=seed)
    models = [_made("ecod", "ECOD"), of_trees, _made("knn", "KNN"), _made("lof", "LOF")]
    scores = _scores(models, learnt, X)
    known = np.column_stack([model.decision_scores_ for model in models])
    found: Float = StandardScaler().fit(known).transform(scores).mean(axis=1)
    return found


def _made(module: str, name: str, **options: Any) -> Any:
    return getattr(import_module(f"pyod.models.{module}"), name)(**options)


def _scores(models: list[Any], learnt: Float, X: Float) -> Float:
    """(n, n_models)."""
    scaler = StandardScaler().fit(learnt)
    rows, wanted = scaler.transform(learnt), scaler.transform(X)
    return np.column_stack([model.fit(rows).decision_function(wanted) for model in models])
