"""One thing to find out about every loop: what is remembered is asked for, the rest is computed in threads and kept.

Conventions: everything is by loop_id, in any order. A loop that cannot be read, or that the measurement fails on, costs
nobody else anything: its reason is listed, and it is tried again next time. Each batch is remembered before it is
reported, so that a run that was stopped or killed goes on where it was.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from loopscope.config import n_cores
from loopscope.defects import Defect, attempt
from loopscope.errors import AudioError, Cancelled, DataError
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop

BATCH = 16  # loops between two writes and two reports
MAX_WORKERS = 8

Result = TypeVar("Result")


@dataclass(frozen=True)
class Memory(Generic[Result]):
    """Where results last; by default nowhere.

    `recall` answers with the results it holds of those loops, `remember` adds some.
    """

    recall: Callable[[Collection[str]], Mapping[str, Result]] = lambda loop_ids: {}
    remember: Callable[[Mapping[str, Result]], None] = lambda results: None


@dataclass(frozen=True)
class Measured(Generic[Result]):
    """`results` of the loops that could be measured, `unreadable` with the reason of each that cannot be read.

    `failed`: the defect that the measurement met in any other ("OverflowError, math range error").

    `n_computed`: those of this run that were not remembered from an earlier one.
    """

    results: dict[str, Result]
    unreadable: dict[str, str]
    failed: dict[str, str]
    n_computed: int


def n_workers() -> int:
    """How many loops are measured at once."""
    return min(n_cores(), MAX_WORKERS)


def ignore_results(results: Collection[str]) -> None:
    """Default callback."""


def measure_loops(
    loop_ids: Iterable[str],
    compute: Callable[[str], Result],
    stage: str,
    memory: Memory[Result] | None = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    batch_size: int = BATCH,
    on_results: Callable[[Mapping[str, Result]], None] = ignore_results,
) -> Measured[Result]:
    """`compute` of every loop that `memory` does not hold, side by side in threads; `stage` names the task.

    `on_results` gets what was remembered, then every batch as it is finished.

    `compute` raises AudioError for a loop that cannot be read; whatever else it raises but Cancelled is a defect that
    costs this loop alone. Decoding and most of numpy leave the interpreter's lock,
    which is why threads do. Raises Cancelled when `should_stop` says so; what was finished until then is remembered.
    """
    memory = memory or Memory()
    wanted = list(dict.fromkeys(loop_ids))
    results = dict(memory.recall(wanted))
    missing = [loop_id for loop_id in wanted if loop_id not in results]
    unreadable: dict[str, str] = {}
    failed: dict[str, str] = {}
    on_progress(Progress(stage, len(results), len(wanted), unit="loops"))
    if results:
        on_results(results)

    def outcome_of(loop_id: str) -> Result | AudioError | Defect:
        if should_stop():
            raise Cancelled(f"{stage} was stopped; what was finished is kept.")
        try:
            return attempt(stage, lambda: compute(loop_id))
        except AudioError as error:
            return error
        except DataError as error:  # of a loop that is not what the measurement needs
            return Defect(str(error).rstrip("."))

    with ThreadPoolExecutor(n_workers(), thread_name_prefix="measure") as pool:
        for batch in _batches(missing, batch_size):
            found = dict(memory.recall(batch))  # by somebody else meanwhile, such as a cluster
            unknown = [loop_id for loop_id in batch if loop_id not in found]
            fresh: dict[str, Result] = {}
            try:
                for loop_id, outcome in zip(unknown, pool.map(outcome_of, unknown), strict=True):
                    if isinstance(outcome, AudioError):
                        unreadable[loop_id] = str(outcome)
                    elif isinstance(outcome, Defect):
                        failed[loop_id] = outcome.reason
                    else:
                        fresh[loop_id] = outcome
            finally:
                memory.remember(fresh)
            results |= found | fresh
            on_results(found | fresh)
            on_progress(Progress(stage, len(results) + len(unreadable) + len(failed), len(wanted), unit="loops"))
    return Measured(results, unreadable, failed, len(missing))


def _batches(loop_ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (loop_ids[start : start + size] for start in range(0, len(loop_ids), size))
