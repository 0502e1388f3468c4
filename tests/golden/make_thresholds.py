"""Makes thresholds.json: percentile ↔ value ↔ flags by numpy's definition, for Python and the explorer's JavaScript.

    python -m tests.golden.make_thresholds

Read by tests/test_thresholds.py and tests/javascript/thresholds.test.js. Every number is written so that it reads back
to the last bit; thresholds and flags must agree exactly, percentiles (only where no two reference scores are equal) to
1e-9.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUT = Path(__file__).with_name("thresholds.json")
PERCENTILES = [0.0, 0.1, 2.5, 12.34, 25.0, 33.33, 50.0, 66.7, 75.0, 90.0, 95.0, 97.5, 99.9, 99.99, 100.0]


def references() -> dict[str, NDArray[np.float64]]:
    """Reference scores by what is special about them; not all are sorted."""
    rng = np.random.default_rng(11)
    return {
        "one": np.array([0.25]),
        "two": np.array([-1.5, 4.0]),
        "whole numbers": np.arange(1.0, 6.0),
        "all equal": np.full(7, 0.1),
        "ties": np.array([1.0, 2.0, 2.0, 2.0, 3.0]),
        "unsorted with duplicates": np.array([0.3, 0.1, 0.2, 0.3, 0.1, 0.1, 0.7, 0.3]),
        "heavy tail": rng.lognormal(sigma=2.0, size=101),
        "rounded": np.round(rng.normal(size=64), 1),
        "tiny": rng.random(33) * 1e-300,
    }


def case(name: str, reference: NDArray[np.float64]) -> dict[str, Any]:
    """One reference with its thresholds, and the flags and percentiles of scores on, between and beyond its values."""
    ordered = np.sort(reference)
    thresholds = np.percentile(ordered, PERCENTILES)
    between = (ordered[:-1] + ordered[1:]) / 2
    scores = np.unique(np.concatenate([ordered, between, thresholds, [ordered[0] - 1, ordered[-1] + 1]]))
    scores = scores[:: max(1, len(scores) // 40)]
    scores = np.unique(np.concatenate([scores, thresholds]))  # a score that is the threshold is not above it
    distinct = len(ordered) > 1 and bool((np.diff(ordered) > 0).all())
    places = np.interp(scores, ordered, np.linspace(0, 100, len(ordered))).tolist() if distinct else None
    return {
        "name": name,
        "reference": reference.tolist(),
        "scores": scores.tolist(),
        "percentiles_of_scores": places,
        "thresholds": thresholds.tolist(),
        "flagged": [np.flatnonzero(scores > threshold).tolist() for threshold in thresholds],
    }


def main() -> None:
    """Write thresholds.json."""
    cases = [case(name, reference) for name, reference in references().items()]
    lines = ",\n  ".join(json.dumps(entry) for entry in cases)
    OUT.write_text(f'{{"percentiles": {json.dumps(PERCENTILES)}, "cases": [\n  {lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
