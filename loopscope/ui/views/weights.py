"""The offer to fetch the weights of CLAP, on the pages where encoders are chosen: nobody is sent gigabytes unasked.

A download belongs to this machine, not to a project: every tab sees the same one, and it goes on when they are closed.
Who sits at this machine may also name a mirror or give the file; on a network that is for who runs the server.
"""

import secrets
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from loopscope.checkpoints import CHECKPOINTS, CLAP_FUSION, Checkpoint, fetch, is_ready, load_weights, was_verified
from loopscope.checkpoints.downloading import bytes_here
from loopscope.config import paths
from loopscope.files import is_file
from loopscope.progress import stoppable
from loopscope.ui.components import POLL_S, plain, task_line
from loopscope.ui.projects.tasks import Task, TaskBoard
from loopscope.ui.projects.walking import loaded_encoder
from loopscope.ui.server.lifespan import call_at_end
from loopscope.ui.server.published import media_registry
from loopscope.ui.server.received import Upload
from loopscope.ui.server.visitors import LOCAL
from loopscope.ui.state import recall, remember, session
from loopscope.ui.widgets.upload import checkpoint_field

SUFFIXES = (".pt", ".safetensors")
NOT_INSTALLED = "CLAP also needs a package that is not installed here: pip install --no-deps laion-clap==1.1.7"
_HELD = ".held"  # ends the name of an upload's folder while it is read
_STOPPED = "The download was stopped; what arrived is kept, so it can go on from there."

_UNVERIFIED = (
    "The server gave no sha256 of the weights, so they were not verified: only names and shapes of their tensors were "
    "checked."
)


def offer_weights(encoder: str) -> None:
    """How to get the weights of this encoder, of CLAP with fusion where another is chosen; or how far that is."""
    checkpoint = CHECKPOINTS.get(encoder, CLAP_FUSION)
    checkpoint = checkpoint if checkpoint.repository else CLAP_FUSION
    task = weights_tasks().get(checkpoint.encoder)
    if task is not None and task.running:
        with st.container(border=True):
            _follow(checkpoint.encoder)
    elif is_ready(checkpoint):
        _say_once(task)
    else:
        title = f"Hear with CLAP: {checkpoint.gigabytes:.1f} GB to download"
        with st.expander(title, icon=":material/download:", expanded=task is not None):
            _offer(checkpoint, task)


def weights_tasks() -> TaskBoard:
    """What fetches weights, by the encoder's name."""
    return _board_of(str(paths().weights))


@st.cache_resource(show_spinner=False)
def _board_of(folder: str) -> TaskBoard:
    board = TaskBoard()
    call_at_end(board.cancel_all)
    return board


def _offer(checkpoint: Checkpoint, task: Task | None) -> None:
    st.caption(
        f"The encoder of the paper: {plain(checkpoint.filename)}, once, from {plain(checkpoint.source)}. Until then "
        "loops are heard by aiSFX, which is smaller and works offline."
    )
    if find_spec("laion_clap") is None:
        st.warning(plain(NOT_INSTALLED), icon=":material/warning:")
        return
    if task is not None and task.state != "done":
        kind, icon = (
            (st.info, ":material/pause_circle:") if task.state == "cancelled" else (st.error, ":material/error:")
        )
        kind(plain(task.error), icon=icon)
    mirror = _mirror() if session().owner == LOCAL else ""
    here = bytes_here(checkpoint) / 1e9
    label = f"Go on: {here:.1f} of {checkpoint.gigabytes:.1f} GB are here" if here else "Download"
    if st.button(label, icon=":material/download:", key=f"weights-{checkpoint.encoder}"):
        _start(checkpoint, mirror)
        st.rerun()
    if session().owner == LOCAL:
        _take_file(checkpoint)


def _mirror() -> str:
    recall({"weights-mirror": ""})
    typed = st.text_input(
        "Mirror (optional)",
        placeholder="https://models.example.org",
        help="Asked instead of the hub: the address before a hub's paths, or that of the file itself. "
        "LOOPSCOPE_MIRROR names one for good; a proxy is taken from HTTPS_PROXY.",
        key="weights-mirror",
    )
    remember("weights-mirror")
    return typed.strip()


def _take_file(checkpoint: Checkpoint) -> None:
    """A copy that the user has already."""
    token = _token()
    upload = checkpoint_field(token, paths().uploads / token[:16], SUFFIXES, key=f"weights-file-{checkpoint.encoder}")
    file = None if upload is None else _chosen(upload, checkpoint)
    if upload is None or file is None or not is_file(file):
        return
    if st.button(f"Use {plain(file.name)}", type="primary", key=f"weights-use-{checkpoint.encoder}"):
        start_reading(checkpoint, file, upload.base)
        st.rerun()


def _chosen(upload: Upload, checkpoint: Checkpoint) -> Path | None:
    """The file of the published name, else the first."""
    files = [upload.base / place for place in upload.places]
    return next((file for file in files if file.name == checkpoint.filename), files[0] if files else None)


def _start(checkpoint: Checkpoint, mirror: str) -> None:
    def work(task: Task) -> bool:
        fetch(checkpoint, stoppable(task.on_progress, task.should_stop, _STOPPED), mirror)
        loaded_encoder.clear()  # "auto" is another one from now on
        return was_verified(checkpoint)

    weights_tasks().start(checkpoint.encoder, f"Fetching weights of {checkpoint.encoder}", work)


def start_reading(checkpoint: Checkpoint, file: Path, folder: Path) -> None:
    """Takes the weights out of a copy that was brought, in a worker; the folder with it is removed then.

    Where something else fetches them already nothing is begun, and the copy stays for another try in this session.
    """
    held = folder.with_name(f"{folder.name}{_HELD}")

    def work(task: Task) -> None:
        with suppress(OSError):  # the session ended in this moment, and took the copy along: there is no such file
            folder.rename(held)
        try:
            load_weights(checkpoint, held / file.relative_to(folder), task.on_progress)
            loaded_encoder.clear()
        finally:
            shutil.rmtree(held, ignore_errors=True)  # the user has the original

    weights_tasks().start(checkpoint.encoder, f"Reading weights of {checkpoint.encoder}", work)


@st.fragment(run_every=POLL_S)
def _follow(encoder: str) -> None:
    task = weights_tasks().get(encoder)
    if task is None or not task.running:
        st.rerun()
        return
    st.progress(task.share, text=plain(task_line(task)))
    stopping = task.should_stop()
    label = "Stopping…" if stopping else "Cancel"
    if st.button(label, key=f"weights-cancel-{encoder}", disabled=stopping):
        task.cancel()


def _say_once(task: Task | None) -> None:
    """That the weights have come, once in every tab that saw it or opens later."""
    state = session()
    if task is None or not task.done or task.number in state.told:
        return
    st.success(
        "CLAP is here. New folders are heard with it; one that was analysed before takes it when you choose it as the "
        "encoder on the Embed page.",
        icon=":material/check_circle:",
    )
    if task.result is False:
        st.warning(_UNVERIFIED, icon=":material/warning:")
    state.told.add(task.number)


def forget_copies(token: str) -> None:
    """The session of this token has ended: the copies that were brought and not used go, one that is read stays."""
    uploads = media_registry().uploads(token)
    media_registry().forget(token)
    if uploads is None:
        return
    for copy in uploads.folder.glob("*"):
        if not copy.name.endswith(_HELD):
            shutil.rmtree(copy, ignore_errors=True)
    with suppress(OSError):
        uploads.folder.rmdir()


@st.cache_resource(scope="session", show_spinner=False, on_release=forget_copies)
def _token() -> str:
    """Names this session's checkpoints alone, which may be larger than folders of loops."""
    return secrets.token_urlsafe(24)
