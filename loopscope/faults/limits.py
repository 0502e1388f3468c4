"""The one table of thresholds: from which score on a check says "suspect", "fault", and beyond doubt.

Each limit was set between the highest score of sound that is in order and the lowest of sound that is not. In order
were rendered bass and guitar loops (90 each, distorted ones among them), drum loops put together from recorded kits,
synthesised sawtooth, square, kick, hi-hat and vinyl sounds; not in order were the same with planted faults. `source`
names the standard or paper behind a check where there is one. False alarms cost more than misses, so limits keep well
clear of the sound in order.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from loopscope.errors import DataError


@dataclass(frozen=True)
class Limit:
    """Scores in `unit` at which the strength reaches 0.25 (suspect), 0.5 (fault) and 1 (certain).

    `informs`: measured beyond doubt and worth knowing, but nothing sounds broken; never a fault, and no evidence.
    """

    title: str
    unit: str
    suspect: float
    fault: float
    certain: float
    source: str
    informs: bool = False

    def strength(self, score: float) -> float:
        """Score in the check's unit -> 0 … 1, linear between the limits and 0 below half of a suspicion."""
        none = 2 * self.suspect - self.fault
        return float(np.interp(score, [none, self.suspect, self.fault, self.certain], [0, 0.25, 0.5, 1]))


# Of two centred embeddings. The most alike of 118 different loops reach 0.77 (aiSFX), the same riff on one synthesiser
# 0.992 (CLAP); the same loop at another level or bit depth 0.9997 and more.
SAME_SOUND_COSINE = 0.995
OTHER_TEMPO, OTHER_KEY = "other_tempo", "other_key"
AT_MOST_SUSPECT = 0.49  # strength of what informs only or has an innocent reason, however sure it is
# The same where listening settles nothing: an excused offset is never heard, a synthesiser's last partial is its sound.
AT_MOST_EXCUSED = {"dc_offset": 0.25, "band_limited": 0.25}

LIMITS: dict[str, Limit] = {
    "click": Limit("Clicks", "dB", 16, 24, 40, "Godsill and Rayner 1998, ch. 5; splices of samplers reach 23 dB"),
    "clipping": Limit("Clipping", "dB", 11, 14, 26, "Laguna and Lerch, AES 141, 2016; a steady sine gives 8 dB"),
    "dropout": Limit("Dropout", "dB", 20, 28, 45, "releases of notes stay below 10 dB"),
    "digital_silence": Limit("Digital silence", "share", 0.6, 0.9, 1.0, "a rest of a bar in two is music"),
    "dc_offset": Limit("DC offset", "% of full scale", 1, 4, 10, "inaudible, but halves headroom at 50 %"),
    "hum": Limit("Mains hum", "lines", 1.5, 2.0, 5, "IEC 60038 (50 and 60 Hz); music in tune stays below one line"),
    "noise": Limit("Noise floor", "dB", -48, -38, -20, "minimum statistics, Martin 2001"),
    "stereo_phase": Limit("Stereo phase", "correlation", 0.3, 0.7, 1.0, "0: 3 dB lost in mono; -1: nothing left"),
    "dead_channel": Limit("Dead channel", "dB", 30, 50, 100, "beyond any panning"),
    "near_silence": Limit("Near silence", "dB", 50, 60, 80, "EBU R 128 gates at -70 LUFS"),
    "seam": Limit("Seam", "dB", 20, 30, 45, "like a click, but cut ends are common and often covered by the next hit"),
    "band_limited": Limit("Band-limited", "dB", 30, 40, 60, "codecs and resamplers fall by 60 dB, sounds fade out"),
    "note_out_of_tune": Limit("Note out of tune", "share", 0.19, 0.26, 0.5, "recipes/music; of the weight of notes"),
    "off_tuning": Limit("Off the folder's tuning", "cents", 14, 20, 35, "recipes/music; players stay within 10 cents"),
    "drift": Limit("Tuning drifts", "cents", 14, 20, 45, "recipes/music; a tape machine's wow stays below 5 cents"),
    "off_grid": Limit("Off the grid", "of a sixteenth", 0.105, 0.143, 0.18, "recipes/music; chance is 0.25 at 120 BPM"),
    "reversed": Limit("Reversed", "share", 0.1, 0.3, 0.6, "recipes/music; what is struck fades: below 0"),
    "stutter": Limit("Stutter", "dB · dB", 8, 12, 30, "recipes/music; different strokes differ by 15 dB and more"),
    "cut": Limit("Cut start or end", "dB", 14, 24, 45, "as for the seam, where the length is no whole beats"),
    "noise_burst": Limit("Noise burst", "dB", 12, 20, 40, "hits that ring off are no plateau"),
    "spectral_seam": Limit("Colour of the seam", "dB", 6, 12, 30, "beyond every change within the loop"),
    "true_peak": Limit("True peak", "dBTP", 0.3, 2, 6, "ITU-R BS.1770-5, annex 2; EBU R 128 asks for -1", informs=True),
    "false_stereo": Limit("False stereo", "dB", 60, 90, 120, "below the noise of 10 bits; equal: 120", informs=True),
    "bit_depth": Limit("Padded bit depth", "bits", 4, 12, 23, "16 bits in 24 leave 8 unused", informs=True),
    "silence": Limit("Silence at an edge", "s", 0.1, 1, 10, "a tenth of a second is heard as late", informs=True),
    "off_level": Limit("Off the folder's level", "dB", 9, 15, 30, "beyond twice the folder's own spread", informs=True),
    OTHER_TEMPO: Limit("Another tempo than named", "log odds", 3, 5, 9, "20 times likelier", informs=True),
    OTHER_KEY: Limit("Another key than named", "log odds", 6, 8, 11, "docs/EXPERIMENTS.md", informs=True),
}

# Kinds whose evidence is there for another reason where one of the others speaks.
SILENCED_BY: dict[str, tuple[str, ...]] = {
    "note_out_of_tune": ("hum",),
    "off_tuning": ("hum",),
    "drift": ("hum",),
    OTHER_KEY: ("hum", "note_out_of_tune", "drift"),  # of which the notes are not those that were played
    "off_grid": ("click", "dropout", "noise_burst", "stutter"),  # each makes attacks
}

# Kinds that one cause can give rise to: their evidence counts once, that of different causes adds up.
CAUSES: dict[str, str] = {
    "hum": "tuning",
    "note_out_of_tune": "tuning",
    "off_tuning": "tuning",
    "drift": "tuning",
    "seam": "edge",
    "cut": "edge",
    "spectral_seam": "edge",
    "silence": "edge",
    "clipping": "level",
    "true_peak": "level",
    "near_silence": "silence",
    "digital_silence": "silence",
    "dropout": "splice",
    "stutter": "splice",
    "click": "splice",
    "noise_burst": "splice",
}


@contextmanager
def changed_limits(changes: Mapping[str, Mapping[str, float]]) -> Iterator[None]:
    """Other limits while the block runs: by kind, scores for "suspect", "fault" or both, in the unit of its line.

    They hold for the whole process: for a command, not beside a server. Reports made by other limits are stored apart.
    Raises DataError for an unknown kind and where a fault would not be worse than a suspicion.
    """
    before = dict(LIMITS)
    try:
        for kind, change in changes.items():
            LIMITS[kind] = _changed(kind, change)
        yield
    finally:
        LIMITS.update(before)


def _changed(kind: str, change: Mapping[str, float]) -> Limit:
    if kind not in LIMITS:
        raise DataError(f"There is no limit for {kind!r}; choose one of {', '.join(LIMITS)}.")
    usual = LIMITS[kind]
    changed = replace(usual, suspect=change.get("suspect", usual.suspect), fault=change.get("fault", usual.fault))
    if not changed.suspect < changed.fault:
        raise DataError(
            f"The limits of {kind} are {changed.suspect:g} {usual.unit} for a suspicion and {changed.fault:g} for a "
            "fault; give the fault the larger one."
        )
    return replace(changed, certain=max(usual.certain, changed.fault + usual.certain - usual.fault))
