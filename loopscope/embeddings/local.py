"""The engine of one machine: a few threads, each taking the next batch through reading, front end and network."""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from threading import Event

from loopscope.embeddings.clips import BatchResult, Clip, batches_of, embed_batch
from loopscope.encoders.base import Encoder
from loopscope.progress import StopCheck
from loopscope.threads import worker_pool


def embed_clips(clips: Sequence[Clip], encoder: Encoder, should_stop: StopCheck) -> Iterator[BatchResult]:
    """Yields finished batches as they come. Raises `Cancelled` soon after `should_stop` says so."""
    batches = batches_of(clips, encoder)
    abandoned = Event()

    def stopped() -> bool:
        return abandoned.is_set() or should_stop()

    with worker_pool(len(batches)) as pool:
        futures = [pool.submit(embed_batch, batch, encoder, stopped) for batch in batches]
        try:
            for future in as_completed(futures):
                futures.remove(future)
                yield future.result()
        finally:
            abandoned.set()
            for future in futures:
                future.cancel()
