"""The Embed page's parts: choosing an encoder, the running embedding, what came of it."""

from dataclasses import replace

import streamlit as st

from loopscope.allowed_folders import allowed_place
from loopscope.analysis.pipeline import left_out
from loopscope.checkpoints import CHECKPOINTS
from loopscope.embeddings import EmbeddingSet
from loopscope.encoders.catalogue import AUTO, known_encoders, plugins
from loopscope.files import is_file
from loopscope.library import Library
from loopscope.ui.components import ended, figures_row, next_step, plain, show_notice, show_task
from loopscope.ui.projects.registry import project_registry
from loopscope.ui.projects.walking import WALK, is_busy, start_walk
from loopscope.ui.state import recall, remember, session
from loopscope.ui.views.folder_browser import roots
from loopscope.ui.views.weights import offer_weights
from loopscope.ui.widgets.paging import show_table

CLAP = "clap"  # begins the names of the encoders that take a checkpoint of the user's


def choose_encoder() -> str:
    """The encoder's name; for CLAP a weights file of the user's may be chosen too, see `checked_weights`."""
    known = {info.name: info for info in known_encoders()}
    titles = {AUTO: "Automatic: CLAP where its weights are at hand, else aiSFX"}
    titles |= {
        name: f"{plain(info.title)}{'' if info.ready else ' (weights not here yet)'}" for name, info in known.items()
    }
    recall({"encoder-name": AUTO})
    name = st.radio("Encoder", list(titles), format_func=titles.__getitem__, key="encoder-name")
    remember("encoder-name")
    if name in known:
        info = known[name]
        st.caption(f"{info.n_features} numbers per loop · {plain(info.licence)}")
    for sentence in plugins().refused:
        st.caption(plain(sentence))
    if name.startswith(CLAP):
        recall({"weights-file": ""})
        session().choices["weights-file"] = st.text_input(
            "Checkpoint file (optional)",
            placeholder="/path/to/630k-audioset-fusion-best.pt",
            help="A checkpoint you have, or a folder with it. Left empty, the published one is downloaded, once.",
            key="weights-file",
        ).strip()
    return name


def checked_weights() -> str | None:
    """The real path of the checkpoint that was chosen, if any; else says what is wrong with it and ends the run.

    What lies outside the allowed folders is not even looked for.
    """
    choices = session().choices
    typed = choices.get("weights-file")
    if not typed or not choices.get("encoder-name", AUTO).startswith(CLAP):
        return None
    file = allowed_place(typed, roots())
    if file is None:
        st.error("The checkpoint must be a full path inside the folders this app may open; see the Library page.")
        st.stop()
    if not is_file(file) and not is_file(file / CHECKPOINTS[choices["encoder-name"]].filename):
        st.error(f"No checkpoint file at {plain(typed)}; give the full path of a .pt or .safetensors file.")
        st.stop()
    return str(file)


def embed_step(library: Library) -> None:
    """Choice of the encoder, the running embedding, what came of it."""
    state = session()
    ended(WALK)
    running = state.project.tasks.running(WALK)
    with st.container(border=True):
        name = choose_encoder()
        offer_weights(name)
        label = "Analyse again with this encoder" if state.embeddings is not None else "Embed the loops"
        if st.button(label, disabled=is_busy(state.project), key="embed-start"):
            again(name, checked_weights())
            st.rerun()
    if running:
        show_task(WALK)
    if state.embeddings is not None:
        show_embeddings(library, state.embeddings)


def again(encoder: str, weights_file: str | None) -> None:
    """Starts the walk over with this encoder; models of another encoder's embeddings are dropped."""
    project = session().project
    is_other = project.change_plan(replace(project.memory.plan, encoder=encoder, weights_file=weights_file))
    start_walk(project, project_registry().store, retrain=is_other)


def show_embeddings(library: Library, embeddings: EmbeddingSet) -> None:
    """What was embedded, by which encoder, what was left out, and the way on."""
    show_notice()
    figures_row(
        ("Loops embedded", f"{len(embeddings.loop_ids):,}", None),
        (
            "Numbers per loop",
            f"{embeddings.X.shape[1]:,}",
            f"Features of the embedding. Encoder id: {embeddings.encoder_id}",
        ),
        ("Left out", f"{len(left_out(library, embeddings)):,}", "Files with a reason, listed below."),
    )
    if not embeddings.rejected.empty:
        st.subheader("Could not be embedded", anchor=False)
        show_table(embeddings.rejected[["path", "reason"]], "not-embedded")
    next_step("train")
