"""The engine of one machine: threads read and prepare the next loops while the network works on the present batch."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from loopscope.embeddings.clips import BatchResult, Clip, ReadyClip, embed_ready, make_ready
from loopscope.embeddings.threads import reader_pool
from loopscope.encoders.base import Encoder
from loopscope.errors import Cancelled
from loopscope.progress import StopCheck

DEFAULT_BATCH = 16


def embed_clips(clips: Sequence[Clip], encoder: Encoder, should_stop: StopCheck) -> Iterator[BatchResult]:
    """Yields finished batches in order. Raises `Cancelled` between batches."""
    batch_size = getattr(encoder, "batch_size", DEFAULT_BATCH)
    with reader_pool() as pool:
        batch: list[ReadyClip] = []
        for ready in _prepared(pool, clips, encoder, should_stop, ahead=2 * batch_size):
            batch.append(ready)
            if len(batch) == batch_size:
                yield embed_ready(batch, encoder)
                batch = []
        if batch:
            yield embed_ready(batch, encoder)


def _prepared(
    pool: ThreadPoolExecutor, clips: Sequence[Clip], encoder: Encoder, should_stop: StopCheck, ahead: int
) -> Iterator[ReadyClip]:
    """Clips in order, at most `ahead` of them prepared before they are asked for, so that memory stays flat."""
    waiting: deque[Future[ReadyClip]] = deque()
    try:
        for clip in clips:
            waiting.append(pool.submit(make_ready, clip, encoder, should_stop))
            if len(waiting) > ahead:
                yield _next(waiting, should_stop)
        while waiting:
            yield _next(waiting, should_stop)
    finally:
        for future in waiting:
            future.cancel()


def _next(waiting: deque[Future[ReadyClip]], should_stop: StopCheck) -> ReadyClip:
    if should_stop():
        raise Cancelled("The embedding was stopped; what was finished is kept.")
    return waiting.popleft().result()
