"""A file's name with another tempo or key in the place where it says one; what else it says stays."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from loopscope.metadata.names import NameMetadata, parse_name

WHOLE = 0.003  # relative: so near a whole tempo, a name says that one
_NUMBER = re.compile(r"\d{2,3}(?:[.,]\d{1,2})?")
_KEY = re.compile(
    r"(?<![A-Za-z])[A-Ga-g](?:#|♯|b|♭|s|sharp|flat)?(?:[\s_-]?(?:minor|major|min|maj|m))?(?![A-Za-z#♯♭])", re.IGNORECASE
)


def as_written(bpm: float) -> float:
    """A tempo as names write it: whole where it nearly is, else with two decimals."""
    return float(round(bpm)) if abs(round(bpm) / bpm - 1) < WHOLE else round(bpm, 2)


def respelled(stem: str, bpm: float | None = None, key: str | None = None) -> str | None:
    """A name (without extension) that says this tempo and this key, where they are given, in its own style.

    None where the name says none, or where it does not say so in just one place.
    """
    said = parse_name(stem)
    spelled: str | None = stem
    if bpm is not None and said.bpm != as_written(bpm):
        wanted = replace(said, bpm=as_written(bpm))
        spelled = None if said.bpm is None else _only(_tempi(stem, as_written(bpm)), wanted)
    if key is not None and said.key != key and spelled is not None:
        wanted = replace(parse_name(spelled), key=key)
        spelled = None if said.key is None else _only(_keys(spelled, key), wanted)
    return spelled


def _only(stems: Iterable[str], wanted: NameMetadata) -> str | None:
    """The one of these names that says just that."""
    fitting = [stem for stem in stems if parse_name(stem) == wanted]
    return fitting[0] if len(fitting) == 1 else None


def _tempi(stem: str, bpm: float) -> Iterator[str]:
    for found in _NUMBER.finditer(stem):
        width = len(found[0]) if found[0].startswith("0") else 0
        yield f"{stem[: found.start()]}{f'{bpm:g}'.zfill(width)}{stem[found.end() :]}"


def _keys(stem: str, key: str) -> Iterator[str]:
    for found in _KEY.finditer(stem):
        yield f"{stem[: found.start()]}{key}{stem[found.end() :]}"
