"""The unit of work: one loop with the files that hold it, read and made ready for the network."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from io import FileIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopscope.audio.streaming import resampled_length, stream
from loopscope.defects import Defect, attempt
from loopscope.encoders.base import Encoder, PatchEncoder, Patches, PatchMaker, Samples, StagedEncoder
from loopscope.errors import AudioError, Cancelled, EncoderError
from loopscope.library import Library
from loopscope.progress import StopCheck, never_stop
from loopscope.user_files import UserFile, open_user_file

DEFAULT_BATCH = 16
STOPPED = "The embedding was stopped; what was finished is kept."


@dataclass(frozen=True)
class ClipFile:
    """One file as the scan of `root` saw it."""

    root: str
    path: str
    size_bytes: int
    mtime_ns: int
    duration_s: float
    sample_rate: int


@dataclass(frozen=True)
class Clip:
    """One loop. Its files hold equal content; the first that can be read serves."""

    loop_id: str
    files: tuple[ClipFile, ...]


class Rejection(NamedTuple):
    """A file that could not be embedded, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class BatchResult:
    """`n_clips` finished loops: row i of X (n, n_features) belongs to `loop_ids[i]`; the others were rejected.

    `patches` has an array (n_patches, n_values) for each of them where the encoder gives patches, else it is empty.
    """

    loop_ids: tuple[str, ...]
    X: NDArray[np.float32]
    rejections: tuple[Rejection, ...]
    n_clips: int
    patches: tuple[Patches, ...] = ()


def clips_of(library: Library) -> list[Clip]:
    """One clip per loop_id, in the order of the first file of each."""
    loops, root = library.loops, str(library.root)
    columns = [field.name for field in fields(ClipFile)[1:]]
    files: dict[str, list[ClipFile]] = {}
    for loop_id, *values in loops[["loop_id", *columns]].itertuples(index=False, name=None):
        files.setdefault(loop_id, []).append(ClipFile(root, *values))
    return [Clip(loop_id, tuple(copies)) for loop_id, copies in files.items()]


def batches_of(clips: Sequence[Clip], encoder: Encoder) -> list[Sequence[Clip]]:
    """The same batches on every engine and at every run."""
    size = int(getattr(encoder, "batch_size", DEFAULT_BATCH))
    return [clips[start : start + size] for start in range(0, len(clips), size)]


def embed_batch(clips: Sequence[Clip], encoder: Encoder, should_stop: StopCheck = never_stop) -> BatchResult:
    """Takes a batch from files to embeddings. Raises `Cancelled` between two pieces of sound.

    A row of the network's output that is not finite becomes a rejection, and so does a loop that meets a defect.
    """
    found = [_features_of(clip, encoder, should_stop) for clip in clips]
    rejections = [rejection for _, of_clip in found for rejection in of_clip]
    ready = [clip for clip, (features, _) in zip(clips, found, strict=True) if features is not None]
    X, patches, failed = _heard([features for features, _ in found if features is not None], encoder)
    rejections += [Rejection(ready[row].files[0].path, _failure(defect)) for row, defect in failed.items()]
    ready = [clip for row, clip in enumerate(ready) if row not in failed]
    finite = np.logical_and.reduce(np.isfinite(X), axis=1)
    for row, of_loop in enumerate(patches):
        finite[row] &= np.isfinite(of_loop).all()
    for clip, is_finite in zip(ready, finite, strict=True):
        if not is_finite:
            reason = "The encoder's output is not finite; the sound may hold extreme values."
            rejections.append(Rejection(clip.files[0].path, reason))
    kept = tuple(clip.loop_id for clip, is_finite in zip(ready, finite, strict=True) if is_finite)
    kept_patches = tuple(of_loop for of_loop, is_finite in zip(patches, finite, strict=False) if is_finite)
    return BatchResult(kept, X[finite], tuple(rejections), len(clips), kept_patches)


def _heard(inputs: Sequence[Any], encoder: Encoder) -> tuple[Samples, list[Patches], dict[int, Defect]]:
    """The network's rows and patches of all `inputs` but those that meet a defect, and these by position.

    Where the batch fails as a whole, each goes through the network by itself, to tell who it is.
    """

    def heard(some: Sequence[Any]) -> tuple[Samples, list[Patches]]:
        X, patches = _through(some, encoder)
        if X.shape != (len(some), encoder.n_features):
            raise ValueError(f"{X.shape} came out for {len(some)} loops of {encoder.n_features} values")
        return X, patches

    if not inputs:
        return np.empty((0, encoder.n_features), np.float32), [], {}
    together = attempt("embedding a batch", lambda: heard(inputs))
    if not isinstance(together, Defect):
        return *together, {}
    alone = [attempt("embedding", partial(heard, [features])) for features in inputs]
    failed = {row: found for row, found in enumerate(alone) if isinstance(found, Defect)}
    good = [found for found in alone if not isinstance(found, Defect)]
    X = np.concatenate([rows for rows, _ in good]) if good else np.empty((0, encoder.n_features), np.float32)
    return X, [of_loop for _, patches in good for of_loop in patches], failed


def _through(inputs: Sequence[Any], encoder: Encoder) -> tuple[Samples, list[Patches]]:
    if isinstance(encoder, PatchEncoder):
        return encoder.hear(inputs)
    return (encoder.forward if isinstance(encoder, StagedEncoder) else encoder.embed)(inputs), []


def _failure(defect: Defect) -> str:
    return f"The encoder failed: {defect.reason}."


def _features_of(clip: Clip, encoder: Encoder, should_stop: StopCheck) -> tuple[Any, list[Rejection]]:
    """What the network needs of a loop, from the first file that can be read; None with a rejection for each file."""
    rejections = []
    for file in clip.files:
        try:
            features = attempt("preparing for the encoder", partial(_features, file, encoder, should_stop))
            if not isinstance(features, Defect):
                return features, []
            rejections.append(Rejection(file.path, _failure(features)))
        except (AudioError, EncoderError) as error:
            rejections.append(Rejection(file.path, str(error)))
    return None, rejections


def _open_unchanged(file: ClipFile) -> FileIO:
    try:
        opened = open_user_file(UserFile(file.path, file.root))
    except OSError as error:
        raise AudioError(f"The file can no longer be read ({error.strerror}); scan the folder again.") from None
    status = os.fstat(opened.fileno())
    if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
        opened.close()
        raise AudioError("The file has changed since the folder was scanned; scan it again.")
    return opened


def _features(file: ClipFile, encoder: Encoder, should_stop: StopCheck) -> Any:
    with _open_unchanged(file) as sound:
        if not isinstance(encoder, StagedEncoder):
            return np.concatenate(list(_stoppable(stream(sound, encoder.sample_rate), should_stop)))
        own = _prepared(sound, file, encoder, should_stop)
        if not isinstance(encoder, PatchEncoder) or encoder.companion is None:
            return own
        sound.seek(0)
        return own, _prepared(sound, file, encoder.companion, should_stop)


def _prepared(sound: FileIO, file: ClipFile, encoder: StagedEncoder | PatchMaker, should_stop: StopCheck) -> Any:
    pieces = _stoppable(stream(sound, encoder.sample_rate), should_stop)
    n_samples = resampled_length(round(file.duration_s * file.sample_rate), file.sample_rate, encoder.sample_rate)
    return encoder.prepare(pieces, n_samples)


def _stoppable(pieces: Iterator[Samples], should_stop: StopCheck) -> Iterator[Samples]:
    for piece in pieces:
        if should_stop():
            raise Cancelled(STOPPED)
        yield piece
