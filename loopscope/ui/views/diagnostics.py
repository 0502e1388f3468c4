"""The Diagnostics page's parts: what runs here, what went wrong, where things are kept and how to clear them."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
import streamlit as st

from loopscope.checkpoints import CHECKPOINTS
from loopscope.checkpoints.stored import digests
from loopscope.cluster.spread import cluster_address, described
from loopscope.config import paths
from loopscope.errors import LoopscopeError
from loopscope.files import display_name
from loopscope.installation import folder_bytes, kept_folders, package_versions, system
from loopscope.ui.components import plain, show_failure, store
from loopscope.ui.server.log import last_records
from loopscope.ui.state import session

CLUSTER_S = 15  # between two questions to a cluster
CHOSEN_KEY = "clear-what"


def show_versions() -> None:
    """What runs here, as text to copy into a report."""
    lines = [system(), *(f"{name} {said}" for name, said in package_versions().items())]
    encoder = session().encoder
    lines.append(f"encoder {encoder.encoder_id}" if encoder is not None else "encoder not loaded in this session")
    if address := cluster_address():
        lines += _cluster(address)
    st.code("\n".join(lines), language=None)


@st.cache_data(ttl=CLUSTER_S, max_entries=1, show_spinner="Asking the cluster")
def _cluster(address: str) -> list[str]:
    return described(address)


def show_weights() -> None:
    """The digests of the encoder weights kept here: of the published file and of the tensors taken from it."""
    lines = []
    for name, checkpoint in CHECKPOINTS.items():
        found = digests(checkpoint)
        lines += [f"{name} {kind.replace('_', ' ')} {digest}" for kind, digest in found.items()]
        if not found:
            lines.append(f"{name} is not on this machine")
    st.code("\n".join(lines), language=None, wrap_lines=True)


def show_errors() -> None:
    """This project's failures in full, and the server's warnings, which name no file."""
    if store().notice:
        st.warning(plain(store().notice), icon=":material/warning:")
    failures = [f"{failure.when} {failure.title}: {failure.error}" for failure in session().project.tasks.failures()]
    if failures:
        st.caption("Failed in this project")
        st.code(display_name("\n".join(failures)), language=None, wrap_lines=True)
    records = last_records()
    if records:
        st.caption("Warnings in the server's log")
        st.code("\n".join(records), language=None, wrap_lines=True)
    if not failures and not records:
        st.caption("Nothing went wrong since the server was started.")


def show_folders() -> None:
    """Where loopscope keeps things and how much room they take."""
    table = pd.DataFrame(
        [(kept.what, str(kept.place), kept.n_bytes / 1e6, kept.note) for kept in kept_folders()],
        columns=["what", "folder", "MB", "note"],
    )
    st.dataframe(table, hide_index=True, column_config={"MB": st.column_config.NumberColumn(format="%.1f")})


def clear_caches() -> None:
    """Choose a cache, confirm, and it is emptied. Marks, notes, settings and saved models are never among them."""
    choices = _clearable()
    left, middle, right = st.columns([4, 3, 2], vertical_alignment="bottom")
    chosen = left.selectbox("Clear", list(choices), key=CHOSEN_KEY)
    sure = middle.checkbox("Yes, clear it", key=f"clear-sure-{chosen}")
    if right.button("Clear", key="clear-go", disabled=not sure, width="stretch"):
        try:
            choices[chosen]()
            st.toast(f"Cleared: {plain(chosen)}", icon=":material/check:")
        except LoopscopeError as error:
            show_failure(error)
    st.caption("Marks, notes, settings and saved models stay, whatever is cleared.")


def _clearable() -> Mapping[str, Callable[[], None]]:
    """What can be computed or made again, by the words for it."""
    database = store()
    choices: dict[str, Callable[[], None]] = {
        f"Embeddings of {encoder_id} ({count:,})": partial(database.clear_embeddings, encoder_id)
        for encoder_id, count in sorted(database.embeddings_by_encoder().items())
    }
    copies = paths().transcoded
    clear_copies = partial(shutil.rmtree, copies, ignore_errors=True)

    def clear_all() -> None:
        database.clear_cache()
        clear_copies()

    choices[f"Playable copies ({folder_bytes(copies) / 1e6:,.1f} MB)"] = clear_copies
    choices["All of these, and what is known of files and faults"] = clear_all
    return choices
