"""Another model of the same loops, that has not learnt from some of them."""

from collections.abc import Collection
from dataclasses import replace

from loopscope.analysis.pipeline import StoppedTraining, score_library, train_detector
from loopscope.analysis.walk import Plan
from loopscope.embeddings import EmbeddingSet
from loopscope.errors import Cancelled
from loopscope.ui.projects.models import offer_stopped, take_model
from loopscope.ui.projects.project import Project
from loopscope.ui.projects.tasks import Task
from loopscope.ui.projects.walking import TRAIN
from loopscope.wording import counted


def start_training_without(
    project: Project, embeddings: EmbeddingSet, plan: Plan, subset: str, left_out: Collection[str]
) -> Task:
    """Fits a model in a worker on all of these loops but those left out, and scores them all; those as new ones."""
    left_out = set(left_out)
    kept = embeddings.select([loop_id for loop_id in embeddings.loop_ids if loop_id not in left_out])
    n_left_out = len(embeddings.loop_ids) - len(kept.loop_ids)
    label = f"{plan.label} · without {counted(n_left_out, 'quarantined loop')}"

    def work(task: Task) -> None:
        recipe = (plan.detector, plan.preset, plan.seed, subset)
        trained = train_detector(kept, *recipe, on_epoch=task.on_epoch, should_stop=task.should_stop)
        if isinstance(trained, StoppedTraining):
            offer_stopped(project, label, trained)
            raise Cancelled("Training was stopped; its unfinished model is set aside unless you keep it.")
        scored = replace(score_library(embeddings, trained.detector), subset=subset)
        _ = scored.projection  # here rather than when the Explore page opens
        take_model(project, label, scored)

    return project.tasks.start(TRAIN, f"Training {plan.detector}", work)
