"""A ranking for the time before a detector is trained: how far each loop is from its neighbours."""

import numpy as np
import pandas as pd

from loopscope.analysis.scoring import ScoredLoops
from loopscope.detection.base import is_enough
from loopscope.embeddings import EmbeddingSet
from loopscope.late import importing


def provisional_ranking(embeddings: EmbeddingSet) -> ScoredLoops | None:
    """Ranks what is embedded so far by nearest-neighbour distance; None below 8 different loops.

    Neighbours are sought among 1,000 loops that their content picks (`detection.quick_neighbours`), so the result
    depends on the set of loops and not on their order, and 50,000 take about a second on one core. Every loop counts
    as one fitted on, split "train"; latents are (n_loops, at most 32). Raises DataError for embeddings out of range.
    """
    if not is_enough(embeddings.X):
        return None
    with importing:
        from loopscope.detection.quick_neighbours import QuickNeighbours
    detector = QuickNeighbours().fit(embeddings.X, loop_ids=embeddings.loop_ids, encoder_id=embeddings.encoder_id)
    scores = pd.DataFrame({"loop_id": list(embeddings.loop_ids), "score": detector.scores_, "split": detector.split_})
    return ScoredLoops(detector, scores, np.asarray(detector.latents_, dtype=np.float32), detector.components_)
