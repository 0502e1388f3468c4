"""A pack beside the library of a saved model: what stands out among its own loops, and what against that library."""

import pandas as pd
import streamlit as st

from loopscope.analysis.collections import CollectionDifference, difference_from_library
from loopscope.analysis.feedback import QUARANTINE
from loopscope.analysis.scoring import ScoredLoops
from loopscope.analysis.subsets import FOLDER, INSTRUMENT
from loopscope.detection.base import is_enough
from loopscope.detection.thresholds import is_anomaly, threshold_at
from loopscope.figures.scores import new_among_old, score_histogram
from loopscope.ui.components import plain, store
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import is_busy, start_walk
from loopscope.ui.state import SessionState, kept, session
from loopscope.ui.widgets.figure import show_figure
from loopscope.wording import counted, stand_out

SWITCH = "pack-switch"


def show_pack(state: SessionState) -> None:
    """Where a model of another library scored this folder: how many stand out among themselves and against that
    library, with a switch between the two. Whether what is new to the model differs from its library as a whole.
    """
    own, other = _pair(state)
    if other:
        _compare(state, own, other)
    if sentence := pack_in_words(state, state.active, state.models[state.active]):
        st.warning(plain(sentence), icon=":material/compare:")


def show_chosen(key: str) -> None:
    """A callback: the model chosen in the widget of this key is the one in view."""
    if chosen := st.session_state[key]:
        session().project.show_model(chosen)


def _compare(state: SessionState, own: str, other: str) -> None:
    said = {label: _said(state, label) for label in (own, other) if label}
    if own:
        st.session_state[SWITCH] = state.active
        st.segmented_control(
            "Measured",
            list(said),
            format_func=said.__getitem__,
            required=True,
            key=SWITCH,
            label_visibility="collapsed",
            on_change=show_chosen,
            args=(SWITCH,),
            help="The same loops scored by a model that was trained on them, and by one of another library.",
        )
    else:
        st.caption(said[other])
        _offer_own_model(state)


def _pair(state: SessionState) -> tuple[str, str]:
    """Labels of the model of this folder and of one of another library, the one in view if it is such; else empty."""
    label, models = state.active, state.models
    others = [name for name, scored in models.items() if scored.is_of_another_library]
    own = [name for name, scored in models.items() if name not in others and not scored.subset]
    if label in own:
        return label, others[-1] if others else ""
    return (own[-1] if own else ""), (label if label in others else "")


def _said(state: SessionState, label: str) -> str:
    scored = state.models[label]
    threshold = threshold_at(scored.reference_scores, state.project.percentile_of(label))
    n_flagged = int(is_anomaly(scored.scores["score"].to_numpy(), threshold).sum())
    where = f"Against {_library_of(label)}" if scored.is_of_another_library else "Among themselves"
    return f"{plain(where)}: {stand_out(n_flagged, len(scored.scores))}"


def _library_of(label: str) -> str:
    """The library that a saved model was trained on, by the name it was saved under."""
    first, *others = label.removesuffix(" (saved)").split(" · ")
    part = [other for other in others[-1:] if other.startswith((INSTRUMENT, FOLDER))]
    return f"the library of {', '.join([first, *part])}"


def _offer_own_model(state: SessionState) -> None:
    if state.embeddings is None or not is_enough(state.embeddings.X) or is_busy(state.project):
        return
    if st.button("Find what stands out among themselves", icon=":material/model_training:", key="train-own"):
        start_walk(state.project, project_registry().store, retrain=True)
        st.rerun()


def show_among_old(scored: ScoredLoops) -> None:
    """Where new loops fall among those the model was trained on."""
    detector, new = scored.detector, scored.scores[scored.is_new]
    old = pd.DataFrame({"score": detector.scores_, "split": detector.split_})
    threshold = threshold_at(scored.reference_scores, 95.0)
    above = int((new["score"] > threshold).sum())
    st.markdown(
        f"**{above:,} of {counted(len(new), 'new loop')}** {'lies' if above == 1 else 'lie'} above 95 % of the "
        f"{counted(len(old), 'loop')} this model learnt from."
    )
    both = pd.concat([old, new[["score", "split"]]], ignore_index=True)
    left, right = st.columns(2)
    with left:
        show_figure(score_histogram(both, threshold), key="among-old", title="Scores of new loops among the old ones")
    with right:
        figure = new_among_old(detector.latents_, scored.latents[scored.is_new])
        show_figure(figure, key="map-among-old", title="New loops on the map of the old ones")


def pack_in_words(state: SessionState, label: str, scored: ScoredLoops) -> str:
    """That the new loops differ as a whole from the model's library, where most of them stand out; else nothing."""
    embeddings = state.embeddings
    new = scored.scores["loop_id"][scored.is_new]
    quarantined = [mark.mark == QUARANTINE for mark in store().get_marks(new).values()]
    if embeddings is None or len(new) == sum(quarantined):  # none, or those that a training left out
        return ""

    def make() -> CollectionDifference | None:
        ids = list(scored.scores["loop_id"])
        return difference_from_library(scored, embeddings.select(ids))

    difference = kept("pack-difference", (state.project.key, state.seen.serial, label), make)
    if difference is None:
        return ""
    threshold = threshold_at(scored.reference_scores, state.project.percentile_of(label))
    n_flagged = int((scored.scores["score"][scored.is_new] > threshold).sum())
    return difference.sentence(n_flagged, int(scored.is_new.sum()), _library_of(label))
