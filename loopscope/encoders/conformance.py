"""Does an encoder keep the contract of `encoders.base`? For those who write one: `breaches_of(encoder)` in their tests.

An encoder that breaks it gives scores that depend on which loops stood beside which, on the order of a folder or on the
machine; nobody would see that in a list.
"""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from loopscope.defects import Defect, attempt
from loopscope.encoders.base import Encoder, PatchEncoder, Patches, Samples, StagedEncoder
from loopscope.errors import EncoderError

SECONDS = (0.02, 0.5, 1.0, 12.3)  # of the test sounds: shorter than a frame, and longer than a window
TOLERANCE = 1e-4  # of the largest value of an embedding
ID_LENGTH = 200
Clips = Sequence[Samples]


def breaches_of(encoder: Encoder) -> list[str]:
    """What an encoder does not keep, a sentence each; empty where it keeps everything. Takes some twenty embeddings."""
    said = _of_its_card(encoder)
    if said:
        return said
    clips = _clips(encoder.sample_rate)
    together = attempt("embedding", lambda: encoder.embed(clips))
    if isinstance(together, Defect):
        return [f"It fails on sounds of {min(SECONDS)} to {max(SECONDS)} s: {together.reason}."]
    said = _of_rows(together, (len(clips), encoder.n_features))
    if said:
        return said
    checks: tuple[Callable[[Encoder, Clips, Samples], list[str]], ...] = (
        *(_of_company, _of_threads, _of_input, _of_refusals, _of_cluster, _of_stages, _of_patches),
    )
    for check in checks:
        found = attempt("testing an encoder", lambda check=check: check(encoder, clips, together))  # type: ignore[misc]
        said += [f"{check.__name__[4:]}: {found.reason}."] if isinstance(found, Defect) else found
    return said


def _clips(rate: int) -> Clips:
    """Chords with noise, one after the other of the lengths above, and silence."""
    rng = np.random.default_rng(0)
    clips = []
    for number, seconds in enumerate(SECONDS):
        time_s = np.arange(max(1, round(seconds * rate))) / rate
        chord = sum(np.sin(2 * np.pi * 110 * (number + k) * time_s) / k for k in (1, 2, 3))
        clips.append((0.2 * chord + 0.01 * rng.standard_normal(len(time_s))).astype(np.float32))
    return [*clips, np.zeros(rate, np.float32)]


def _of_its_card(encoder: Encoder) -> list[str]:
    said = []
    name = encoder.encoder_id
    if not (isinstance(name, str) and name.isascii() and name.isprintable() and " " not in name):
        said.append(f"encoder_id {name!a:.80} is not printable ASCII without blanks.")
    elif not 0 < len(name) <= ID_LENGTH:
        said.append(f"encoder_id has {len(name)} characters, not 1 to {ID_LENGTH}.")
    if not (isinstance(encoder.sample_rate, int) and 8_000 <= encoder.sample_rate <= 192_000):
        said.append(f"sample_rate is {encoder.sample_rate!r}, not a whole number of Hz from 8,000 to 192,000.")
    if not (isinstance(encoder.n_features, int) and encoder.n_features > 0):
        said.append(f"n_features is {encoder.n_features!r}, not a positive whole number.")
    said += [
        f"{field} is no text." for field in ("description", "notice") if not isinstance(getattr(encoder, field), str)
    ]
    return said


def _of_rows(X: Samples, shape: tuple[int, int]) -> list[str]:
    if not isinstance(X, np.ndarray) or X.shape != shape or X.dtype != np.float32:
        return [f"embed gives {getattr(X, 'dtype', type(X))} {np.shape(X)}, not float32 {shape}."]
    if not np.isfinite(X).all():
        return ["Embeddings hold NaN or infinity, of silence or of short sounds."]
    if any(np.array_equal(X[0], row) for row in X[1:]):
        return ["Different sounds have the same embedding."]
    return []


def _differ(one: Samples, other: Samples) -> bool:
    return one.shape != other.shape or bool(np.abs(one - other).max() > TOLERANCE * max(np.abs(other).max(), 1e-12))


def _of_company(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    alone = np.concatenate([encoder.embed([clip]) for clip in clips])
    said = [f"An embedding depends on the loops beside it (sound {i})." for i in _rows_that_differ(alone, together)]
    if _differ(encoder.embed(clips[::-1])[::-1], together):
        said.append("Embeddings depend on the order of the loops.")
    if _differ(encoder.embed(clips), together):
        said.append("The same loops have other embeddings the second time.")
    return said


def _rows_that_differ(one: Samples, other: Samples) -> list[int]:
    return [row for row in range(len(other)) if _differ(one[row], other[row])]


def _of_threads(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: encoder.embed(clips), range(2)))
    return ["Two threads at once disturb each other."] if any(_differ(X, together) for X in both) else []


def _of_input(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    copies = [clip.copy() for clip in clips]
    encoder.embed(copies)
    return [] if all(map(np.array_equal, copies, clips)) else ["embed changes the sound that it is given."]


def _of_refusals(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    said = []
    for what, clip in (("an empty sound", clips[0][:0]), ("NaN", np.full(encoder.sample_rate, np.nan, np.float32))):
        try:
            encoder.embed([clip])
        except EncoderError:
            continue
        said.append(f"embed takes {what}; it must raise EncoderError.")
    return said


def _of_cluster(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    """Workers of a cluster get copies, which takes the same of an object as `copy.deepcopy`."""
    differs = _differ(copy.deepcopy(encoder).embed(clips), together)
    return ["A copy, as a cluster's workers get one, gives other embeddings."] if differs else []


def _of_stages(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    if not isinstance(encoder, StagedEncoder):
        return []
    pieces = [np.array_split(clip, 3) if len(clip) >= 3 else [clip] for clip in clips]
    features = [encoder.prepare(iter(parts), len(clip)) for parts, clip in zip(pieces, clips, strict=True)]
    if _differ(encoder.forward(features), together):
        return ["prepare and forward, a clip in pieces, give other embeddings than embed."]
    return []


def _patches_differ(one: Patches, other: Patches) -> bool:
    """By more than two float16 steps of the largest value: batches of other sizes are added up in another order."""
    step = 2.0**-10 * float(np.abs(other).max())
    return one.shape != other.shape or float(np.abs(one.astype(np.float32) - other.astype(np.float32)).max()) > 2 * step


def _of_patches(encoder: Encoder, clips: Clips, together: Samples) -> list[str]:
    if not isinstance(encoder, PatchEncoder):
        return []
    X, patches = encoder.hear([encoder.prepare(iter([clip]), len(clip)) for clip in clips])
    said = ["hear gives other embeddings than embed."] if _differ(X, together) else []
    for clip, found in zip(clips, patches, strict=True):
        if found.dtype != np.float16 or found.ndim != 2 or found.shape[1] != encoder.n_patch_values or not len(found):
            said.append(f"Patches are {found.dtype} {found.shape}, not float16 (n, {encoder.n_patch_values}).")
        elif _patches_differ(encoder.patches(clip)[0], found):
            said.append("Patches depend on the loops beside them.")
    return list(dict.fromkeys(said))
