"""The registry of checks, and how a file's blocks become findings.

A file is looked at in blocks of a minute, so that memory stays bounded for files of any length; consecutive blocks
share a tenth of a second, so that nothing hides at their border. To add a check: write `measure(signal)` in a file of
its own, add a line to `CHECKS` and one to `limits.LIMITS`; for one that compares loops with each other one to
`folders.COMPARISONS` as well.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

import numpy as np

from loopscope.arrays import Float
from loopscope.defects import Defect, attempt
from loopscope.errors import DataError
from loopscope.faults.bandwidth import measure_bandwidth
from loopscope.faults.base import CHECK_FAILED, MAX_TIMES, NO_VALUE, NOTHING, Check, Fault, Measurement, Signal
from loopscope.faults.bit_depth import measure_bit_depth
from loopscope.faults.bursts import measure_bursts
from loopscope.faults.clicks import measure_clicks
from loopscope.faults.clipping import measure_clipping
from loopscope.faults.dropouts import measure_digital_silence, measure_dropouts
from loopscope.faults.edges import measure_cut, measure_silence
from loopscope.faults.hum import measure_hum
from loopscope.faults.levels import measure_dc_offset, measure_loudest, measure_near_silence
from loopscope.faults.limits import AT_MOST_EXCUSED, AT_MOST_SUSPECT, LIMITS, SILENCED_BY, Limit
from loopscope.faults.music.grid import measure_off_grid
from loopscope.faults.music.key import measure_contradicted_keys
from loopscope.faults.music.reversal import measure_reversal
from loopscope.faults.music.stutter import measure_stutter
from loopscope.faults.music.tempo import measure_other_tempo
from loopscope.faults.music.tuning import measure_drift, measure_note_out_of_tune, measure_tuning
from loopscope.faults.noise import measure_noise
from loopscope.faults.seams import SEAM_S, measure_seam, measure_spectral_seam
from loopscope.faults.stereo import measure_dead_channel, measure_false_stereo, measure_stereo_phase
from loopscope.faults.true_peak import measure_true_peak

CHECKS: tuple[Check, ...] = (
    Check("click", measure_clicks, version=4),
    Check("clipping", measure_clipping, version=2),
    Check("dropout", measure_dropouts, version=2),
    Check("digital_silence", measure_digital_silence, "all"),
    Check("dc_offset", measure_dc_offset, "all", version=4),
    Check("hum", measure_hum, "all"),
    Check("noise", measure_noise, "all", version=2),
    Check("stereo_phase", measure_stereo_phase),
    Check("dead_channel", measure_dead_channel, "all"),
    Check("near_silence", measure_near_silence, "all"),
    Check("seam", measure_seam, "seam"),
    Check("band_limited", measure_bandwidth, "all", version=3),
    Check("note_out_of_tune", measure_note_out_of_tune, "first", version=3),
    Check("off_tuning", measure_tuning, "folder", version=3),
    Check("drift", measure_drift, "first", version=4),
    Check("off_grid", measure_off_grid, "first", version=5),
    Check("reversed", measure_reversal, "first"),
    Check("stutter", measure_stutter, "first"),
    Check("cut", measure_cut, "first"),
    Check("noise_burst", measure_bursts),
    Check("spectral_seam", measure_spectral_seam, "first", version=2),
    Check("true_peak", measure_true_peak),
    Check("false_stereo", measure_false_stereo, "all"),
    Check("bit_depth", measure_bit_depth, "all"),
    Check("silence", measure_silence, "first"),
    Check("off_level", measure_loudest, "folder"),
    Check("other_tempo", measure_other_tempo, "first"),
    Check("other_key", measure_contradicted_keys, "folder"),
)
IN_FIRST_BLOCK = ("first", "folder")
BLOCK_S = 60.0
OVERLAP_S = 0.1


def find_faults(samples: Float, sample_rate: int, tempo_bpm: float | None = None) -> tuple[Fault, ...]:
    """Faults and suspicions in one loop, strongest first.

    `samples` (channels, n) or (n,) float, full scale ±1; `tempo_bpm` in beats per minute where it is known. Raises
    DataError for another shape, NaN or infinity.
    """
    return judge(measure_blocks(split(samples, sample_rate, tempo_bpm)))


def fault_scores(samples: Float, sample_rate: int, tempo_bpm: float | None = None) -> dict[str, float]:
    """Score of every check in the unit of its line in LIMITS, higher = more certainly faulty; for ranking.

    Minus infinity where the check failed. Checks that compare loops with each other are left out.
    """
    found = measure_blocks(split(samples, sample_rate, tempo_bpm))
    return {check.kind: found[check.kind].score for check in CHECKS if check.scope != "folder"}


def split(samples: Float, sample_rate: int, tempo_bpm: float | None = None) -> Iterator[Signal]:
    """Views of at most a minute (plus overlap) of `samples` (channels, n) or (n,)."""
    array = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    if array.ndim != 2 or sample_rate <= 0:
        raise DataError(
            f"Fault checks need samples of shape (channels, n) and a positive rate, not {np.shape(samples)} at "
            f"{sample_rate} Hz: decode the file with loopscope.audio.decode."
        )
    if not np.isfinite(array).all():
        raise DataError("The samples contain NaN or infinity: export the loop again from the program that wrote it.")
    step, overlap = int(BLOCK_S * sample_rate), int(OVERLAP_S * sample_rate)
    for start in range(0, max(array.shape[1] - overlap, 1), step):
        yield Signal(array[:, start : start + step + overlap], sample_rate, start / sample_rate, tempo_bpm)


def check_versions() -> dict[str, str]:
    """By kind of finding, in the registry's order, what its check's findings depend on: its version and its limit."""
    return {check.kind: f"{check.version}-{_digest(LIMITS[check.kind])}" for check in CHECKS}


def silenced_by(speaking: Collection[str]) -> set[str]:
    """The kinds whose evidence is explained where these kinds speak."""
    return {kind for kind, others in SILENCED_BY.items() if not set(others).isdisjoint(speaking)}


def measure_blocks(blocks: Iterable[Signal], kinds: Collection[str] | None = None) -> dict[str, Measurement]:
    """Every check, or those of some `kinds`, on every block, joined into one measurement a kind.

    Blocks come in the order of time.

    A check that fails is a measurement with that `failure` and costs no other check anything. One whose evidence
    another explains (`limits.SILENCED_BY`) has found nothing.
    """
    checks = [check for check in CHECKS if kinds is None or check.kind in kinds]
    found: dict[str, Measurement] = {}
    head: Signal | None = None
    last: Signal | None = None
    for block in blocks:
        head = head or _part(block, slice(0, int(SEAM_S * block.sample_rate)))
        last = block
        for check in checks:
            if check.scope != "seam" and not (check.scope in IN_FIRST_BLOCK and check.kind in found):
                now = _measure(check, block)
                found[check.kind] = _join(found[check.kind], now, check) if check.kind in found else now
    if head is not None and last is not None:
        seam = _seam(head, last)
        found |= {check.kind: _measure(check, seam) for check in checks if check.scope == "seam"}
    silenced = silenced_by([kind for kind, said in found.items() if said.score >= LIMITS[kind].suspect])
    return {check.kind: _nothing(check) if check.kind in silenced else found[check.kind] for check in checks}


def judge(measurements: dict[str, Measurement]) -> tuple[Fault, ...]:
    """Measurements by kind -> findings at or above "suspect", strongest first."""
    alone = {check.kind for check in CHECKS if check.scope != "folder"}
    faults = (judge_one(kind, found) for kind, found in measurements.items() if kind in alone or found.failure)
    return tuple(sorted((fault for fault in faults if fault), key=lambda fault: -fault.strength))


def to_compare(measurements: dict[str, Measurement]) -> dict[str, float]:
    """What a loop brings to the comparisons of its folder, by kind of finding."""
    compared = {check.kind for check in CHECKS if check.scope == "folder"}
    values = {kind: found.score for kind, found in measurements.items() if kind in compared}
    return {kind: value for kind, value in values.items() if np.isfinite(value)}


def judge_one(kind: str, found: Measurement) -> Fault | None:
    """The finding that a measurement is, None below "suspect"."""
    limit = LIMITS[kind]
    if found.failure:
        return failed_check(_name(kind), found.failure)
    if found.score < limit.suspect:
        return None
    strength = limit.strength(found.score)
    certain = found.score >= limit.fault and not found.excuse and not limit.informs
    if found.excuse or limit.informs:
        strength = min(strength, AT_MOST_EXCUSED.get(kind, AT_MOST_SUSPECT))
    sentence = f"{found.sentence} {found.excuse}".strip()
    brief = found.brief or limit.title.lower()
    return Fault(kind, round(strength, 3), found.times_s, "fault" if certain else "suspect", sentence, brief)


def failed_check(what: str, reason: str) -> Fault:
    """The finding that `what` ("the check for clipping") could not be made: evidence of nothing."""
    sentence = f"{what[0].upper()}{what[1:]} failed: {reason}."
    return Fault(CHECK_FAILED, 0.0, (), "suspect", sentence, "check failed")


def _measure(check: Check, signal: Signal) -> Measurement:
    found = attempt(_name(check.kind), lambda: check.measure(signal))
    return Measurement(-np.inf, failure=found.reason) if isinstance(found, Defect) else found


def _name(kind: str) -> str:
    return f"the check for {LIMITS[kind].title.lower()}"


def _nothing(check: Check) -> Measurement:
    return NO_VALUE if check.scope == "folder" else NOTHING


def _digest(limit: Limit) -> str:
    """Of all that a finding owes to its limit; where the limit comes from is no part of it."""
    return hashlib.sha256(repr(replace(limit, source="")).encode()).hexdigest()[:8]


def _join(so_far: Measurement, now: Measurement, check: Check) -> Measurement:
    """One measurement of two blocks: the weaker where all must agree, else the stronger with the times of both.

    A failure stays one, whatever the other blocks show.
    """
    if so_far.failure or now.failure:
        return so_far if so_far.failure else now
    if check.scope == "all":
        return min(so_far, now, key=lambda found: found.score)
    stronger = max(so_far, now, key=lambda found: found.score)
    suspect = LIMITS[check.kind].suspect
    times = {time for found in (so_far, now) if found.score >= suspect for time in found.times_s}
    return replace(stronger, times_s=tuple(sorted(times))[:MAX_TIMES])


def _part(block: Signal, columns: slice) -> Signal:
    """A copy of some samples, so that the block itself can be freed."""
    return Signal(block.samples[:, columns].copy(), block.sample_rate, block.start_s)


def _seam(head: Signal, last: Signal) -> Signal:
    """Tail and head of the file end to end, equally long, the seam in the middle."""
    size = min(head.samples.shape[1], last.samples.shape[1])
    tail = last.samples[:, last.samples.shape[1] - size :]
    start_s = last.start_s + (last.samples.shape[1] - size) / last.sample_rate
    return Signal(np.concatenate([tail, head.samples[:, :size]], axis=1), head.sample_rate, start_s)
