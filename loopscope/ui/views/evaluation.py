"""The Compare page's evaluation: how well models find what labels.csv, or the user's own marks, call anomalous."""

import pandas as pd
import streamlit as st

from loopscope.analysis.beside import beside
from loopscope.detection.evaluation import (
    ALL,
    LabelledSet,
    evaluate_detectors,
    evaluate_scores,
    label_loops,
    label_marks,
    read_labels,
    summarise,
)
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import DataError
from loopscope.library import Library
from loopscope.ui.components import ended, plain, show_task, store
from loopscope.ui.projects.tasks import Task, TaskBoard
from loopscope.ui.state import SessionState, kept, recall, remember
from loopscope.ui.views.marked_threshold import offer_marked_threshold
from loopscope.user_files import UserFile
from loopscope.wording import counted

KIND = "evaluate"
LABELS_FILE = "labels.csv"
FEWEST = 10  # marks, below which one more or less changes every figure
SPREAD = ("± sd", "Standard deviation over the seeds.")
NUMBERS = {
    name: st.column_config.NumberColumn(title, format="%.3f", help=explained)
    for name, (title, explained) in {
        "auroc": ("odd before normal", "AUROC: how often an odd loop stands before a normal one; 0.5 is chance."),
        "auroc_sd": SPREAD,
        "average_precision": ("clean list", "Average precision: how few normal loops stand between the odd ones."),
        "average_precision_sd": SPREAD,
        "precision_at_k": (
            "found at the top",
            "Precision at k: share of odd loops among the first k, k as many as odd.",
        ),
        "precision_at_k_sd": SPREAD,
        "seconds": ("seconds a fit", None),
    }.items()
}
APART = {
    "score": st.column_config.TextColumn("score", width="large"),
    "auroc": NUMBERS["auroc"],
    "difference": st.column_config.NumberColumn(
        "better by", format="%+.3f", help="“Odd before normal”, less the first's."
    ),
    "low": st.column_config.NumberColumn("from", format="%+.3f", help="What it is better by, at least (95 %)."),
    "high": st.column_config.NumberColumn("to", format="%+.3f", help="What it is better by, at most (95 %)."),
    "partial_auroc": st.column_config.NumberColumn(
        "few false alarms",
        format="%.3f",
        help="Partial AUROC: the same among the first tenth of the normal loops; 0.5 is chance.",
    ),
    "precision_at_20": st.column_config.NumberColumn(
        "odd in the first 20", format="percent", help="Precision at 20: share of odd loops among the first 20."
    ),
}
COUNTED = {"n": st.column_config.NumberColumn("odd loops", help="Anomalies of this category."), **NUMBERS}


def evaluation_step(state: SessionState, library: Library, embeddings: EmbeddingSet) -> None:
    """Labels where there are any, the session's models on them, and all detectors over seeds on request."""
    st.subheader("How well the models find what you marked", anchor=False)
    try:
        data = _labelled(library, embeddings)
    except DataError as error:
        st.caption(plain(str(error)))
        return
    n, n_odd = len(data.labels), int(data.labels.sum())
    st.caption(
        f"{counted(n, 'loop is', 'loops are')} marked or labelled, {n_odd:,} of them as odd. "
        "1 is perfect everywhere; 0.5 in the column “odd before normal” is chance."
    )
    if n < FEWEST:
        st.warning(
            f"{counted(n, 'mark is', 'marks are')} too few to judge a model by: one more or less changes every figure. "
            f"Mark at least {FEWEST}.",
            icon=":material/warning:",
        )
    if data.remark:
        st.warning(plain(data.remark), icon=":material/warning:")
    _session_models(state, data)
    _beside_each_other(state, data)
    offer_marked_threshold(state)
    _all_detectors(state.project.tasks, data)


def _labelled(library: Library, embeddings: EmbeddingSet) -> LabelledSet:
    file = library.root / LABELS_FILE
    if file.is_file():
        return label_loops(
            library.loops,
            library.root,
            read_labels(UserFile(str(file), str(library.root))),
            embeddings.loop_ids,
            embeddings.X,
        )
    marks = {loop_id: mark.mark for loop_id, mark in store().get_marks(embeddings.loop_ids).items()}
    if not any(mark == "quarantine" for mark in marks.values()) or not any(
        m in {"keep", "love"} for m in marks.values()
    ):
        raise DataError(
            "Nothing is marked yet: mark loops on the Explore page, quarantine for bad ones and keep or love for good "
            f"ones, or put a {LABELS_FILE} (path, label, category) into the folder."
        )
    return label_marks(marks, embeddings.loop_ids, embeddings.X)


def _session_models(state: SessionState, data: LabelledSet) -> None:
    """A table of the session's models on the loops that they score, and a line for each that scores not all of them."""
    tables = []
    for label, scored in state.models.items():
        try:
            table, n_unscored = evaluate_scores(data, scored.scores)
        except DataError:
            st.caption(plain(f"{label}: it scores no labelled loops of both kinds, so it cannot be judged."))
            continue
        tables.append(table.assign(model=label))
        if n_unscored:
            have, of_all = "has" if n_unscored == 1 else "have", counted(len(data.labels), "labelled loop")
            counts = "is not counted" if n_unscored == 1 else "are not counted"
            st.caption(plain(f"{label}: {n_unscored:,} of the {of_all} {have} no score from this model and {counts}."))
    if tables:
        shown = ["model", "category", "n", "auroc", "average_precision", "precision_at_k"]
        st.dataframe(pd.concat(tables, ignore_index=True)[shown], hide_index=True, column_config=COUNTED)


def _beside_each_other(state: SessionState, data: LabelledSet) -> None:
    """The model in view, its parts alone and the other models, on the loops that all of them score."""
    own = state.models.get(state.active)
    if own is None or (len(state.models) < 2 and len(own.components) < 2):
        return
    st.markdown("**The model in view, each part of its score alone, other models**")
    category = _category(data)
    models = tuple((label, id(scored)) for label, scored in state.models.items())
    labels = (data.loop_ids, data.labels.tobytes(), tuple(data.categories), category)
    key = (state.project.key, state.seen.serial, state.active, models, labels)
    try:
        table, n = kept("beside", key, lambda: beside(data, state.models, state.active, category))
    except DataError as error:
        st.caption(plain(str(error)))
        return
    st.caption(
        f"On {counted(n, 'loop')} that all of them score. “From” and “to” is where the difference would lie with other "
        "loops of the same kind, 95 times in 100: where they have one sign, chance alone is unlikely. "
        "Of many rows one may look so by chance."
    )
    st.dataframe(table, hide_index=True, column_config=APART)


def _category(data: LabelledSet) -> str:
    """Which odd loops the scores are to be judged by."""
    kinds = data.kinds
    if len(kinds) < 2:
        return ALL
    recall({"beside-category": ALL})
    if st.session_state["beside-category"] not in kinds:
        st.session_state["beside-category"] = ALL
    chosen = st.selectbox(
        "Odd loops", [ALL, *kinds], key="beside-category", width=280, help="Those of other categories are left out."
    )
    remember("beside-category")
    return chosen


def _all_detectors(tasks: TaskBoard, data: LabelledSet) -> None:
    ended(KIND)
    if tasks.running(KIND):
        show_task(KIND, cancel_label="Stop")
        return
    if st.button("Evaluate all detectors over three seeds", key="evaluate"):

        def work(task: Task) -> tuple[tuple[str, ...], pd.DataFrame]:
            runs = evaluate_detectors(data, seeds=(0, 1, 2), on_progress=task.on_progress, should_stop=task.should_stop)
            return data.loop_ids, runs

        tasks.start(KIND, "Evaluation", work)
        st.rerun()
    latest = tasks.get(KIND)
    if latest is None or not latest.done:
        return
    loop_ids, runs = latest.result
    if loop_ids == data.loop_ids and not runs.empty:
        summary = summarise(runs)
        shown = ["detector", "category", "n", *[name for name in NUMBERS if name in summary]]
        st.dataframe(summary[shown], hide_index=True, column_config=COUNTED)
