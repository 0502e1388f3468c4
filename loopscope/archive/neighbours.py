"""The loops most like one, among millions: proposed by an approximate index, then put in their exact order.

Distances are cosine distances as in `embeddings.neighbours`, 0 (same direction) to 2, of the float16 embeddings that
the parts hold. Up to `EXACT_UP_TO` loops all are compared. Above that an HNSW graph (USearch) proposes candidates and
the exact distance orders them; the index holds the vectors too, and is mapped into memory rather than read.

An index lies in a folder of its own, named by the parts that it was made of, with the loop_ids of its keys 0, 1, 2, …
One of fewer parts is taken up and grown. It knows every loop of its parts, those too that have no file at present:
files come and go, and whom to leave out is asked of each answer.
"""

import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loopscope.archive.parts import Parts
from loopscope.arrays import Bool, Float, Int
from loopscope.config import n_cores
from loopscope.embeddings.neighbours import nearest_to
from loopscope.errors import Cancelled, DataError
from loopscope.files import flush, unfinished_folder
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

EXACT_UP_TO = 200_000
GRAPH = {"connectivity": 16, "expansion_add": 64, "expansion_search": 256}
CANDIDATES = 128  # proposed for each query, at least
INDEX, IDS = "index.usearch", "loop_ids.parquet"
STAGE = "Indexing neighbours"


@dataclass(frozen=True)
class Neighbours:
    """Answers for the loops of `parts`; `index` has the row `loop_ids[key]` at each key, and is None for few loops.

    The index may know more loops than `parts`; they are in no answer.
    """

    parts: Parts
    loop_ids: pa.ChunkedArray
    index: Any = None

    def nearest(self, loop_id: str, k: int = 10) -> tuple[list[str], Float]:
        """The k other loops most like one, nearest first, and their distances (k,). Raises DataError for no loop."""
        key = pc.index(self.loop_ids, pa.scalar(loop_id, pa.large_string())).as_py()
        if key < 0 or not self._counts[key]:
            raise DataError(f"The loop {loop_id} is not among these {self.parts.n_loops:,}; check the spelling.")
        rows, distances = self._near(self._vectors(np.array([key])), k + 1)
        others = rows[0] != key
        ids = self.loop_ids.take(pa.array(rows[0][others][:k])).to_pylist()
        return ids, distances[0][others][:k]

    def nearest_to(self, queries: Float, k: int = 10) -> tuple[list[list[str]], Float]:
        """The k loops nearest to each of other embeddings (m, n_features), and the distances (m, k)."""
        rows, distances = self._near(queries, k)
        return [self.loop_ids.take(pa.array(row)).to_pylist() for row in rows], distances

    def _near(self, queries: Float, k: int) -> tuple[Int, Float]:
        return nearest_to(queries, self._matrix, k) if self.index is None else self._proposed(queries, k)

    def _proposed(self, queries: Float, k: int) -> tuple[Int, Float]:
        """Candidates of the graph in their exact order, as `nearest_exactly` gives them."""
        rows, distances = [], []
        for query in queries:
            keys = self._candidates(query, max(CANDIDATES, 4 * k))
            near, apart = nearest_to(query, self._vectors(keys), k)
            rows.append(keys[near[0]])
            distances.append(apart[0])
        return np.stack(rows), np.stack(distances)

    def _candidates(self, query: Float, wanted: int) -> Int:
        """Keys in order, `wanted` or all there are: the more of those nearby have no file, the wider the search."""
        wanted, asked = min(wanted, self.parts.n_loops), min(wanted, len(self.loop_ids))
        while True:
            keys = self.index.search(query, asked).keys.astype(np.int64)
            keys = keys[self._counts[keys]]
            if len(keys) >= wanted or asked == len(self.loop_ids):
                return np.sort(keys)
            asked = min(2 * asked, len(self.loop_ids))

    @cached_property
    def _counts(self) -> Bool:
        """Which keys are loops of the parts, (n_keys,) bool."""
        return np.asarray(pc.is_in(self.loop_ids, value_set=self.parts.loop_ids))

    def _vectors(self, keys: Int) -> Float:
        return self._matrix[keys] if self.index is None else np.stack(self.index.get(keys)).astype(np.float32)

    @cached_property
    def _matrix(self) -> Float:
        """All embeddings, of few loops: 400 MB of 200,000 with 512 features."""
        return self.parts.matrix(np.ones(len(self.loop_ids), np.bool_))


def neighbours_of(
    parts: Parts,
    home: Path,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    exact_up_to: int = EXACT_UP_TO,
) -> Neighbours:
    """Ready to answer; the index is taken from the folder `home` or made there, which takes minutes for a million.

    Raises Cancelled, and DataError where the package usearch is missing.
    """
    if parts.n_loops <= exact_up_to:
        return Neighbours(parts, parts.loop_ids)
    Index = _index_class()
    whole = replace(parts, left_out=())
    place = home / whole.digest
    if not place.is_dir():
        _make(whole, home, place, Index, on_progress, should_stop)
    return Neighbours(parts, _ids_in(place), Index.restore(str(place / INDEX), view=True))


def _make(
    parts: Parts, home: Path, place: Path, Index: Any, on_progress: ProgressCallback, should_stop: StopCheck
) -> None:
    """An index of these parts at `place`, grown from one of fewer parts where there is one."""
    earlier = [folder for folder in (home.iterdir() if home.is_dir() else ()) if (folder / IDS).is_file()]
    index = Index(ndim=parts.n_features, metric="cos", dtype="f16", **GRAPH)
    ids: pa.ChunkedArray = pa.chunked_array([], pa.large_string())
    for folder in earlier:
        known = _ids_in(folder)
        if pc.all(pc.is_in(known, value_set=parts.loop_ids)).as_py():
            index, ids = Index.restore(str(folder / INDEX)), known
            break
    is_new = pc.invert(pc.is_in(parts.loop_ids, value_set=ids))
    fresh, done = parts.loop_ids.filter(is_new), 0
    for X in parts.chunks(np.asarray(is_new)):
        if should_stop():
            raise Cancelled("The index of neighbours was stopped; it is made from the start the next time.")
        keys = np.arange(len(ids) + done, len(ids) + done + len(X), dtype=np.uint64)
        index.add(keys, X, threads=n_cores())
        done += len(X)
        on_progress(Progress(STAGE, done, len(fresh), unit="loops"))
    every = pa.chunked_array([*ids.chunks, *fresh.chunks], pa.large_string())
    with unfinished_folder(home) as part:
        index.save(str(part / INDEX))
        pq.write_table(pa.table({"loop_id": every}), part / IDS)
        flush(part)
        _take_place(part, place)
    for folder in earlier:
        shutil.rmtree(folder, ignore_errors=True)


def _take_place(part: Path, place: Path) -> None:
    """Whoever comes second leaves the same index of the first."""
    try:
        part.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _ids_in(folder: Path) -> pa.ChunkedArray:
    return pc.cast(pq.read_table(folder / IDS).column("loop_id"), pa.large_string())


def _index_class() -> Any:
    try:
        from usearch.index import Index
    except ImportError:
        raise DataError(
            f"Neighbours among more than {EXACT_UP_TO:,} loops need the package usearch; "
            "run: python -m pip install 'loopscope[cluster]'."
        ) from None
    return Index


def nearest_exactly(parts: Parts, queries: Float, k: int) -> tuple[Int, Float]:
    """Rows (m, k) of the loops nearest to each query (m, n_features) and distances, nearest first, chunk by chunk."""
    rows = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0), np.float32)
    start = 0
    for X in parts.chunks():
        near, apart = nearest_to(queries, X, k)
        rows, distances = np.hstack([rows, near + start]), np.hstack([distances, apart])
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        rows, distances = np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
        start += len(X)
    return rows, distances
