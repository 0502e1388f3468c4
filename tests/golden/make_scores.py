"""Makes scores.npz: what every detector and preset says of fixed embeddings, to be the same after any redrawing.

Two sets of rows: made-up ones, and every fourth loop of the demo library embedded with aiSFX (kept beside this file as
float16, so that no other encoder, decoder or platform enters). Run by hand, after reading why a value changed:
    python -m tests.golden.make_scores
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from loopscope.detection.registry import PAPER, ROBUST, detector_names, make_detector

HERE = Path(__file__).parent
SCORES, DEMO = HERE / "scores.npz", HERE / "demo_embeddings.npz"
SEED = 3
N_NEW = 10  # rows at the end of each set that are scored and not fitted on
FAST = {"robust": {"min_steps": 30}, "paper": {"max_epochs": 30}}
Case = tuple[str, str, str]  # rows, detector, preset
CASES: tuple[Case, ...] = tuple(
    (rows, name, preset) for rows in ("made-up", "demo") for name in detector_names() for preset in (ROBUST, PAPER)
)


def rows_of(name: str) -> np.ndarray:
    """(n, n_features) float32: a curved sheet with noise and five odd rows, or the demo library."""
    if name == "demo":
        with np.load(DEMO) as content:
            return content["X"].astype(np.float32)
    rng = np.random.default_rng(17)
    causes = rng.normal(size=(90, 4))
    X = np.hstack([causes, np.tanh(causes)]) @ rng.normal(size=(8, 48)) + 0.3 * rng.normal(size=(90, 48))
    X[::18] += 4 * rng.normal(size=(5, 48))
    return X.astype(np.float32)


def scores_of(case: Case) -> dict[str, np.ndarray]:
    """`fitted` and `new` scores, and the first three latents of the fitted rows."""
    rows, name, preset = case
    X = rows_of(rows)
    options = FAST[preset] if name.startswith("AE") else {}
    detector = make_detector(name, preset, SEED, **options).fit(X[:-N_NEW])
    return {"fitted": detector.scores_, "new": detector.anomaly_scores(X[-N_NEW:]), "latents": detector.latents_[:3]}


def _all() -> Iterator[tuple[str, np.ndarray]]:
    for case in CASES:
        for what, values in scores_of(case).items():
            yield "/".join((*case, what)), values


def main() -> None:
    np.savez_compressed(SCORES, **dict(_all()))


if __name__ == "__main__":
    main()
