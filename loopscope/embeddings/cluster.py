"""The engine for many machines: batches on a Dask cluster, the store and its one writer staying here.

Runs on the current `distributed.Client`, or on a cluster of this machine's own that lasts as long as the call.
Workers must have the same versions and see the sound files under the same paths, which is asked before anything is
sent. The package `distributed` is optional.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loopscope import __version__
from loopscope.config import n_cores
from loopscope.embeddings.clips import STOPPED, BatchResult, Clip, batches_of, embed_batch
from loopscope.encoders.base import Encoder
from loopscope.errors import Cancelled, EncoderError, first_line
from loopscope.files import display_name
from loopscope.progress import StopCheck
from loopscope.threads import one_thread

CONNECT_S = 10
DECIDE = ("numpy", "scipy", "torch", "librosa", "soundfile", "soxr")  # what the numbers depend on


def embed_clips_on_cluster(clips: Sequence[Clip], encoder: Encoder, should_stop: StopCheck) -> Iterator[BatchResult]:
    """Yields finished batches as they come. Raises `Cancelled` after the batch that came when `should_stop` said so."""
    roots = sorted({file.root for clip in clips for file in clip.files})
    yield from results_of(_embed_on_worker, batches_of(clips, encoder), encoder, roots, should_stop)


def results_of(
    work: Callable[..., Any],
    batches: Sequence[Any],
    encoder: Encoder,
    paths: Sequence[str],
    should_stop: StopCheck,
    client: Any = None,
    **options: Any,
) -> Iterator[Any]:
    """`work(batch, encoder, **options)` of every batch, as they are finished, in one thread of a worker each.

    A batch whose worker is lost is done again by another. Without a `client`, by the one in force, or a cluster of this
    machine's own. Raises EncoderError where a worker is not as it must be or cannot see one of the `paths`; Cancelled
    after the batch that came when `should_stop` said so.
    """
    distributed = _distributed()
    with _client(distributed, client) as at:
        check_workers(at, paths)
        shared = at.scatter(encoder, broadcast=True)
        futures = at.map(_in_one_thread, batches, work=work, encoder=shared, pure=False, **options)
        waiting = set(futures)
        del futures  # a result lives on the cluster as long as its future here
        try:
            for future in distributed.as_completed(waiting, loop=at.loop):
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
            at.cancel(list(waiting))


@contextmanager
def connected_to(address: str, in_force: bool = True) -> Iterator[Any]:
    """A client of the scheduler there, the one in force while the block runs. Raises EncoderError if none answers.

    Not `in_force`, it is only for whoever is given it: several threads may have one each.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=in_force)
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"No Dask cluster answers at {address} ({first_line(error)}); start its scheduler."
        ) from None
    with client:
        yield client


def check_workers(client: Any, paths: Sequence[str] = ()) -> None:
    """Raises EncoderError, with the first worker that is not as it must be: package, versions, paths."""
    if not client.scheduler_info(n_workers=-1)["workers"]:
        address = client.scheduler.address
        raise EncoderError(f"The cluster at {address} has no workers; start some: dask worker {address}.")
    for worker, found in client.run(find_spec, "loopscope").items():
        if found is None:
            raise EncoderError(f"The worker {worker} has no loopscope; install the same version there.")
    own = versions()
    for worker, theirs in client.run(versions, on_error="return").items():
        if isinstance(theirs, Exception):
            raise EncoderError(
                f"The worker {worker} has another loopscope ({first_line(theirs)}); install {__version__}."
            )
        if differing := [name for name in own if own[name] != theirs.get(name)]:
            name = differing[0]
            raise EncoderError(
                f"The worker {worker} has {name} {theirs.get(name) or 'not at all'}, this machine {own[name]}; "
                "install the same versions everywhere."
            )
    for worker, unseen in client.run(_unseen, list(paths)).items():
        if unseen:
            raise EncoderError(
                f"The worker {worker} cannot see {display_name(unseen[0])}; mount it there under the same path."
            )


def versions() -> dict[str, str]:
    """What the numbers depend on, by name."""
    found = {"loopscope": __version__}
    for name in DECIDE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def _unseen(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not Path(path).exists()]


def _in_one_thread(batch: Any, work: Callable[..., Any], encoder: Encoder, **options: Any) -> Any:
    with one_thread():
        return work(batch, encoder, **options)


def _embed_on_worker(clips: Sequence[Clip], encoder: Encoder) -> BatchResult:
    return embed_batch(clips, encoder)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise EncoderError(
            'The engine "dask" needs the package distributed; run: python -m pip install distributed.'
        ) from None
    return distributed


def client_in_force() -> Any:
    """The client that was made last and is not closed, or None."""
    try:
        return _distributed().get_client()
    except ValueError:  # there is none yet
        return None


@contextmanager
def _client(distributed: Any, given: Any) -> Iterator[Any]:
    """The client that is given or in force, which is left open, or one of our own."""
    current = given or client_in_force()
    if current is not None:
        yield current
        return
    with (
        distributed.LocalCluster(n_workers=n_cores(), threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
