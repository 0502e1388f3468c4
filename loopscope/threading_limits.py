"""One thread for networks this small: a second one gains little and, on a busy machine, costs all.

PyTorch's threads wait for each other after every layer. With batches of 32 rows a layer takes microseconds, so that
another busy program turns the waiting into nearly all of the time: under load, 41 epochs of five members on 174 loops
took 149 s with two threads and 23 s with one (two cores).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch (in the calling thread) and the linear algebra of NumPy (in all) work single-threaded meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
