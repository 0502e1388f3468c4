"""One thread for networks this small: a second one gains little and, on a busy machine, costs all.

PyTorch's threads wait for each other after every layer. With batches of 32 rows a layer takes microseconds, so that
another busy program turns the waiting into nearly all of the time: under load, 41 epochs of five members on 174 loops
took 149 s with two threads and 23 s with one (two cores).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch works single-threaded in the calling thread until the block ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
