"""The engine for many machines: the same batches on a Dask cluster, the store and its one writer staying here.

Runs on the current `distributed.Client`, or on a cluster of this machine's own that lasts as long as the call.
Workers must see the sound files under the same paths. The package `distributed` is optional.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from loopscope.config import n_cores
from loopscope.embeddings.clips import STOPPED, BatchResult, Clip, batches_of, embed_batch
from loopscope.encoders.base import Encoder
from loopscope.errors import Cancelled, EncoderError, first_line
from loopscope.progress import StopCheck
from loopscope.threads import one_thread

CONNECT_S = 10


def embed_clips_on_cluster(clips: Sequence[Clip], encoder: Encoder, should_stop: StopCheck) -> Iterator[BatchResult]:
    """Yields finished batches as they come. Raises `Cancelled` after the batch that came when `should_stop` said so."""
    distributed = _distributed()
    with _client(distributed) as client:
        shared = client.scatter(encoder, broadcast=True)
        futures = client.map(_embed_on_worker, batches_of(clips, encoder), encoder=shared, pure=False)
        waiting = set(futures)
        del futures  # a result lives on the cluster as long as its future here
        try:
            for future in distributed.as_completed(waiting):
                waiting.discard(future)
                if should_stop():
                    raise Cancelled(STOPPED)
                yield future.result()
        except distributed.scheduler.KilledWorker:
            raise EncoderError(
                "A batch brought down its workers several times, perhaps for lack of memory; what was finished is "
                "kept: give the workers more memory and start again."
            ) from None
        finally:
            client.cancel(list(waiting))


@contextmanager
def connected_to(address: str) -> Iterator[None]:
    """The cluster whose scheduler answers there is the one in force while the block runs. Raises EncoderError."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"No Dask cluster answers at {address} ({first_line(error)}); start its scheduler."
        ) from None
    with client:
        yield


def _embed_on_worker(clips: Sequence[Clip], encoder: Encoder) -> BatchResult:
    with one_thread():
        return embed_batch(clips, encoder)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise EncoderError(
            'The engine "dask" needs the package distributed; run: python -m pip install distributed.'
        ) from None
    return distributed


@contextmanager
def _client(distributed: Any) -> Iterator[Any]:
    """The client in force, which is left open, or one of our own."""
    try:
        current = distributed.get_client()
    except ValueError:  # there is none yet
        current = None
    if current is not None:
        yield current
        return
    with (
        distributed.LocalCluster(n_workers=n_cores(), threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
