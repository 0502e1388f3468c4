"""What a kill left aside while files of a project were moved: put back when its folder is opened again."""

from pathlib import Path

from loopscope.errors import ExportError
from loopscope.exports.undo import put_back
from loopscope.files import display_name, is_file
from loopscope.ui.projects.project import Project


def put_back_left_aside(project: Project) -> None:
    """Gives such files their names again, and says of one that cannot have it where it lies and why.

    Undo files are read only where something was cut off: whole ones of 20,000 moves take a second each time.
    """
    if not project.memory.moving:
        return
    left: list[tuple[str, str]] = []
    for file in project.memory.undo_files:
        try:
            left += put_back(Path(file), project.folder) if is_file(file) else []
        except ExportError:  # damaged: said where it is to be taken back
            continue
    project.remember(moving=bool(left))
    if left:
        path, reason = left[0]
        more = f" {len(left) - 1:,} more {'lies' if len(left) == 2 else 'lie'} elsewhere." if len(left) > 1 else ""
        project.say(f"{display_name(path)} is left from a move that was cut off. {reason}{more}")
