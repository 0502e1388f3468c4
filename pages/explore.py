"""Explore: see every loop, click one and hear it, move the threshold, take the list away."""

from loopscope.ui.components import empty_folder, heading
from loopscope.ui.opening import no_library
from loopscope.ui.state import enter, session
from loopscope.ui.views.copies import offer_undo
from loopscope.ui.views.explore import explore_step

library = enter("explore").library
if library is not None and not library.loops.empty:
    explore_step(library)
else:
    heading("Explore", "Each point, bar and row is a loop: click it and it plays.")
    if library is None:
        no_library("There is nothing to explore yet: choose a folder first.")
    else:
        empty_folder(library)
        offer_undo(session())
