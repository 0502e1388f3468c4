"""A project whose model hears inside the loops: what it needs is there in every walk, whatever was there before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from loopscope.analysis import scoring
from loopscope.analysis.explanation import parts_of
from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.walk import Plan
from loopscope.config import paths
from loopscope.detection.base import BaseDetector
from loopscope.detection.parts import PATCH_PARTS
from loopscope.detection.registry import LOCAL, ROBUST, make_detector
from loopscope.embeddings import EmbeddingSet
from loopscope.packs import check as pack_check
from loopscope.packs.check import Listener, check_folder
from loopscope.packs.rules import Rules
from loopscope.store import Store
from loopscope.ui.explorer.view import explorer_view
from loopscope.ui.projects import walking
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.walking import start_training
from tests.test_projects import Tiny, analysed, embeddings_of, finish, registry, reopened

RATE, PER_PATCH = 8000, 800
N, ODD = 24, 5
FAST = {
    LOCAL: {"steps": 20, "steps_shown": 10, "layer_sizes": (16, 8), "k": 12},
    ROBUST: {"min_steps": 20, "min_passes": 1},
}
BURST_AT_S = 3.5 * PER_PATCH / RATE
BURST = np.random.default_rng(0).normal(size=PER_PATCH).astype(np.float32)


class Deaf(Tiny):
    """Works in stages and makes no patches."""

    encoder_id, n_features = "ears-1", 12

    def prepare(self, pieces: object, n_samples: int) -> np.ndarray:
        self.meanwhile()
        return np.concatenate(list(pieces))  # type: ignore[call-overload]

    def forward(self, features: Sequence[np.ndarray]) -> np.ndarray:
        with self._lock:
            self.n_embedded += len(features)
        return np.stack([np.abs(np.fft.rfft(of))[40:400].reshape(12, -1).mean(axis=1) for of in features]).astype("f4")

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return self.forward(waveforms)


class Ears(Deaf):
    """Hears how loud each tenth of a second is in twenty bands."""

    companion, patch_id, patch_seconds, n_patch_values = None, "ears-1-patches-1", PER_PATCH / RATE, 20

    def hear(self, features: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        return self.forward(features), [self.patches(of)[0] for of in features]

    def patches(self, waveform: np.ndarray) -> tuple[np.ndarray, float]:
        pieces = waveform[: len(waveform) // PER_PATCH * PER_PATCH].reshape(-1, PER_PATCH)
        power = np.abs(np.fft.rfft(pieces))[:, 1:].reshape(len(pieces), 20, -1).mean(axis=2)
        return np.log(power + 1e-3).astype(np.float16), self.patch_seconds


def write(folder: Path, numbers: Sequence[int], odd: int = ODD) -> Path:
    """Loops of four notes from one scale, of a second; one has a burst of noise in its fourth tenth."""
    folder.mkdir(exist_ok=True)
    t = np.arange(RATE // 4) / RATE
    for number in numbers:
        rng = np.random.default_rng(number)
        tones = rng.choice([220.0, 247.0, 277.0, 330.0], 4)
        notes = [np.sin(2 * np.pi * f * t) * np.exp(-6 * t) for f in tones]
        sound = 0.3 * np.concatenate(notes) + 0.001 * rng.normal(size=RATE)
        if number == odd:
            sound[3 * PER_PATCH : 4 * PER_PATCH] += 0.3 * BURST
        soundfile.write(folder / f"{number:03d}.wav", sound, RATE)
    return folder


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str, preset: str, seed: int) -> BaseDetector:
        return make_detector(name, preset, seed, **(FAST[preset] if name == "AEwRES" else {}))

    monkeypatch.setattr(scoring, "make_detector", made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "loops", range(N))


def heard_by(encoder: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.setattr(walking, "loaded_encoder", encoder.load)
    return encoder


def name_of(project: Project, loop_id: str) -> str:
    loops = project.contents.library.unique  # type: ignore[union-attr]
    return str(loops.set_index("loop_id").loc[loop_id, "name"])


def oddest_inside(project: Project) -> str:
    """The name of the loop that the model in view finds oddest by its moments."""
    model = project.contents.models[project.active]
    row = int(np.sum([model.components[part] for part in PATCH_PARTS], axis=0).argmax())
    return name_of(project, model.scores["loop_id"].iloc[row])


def oddest_at(project: Project, name: str) -> float:
    """Seconds, as Explore says them of the loop of this name."""
    loops = project.contents.library.unique.set_index("name")  # type: ignore[union-attr]
    finder = explorer_view(project, project.contents, project.active).moments
    found = finder.find(loops.loc[name, "loop_id"]) if finder is not None else None
    assert found is not None and len(found.beside) == 3
    return found.at_s


def test_the_model_that_nobody_asked_for_hears_inside_and_finds_what_lasts_a_tenth_of_a_second(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Ears(), monkeypatch)
    project = analysed(folder, Plan())
    assert project.active == "AEwRES · local · seed 0"
    assert oddest_inside(project) == f"{ODD:03d}.wav"
    assert oddest_at(project, f"{ODD:03d}.wav") == pytest.approx(BURST_AT_S)
    embeddings = project.contents.embeddings
    assert embeddings is not None and embeddings.patches is None, "the store keeps them, not the server's memory"
    with Store(paths().database) as store:
        assert len(store.get_patches(embeddings.loop_ids, Ears.patch_id)) == N


def test_what_comes_later_is_heard_by_the_stored_model_and_nothing_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = heard_by(Ears(), monkeypatch)
    project = analysed(folder, Plan())
    before = project.contents.models[project.active].scores.set_index("loop_id")["score"]
    write(folder, range(100, 104), odd=102)
    ears.n_embedded = 0
    grown = reopened(project.id)
    assert ears.n_embedded == 4
    model = grown.contents.models[grown.active]
    after = model.scores.set_index("loop_id")["score"]
    assert after[before.index].tolist() == before.tolist()
    new = after.drop(before.index)
    assert name_of(grown, str(new.idxmax())) == "102.wav"
    assert oddest_at(grown, "102.wav") == pytest.approx(BURST_AT_S), "by a model from disk, of a loop new to it"
    row = int(np.flatnonzero(model.scores["loop_id"] == new.idxmax())[0])
    distance = {part.title: part.percentile for part in parts_of(model, row)}
    assert set(model.components) >= set(PATCH_PARTS) and max(distance.values()) == 100


def test_new_loops_that_a_killed_walk_left_unscored_are_scored_from_the_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Ears(), monkeypatch)
    project = analysed(folder, Plan())
    label = project.active
    write(folder, range(100, 103), odd=101)
    other = analysed(folder, Plan(detector="knn"), owner="browser:another")  # embeds and hears the three
    assert len(other.contents.models[other.active].scores) == N + 3
    ears = heard_by(Ears(), monkeypatch)
    again = reopened(project.id)
    assert ears.n_embedded == 0 and again.active == label
    assert int(again.contents.models[label].is_new.sum()) == 3


def test_a_folder_embedded_before_anything_heard_inside_is_heard_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Deaf(), monkeypatch)
    project = analysed(folder, Plan(preset=ROBUST))
    ears = heard_by(Ears(), monkeypatch)
    assert project.contents.embeddings is not None
    task = finish(start_training(project, registry().store, project.contents.embeddings, Plan()))
    assert task.state == "done", task.error
    assert (ears.n_embedded, project.active) == (N, "AEwRES · local · seed 0")
    assert list(project.contents.models) == ["AEwRES · robust · seed 0", "AEwRES · local · seed 0"]
    assert oddest_inside(project) == f"{ODD:03d}.wav"
    finish(start_training(project, registry().store, project.contents.embeddings, Plan(seed=1)))
    assert ears.n_embedded == N, "the second training takes what is stored"


def test_a_loop_that_came_without_patches_is_heard_again_and_costs_no_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Ears(), monkeypatch)
    project = analysed(folder, Plan())
    task = finish(start_training(project, registry().store, embeddings_of(project), Plan(detector="knn")))
    assert task.state == "done", task.error
    in_view = project.active
    heard_by(Deaf(), monkeypatch)
    analysed(write(folder.parent / "other", [200]), Plan(detector="knn"))
    write(folder, [200])
    ears = heard_by(Ears(), monkeypatch)
    again = reopened(project.id)
    assert set(again.contents.models) == set(project.contents.models) and again.active == in_view
    local, knn = (again.contents.models[label] for label in ("AEwRES · local · seed 0", in_view))
    assert len(knn.scores) == N + 1 and ears.n_embedded == 0, "to a model of whole loops it is known"
    assert len(local.scores) == N, "to one that hears inside it is not"
    again.show_model("AEwRES · local · seed 0")
    heard = reopened(project.id)
    assert ears.n_embedded == 1 and len(heard.contents.models["AEwRES · local · seed 0"].scores) == N + 1


def test_where_new_loops_cannot_be_heard_the_others_keep_their_scores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Ears(), monkeypatch)
    project = analysed(folder, Plan())
    write(folder, [200])
    tiny = Tiny()
    tiny.encoder_id, tiny.n_features = Ears.encoder_id, Ears.n_features
    tiny.embed = Deaf().forward  # type: ignore[method-assign, assignment]
    heard_by(tiny, monkeypatch)
    again = reopened(project.id)
    assert len(again.contents.models[project.active].scores) == N
    assert again.notice is not None and "makes no patches" in again.notice.text
    assert "new stay without a score" in again.notice.text


def test_where_nothing_hears_inside_the_next_best_is_trained_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Tiny(), monkeypatch)
    project = analysed(write(folder, range(N)), Plan())
    assert project.active == "AEwRES · robust · seed 0"
    assert project.notice is not None
    assert "makes no patches" in project.notice.text and "preset robust instead" in project.notice.text
    assert project.contents.embeddings is not None
    task = finish(start_training(project, registry().store, project.contents.embeddings, Plan()))
    assert task.state == "failed" and "makes no patches" in task.error, "who asks for it is told"


def test_an_encoder_that_is_not_the_one_of_the_embeddings_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard_by(Ears(), monkeypatch)
    project = analysed(folder, Plan(preset=ROBUST))
    other = Ears()
    other.encoder_id = "ears-2"
    heard_by(other, monkeypatch)
    assert project.contents.embeddings is not None
    task = finish(start_training(project, registry().store, project.contents.embeddings, Plan()))
    assert task.state == "failed"
    assert "embedded by ears-1, but ears-2 is what can be loaded now" in task.error
    assert list(project.contents.models) == ["AEwRES · robust · seed 0"]


def test_a_check_without_a_model_learns_by_what_the_encoder_serves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    presets: list[str] = []

    def fit(embeddings: EmbeddingSet, detector: str, preset: str, **watched: Any) -> ScoredLoops:
        presets.append(preset)
        return scoring.fit_detector(embeddings, detector, preset, **watched)

    monkeypatch.setattr(pack_check, "fit_detector", fit)
    rules = Rules(fail_on="outlier", select=frozenset({"outlier"}))
    with Store(tmp_path / "check.sqlite") as store:
        heard, deaf = (check_folder(folder, rules, listener=Listener(ears), store=store) for ears in (Ears(), Tiny()))
    assert presets == [LOCAL, ROBUST]
    assert f"{ODD:03d}.wav" in {Path(one.path).name for one in heard.findings}
    assert deaf.failed
