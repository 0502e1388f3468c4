"""What the pages say is what a producer understands: plain words first, the technical term in the tooltip."""

import re
from copy import copy
from dataclasses import replace
from itertools import product

import pytest
from streamlit.testing.v1 import AppTest

from loopscope.analysis.explanation import Stability
from loopscope.analysis.scoring import fit_detector
from loopscope.figures.scores import PHASE_TITLES
from loopscope.progress import EpochReport
from loopscope.store import Store
from loopscope.ui.explain.score import _stability_in_words
from loopscope.wording import counted, stand_out
from tests.test_pages import MODEL, N_LOOPS, Walked, state_of, texts, trained, walked

__all__ = ["walked"]
JARGON = r"(?i)th percentile|Spread after|nominal|Features a|Loneliness|AUROC|Spearman|latents|anomal"


def said(at: AppTest) -> str:
    """All that is read without a tooltip, and the titles of expanders and figures."""
    titles = [expander.label for expander in at.expander]
    labels = [element.label for kind in (at.metric, at.button, at.selectbox, at.radio) for element in kind]
    return "\n".join([texts(at), *titles, *labels])


def test_words_after_a_count_agree_with_it() -> None:
    assert (counted(1, "loop"), counted(1200, "loop"), counted(0, "loop")) == ("1 loop", "1,200 loops", "0 loops")
    assert (stand_out(1), stand_out(0), stand_out(1, 400)) == ("1 stands out", "0 stand out", "1 of 400 stands out")


def test_train_says_time_and_what_stands_out_first_and_keeps_the_rest_below(walked: Walked) -> None:
    at = trained(walked)
    first = next(element.value for element in at.markdown if "stand" in element.value)
    assert re.fullmatch(rf"\*\*(\d+ s|Under a second) · \d+ of {N_LOOPS} stands? out\*\*", first)
    (details,) = [expander for expander in at.expander if expander.label.startswith("Details")]
    assert at.metric and len(details.metric) == len(at.metric), "figures are one level below"
    assert not re.search(JARGON, said(at)), re.findall(JARGON, said(at))
    assert all(element.help for element in details.metric), "the term is in the tooltip"


def test_train_counts_at_the_threshold_in_force(walked: Walked) -> None:
    at = trained(walked)
    state_of(at).project.set_percentile(MODEL, 0.0)
    at.run()
    n = state_of(at).project.n_flagged(MODEL)
    assert n is not None and n > 20 and f"{n} of {N_LOOPS} stand out" in texts(at)


def test_each_phase_says_what_its_validation_line_means(walked: Walked) -> None:
    at = trained(walked)
    history = tuple(EpochReport(phase, 1, 1, 1.0, 1.1) for phase in PHASE_TITLES)
    scored = walked.scored.detector.fitted
    detector = copy(walked.scored.detector)
    detector.restore(replace(scored, report=replace(scored.report, history=history)), detector.state())
    state_of(at).project.add_model("curves", replace(walked.scored, detector=detector))
    at.run()
    (details,) = [expander for expander in at.expander if expander.label.startswith("Details")]
    captions = [caption.value for caption in details.caption]
    assert sum("Validation: loops held back" in caption for caption in captions) == 2
    assert any("may rise" in caption for caption in captions)
    assert {"Rounds of training", "How far apart loops stayed"} <= {metric.label for metric in details.metric}


def test_embed_and_library_speak_of_loops_and_numbers(walked: Walked) -> None:
    for page in ("embed", "library"):
        assert not re.search(JARGON, said(trained(walked, page)))


def test_one_model_has_its_own_figures_only_under_figures_of_the_paper(walked: Walked) -> None:
    def figures(at: AppTest) -> list[str]:
        (paper,) = [expander for expander in at.expander if expander.label == "Figures of the paper"]
        inside = len(paper.get("bidi_component"))
        return [f"{inside} below", f"{len(at.main.get('bidi_component')) - inside} on the page"]

    at = trained(walked, "compare")
    assert figures(at) == ["4 below", "0 on the page"]
    state_of(at).project.add_model("knn · robust · seed 0", fit_detector(walked.embeddings, "knn"))
    at.run()
    assert not at.exception
    assert figures(at) == ["7 below", "1 on the page"]
    assert not re.search(JARGON, said(at)), re.findall(JARGON, said(at))


@pytest.mark.parametrize("n", [2, 9, 10])
def test_few_marks_are_said_to_be_too_few(walked: Walked, n: int) -> None:
    ids = walked.embeddings.loop_ids
    with Store.default() as store:
        store.set_marks({loop_id: "quarantine" if i == 0 else "keep" for i, loop_id in enumerate(ids[:n])})
    at = trained(walked, "compare")
    assert not at.exception
    assert (f"{n} marks are too few" in texts(at)) == (n < 10)


@pytest.mark.parametrize(("n_flagged", "is_flagged"), list(product(range(3), (True, False))))
def test_trainings_that_disagree_with_the_whole_say_why(n_flagged: int, is_flagged: bool) -> None:
    sentence = _stability_in_words(Stability((2, 3), 100, n_flagged), is_flagged)
    assert f"stands out in {n_flagged} of 2" in sentence
    assert ("close to the threshold" in sentence) == ((n_flagged, is_flagged) in {(2, False), (0, True)})
    assert "flagged" not in sentence
