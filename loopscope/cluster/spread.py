"""A library heard on a Dask cluster: embeddings, findings and measurements of the same batches go into the store.

Whoever asks the store afterwards finds all of it there; what failed is tried again here, and its reason listed.
"""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from loopscope.batches import ignore_results
from loopscope.cluster.work import Heard, hear, only, split
from loopscope.config import n_cores
from loopscope.embeddings import EmbeddingSet, embed_library
from loopscope.embeddings.cluster import client_in_force, connected_to, results_of
from loopscope.encoders.base import Encoder, PatchEncoder, Samples
from loopscope.errors import LoopscopeError
from loopscope.faults.memory import keep_reports
from loopscope.library import Library
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store

CLUSTER_VARIABLE = "LOOPSCOPE_CLUSTER"  # the address of the scheduler that the app's walks use
LARGEST_BATCH, SMALLEST_BATCH = 512, 16  # loops: what a lost worker costs at most, and an encoder's usual batch
BATCHES_A_WORKER = 4  # at least, so that nobody waits long for the last one
STAGE = "Embedding"


def cluster_address() -> str:
    """Of the scheduler to use, "" for this machine alone."""
    return os.environ.get(CLUSTER_VARIABLE, "")


def embed_anywhere(
    library: Library,
    encoder: Encoder,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    engine: str = "threads",
    on_embedded: Callable[[Mapping[str, Samples]], None] = ignore_results,
    with_patches: bool = False,
) -> EmbeddingSet:
    """`embed_library` after a cluster has embedded, checked and measured what is new, where there is one to ask.

    That is the one in force (or one of this machine's own) with `engine` "dask", else the one at the address in
    LOOPSCOPE_CLUSTER, else none.
    """
    if engine == "dask":
        hear_on_cluster(library, encoder, store, on_progress, should_stop, on_embedded)
    elif engine == "threads" and (address := cluster_address()):
        with connected_to(address, in_force=False) as client:
            hear_on_cluster(library, encoder, store, on_progress, should_stop, on_embedded, client)
    here = "threads" if engine == "dask" else engine
    return embed_library(
        library, encoder, store, on_progress, should_stop, here, on_embedded=on_embedded, with_patches=with_patches
    )


def hear_on_cluster(
    library: Library,
    encoder: Encoder,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    on_embedded: Callable[[Mapping[str, Samples]], None] = ignore_results,
    client: Any = None,
) -> None:
    """Everything about the loops that have no embedding in the store yet, batch by batch into the store.

    `client` and errors: see `embeddings.cluster.results_of`. A stopped or killed run goes on where it was.
    """
    ids = list(library.unique["loop_id"])
    known = store.get_embeddings(ids, encoder.encoder_id)
    missing = only(library, [loop_id for loop_id in ids if loop_id not in known])
    done = len(known)
    if missing.loops.empty:
        return
    on_progress(Progress(STAGE, done, len(ids), unit="loops"))
    if known:
        on_embedded(known)
    batches = list(split(missing, batch_size(len(missing.unique), n_workers(client))))
    for heard in results_of(hear, batches, encoder, [str(library.root)], should_stop, client):
        _keep(heard, encoder, store)
        for batch in heard.embedded:
            on_embedded(dict(zip(batch.loop_ids, batch.X, strict=True)))
            done += batch.n_clips
        on_progress(Progress(STAGE, done, len(ids), unit="loops"))


def batch_size(n_loops: int, n_workers: int, largest: int = LARGEST_BATCH) -> int:
    """Loops in a batch, so that all workers have some and little is lost with one."""
    wanted = math.ceil(n_loops / (BATCHES_A_WORKER * n_workers) / SMALLEST_BATCH) * SMALLEST_BATCH
    return min(max(wanted, SMALLEST_BATCH), largest)


def n_workers(client: Any = None) -> int:
    """Threads of the cluster of a client, or of the one in force; without any, cores of this machine."""
    at = client or client_in_force()
    return n_cores() if at is None else max(sum(int(n) for n in at.nthreads().values()), 1)


def described(address: str) -> list[str]:
    """The cluster and its workers, a line each, or the sentence that says why there is none."""
    try:
        with connected_to(address, in_force=False) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            threads = sum(worker["nthreads"] for worker in workers.values())
            first = f"cluster {address} {len(workers)} workers, {threads} threads"
            return [first, *(f"worker {at} {worker['host']}" for at, worker in sorted(workers.items()))]
    except LoopscopeError as error:
        return [str(error)]


def _keep(heard: Heard, encoder: Encoder, store: Store) -> None:
    patch_id = encoder.patch_id if isinstance(encoder, PatchEncoder) else None
    for batch in heard.embedded:
        if batch.loop_ids:
            store.put_embeddings(batch.loop_ids, encoder.encoder_id, batch.X, patch_id, batch.patches)
    if heard.reports:
        keep_reports(store, heard.reports)
    for of, found in heard.measurements.items():
        if found:
            store.put_reports("measurements", found, of)
