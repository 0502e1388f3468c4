"""Library: choose a folder of loops; every file is decoded or listed with the reason why not."""

from loopscope.ui.components import heading
from loopscope.ui.state import enter
from loopscope.ui.views.library import library_step

enter("library")
heading("Library", "Every audio file in a folder is either listed as a loop or left out with a reason.")
library_step()
