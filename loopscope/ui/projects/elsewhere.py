"""What lies in the owner's other folders: which of it this project's loops are like, and where that is to be heard.

Only projects of the same owner count, whose folder that owner may open now; whatever was forgotten is not among them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopscope.analysis.elsewhere import Alike, find_alike
from loopscope.embeddings import EmbeddingSet
from loopscope.files import is_address
from loopscope.library import Library
from loopscope.library.present import Place, present_library
from loopscope.progress import ProgressCallback, StopCheck
from loopscope.store import ProjectRow, Store
from loopscope.ui.server.visitors import open_to

Places = Mapping[str, Sequence[Place]]  # by loop_id


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """What a search in the other folders found.

    `library`: the files there that are alike and still as they were; those that are not are rejected there.
    `project_of` each of its paths. `n_loops`: different loops in those folders, as far as they are not here as well,
    by project; `titles` of these projects, and how many `unknown` had no files to be asked.
    """

    alike: Alike
    library: Library
    project_of: Mapping[str, str]
    n_loops: int
    asked: Mapping[str, int]
    n_unknown: int

    def within(self, projects: Sequence[ProjectRow]) -> Library:
        """The library as far as it lies in these projects: one may have been forgotten since."""
        present = {row.project_id for row in projects}
        if present >= set(self.project_of.values()):
            return self.library
        loops = self.library.loops
        loops = loops[[self.project_of[path] in present for path in loops["path"]]]
        return Library(self.library.root, loops.reset_index(drop=True), self.library.rejected, self.library.roots)


def other_projects(owner: str, project_id: str, store: Store) -> list[ProjectRow]:
    """An owner's projects but this one, on this machine's disks and in folders that the owner may open.

    The project of a session that has not chosen a folder has no id, and no others.
    """
    may_open = open_to(owner)
    return [
        row
        for row in (store.get_projects(owner) if project_id else ())
        if row.project_id != project_id and not is_address(row.folder) and may_open(Path(row.folder))
    ]


def places_elsewhere(projects: Sequence[ProjectRow], library: Library, store: Store) -> dict[str, list[Place]]:
    """Where the loops of these projects lie, by loop_id, but for the files of `library`.

    A file below the folders of two projects is that of the inner one.
    """
    taken = set(library.loops["path"])
    places: defaultdict[str, list[Place]] = defaultdict(list)
    for row in sorted(projects, key=lambda row: -len(row.folder)):
        for path, loop_id in store.get_project_files(row.project_id).items():
            if path not in taken:
                taken.add(path)
                places[loop_id].append(Place(path, loop_id, row.folder, row.name, row.project_id))
    return places


def search_elsewhere(
    projects: Sequence[ProjectRow],
    library: Library,
    embeddings: EmbeddingSet,
    store: Store,
    on_progress: ProgressCallback,
    should_stop: StopCheck,
) -> Elsewhere:
    """Asks these projects for what is like the loops of a library. Raises Cancelled."""
    places = places_elsewhere(projects, library, store)
    here = set(library.unique["loop_id"])
    others = sorted(set(places) - here)
    alike = find_alike(embeddings, others, store, on_progress, should_stop)
    wanted = (set(alike.relations.matched()) & set(others)) | (set(places) & here)
    present = present_library((place for loop_id in sorted(wanted) for place in places[loop_id]), store)
    present = _without_same_files(present, library)
    project_of = {place.path: place.project_id for loop_id in wanted for place in places[loop_id]}
    asked = {row.project_id: 0 for row in projects}
    for own in places.values():
        for project_id in {place.project_id for place in own}:
            asked[project_id] += 1
    n_unknown = sum(not n for n in asked.values())
    return Elsewhere(alike, present, project_of, len(others), asked, n_unknown)


def _without_same_files(elsewhere: Library, library: Library) -> Library:
    """Without files that are those of the library by another name: through a link, or a disk that is mounted twice."""
    copies = elsewhere.loops["loop_id"].isin(set(library.loops["loop_id"]))
    if not copies.any():
        return elsewhere
    own = library.loops[library.loops["loop_id"].isin(set(elsewhere.loops["loop_id"]))]
    known = {_identity(path) for path in own["path"]} - {None}
    same = [bool(copy) and _identity(path) in known for copy, path in zip(copies, elsewhere.loops["path"], strict=True)]
    loops = elsewhere.loops[[not it for it in same]].reset_index(drop=True)
    return Library(elsewhere.root, loops, elsewhere.rejected, elsewhere.roots)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
