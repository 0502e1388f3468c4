"""How many threads do what: PyTorch's own for the network, single-threaded readers beside them.

PyTorch keeps its number of threads per calling thread, and takes for a new thread the last number set anywhere. Readers
therefore set theirs to one at their start, and the caller's number is set again after the last of them has started.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import torch


def n_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def reader_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that read and prepare sound, one a core, in which PyTorch works single-threaded."""
    n_readers = n_cores()
    n_threads = torch.get_num_threads()
    started = Barrier(n_readers + 1)
    with ThreadPoolExecutor(n_readers, thread_name_prefix="loopscope-reader", initializer=_single_threaded) as pool:
        for _ in range(n_readers):
            pool.submit(started.wait)
        started.wait()
        torch.set_num_threads(n_threads)
        yield pool


def _single_threaded() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # makes the setting this thread's own, before another thread sets the common one
