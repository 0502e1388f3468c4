"""Who is alike in a folder, and in the owner's other ones, each found by a task when it is asked for."""

from loopscope.analysis.families import find_relations
from loopscope.analysis.riffs import Riffs
from loopscope.embeddings import EmbeddingSet
from loopscope.library import Library
from loopscope.metadata.riffs import known_riffs
from loopscope.store import Store
from loopscope.ui.projects.elsewhere import other_projects, search_elsewhere
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task

FAMILIES, ELSEWHERE = "families", "elsewhere"


def start_families(project: Project, store: Store, embeddings: EmbeddingSet) -> Task:
    """The project knows them afterwards."""

    def work(task: Task) -> None:
        riffs = Riffs(known_riffs(embeddings.loop_ids, store))
        relations = find_relations(embeddings, riffs, task.on_progress, task.should_stop)
        now = project.contents.embeddings
        if now is not None and now.encoder_id == embeddings.encoder_id:  # else they are of an encoder that has gone
            project.update(refill=False, relations=relations)

    return project.tasks.start(FAMILIES, "Finding families", work)


def start_elsewhere(project: Project, store: Store, library: Library, embeddings: EmbeddingSet) -> Task:
    """The project knows an `Elsewhere` afterwards."""

    def work(task: Task) -> None:
        projects = other_projects(project.owner, project.id, store)
        found = search_elsewhere(projects, library, embeddings, store, task.on_progress, task.should_stop)
        now = project.contents.embeddings
        if now is not None and now.encoder_id == embeddings.encoder_id:
            project.update(refill=False, elsewhere=found)

    return project.tasks.start(ELSEWHERE, "Asking your other folders", work)
