"""Which takes the demo library holds: style, key, tempo, length, format of each, and which of them are odd."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loopscope.demo.oddities import ODDITIES, OFF_GRID
from loopscope.demo.styles import BASS_STYLES, GUITAR_STYLES, Style

BASS_TAKES_A_STYLE = 9
GUITAR_TAKES_A_STYLE = 12
MAX_SECONDS = 14.0
ODD_SECONDS = 2.0
QUICK_BPM = 100  # from which a late note is heard as late
CATALOGUE_STREAM = 1 << 20  # the number of the plan's own random stream; takes count from 0
FORMATS = (("flac", "PCM_16", 44100), ("wav", "PCM_16", 44100), ("flac", "PCM_24", 48000), ("wav", "PCM_24", 44100))
FORMAT_SHARES = (0.45, 0.3, 0.15, 0.1)
EARLIER = tuple(oddity for oddity in ODDITIES if oddity != OFF_GRID)
SHORTEST = ("House", 120, 0.25)  # one beat: half a second


@dataclass(frozen=True)
class Take:
    """One file to be made, in the folder of `instrument` (Bass or Guitar), `played_on` one of `INSTRUMENTS`.

    `oddity` is one of `oddities.ODDITIES` or empty; `number` also seeds the take's generator.
    """

    number: int
    instrument: str
    style: str
    index: int
    key: str
    bpm: int
    bars: float
    played_on: str
    stereo: bool
    extension: str
    subtype: str
    sample_rate: int
    oddity: str = ""

    @property
    def path(self) -> str:
        """Below the library's root, with forward slashes; in the manner of loop packs, and silent about oddities."""
        name = f"{self.instrument}_{self.bpm}_{self.key}_{self.style}_{self.index:02d}.{self.extension}"
        return f"{self.instrument}/{self.style}/{name}"

    @property
    def n_samples(self) -> int:
        """Samples of the loop: whole sixteenths at the tempo, rounded once."""
        return round(self.bars * 4 * 60.0 / self.bpm * self.sample_rate)


def plan_takes(seed: int = 0) -> tuple[Take, ...]:
    """All takes in order; the same seed plans the same library."""
    rng = np.random.default_rng([seed, CATALOGUE_STREAM])
    bass = [_plan("Bass", style, index, rng) for style in BASS_STYLES for index in range(BASS_TAKES_A_STYLE)]
    guitar = [_plan("Guitar", style, index, rng) for style in GUITAR_STYLES for index in range(GUITAR_TAKES_A_STYLE)]
    odd = {**_odd_ones(bass, rng), **_odd_ones(guitar, rng)}
    for takes_of_one in (bass, guitar):  # last, so that the others stay what they were
        quick = [take for take in takes_of_one if take.path not in odd and take.bpm >= QUICK_BPM]
        odd |= _odd_ones(quick, rng, (OFF_GRID,))
    takes = (replace(take, number=number) for number, take in enumerate([*bass, *guitar]))
    return tuple(replace(take, oddity=odd.get(take.path, "")) for take in takes)


def _odd_ones(takes: Sequence[Take], rng: np.random.Generator, oddities: Sequence[str] = EARLIER) -> dict[str, str]:
    """One take of each oddity by path, none so short that an oddity would pass unheard."""
    long_enough = [take.path for take in takes if take.n_samples > ODD_SECONDS * take.sample_rate]
    chosen = rng.choice(len(long_enough), size=len(oddities), replace=False)
    return {long_enough[int(index)]: oddity for index, oddity in zip(chosen, oddities, strict=True)}


def _plan(instrument: str, style: Style, index: int, rng: np.random.Generator) -> Take:
    bpm = int(rng.integers(style.tempo[0], style.tempo[1] + 1))
    bars = style.bars[index % len(style.bars)]
    while bars * 240 / bpm > MAX_SECONDS:
        bars /= 2
    if style.name == SHORTEST[0] and bars == SHORTEST[2]:
        bpm = int(SHORTEST[1])
    extension, subtype, sample_rate = FORMATS[int(rng.choice(len(FORMATS), p=FORMAT_SHARES))]
    return Take(
        number=0,
        instrument=instrument,
        style=style.name,
        index=index + 1,
        key=style.keys[int(rng.integers(len(style.keys)))],
        bpm=bpm,
        bars=bars,
        played_on=style.instruments[index % len(style.instruments)],
        stereo=bool(rng.random() < (0.7 if style.stereo else 0.15)),
        extension=extension,
        subtype=subtype,
        sample_rate=sample_rate,
    )
