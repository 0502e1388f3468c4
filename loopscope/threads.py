"""How many threads do what: one for training, a few side by side for embedding.

Training uses one thread, because a second one gains little on networks this small and, on a busy machine, costs all.
PyTorch's threads wait for each other after every layer. With batches of 32 rows a layer takes microseconds, so that
another busy program turns the waiting into nearly all of the time: under load, 41 epochs of five members on 174 loops
took 149 s with two threads and 23 s with one (two cores).

Embedding uses workers side by side, each reading, preparing and embedding a batch of its own. They keep all cores busy
without waiting for each other: while one reads, another computes, and no layer of the network ends in a rendezvous of
threads. Only beyond `MAX_WORKERS` cores do workers get several threads, so that memory stays flat.

PyTorch keeps its number of threads per calling thread, and takes for a new thread the last number set anywhere. Workers
therefore set theirs at their start, and the caller's number is set again after the last of them has started.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

from threadpoolctl import threadpool_limits

from loopscope.config import n_cores
from loopscope.late import late

torch = late("torch")
linalg = late("scipy.linalg")

MAX_WORKERS = 8


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch (in the calling thread) and the linear algebra of NumPy (in all) work single-threaded meanwhile."""
    _ = linalg.blas  # SciPy's linear algebra too: only what is loaded can be limited
    with threadpool_limits(1, user_api="blas"), _one_thread_of_torch():
        yield


@contextmanager
def _one_thread_of_torch() -> Iterator[None]:
    """Whoever trains with it has loaded it; for others it is not."""
    if "torch" not in sys.modules:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def worker_pool(n_jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for at most `n_jobs` jobs at once, which share the cores evenly."""
    n_workers = max(1, min(n_jobs, n_cores(), MAX_WORKERS))
    own_threads = torch.get_num_threads()
    started = Barrier(n_workers + 1)
    with ThreadPoolExecutor(n_workers, "loopscope-worker", _use_threads, (max(1, n_cores() // n_workers),)) as pool:
        for _ in range(n_workers):
            pool.submit(started.wait)
        started.wait()
        torch.set_num_threads(own_threads)
        yield pool


def _use_threads(n_threads: int) -> None:
    torch.set_num_threads(n_threads)
    torch.get_num_threads()  # makes the setting this thread's own, before another thread sets the common one
