"""The Embed page's parts: choosing an encoder, the running embedding, what came of it."""

from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.analysis.pipeline import left_out
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.encoders.base import ENCODERS, Encoder, load_encoder
from loopscope.faults import add_near_duplicates, check_library
from loopscope.library import Library
from loopscope.metadata import read_names
from loopscope.progress import ProgressCallback
from loopscope.ui.components import duration, ended, figures_row, next_step, plain, show_notice, show_task, store
from loopscope.ui.server.memory import collect_and_freeze
from loopscope.ui.state import recall, remember, session
from loopscope.ui.projects.tasks import Task, task_board
from loopscope.ui.widgets.paging import show_table

KIND = "embed"
AUTO = "auto"


@st.cache_resource(show_spinner=False, max_entries=2)
def _loaded(name: str, weights_file: str | None, _on_progress: ProgressCallback) -> Encoder:
    """Frozen encoders hold no user's state, so sessions share them."""
    encoder = load_encoder(name, weights_file=weights_file, on_progress=_on_progress)
    collect_and_freeze()  # PyTorch is here to stay
    return encoder


def choose_encoder() -> tuple[str, str | None]:
    """The encoder's name and, for CLAP, an optional weights file of the user's."""
    known = {info.name: info for info in ENCODERS}
    titles = {AUTO: "Automatic: CLAP where its weights are at hand, else aiSFX"}
    titles |= {name: f"{info.title}{'' if info.ready else ' (weights not here yet)'}" for name, info in known.items()}
    recall({"encoder-name": AUTO})
    name = st.radio("Encoder", list(titles), format_func=titles.__getitem__, key="encoder-name")
    remember("encoder-name")
    if name in known:
        info = known[name]
        st.caption(f"{info.n_features} features a loop · {plain(info.licence)}")
    weights_file = None
    if name.startswith("clap"):
        weights_file = st.text_input(
            "Checkpoint file (optional)",
            placeholder="/path/to/630k-audioset-fusion-best.pt",
            help="A checkpoint you have. Left empty, the published one is fetched from the model hub (2 GB, once).",
            key="weights-file",
        ).strip()
    return name, weights_file or None


def start_embedding(library: Library, name: str, weights_file: str | None) -> None:
    """Embeds and runs the signal checks in a worker; what is in the database already is not computed again."""
    database = store()

    def work(task: Task) -> tuple[EmbeddingSet, Encoder, pd.DataFrame]:
        encoder = _loaded(name, weights_file, task.on_progress)
        embeddings = embed_library(
            library, encoder, store=database, on_progress=task.on_progress, should_stop=task.should_stop
        )
        faults = check_library(library, store=database, on_progress=task.on_progress, should_stop=task.should_stop)
        faults = add_near_duplicates(faults, library, embeddings, task.on_progress, task.should_stop)
        read_names(library.unique)  # kept by the reader: the Explore page asks again and is not to wait
        return embeddings, encoder, faults

    task_board().start(KIND, "Embedding", work)


def embed_step(library: Library) -> None:
    """Choice, start, progress and result of the embedding of the session's library."""
    state = session()
    finished = ended(KIND)
    if finished is not None and finished.done:
        state.use_embeddings(*finished.result)
        task_board().clear("train")  # it works on the embeddings that were just replaced
        st.toast(f"Embedded in {duration(finished.seconds)}", icon=":material/check:")
    running = task_board().running(KIND)
    with st.container(border=True):
        name, weights_file = choose_encoder()
        label = "Embed the loops" if state.embeddings is None else "Embed again with this encoder"
        if st.button(
            label, type="primary" if state.embeddings is None else "secondary", disabled=running, key="embed-start"
        ):
            _warn_missing(weights_file)
            start_embedding(library, name, weights_file)
            st.rerun()
    if running:
        show_task(KIND)
    elif state.embeddings is not None:
        show_embeddings(library, state.embeddings)


def _warn_missing(weights_file: str | None) -> None:
    if weights_file and not Path(weights_file).expanduser().is_file():
        st.error(f"No checkpoint file at {plain(weights_file)}; give the full path of a .pt or .safetensors file.")
        st.stop()


def show_embeddings(library: Library, embeddings: EmbeddingSet) -> None:
    """What was embedded, by which encoder, what was left out, and the way on."""
    show_notice()
    figures_row(
        ("Loops embedded", f"{len(embeddings.loop_ids):,}", None),
        ("Features a loop", f"{embeddings.X.shape[1]:,}", f"Encoder id: {embeddings.encoder_id}"),
        ("Left out", f"{len(left_out(library, embeddings)):,}", "Files with a reason, listed below."),
    )
    if not embeddings.rejected.empty:
        st.subheader("Failed to embed", anchor=False)
        show_table(embeddings.rejected[["path", "reason"]], "not-embedded")
    next_step("train")
