"""The whole walk as one function that a test may kill anywhere and start again: scan, embed, train, save, mark, export.

It does what the pages do, with a toy encoder, and does only what is not there yet, as a user would who starts again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loopscope.analysis import walk as analysis
from loopscope.analysis.pipeline import left_out, score_table
from loopscope.analysis.scoring import ScoredLoops, fit_detector
from loopscope.analysis.triage import triage_rank
from loopscope.analysis.walk import Plan
from loopscope.analysis.walk_events import WalkEvents
from loopscope.detection.saved import damaged, list_models, load_model, save_model
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.exports import csv_bytes, execute, plan_copy
from loopscope.exports.new_files import one_sentence
from loopscope.files import written_whole
from loopscope.library import Library, scan_folder
from loopscope.metadata.collect import MetadataTable, measure_metadata
from loopscope.progress import Progress
from loopscope.store import Store
from tests.exported import read_csv
from tests.golden.clips import plucked
from tests.hostile.sounds import encoded
from tests.stored import row_counts

RATE = 8000
SEEDS = (0, 1, 2)
STAGES = ("scan", "embed", "train", "save", "mark", "export", "copy")
Step = Callable[[str], None]


class Toy:
    """An embedding made of a few samples of the sound, in batches of two."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "toy-1", RATE, 8, "samples", "", 2

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([waveform[100:900:100] for waveform in waveforms]).astype(np.float32)


class Bands:
    """A quick encoder for sound of any length: how strong eight bands of its spectrum are."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "bands-1", RATE, 8, "bands", "", 16

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        spectra = [np.abs(np.fft.rfft(np.resize(waveform, 4096))) for waveform in waveforms]
        return np.array([[band.mean() for band in np.array_split(s, 8)] for s in spectra], np.float32)


@dataclass
class Ended(WalkEvents):
    """What the walk of the app told of a folder."""

    library: Library | None = None
    metadata: MetadataTable | None = None
    embeddings: EmbeddingSet | None = None
    faults: pd.DataFrame | None = None
    scored: ScoredLoops | None = None

    def on_library(self, library: Library, metadata: MetadataTable) -> None:
        self.library, self.metadata = library, metadata

    def on_embeddings(self, embeddings: EmbeddingSet) -> None:
        self.embeddings = embeddings

    def on_faults(self, faults: pd.DataFrame, *, complete: bool) -> None:
        self.faults = faults

    def on_model(self, scored: ScoredLoops, *, trained: bool) -> None:
        self.scored = scored


def walk_as_the_app(folder: Path, home: Path) -> Ended:
    """Scan, embed, check and train, and listen to what names leave open; the encoder is a toy and the model quick."""
    ended = Ended()
    with Store(home / "store.sqlite3") as store:
        analysis.walk(folder, Plan(detector="pca"), store, ended, load=lambda *_: Bands())
        if ended.library is not None:
            ended.metadata = measure_metadata(ended.library.loops, store)
    return ended


def assert_every_file_ended(folder: Path, ended: Ended) -> None:
    """Each file has a score or a reason, not both, and neither check nor encoder met what nobody foresaw."""
    assert ended.library is not None and ended.embeddings is not None and ended.faults is not None
    assert ended.scored is not None and ended.metadata is not None
    reasons = left_out(ended.library, ended.embeddings)
    table = score_table(ended.library.loops, ended.scored)
    ranked = triage_rank(table, ended.faults)
    assert sorted([*ranked["path"], *reasons["path"]]) == sorted(str(p) for p in folder.rglob("*") if p.is_file())
    assert list(table["rank"]) == sorted(table["rank"]) and np.isfinite(table["score"]).all()
    assert set(ended.metadata.table["path"]) == set(ended.library.loops["path"])
    failed = [reason for reason in [*reasons["reason"], *ended.faults["sentence"]] if "failed" in reason]
    assert failed == [], failed
    assert all(reason.endswith(".") for reason in reasons["reason"])


def write_loops(folder: Path, n_loops: int) -> None:
    """Different plucked loops, and one broken file."""
    folder.mkdir(parents=True)
    for number in range(n_loops):
        sound = plucked(0.2, RATE, seed=number)[:, None]
        (folder / f"loop {number:02d}.wav").write_bytes(encoded(sound, RATE))
    (folder / "broken.wav").write_bytes(b"text")


def walk(folder: Path, home: Path, step: Step) -> None:
    """Go on from whatever is in `home` to the end; `step` hears the stage before and after everything that lasts."""

    def on_progress(report: Progress) -> None:
        step({"Scanning": "scan", "Embedding": "embed", "Copying": "copy"}[report.stage])

    with Store(home / "store.sqlite3") as store:
        library = scan_folder(folder, store, on_progress)
        embeddings = embed_library(library, Toy(), store, on_progress)
        saved = set(list_models(home / "models")["seed"])
        for seed in SEEDS:
            step("train")
            scored = fit_detector(embeddings, "pca", seed=seed)
            if seed not in saved:
                step("save")
                save_model(scored.detector, f"seed {seed}", {}, home / "models")
        marked = store.get_marks()
        for loop_id in library.unique["loop_id"]:
            if loop_id not in marked:
                step("mark")
                store.set_mark(loop_id, "keep", f"note on {loop_id}")
    step("export")
    table = score_table(library.loops, scored)
    if not (home / "list.csv").exists():
        with one_sentence("write", home / "list.csv"), written_whole(home / "list.csv") as part:
            part.write_bytes(csv_bytes(table))
    execute(plan_copy(table, home / "copies"), on_progress)
    step("copy")


def kept(home: Path) -> dict[str, Any]:
    """Everything that lasts, as plain values to compare; asserts that nothing half-written is offered."""
    with Store(home / "store.sqlite3") as store:
        assert not store.notice
        marks = {loop_id: (mark.mark, mark.note) for loop_id, mark in store.get_marks().items()}
        vectors = {loop_id: tuple(row) for loop_id, row in store.get_embeddings(marks, Toy.encoder_id).items()}
        counts = row_counts(store)
    models = list_models(home / "models")
    assert damaged(home / "models").empty
    scores = {}
    for path, seed in zip(models["path"], models["seed"], strict=True):
        detector = load_model(path)
        scores[seed] = dict(zip(detector.loop_ids_, np.round(detector.scores_, 9), strict=True))
    listed = home / "list.csv"
    copies = [path for path in (home / "copies").glob("*.wav")]
    return {
        "marks": marks,
        "vectors": vectors,
        "counts": (counts["files"], counts["embeddings"], counts["marks"]),
        "scores": scores,
        "list": read_csv(listed.read_bytes())["loop_id"].tolist() if listed.exists() else None,
        "copies": sorted((path.name, path.read_bytes()) for path in copies),
    }


def library_of(folder: Path, home: Path) -> Library:
    """The folder as the store in `home` knows it."""
    with Store(home / "store.sqlite3") as store:
        return scan_folder(folder, store)
