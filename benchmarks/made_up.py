"""A made-up library of any size: small sound files, with embeddings and findings already in the database.

It stands for a collection that was embedded before, which is how a large one is opened every day but the first.
"""

from pathlib import Path

import numpy as np
import soundfile

from loopscope.faults.base import Fault
from loopscope.faults.check import tempi_of
from loopscope.faults.file_report import FileReport
from loopscope.faults.memory import keep_reports
from loopscope.library import Library
from loopscope.store import Store

RATE = 22_050
SECONDS = 0.1
FILES_A_FOLDER, FILES_A_SHELF = 500, 5_000
CLUSTERS = 12
BATCH = 1000
NAMES = ("Bass_{bpm}_{key}_House_{i:05d}.wav", "Guitar_{bpm}_{key}_Bossa_{i:05d}.wav", "take {i:05d}.wav")
KEYS = ("Em", "A", "Dm", "G", "F#m")


def write_files(folder: Path, n_files: int) -> None:
    """Noise that differs in its first samples, named as loops are: 500 files a folder, ten folders a shelf."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.wav"
    soundfile.write(model, np.random.default_rng(0).standard_normal(round(RATE * SECONDS)) * 0.1, RATE)
    data = bytearray(model.read_bytes())
    model.unlink()
    for i in range(n_files):
        data[44:52] = i.to_bytes(8, "little")
        name = NAMES[i % 3].format(bpm=80 + 5 * (i % 17), key=KEYS[i % 5], i=i)
        path = folder / f"shelf {i // FILES_A_SHELF:02d}" / f"pack {i // FILES_A_FOLDER:03d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def made_up_embeddings(n_loops: int, n_features: int) -> np.ndarray:
    """(n_loops, n_features) float32: clusters of unit size, one loop in fifty far out."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, n_features), dtype=np.float32)
    spread = np.where(rng.random(n_loops) < 0.02, 1.5, 0.5).astype(np.float32)
    noise = rng.standard_normal((n_loops, n_features), dtype=np.float32)
    return centres[rng.integers(0, CLUSTERS, n_loops)] + spread[:, None] * noise


def fill(store: Store, library: Library, encoder_id: str, n_features: int) -> None:
    """Embeddings for all, and a finding for one loop in forty."""
    tempi = tempi_of(library)
    loop_ids = list(tempi)
    X = made_up_embeddings(len(loop_ids), n_features)
    finding = Fault("click", 0.8, (0.05,), "fault", "A click at 0.05 s.", "1 click").row
    for start in range(0, len(loop_ids), BATCH):
        ids = loop_ids[start : start + BATCH]
        store.put_embeddings(ids, encoder_id, X[start : start + BATCH])
        reports: dict[str, FileReport] = {
            loop_id: {
                "tempo_bpm": tempi[loop_id],
                "findings": [finding] if i % 40 == 0 else [],
                "values": {},
                "failed": [],
            }
            for i, loop_id in enumerate(ids)
        }
        keep_reports(store, reports)
