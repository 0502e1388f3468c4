"""What a pack asks of its own files beside their sound: sample rate, bit depth, tempo, names, loudness."""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from loopscope.audio.loudness import measure_file
from loopscope.batches import Measured, measure_loops
from loopscope.faults.base import CHECK_FAILED
from loopscope.faults.file_report import INTEGER_BITS
from loopscope.library import Library
from loopscope.metadata import read_names
from loopscope.packs.findings import UNCHECKED, Finding
from loopscope.progress import ProgressCallback, StopCheck, ignore_progress, never_stop
from loopscope.store import Store
from loopscope.store.parsing import is_number

LOUDNESS_VERSION = "lufs-1"  # to be raised when `audio.loudness` measures differently
Range = tuple[float, float]  # lowest and highest that is still right


@dataclass(frozen=True)
class Expected:
    """What is expected of every file; what is empty or None is not asked about.

    `sample_rates` in Hz, `bit_depths` of integer samples, `tempo` in BPM of the files whose names tell one, `name` for
    the whole name of a file, `loudness` in LUFS of the first minute.
    """

    sample_rates: tuple[int, ...] = ()
    bit_depths: tuple[int, ...] = ()
    tempo: Range | None = None
    name: re.Pattern[str] | None = None
    loudness: Range | None = None


def unexpected(
    library: Library,
    expected: Expected,
    store: Store,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: StopCheck = never_stop,
) -> Iterator[Finding]:
    """A finding for everything that is not as expected. Raises Cancelled."""
    tempi = read_names(library.loops)["bpm"] if expected.tempo else pd.Series([None] * len(library.loops))
    lufs: dict[str, float | None] = {}
    failed: dict[str, str] = {}
    if expected.loudness:
        measured = _loudness(library, store, on_progress, should_stop)
        lufs, failed = {loop_id: found["lufs"] for loop_id, found in measured.results.items()}, measured.failed
    for row, bpm in zip(library.loops.to_dict("records"), tempi, strict=True):
        for kind, sentence in _of_file(row, expected, bpm, lufs.get(row["loop_id"])):
            yield Finding(row["path"], row["loop_id"], kind, "fault", sentence)
        if row["loop_id"] in failed:
            said = f"Measuring loudness failed: {failed[row['loop_id']]}."
            yield Finding(row["path"], row["loop_id"], CHECK_FAILED, UNCHECKED, said)


def _of_file(
    row: Mapping[Hashable, Any], expected: Expected, bpm: float | None, lufs: float | None
) -> Iterator[tuple[str, str]]:
    """Kind and sentence of what is wrong with one file."""
    if expected.sample_rates and row["sample_rate"] not in expected.sample_rates:
        yield "expected_sample_rate", f"{row['sample_rate']} Hz, expected is {_either(expected.sample_rates)} Hz."
    bits = INTEGER_BITS.get(row["subtype"])
    if expected.bit_depths and bits not in expected.bit_depths:
        found = f"{row['subtype']} has no bit depth" if bits is None else f"{bits} bits"
        yield "expected_bit_depth", f"{found}, expected is {_either(expected.bit_depths)} bits."
    if expected.tempo and bpm is not None and not pd.isna(bpm) and not _is_in(bpm, expected.tempo):
        yield "expected_tempo", f"{bpm:g} BPM by its name, expected is {_between(expected.tempo)} BPM."
    if expected.name and not expected.name.fullmatch(row["name"]):
        yield "expected_name", f"The name does not follow {expected.name.pattern!r}."
    if expected.loudness and lufs is not None and not _is_in(lufs, expected.loudness):
        yield "expected_loudness", f"{lufs:.1f} LUFS, expected is {_between(expected.loudness)} LUFS."


def _loudness(
    library: Library, store: Store, on_progress: ProgressCallback, should_stop: StopCheck
) -> Measured[dict[str, float | None]]:
    """{"lufs": …} by loop_id, None for silence; files that cannot be read are a finding of the fault checks."""
    memory = store.memory("measurements", LOUDNESS_VERSION, _is_loudness)
    return measure_loops(
        library.unique["loop_id"],
        lambda loop_id: {"lufs": measure_file(library.file_of(loop_id)).lufs},
        "Measuring loudness",
        memory,
        on_progress,
        should_stop,
    )


def _is_loudness(found: Any) -> bool:
    return isinstance(found, dict) and found.keys() == {"lufs"} and (found["lufs"] is None or is_number(found["lufs"]))


def _is_in(value: float, between: Range) -> bool:
    return between[0] <= value <= between[1]


def _between(between: Range) -> str:
    return f"{between[0]:g} to {between[1]:g}"


def _either(values: tuple[int, ...]) -> str:
    return " or ".join(map(str, values))
