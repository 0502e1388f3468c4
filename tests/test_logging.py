"""One line a stage with counts and times, and nothing in it that would tell whose files they were."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from loopscope.analysis.scoring import fit_detector, score_library
from loopscope.detection.saved import load_model, save_model
from loopscope.embeddings import embed_library
from loopscope.errors import ModelError
from loopscope.exports import execute, plan_copy
from loopscope.faults import check_library
from loopscope.library import scan_folder
from loopscope.store import Store
from loopscope.ui.server.log import LastRecords
from tests.golden.clips import plucked

STAGES = ("scan", "embed", "faults", "train", "save", "score", "copy")
RATE = 8000


class Samples:
    """An embedding made of a few samples of the sound."""

    encoder_id, sample_rate, n_features, description, notice, batch_size = "samples-1", RATE, 8, "samples", "", 8

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([waveform[100:900:100] for waveform in waveforms]).astype(np.float32)


def walk(folder: Path, target: Path, models: Path) -> None:
    with Store(target / "store.sqlite3") as store:
        library = scan_folder(folder, store)
        embeddings = embed_library(library, Samples(), store)
        check_library(library, store)
        scored = fit_detector(embeddings, "pca")
        saved = save_model(scored.detector, "Secret model", {}, models)
        score_library(embeddings, load_model(saved))
        execute(plan_copy(library.loops, target / "Secret copies"))


def test_each_stage_is_one_line_of_counts_and_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "Secret session"
    folder.mkdir()
    for number in range(12):
        soundfile.write(folder / f"Secret take {number}.wav", plucked(0.2, RATE, seed=number), RATE)
    (folder / "Secret broken.wav").write_bytes(b"text")
    with caplog.at_level(logging.INFO, logger="loopscope"):
        walk(folder, tmp_path, tmp_path / "models")
    lines = [record.getMessage() for record in caplog.records]
    for stage in STAGES:
        (line,) = [line for line in lines if line.startswith(f"{stage}: ")]
        assert re.search(r"\b12\b", line), line
        assert stage == "save" or re.search(r"\d+\.\d\d s$", line), line
    text = "\n".join(lines)
    assert "1 left out" in text
    assert not re.search(r"secret|\.wav|/", text, re.IGNORECASE), text


def test_what_goes_wrong_is_a_warning_without_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeper = LastRecords()
    logging.getLogger("loopscope").addHandler(keeper)
    try:
        database = tmp_path / "Secret.sqlite3"
        database.write_bytes(b"no database" * 1000)
        Store(database).close()
        broken = tmp_path / "models" / "Secret model"
        broken.mkdir(parents=True)
        (broken / "card.json").write_text("{")
        with pytest.raises(ModelError):
            load_model(broken)
    finally:
        logging.getLogger("loopscope").removeHandler(keeper)
    assert len(keeper.lines) == 2
    assert "ecret" not in "\n".join(keeper.lines)
    assert str(tmp_path) not in caplog.text


def test_kept_records_lose_their_tracebacks_and_the_oldest_go_first() -> None:
    keeper = LastRecords()
    logger = logging.Logger("loopscope.test")
    logger.addHandler(keeper)
    try:
        pd.read_csv("/nowhere/secret.csv")
    except OSError:
        logger.exception("it failed")
    assert len(keeper.lines) == 1
    assert "secret" not in keeper.lines[0]
    for number in range(60):
        logger.warning("%d", number)
    assert len(keeper.lines) == 50
    assert keeper.lines[-1].endswith("59")
    logger.info("not kept")
    assert keeper.lines[-1].endswith("59")
