"""Compare: how the fitted models differ on the same loops."""

from loopscope.ui.components import heading, next_step
from loopscope.ui.opening import no_library
from loopscope.ui.state import enter
from loopscope.ui.views.compare import compare_step

heading("Compare", "Two detectors that agree on a loop are worth more than one; where they disagree is worth a listen.")
state = enter("compare")
if state.library is None:
    no_library("There is nothing to compare yet: choose a folder first.")
elif state.embeddings is None or not state.models:
    next_step("train", "There is no fitted model yet: train one or two first.")
else:
    compare_step(state.library, state.embeddings)
