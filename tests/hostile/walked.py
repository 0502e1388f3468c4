"""The whole walk as one function that a test may kill anywhere and start again: scan, embed, train, save, mark, export.

It does what the pages do, with a toy encoder, and does only what is not there yet, as a user would who starts again.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopscope.analysis.pipeline import fit_detector, score_table
from loopscope.detection.saved import damaged, list_models, load_model, save_model
from loopscope.embeddings import embed_library
from loopscope.exports import csv_bytes, execute, plan_copy
from loopscope.exports.new_files import one_sentence
from loopscope.files import written_whole
from loopscope.library import Library, scan_folder
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
