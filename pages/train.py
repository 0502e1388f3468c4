"""Train: a detector learns what is normal in this library, live."""

from loopscope.ui.components import heading, next_step
from loopscope.ui.opening import no_library
from loopscope.ui.state import enter
from loopscope.ui.views.archived import train_on_archive
from loopscope.ui.views.train import train_step

heading(
    "Train",
    "A detector learns what is normal in this folder; what lies far from that stands out. By default an autoencoder, "
    "then Deep SVDD.",
)
state = enter("train")
if state.library is None:
    no_library("There are no loops to learn from yet: choose a folder first.")
elif state.embeddings is None:
    next_step("embed", "The loops have no embeddings yet: that is the step before training.")
elif state.seen.archived is not None:
    train_on_archive(state, state.seen.archived)
else:
    train_step(state.library, state.embeddings)
