"""Diagnostics: what runs here and where it keeps things."""

import streamlit as st

from loopscope.ui.components import heading
from loopscope.ui.state import enter
from loopscope.ui.views.diagnostics import clear_caches, show_errors, show_folders, show_versions, show_weights

enter("diagnostics")
heading("Diagnostics", "What to copy into a report when something goes wrong, and what takes room on this machine.")
st.subheader("Versions", anchor=False)
show_versions()
st.subheader("Encoder weights (sha256)", anchor=False)
show_weights()
st.subheader("Last errors", anchor=False)
show_errors()
st.subheader("Folders", anchor=False)
show_folders()
clear_caches()
