"""CLAP's network as loopscope runs it against laion-clap's own forward pass, both batched, on the same views.

Rounds are paired: in each every way embeds the same batch, in turn, with one thread. What counts is processor time, so
that whatever else the machine does touches no figure; ratios are medians over rounds. Weights are random (speed does
not depend on them).
"""

import os
import statistics
import time
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from loopscope.encoders import clap, htsat
from loopscope.encoders.htsat import Htsat
from loopscope.threads import one_thread
from tests import laion_reference
from tests.golden.clips import plucked

N_ROUNDS = 10
N_CLIPS = 4
SHORT_S, LONG_S = 4.7, 20.0
THEIRS = "laion-clap's own forward pass"


def run() -> str:
    """The section as Markdown."""
    before = os.getloadavg()[0]
    lines = [
        "## Network",
        "",
        f"CLAP's network alone, batches of {N_CLIPS} clips, one thread, {N_ROUNDS} rounds in turn; processor time. "
        "laion-clap's own forward pass under bf16 autocast needs one cast by a hook where it fuses long clips: without "
        "it, it stops with an error about the types of source and destination.",
        "",
        "| network | views | way | ms a clip, median | ratio, median (range) | smallest cosine to float32 |",
        "|---|---|---|---|---|---|",
        *_rows("tiny", fusion=True, views=_short_views()),
        *_rows("tiny", fusion=True, views=_long_views()),
        *_rows("base", fusion=False, views=_short_views()),
        "",
        f"Load of the machine while this ran: {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end.",
    ]
    return "\n".join(lines) + "\n"


def _short_views() -> Tensor:
    """(n, 1001, 64): clips that are repeated up to 10 s."""
    return _views(clap.FusionFrontEnd(clap.htk_filters()), SHORT_S)[:, 0]


def _long_views() -> Tensor:
    """(n, 4, 1001, 64): the whole and three crops of each clip."""
    return _views(clap.FusionFrontEnd(clap.htk_filters()), LONG_S)


def _views(front_end: clap.ClapFrontEnd, duration_s: float) -> Tensor:
    clips = [torch.from_numpy(plucked(duration_s, clap.SAMPLE_RATE, seed)) for seed in range(N_CLIPS)]
    return torch.stack([front_end.features([clip], len(clip)) for clip in clips])


def _rows(size: str, fusion: bool, views: Tensor) -> list[str]:
    original = htsat.build(size, fusion)
    laion = laion_reference.clap_module(f"HTSAT-{size}", enable_fusion=fusion).model.audio_branch
    original.load_state_dict(laion.state_dict())
    ways = {
        f"{THEIRS}, float32": laion_reference.OwnForward(laion, torch.float32),
        f"{THEIRS}, bf16 autocast": laion_reference.OwnForward(deepcopy(laion), torch.bfloat16),
        "loopscope, float32": Htsat(deepcopy(original), torch.float32),
        "loopscope, bfloat16": Htsat(deepcopy(original), torch.bfloat16),
    }
    with one_thread(), torch.inference_mode():
        embedded = {name: way.eval()(views) for name, way in ways.items()}
        seconds = _processor_seconds(ways, views)
    name = f"HTSAT-{size}" + (", fusion" if fusion else "")
    shown = "4 of 20 s, fused" if views.ndim == 4 else "1 of 10 s"
    base = seconds[f"{THEIRS}, bf16 autocast"]
    rows = []
    for way, own in seconds.items():
        ratios = [mine / theirs for mine, theirs in zip(own, base, strict=True)]
        cosine = functional.cosine_similarity(embedded[f"{THEIRS}, float32"], embedded[way]).min()
        rows.append(
            f"| {name} | {shown} | {way} | {1000 * statistics.median(own) / len(views):.0f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) | {cosine:.6f} |"
        )
    return rows


def _processor_seconds(ways: dict[str, nn.Module], views: Tensor) -> dict[str, list[float]]:
    """Each way's time of every round; who begins changes from round to round."""
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(N_ROUNDS):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            started = time.process_time()
            ways[name](views)
            seconds[name].append(time.process_time() - started)
    return seconds
