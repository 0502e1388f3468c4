"""Embed: each loop becomes one point, through a frozen encoder."""

from loopscope.ui.components import heading
from loopscope.ui.opening import no_library
from loopscope.ui.state import enter, session
from loopscope.ui.views.archived import tell_of_archive
from loopscope.ui.views.embed import embed_step

heading(
    "Embed",
    "A trained listener (a frozen audio encoder) writes down in numbers how each loop sounds. Done once: they are kept "
    "on this machine.",
)
library = enter("embed").library
if library is None:
    no_library("There are no loops to embed yet: choose a folder first.")
elif session().seen.archived is not None:
    tell_of_archive()
else:
    embed_step(library)
