"""How many threads do what while embedding.

Lanes side by side, each reading, preparing and embedding a batch of its own, keep all cores busy without waiting for
each other: while one lane reads, another computes, and no layer of the network ends in a rendezvous of threads, which
on a busy machine costs more than the layer. Only beyond `MAX_LANES` cores do lanes get several threads, so that
memory stays flat.

PyTorch keeps its number of threads per calling thread, and takes for a new thread the last number set anywhere. Lanes
therefore set theirs at their start, and the caller's number is set again after the last of them has started.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import torch

MAX_LANES = 8


def n_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def lanes(max_lanes: int) -> Iterator[ThreadPoolExecutor]:
    """At most `max_lanes` threads, which share the cores evenly."""
    n_lanes = max(1, min(max_lanes, n_cores(), MAX_LANES))
    own_threads = torch.get_num_threads()
    started = Barrier(n_lanes + 1)
    with ThreadPoolExecutor(n_lanes, "loopscope-lane", _use_threads, (max(1, n_cores() // n_lanes),)) as pool:
        for _ in range(n_lanes):
            pool.submit(started.wait)
        started.wait()
        torch.set_num_threads(own_threads)
        yield pool


def _use_threads(n_threads: int) -> None:
    torch.set_num_threads(n_threads)
    torch.get_num_threads()  # makes the setting this thread's own, before another thread sets the common one
