"""From a planned take to its samples: play, amplify, place in a room, spoil if it is to be odd, set the level."""

from dataclasses import replace

import numpy as np

from loopscope.arrays import Float
from loopscope.demo import theory
from loopscope.demo.catalogue import Take
from loopscope.demo.oddities import DETUNE, DETUNE_CENTS, EFFECTS, OFF_GRID, OFF_GRID_S, WRONG_INSTRUMENT
from loopscope.demo.performance import Player, write_score
from loopscope.demo.styles import style_named
from loopscope.demo.synthesis import filtered, room

PEAK_DBFS = (-5.0, -0.8)
LOWEST_BELL = 60  # the wrong instrument plays the bass part in another register


def render_take(take: Take, seed: int = 0) -> Float:
    """The take as (channels, n) float32 with its peak between -5 and -0.8 dBFS."""
    rng = np.random.default_rng([seed, take.number])
    dry = _perform(take, rng)
    wide = _widened(_amplified(dry, take), take, rng)
    placed = room(wide, take.sample_rate, rng.uniform(0.2, 0.5), _wetness(take), rng)
    level = 10 ** (rng.uniform(*PEAK_DBFS) / 20)
    if take.oddity in EFFECTS:
        placed = EFFECTS[take.oddity](_normalised(placed, level), take.sample_rate, rng)
    return placed if take.oddity in ("click", "clipping") else _normalised(placed, level)


def _perform(take: Take, rng: np.random.Generator) -> Float:
    style = style_named(take.instrument, take.style)
    if take.oddity == OFF_GRID:
        style = replace(style, looseness_s=OFF_GRID_S)
    score = write_score(style, take.key, take.bpm, take.bars, rng)
    cents = DETUNE_CENTS if take.oddity == DETUNE else 0.0
    is_wrong = take.oddity == WRONG_INSTRUMENT
    player = Player(score, style, "bell" if is_wrong else take.played_on, take.sample_rate, rng, cents)
    if take.instrument == "Bass":
        return player.play_bass(LOWEST_BELL if is_wrong else theory.LOWEST_BASS)
    return player.play_guitar()


def _amplified(dry: Float, take: Take) -> Float:
    """Bass and clean guitars lose rumble; the driven guitar goes through a valve stage and a loudspeaker."""
    if take.played_on == "drive":
        drive = filtered(dry / max(float(np.abs(dry).max()), 1e-9), take.sample_rate, 120.0, "highpass")
        return filtered(np.tanh(9.0 * drive + 0.4) - np.tanh(np.float32(0.4)), take.sample_rate, 4200.0, order=4)
    return filtered(dry, take.sample_rate, 25.0 if take.instrument == "Bass" else 70.0, "highpass")


def _widened(mono: Float, take: Take, rng: np.random.Generator) -> Float:
    """(1, n), or (2, n) with a delayed double on the other side; the chorus guitar sways once for every bar."""
    if take.played_on == "chorus":
        mono = (mono + _swayed(mono, take)) / np.float32(1.6)
    if not take.stereo:
        return mono[None, :]
    double = np.roll(mono, round(rng.uniform(0.009, 0.017) * take.sample_rate))
    near, far = np.float32(0.8), np.float32(0.45)
    return np.stack([near * mono + far * double, far * mono + near * double])


def _swayed(mono: Float, take: Take) -> Float:
    """A copy delayed by 4 to 8 ms, read around the circle; whole cycles keep the seam closed."""
    n_samples = len(mono)
    cycles = max(1, round(take.bars * 2))
    phase = 2 * np.pi * cycles * np.arange(n_samples) / n_samples
    delay = (0.006 + 0.002 * np.sin(phase)) * take.sample_rate
    return np.interp(np.arange(n_samples) - delay, np.arange(n_samples), mono, period=n_samples).astype(np.float32)


def _wetness(take: Take) -> float:
    if take.instrument == "Bass":
        return 0.03 if take.played_on in ("sub", "fm", "saw") else 0.06
    return {"drive": 0.12, "clean": 0.12}.get(take.played_on, 0.2)


def _normalised(samples: Float, level: float) -> Float:
    return np.asarray(samples * (level / max(float(np.abs(samples).max()), 1e-9)), dtype=np.float32)
