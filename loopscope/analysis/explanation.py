"""Why a loop has its score: the score's parts, what carries its distance, how steady its rank is, and what to compare.

Conventions: everything is about one loop of a `ScoredLoops`, named by its row there; X is (n_loops, n_features) float32
in the order of `scored.scores`. Percentiles, 0 to 100, and ranks, 1 = most anomalous, refer to the loops that the
detector was fitted on. Higher = more anomalous.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from loopscope.analysis.scoring import ScoredLoops
from loopscope.arrays import Bool, Float
from loopscope.detection.parts import ScorePart
from loopscope.detection.registry import detector_info
from loopscope.detection.thresholds import percentile_of, threshold_at
from loopscope.embeddings.neighbours import nearest_to

MEANING: Mapping[str, tuple[str, str]] = {
    ScorePart.DISTANCE: ("Distance to the centre", "how far the encoder puts it from the centre of what is normal"),
    ScorePart.RECONSTRUCTION: ("Reconstruction error", "how badly the autoencoder rebuilds it"),
    ScorePart.DENSITY: ("Distance to its neighbours", "how far its nearest neighbours are, measured by theirs"),
    ScorePart.DECORRELATED_DENSITY: (
        "Distance to its neighbours, common traits evened out",
        "the same once what all loops share counts for less",
    ),
    ScorePart.PATCH_DISTANCE: ("Oddest moments", "how far they are from any moment of other loops"),
    ScorePart.PATCH_SPHERE: (
        "Oddest moments, distance to the centre",
        "how far the encoder puts them from the centre of what is normal in a moment",
    ),
    ScorePart.PATCH_RECONSTRUCTION: ("Oddest moments, reconstruction error", "how badly the autoencoder rebuilds them"),
    ScorePart.OWN_MOMENTS: ("Oddest stretch", "how far about a second of it is from the rest of the loop"),
}
DEGREES = ((99.0, "very unusual"), (95.0, "unusual"), (80.0, "a little unusual"), (-np.inf, "typical"))
STEADY = ((2.0, "steady"), (10.0, "fairly steady"), (np.inf, "unsteady"))  # spread of the percentiles
CONSTANT = 1e-9


@dataclass(frozen=True)
class Part:
    """One part of the score: `value` as the detector gives it, `percentile` of it among the fitted loops."""

    title: str
    meaning: str
    value: float
    percentile: float

    @property
    def degree(self) -> str:
        """The percentile in one or two words."""
        return next(words for limit, words in DEGREES if self.percentile >= limit)


@dataclass(frozen=True)
class Carriers:
    """What carries the distance: `table` has dimension, difference (signed), share (of the squared distance, 0 to 1).

    Largest share first, all dimensions. `unit` names a dimension, `origin` what the differences are taken from.
    """

    table: pd.DataFrame
    unit: str
    origin: str


@dataclass(frozen=True)
class Stability:
    """Ranks of one loop in independent trainings: `ranks` (n_repeats,) among `n` loops; in how many it is flagged."""

    ranks: tuple[int, ...]
    n: int
    n_flagged: int

    @property
    def degree(self) -> str:
        """Steady where the ranks differ by little of the collection."""
        spread = 100.0 * (max(self.ranks) - min(self.ranks)) / max(self.n, 1)
        return next(words for limit, words in STEADY if spread <= limit)


@dataclass(frozen=True)
class ComparisonLoops:
    """Rows to hear beside a loop: the nearest normal one, the most central one, the most similar ones.

    `nearest_normal` and `most_central` are -1 where there is none; `similar` holds rows, nearest first, `similarity`
    their cosine similarities, -1 to 1.
    """

    nearest_normal: int
    most_central: int
    similar: tuple[int, ...]
    similarity: tuple[float, ...]


def title_of(detector: str, name: str) -> str:
    """What a part of the score of a detector is called on the screen."""
    return _words(detector, name)[0]


def parts_of(scored: ScoredLoops, row: int) -> tuple[Part, ...]:
    """The parts of one loop's score, the most unusual first, without those that say nothing of it."""
    detector = scored.detector
    parts = [
        _part(detector.name, name, float(of_loops[row]), detector.components_)
        for name, of_loops in scored.components.items()
        if not np.isnan(of_loops[row])
    ]
    return tuple(sorted(parts, key=lambda part: -part.percentile))


def carriers_of(scored: ScoredLoops, X: Float, row: int) -> Carriers:
    """The latent dimensions that carry a loop's distance to the centre c; without a centre, the embedding's features.

    Features are compared with their mean over X in units of their deviation, which every baseline begins with.
    """
    centre = scored.detector.centre_
    if centre is not None:
        return Carriers(_shares(scored.latents[row] - centre), "latent dimension", "the centre c")
    deviation = X.std(axis=0, dtype=np.float64)
    difference = (X[row] - X.mean(axis=0, dtype=np.float64)) / np.where(deviation > CONSTANT, deviation, np.inf)
    return Carriers(_shares(difference), "feature", "the mean of these loops")


def stability_of(scored: ScoredLoops, X: Float, row: int, percentile: float) -> Stability | None:
    """How independent trainings rank one loop, and how many flag it at `percentile`; None where there was only one."""
    detector = scored.detector
    reference = detector.repeat_scores_
    if len(reference) < 2:
        return None
    fitted = _fitted_row(scored, row)
    own = reference[:, fitted] if fitted is not None else detector.repeat_scores(X[row : row + 1])[:, 0]
    trained = detector.split_ == "train"
    flagged = [score > threshold_at(scores[trained], percentile) for score, scores in zip(own, reference, strict=True)]
    ranks = tuple(int(rank) for rank in 1 + (reference > own[:, None]).sum(axis=1))
    return Stability(ranks, reference.shape[1], int(np.sum(flagged)))


def comparison_loops_of(
    scored: ScoredLoops, X: Float, row: int, is_normal: Bool, n_similar: int = 8
) -> ComparisonLoops:
    """Loops to hear beside `row`; `is_normal` (n,) says which may stand for what is normal (never `row` itself)."""
    allowed = is_normal & (np.arange(len(X)) != row)
    scores = np.where(allowed, scored.scores["score"].to_numpy(np.float64), np.inf)
    found, distance = nearest_to(X[row : row + 1], X, n_similar, np.arange(len(X)) != row)
    nearest_normal, _ = nearest_to(X[row : row + 1], X, 1, allowed)
    return ComparisonLoops(
        nearest_normal=int(nearest_normal[0, 0]) if allowed.any() else -1,
        most_central=int(scores.argmin()) if allowed.any() else -1,
        similar=tuple(int(other) for other in found[0]),
        similarity=tuple(float(1 - d) for d in distance[0]),
    )


def _fitted_row(scored: ScoredLoops, row: int) -> int | None:
    """The loop's place among the fitted ones, None where it was scored as a new loop."""
    if scored.is_new[row]:
        return None
    loop_id = scored.scores["loop_id"].iloc[row]
    return scored.detector.loop_ids_.index(loop_id) if loop_id in scored.detector.loop_ids_ else None


def _part(detector: str, name: str, value: float, reference: Mapping[str, Float]) -> Part:
    title, meaning = _words(detector, name)
    known = reference[name][~np.isnan(reference[name])]
    return Part(title, meaning, value, float(percentile_of(known, [value])[0]))


def _words(detector: str, name: str) -> tuple[str, str]:
    """Title and meaning; of a detector whose score has no parts its own."""
    return MEANING.get(name) or (detector_info(detector).title, detector_info(detector).score)


def _shares(difference: Float) -> pd.DataFrame:
    """(d,) differences -> dimension (counted from 1), difference, share; largest share first."""
    squared = np.square(difference, dtype=np.float64)
    table = pd.DataFrame(
        {
            "dimension": np.arange(1, len(squared) + 1),
            "difference": difference.astype(np.float64),
            "share": squared / max(squared.sum(), CONSTANT),
        }
    )
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)
