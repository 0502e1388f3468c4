"""Explore: see every loop, click one and hear it, move the threshold, take the list away."""

from loopscope.ui.components import heading, next_step
from loopscope.ui.state import session
from loopscope.ui.views.explore import explore_step

heading("Explore", "Each point, bar and row is a loop: click it and it plays. Press ? for the keys.")
state = session()
if state.library is None:
    next_step("library", "There is nothing to explore yet: choose a folder first.")
elif state.embeddings is None or state.model is None:
    next_step("train", "There is no model to explore yet: train a detector first.")
else:
    explore_step(state.library, state.embeddings)
