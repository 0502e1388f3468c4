"""`embed_library`: what is in the store is taken from there, the rest is embedded batch by batch and stored at once."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from loopscope.batches import ignore_results
from loopscope.embeddings.clips import BatchResult, Clip, Rejection, clips_of
from loopscope.embeddings.embedding_set import EmbeddingSet
from loopscope.embeddings.local import embed_clips
from loopscope.embeddings.patch_set import PatchSet
from loopscope.encoders.base import Encoder, PatchEncoder, Patches, Samples
from loopscope.errors import EncoderError
from loopscope.library import Library
from loopscope.library.tables import reasons_frame
from loopscope.progress import Progress, ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store

Engine = Callable[[Sequence[Clip], Encoder, StopCheck], Iterator[BatchResult]]
ENGINES = ("threads", "dask")

log = logging.getLogger(__name__)


def embed_library(
    library: Library,
    encoder: Encoder,
    store: Store | None = None,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
    engine: str = "threads",
    on_embedded: Callable[[Mapping[str, Samples]], None] = ignore_results,
    with_patches: bool = False,
) -> EmbeddingSet:
    """One embedding for each loop of the library that can be read; the others are in `.rejected` with a reason.

    With a `store`, loops embedded before by the same encoder are not read again, and every finished batch is stored,
    so that a stopped or killed run goes on where it was. `engine` "threads" uses this machine, "dask" the cluster of
    the Dask client in force; `on_embedded` gets the vectors by loop_id as they come, those of the store first.

    Patches are made in the same pass and stored beside the embedding by every encoder that makes any. `with_patches`
    wants them in the result, for which loops whose patches are not in the store are read again. Raises `Cancelled` when
    `should_stop` says so, `EncoderError` where patches are wanted of an encoder that makes none.
    """
    started = time.monotonic()
    clips = clips_of(library)
    loop_ids = [clip.loop_id for clip in clips]
    patch_id = encoder.patch_id if isinstance(encoder, PatchEncoder) else None
    wanted = _wanted(encoder) if with_patches else None
    found: dict[str, Samples] = {}
    patches: dict[str, Patches] = {}
    if store is not None:
        found.update(store.get_embeddings(loop_ids, encoder.encoder_id))
        patches.update(store.get_patches(loop_ids, wanted.patch_id) if wanted else {})
    rejections: list[Rejection] = []
    known = found.keys() & patches.keys() if wanted else found.keys()
    missing = [clip for clip in clips if clip.loop_id not in known]
    done = len(known)
    on_progress(Progress("Embedding", done, len(clips), unit="loops"))
    if found:
        on_embedded(found)
    for batch in _engine(engine)(missing, encoder, should_stop) if missing else ():
        if store is not None and batch.loop_ids:
            store.put_embeddings(batch.loop_ids, encoder.encoder_id, batch.X, patch_id, batch.patches)
        fresh = dict(zip(batch.loop_ids, batch.X, strict=True))
        found |= fresh
        patches |= zip(batch.loop_ids, batch.patches, strict=True) if wanted else {}
        on_embedded(fresh)
        rejections.extend(batch.rejections)
        done += batch.n_clips
        on_progress(Progress("Embedding", done, len(clips), unit="loops"))
    kept = [loop_id for loop_id in loop_ids if loop_id in found and (wanted is None or loop_id in patches)]
    embeddings = _assembled(kept, found, rejections, encoder)
    if wanted:
        heard = PatchSet.gathered(patches, kept, wanted.patch_id, wanted.patch_seconds)
        embeddings = replace(embeddings, patches=heard)
    counts = f"{len(embeddings.loop_ids)} loops, {len(rejections)} left out, {len(missing) - len(rejections)} computed"
    log.info("embed: %s with %s, %.2f s", counts, encoder.encoder_id, time.monotonic() - started)
    return embeddings


def _engine(name: str) -> Engine:
    if name == "threads":
        return embed_clips
    if name == "dask":
        from loopscope.embeddings.cluster import embed_clips_on_cluster

        return embed_clips_on_cluster
    raise EncoderError(f'There is no embedding engine "{name}"; choose one of {", ".join(ENGINES)}.')


def _wanted(encoder: Encoder) -> PatchEncoder:
    if isinstance(encoder, PatchEncoder):
        return encoder
    raise EncoderError(f"The encoder {encoder.encoder_id} makes no patches; choose aisfx or a detector without them.")


def _assembled(
    loop_ids: Sequence[str], found: dict[str, Samples], rejections: Sequence[Rejection], encoder: Encoder
) -> EmbeddingSet:
    """Rows in the order of the library, whatever the order in which they were made."""
    rows = [found[loop_id] for loop_id in loop_ids]
    X = np.stack(rows) if rows else np.empty((0, encoder.n_features), np.float32)
    return EmbeddingSet(tuple(loop_ids), X, encoder.encoder_id, reasons_frame(rejections))
