"""The Diagnostics page's parts: versions, encoder, folders and their sizes, clearing the cache."""

import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import streamlit as st

from loopscope.config import paths
from loopscope.ui.components import plain
from loopscope.ui.state import session

PACKAGES = ("streamlit", "plotly", "torch", "laion-clap", "librosa", "soundfile", "scikit-learn", "pandas", "numpy")


def folder_bytes(folder: Path) -> int:
    """Bytes in regular files below a folder, 0 where there is none."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def show_versions() -> None:
    """What runs here, as text to copy into a report."""
    lines = [f"Python {platform.python_version()} on {platform.platform()}"]
    lines += [f"{name} {version(name)}" for name in PACKAGES]
    encoder = session().encoder
    lines.append(f"encoder {encoder.encoder_id}" if encoder is not None else "encoder not loaded in this session")
    st.code("\n".join(lines), language=None)


def show_folders() -> None:
    """Where loopscope keeps things and how much room they take."""
    places = paths()
    rows = [
        ("Embeddings, marks", places.database.parent, "kept"),
        ("Encoder weights", places.weights, "can be fetched again"),
        ("Demo library", places.demo, "can be made again"),
        ("Playable copies", places.transcoded, "can be made again"),
        ("Uploads", places.uploads, "copies of uploaded folders"),
    ]
    table = pd.DataFrame(
        [(what, str(place), folder_bytes(place) / 1e6, note) for what, place, note in rows],
        columns=["what", "folder", "MB", "note"],
    )
    st.dataframe(table, hide_index=True, column_config={"MB": st.column_config.NumberColumn(format="%.1f")})
    if st.button("Delete the playable copies", help="They are made again when a loop is played."):
        shutil.rmtree(places.transcoded, ignore_errors=True)
        st.toast(f"Deleted {plain(str(places.transcoded))}")
        st.rerun()
