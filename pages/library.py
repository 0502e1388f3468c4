"""Library: choose a folder of loops; every file is decoded or listed with the reason why not."""

from loopscope.ui.components import heading
from loopscope.ui.state import enter
from loopscope.ui.views.library import library_step

enter("library")
heading(
    "Library",
    "Choose a folder: every file is listed or left out with the reason, each loop becomes a point, a detector learns "
    "what is normal there, and you hear what stands out.",
)
library_step()
