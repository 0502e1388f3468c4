"""The note on a loop: typed in the browser and saved over the outbox's route, without a rerun in between."""

from loopscope.ui.components import printable
from loopscope.ui.server import media
from loopscope.ui.server.messages import LONGEST_NOTE
from loopscope.ui.widgets.javascript import component, heard

_EVENTS = ("changed",)


def note_field(loop_id: str, name: str, note: str, *, key: str = "note") -> None:
    """The field for a loop's note; a note that was saved asks for a rerun, so that tables show it.

    Needs `media_registry().publish_outbox`. `name` stands beside it and says whose note it is; `note` is what the store
    holds, read in this run.
    """
    serial = heard(key, _EVENTS).latest["changed"].get("serial")
    component(
        "note.js",
        "The note",
        key=key,
        data={
            "token": media.session_token(),
            "id": loop_id,
            "name": printable(name),
            "value": note,
            "longest": LONGEST_NOTE,
            "placeholder": "What did you hear?",
            "help": "Kept with the sound itself, so it survives renaming, and exported with the CSV.",
            "acknowledged": serial if isinstance(serial, int) else 0,
        },
        events=_EVENTS,
    )
