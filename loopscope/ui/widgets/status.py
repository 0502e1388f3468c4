"""What the project does, live on every page: the task that runs, notices, and whether the server can be reached."""

from dataclasses import dataclass

from loopscope.ui.server import media
from loopscope.ui.widgets.javascript import component

_EVENTS = ("cancel", "generation")


@dataclass(frozen=True)
class StatusEvent:
    """What the panel asks for in this run.

    cancel: the title of the task whose Cancel was pressed, empty where none was. refresh: whether this run is here
    because the pulse's generation rose.
    """

    cancel: str
    refresh: bool


def status_panel(
    *, key: str = "status", generation: int | None = None, project: str = "", loop: str | None = None
) -> StatusEvent:
    """Mount the panel, once on every page; it draws nothing where no task runs.

    Needs `media_registry().publish_pulse`. The browser asks for a rerun of what this is mounted in when the pulse's
    generation is greater than what the page was drawn from, at a moment when no hand is on it.

    Args:
        key: names it within the session.
        generation: as it was when this run began; None counts what the first pulse says as drawn.
        project: kept in the address, with `loop`, the one that is selected.
    """
    commits = component(
        "status.js",
        "The status",
        key=key,
        data={"token": media.session_token(), "generation": generation, "project": project, "loop": loop},
        events=_EVENTS,
    )
    asked = commits.latest["cancel"].get("value") if "cancel" in commits.fresh else ""
    return StatusEvent(asked if isinstance(asked, str) else "", "generation" in commits.fresh)
