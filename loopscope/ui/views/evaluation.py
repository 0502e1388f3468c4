"""The Compare page's evaluation: how well models find what labels.csv, or the user's own marks, call anomalous."""

import pandas as pd
import streamlit as st

from loopscope.detection.evaluation import (
    LabelledSet,
    evaluate_detectors,
    label_loops,
    label_marks,
    metrics_by_category,
    read_labels,
    summarise,
)
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import DataError
from loopscope.library import Library
from loopscope.ui.components import ended, plain, show_task, store
from loopscope.ui.projects.tasks import Task, TaskBoard
from loopscope.ui.state import SessionState

KIND = "evaluate"
LABELS_FILE = "labels.csv"
NUMBERS = {
    name: st.column_config.NumberColumn(title, format="%.3f")
    for name, title in {
        "auroc": "AUROC",
        "auroc_sd": "± sd",
        "average_precision": "average precision",
        "average_precision_sd": "± sd",
        "precision_at_k": "precision at k",
        "precision_at_k_sd": "± sd",
        "seconds": "seconds a fit",
    }.items()
}


def evaluation_step(state: SessionState, library: Library, embeddings: EmbeddingSet) -> None:
    """Labels where there are any, the session's models on them, and all detectors over seeds on request."""
    st.subheader("Evaluation on labels", anchor=False)
    try:
        data = _labelled(library, embeddings)
    except DataError as error:
        st.caption(plain(str(error)))
        return
    st.caption(
        f"{len(data.labels):,} labelled loops, {int(data.labels.sum()):,} of them anomalies. AUROC 0.5 is chance; "
        "k is the number of anomalies."
    )
    st.dataframe(_session_models(state, data), hide_index=True, column_config=NUMBERS)
    _all_detectors(state.project.tasks, data)


def _labelled(library: Library, embeddings: EmbeddingSet) -> LabelledSet:
    file = library.root / LABELS_FILE
    if file.is_file():
        return label_loops(library.loops, library.root, read_labels(file), embeddings.loop_ids, embeddings.X)
    marks = {loop_id: mark.mark for loop_id, mark in store().get_marks(embeddings.loop_ids).items()}
    if not any(mark == "quarantine" for mark in marks.values()) or not any(
        m in {"keep", "love"} for m in marks.values()
    ):
        raise DataError(
            f"There are no labels: put a {LABELS_FILE} (path, label, category) into the folder, or mark loops on the "
            "Explore page, quarantine for faulty and keep or love for good ones."
        )
    return label_marks(marks, embeddings.loop_ids, embeddings.X)


def _session_models(state: SessionState, data: LabelledSet) -> pd.DataFrame:
    tables = []
    for label, scored in state.models.items():
        scores = scored.scores.set_index("loop_id")["score"].reindex(list(data.loop_ids))
        table = metrics_by_category(data.labels, scores.to_numpy(), data.categories)
        tables.append(table.assign(model=label))
    everything = pd.concat(tables, ignore_index=True)
    return everything[["model", "category", "n", "auroc", "average_precision", "precision_at_k"]]


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
        st.dataframe(summary[shown], hide_index=True, column_config=NUMBERS)
