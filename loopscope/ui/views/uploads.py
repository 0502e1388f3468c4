"""A folder uploaded through the browser, written below the uploads folder and nowhere else."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.config import paths
from loopscope.ui.server.media import session_token
from loopscope.ui.server.received import storable
from loopscope.ui.widgets.upload import upload_field
from loopscope.wording import counted


def upload_folder() -> Path | None:
    """The folder an upload was written to, once the user confirmed it."""
    upload = upload_field(paths().uploads / session_token()[:16], key="upload")
    if upload is None:
        return None
    list_renamed(upload.renamed)
    return upload.folder if st.button("Scan the upload", type="primary", key="upload-scan") else None


def list_renamed(renamed: Sequence[tuple[str, str]]) -> None:
    """Every file that is not called what it was: its name and its place."""
    if not renamed:
        return
    with st.expander(f"{counted(len(renamed), 'file is', 'files are')} kept under another name"):
        st.caption("Their names are too long, have characters that no file system takes, or would be the same.")
        shown = [(storable(name), kept) for name, kept in renamed]
        st.dataframe(pd.DataFrame(shown, columns=["Uploaded as", "Kept as"]), hide_index=True)
