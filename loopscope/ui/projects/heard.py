"""Tempo, key and bars go into a project as they are heard, now and then: its pages stay as they are."""

import time
from collections.abc import Collection
from dataclasses import replace

from loopscope.metadata.collect import MetadataTable, known_metadata, measure_missing
from loopscope.metadata.corrections import with_corrections
from loopscope.store import Store
from loopscope.store.records import Correction
from loopscope.ui.projects.project import Project

SHOW_S = 5.0  # between two states of what was heard
LOOPS_A_SECOND = 500  # of large projects, of which a state takes longer to make and to send


class HeardLoops:
    """Those that the store knows more of than the project does."""

    def __init__(self, project: Project, store: Store) -> None:
        self._project, self._store = project, store
        self._fresh: set[str] = set()
        self._due = time.monotonic() + SHOW_S

    def take(self, fresh: Collection[str]) -> None:
        """Some more; shown with others where it is time."""
        self._fresh |= set(fresh)
        if time.monotonic() > self._due:
            self.show()

    def show(self) -> None:
        """All there are."""
        take_heard(self._project, self._fresh, self._store)
        self._fresh = set()
        library = self._project.contents.library
        n_loops = 0 if library is None else len(library.loops)
        self._due = time.monotonic() + max(SHOW_S, n_loops / LOOPS_A_SECOND)


def take_heard(
    project: Project, loop_ids: Collection[str], store: Store, *, refill: bool = True, corrected: bool = False
) -> None:
    """What the store knows of these loops goes into the project, wherever their files lie by now.

    `refill`: whether the explorer is to show it. `corrected`: they are what a user says, heard or not.
    """
    with project.lock:  # files may be moved meanwhile
        library, known = project.contents.library, project.contents.metadata
        if library is None or not loop_ids:
            return
        newer = known_metadata(library.loops[library.loops["loop_id"].isin(loop_ids)], store)
        if known is not None and set(loop_ids) <= set(newer.missing) and not corrected:
            return  # none could be heard
        metadata = newer if known is None else known.updated(newer)
        project.update(redraw=False, refill=refill, metadata=metadata)


def corrected(found: MetadataTable, store: Store) -> MetadataTable:
    """What an archive says, and before it what users say of tempo and key."""
    return replace(found, table=with_corrections(found.table, store.get_corrections()))


def correct(project: Project, loop_id: str, correction: Correction, store: Store) -> None:
    """Keeps what the user says of tempo and key and shows it; bars are compared at the tempo that holds then."""
    store.set_correction(loop_id, correction)
    if (archived := project.contents.archived) is not None:
        project.update(redraw=False, metadata=corrected(archived.heard, store))
        return
    library = project.contents.library
    if library is None:
        return
    measure_missing(library.loops[library.loops["loop_id"] == loop_id], store, root=library.root)
    take_heard(project, [loop_id], store, corrected=True)
