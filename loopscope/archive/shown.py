"""The most anomalous loops of a ranking with all that the parts say of them, and what is counted of the others.

With it an archive is shown without a look at its parts (`top`), so it is what `kept` keeps of a ranking.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopscope.analysis.scoring import ScoredLoops, score_library
from loopscope.archive.drift import Drift
from loopscope.archive.manifest import Archive
from loopscope.archive.score import Ranking
from loopscope.arrays import Float, Int
from loopscope.embeddings import EmbeddingSet

FIRST = 50_000  # loops that the Explore page takes
SURE = '"verdict": "fault"'  # as `json.dumps` writes a finding that the checks are sure of
RECORDS = ("file", "report", "metadata")


@dataclass(frozen=True)
class Shown:
    """`scored`, `embeddings` and `records` (path, file, report and metadata as texts, null for none) have their rows in
    one order.

    row_scores: (n_rows,) float64, of all rows of the parts in their order; NaN for those that do not count.
    folders: those that were indexed. n_faulty_hidden: other loops in which the checks are sure of a fault.
    drifts: of folders that lie far from what the model learnt from; None where nobody has looked.
    """

    scored: ScoredLoops
    embeddings: EmbeddingSet
    records: pa.Table
    row_scores: Float
    folders: tuple[str, ...]
    n_faulty_hidden: int
    drifts: tuple[Drift, ...] | None = None

    @cached_property
    def scores(self) -> Float:
        """Of all loops, (n_loops,), ascending."""
        return np.sort(self.row_scores[~np.isnan(self.row_scores)])


def shown_of(ranking: Ranking, archive: Archive, first: int = FIRST) -> Shown:
    """The `first` most anomalous loops."""
    parts = ranking.parts
    rows = np.sort(ranking.order[:first])
    ids = parts.loop_ids.take(pa.array(rows)).to_pylist()
    wanted = np.zeros(parts.n_loops, np.bool_)
    wanted[rows] = True
    embeddings = EmbeddingSet(tuple(ids), parts.matrix(wanted), parts.encoder_id)
    scored = score_library(embeddings, ranking.detector)
    scored = replace(scored, scores=scored.scores.assign(score=ranking.scores[rows]))  # to the last bit
    texts = {"path": ranking.paths.take(pa.array(rows)).combine_chunks()}
    texts |= {name: _texts(ranking, name, rows) for name in RECORDS}
    n_sure = _n_sure(ranking) - _n_sure_in(texts["report"])
    return Shown(scored, embeddings, pa.table(texts), parts.by_row(ranking.scores), archive.folders, n_sure)


def _texts(ranking: Ranking, name: str, rows: Int) -> pa.Array:
    """Of these loops, in ascending order, without the whole column in memory."""
    found = []
    for start, texts in ranking.parts.texts(name):
        here = rows[(rows >= start) & (rows < start + len(texts))] - start
        found.append(pc.cast(texts.take(pa.array(here)), pa.large_string()))
    return pa.chunked_array(found, pa.large_string()).combine_chunks()


def _n_sure(ranking: Ranking) -> int:
    """In how many loops the checks are sure of a fault, by the text of what they said."""
    return sum(_n_sure_in(texts) for _, texts in ranking.parts.texts("report"))


def _n_sure_in(texts: pa.Array) -> int:
    return pc.sum(pc.match_substring(texts, SURE)).as_py() or 0
