"""A ranking as one file: arrays in NumPy's npz without pickle, each with a checksum, and texts as Parquet within.

about        JSON: encoder, folders, drifts, names of the components, parts with their versions and rows
texts        Parquet: loop_id, split, path, file, report, metadata of the loops that are shown
embeddings, latents, score, components     of the same loops in the same order
row_scores   of all rows of the parts, NaN for those that do not count
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from loopscope.analysis.collections import CollectionDifference
from loopscope.analysis.scoring import ScoredLoops
from loopscope.archive.drift import Drift
from loopscope.archive.shown import RECORDS, Shown
from loopscope.arrays import Float
from loopscope.detection.base import BaseDetector
from loopscope.embeddings import EmbeddingSet

ARRAYS = ("row_scores", "score", "latents", "components", "embeddings")


class PartRows(NamedTuple):
    """A part by its name and version, and how many rows it has."""

    name: str
    version: str
    n_rows: int


@dataclass(frozen=True)
class KeptRanking:
    """`parts`: the scores of the rows of each part, NaN for those that did not count."""

    shown: Shown
    parts: Mapping[PartRows, Float]


def ranking_bytes(shown: Shown, parts: Sequence[PartRows]) -> bytes:
    """The file's content; `parts` are those of `shown.row_scores` in order."""
    scored, X = shown.scored, shown.embeddings.X
    about = {
        "encoder_id": shown.embeddings.encoder_id,
        "folders": shown.folders,
        "n_faulty_hidden": shown.n_faulty_hidden,
        "drifts": None if shown.drifts is None else [asdict(drift) for drift in shown.drifts],
        "components": list(scored.components),
        "parts": parts,
    }
    table = shown.records
    for name in ("loop_id", "split"):
        table = table.append_column(name, pa.array(list(scored.scores[name]), pa.large_string()))
    texts, content = io.BytesIO(), io.BytesIO()
    pq.write_table(table, texts, compression="zstd")
    np.savez(
        content,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        texts=np.frombuffer(texts.getvalue(), np.uint8),
        row_scores=shown.row_scores,
        score=scored.scores["score"].to_numpy(np.float64),
        latents=scored.latents,
        components=np.array([*scored.components.values()], np.float64).reshape(-1, len(X)),
        embeddings=_halved(X),
    )
    return content.getvalue()


def ranking_from(content: bytes, encoder_id: str, n_features: int, model: BaseDetector) -> KeptRanking:
    """The reverse, for an archive of that encoder and the model that ranked it.

    Raises ValueError, and whatever else a file that is none may raise.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        about = json.loads(found["about"].tobytes())
        table = pq.read_table(pa.BufferReader(found["texts"].tobytes()))
        arrays = {name: np.asarray(found[name]) for name in ARRAYS}
    ids, splits = table.column("loop_id").to_pylist(), table.column("split").to_pylist()
    parts = [PartRows(str(name), str(told), int(n_rows)) for name, told, n_rows in about["parts"]]
    names = [str(name) for name in about["components"]]
    if about["encoder_id"] != encoder_id:
        raise ValueError("it is of another encoder")
    _check(arrays, len(set(ids)), sum(part.n_rows for part in parts), (len(names), n_features), model)
    scores = pd.DataFrame({"loop_id": ids, "score": arrays["score"], "split": splits})
    scored = ScoredLoops(
        model,
        scores,
        arrays["latents"].astype(np.float32),
        dict(zip(names, arrays["components"], strict=True)),
    )
    shown = Shown(
        scored,
        EmbeddingSet(tuple(ids), arrays["embeddings"].astype(np.float32), encoder_id),
        table.select(["path", *RECORDS]),
        arrays["row_scores"],
        tuple(str(folder) for folder in about["folders"]),
        int(about["n_faulty_hidden"]),
        None if about["drifts"] is None else tuple(_drift(said) for said in about["drifts"]),
    )
    ends = np.cumsum([part.n_rows for part in parts])
    return KeptRanking(shown, dict(zip(parts, np.split(arrays["row_scores"], ends[:-1]), strict=True)))


def _check(
    arrays: Mapping[str, Float], n_shown: int, n_rows: int, widths: tuple[int, int], model: BaseDetector
) -> None:
    """Raises ValueError where arrays do not belong together. `widths`: numbers of components and features."""
    shapes = {
        "row_scores": (n_rows,),
        "score": (n_shown,),
        "latents": (n_shown, model.latents_.shape[1]),
        "components": (widths[0], n_shown),
        "embeddings": (n_shown, widths[1]),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind != "f":
            raise ValueError(f"its {name} are of shape {arrays[name].shape}, not {shape}")
    if not all(np.isfinite(arrays[name]).all() for name in ("score", "latents", "embeddings")):
        raise ValueError("its numbers are not finite")
    if np.isinf(arrays["row_scores"]).any() or n_shown > np.isfinite(arrays["row_scores"]).sum():
        raise ValueError("its scores are not those of its rows")


def _halved(X: Float) -> Float:
    """As float16 where that holds the same numbers, as it does where parts of ours held them."""
    if np.abs(X).max(initial=0.0) > np.finfo(np.float16).max:
        return X
    half = X.astype(np.float16)
    return half if (half.astype(np.float32) == X).all() else X


def _drift(said: Mapping[str, Any]) -> Drift:
    far = said["difference"]
    return Drift(**{**said, "difference": None if far is None else CollectionDifference(**far)})
