"""Explore: see every loop, click one and hear it, move the threshold, take the list away."""

from loopscope.ui.components import empty_folder, heading
from loopscope.ui.opening import no_library
from loopscope.ui.state import enter
from loopscope.ui.views.explore import explore_step

heading("Explore", "Each point, bar and row is a loop: click it and it plays. Press ? for the keys.")
library = enter("explore").library
if library is None:
    no_library("There is nothing to explore yet: choose a folder first.")
elif library.loops.empty:
    empty_folder(library)
else:
    explore_step(library)
