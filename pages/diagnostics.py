"""Diagnostics: what runs here and where it keeps things."""

import streamlit as st

from loopscope.ui.components import heading
from loopscope.ui.diagnostics_view import show_folders, show_versions

heading("Diagnostics", "What to copy into a report when something goes wrong, and what takes room on this machine.")
st.subheader("Versions", anchor=False)
show_versions()
st.subheader("Folders", anchor=False)
show_folders()
