"""Instrument, genre, tempo and key as file and folder names tell them; nothing where they do not.

Names are cut into words at separators, at changes from small to capital letters and between letters and digits. A
tempo is a number next to "bpm", or a bare number from 60 to 200 that stands where packs put it: beside a key, or in
the name of a loop. A key is a note with a mode or an accidental ("Em", "F#", "C minor"); a lone capital counts only
beside a tempo. Keys are written as note, accidental as given, and "m" for minor: "Em", "F#m", "Bb".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from loopscope.metadata import vocabulary

SLOWEST, FASTEST = 40.0, 300.0  # beside "bpm"
BARE_SLOWEST, BARE_FASTEST = 60, 200

_SEPARATORS = re.compile(r"[\s_\-.,;:()\[\]{}+~=!/\\|'\"@]+")
_NUMBER = r"\d{2,3}(?:[.,]\d{1,2})?"
_TEMPOS = (
    re.compile(rf"(?<![\d.])({_NUMBER})[\s_\-]*bpm", re.IGNORECASE),
    re.compile(rf"(?:bpm|tempo)[\s_\-:=]*({_NUMBER})(?![\d.])", re.IGNORECASE),
)
_KEY = r"[A-G](?:#|b)?(?:m|min|Min|MIN|minor|Minor|MINOR|maj|Maj|MAJ|major|Major|MAJOR)?"
_GLUED = re.compile(rf"^([A-Za-z]*?)(\d{{2,3}})({_KEY})$")
_KEY_THEN_TEMPO = re.compile(rf"^({_KEY})(\d{{2,3}})$")
_WORD_KEY = re.compile(r"^([A-Ga-g])(#|b|s|sharp|flat)?(m|min|minor|maj|major)?$", re.IGNORECASE)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^A-Za-z\d]+")
_MODES = {"m": "m", "min": "m", "minor": "m", "maj": "", "major": ""}
_ACCIDENTALS = {"#": "#", "b": "b", "s": "#", "sharp": "#", "flat": "b"}


@dataclass(frozen=True)
class NameMetadata:
    """What one name says; None where it says nothing. `bpm` in beats per minute, `key` such as "F#m"."""

    instrument: str | None = None
    genre: str | None = None
    bpm: float | None = None
    key: str | None = None


def parse_name(name: str, is_folder: bool = False) -> NameMetadata:
    """What the name says: of a file (without its extension) or of a folder.

    In the name of a folder a bare number is a tempo only when a key is glued to it ("bass110Em"): folders are numbered.
    """
    text = name.replace("♯", "#").replace("♭", "b")
    tempo = _marked_tempo(text)
    rest = f"{text[: tempo.start()]} {text[tempo.end() :]}" if tempo else text
    words = _words(rest)
    if tempo:
        bpm: float | None = _value(tempo)
        beside = _beside_marked(text, tempo)
    else:
        place = _bare_tempo(words, is_folder)
        bpm = None if place is None else float(words[place])
        beside = set() if place is None else {place - 1, place + 1}
    genre, instrument = _vocabulary(_lower_words(rest))
    return NameMetadata(instrument, genre, bpm, _key(words, beside))


def merge(first: NameMetadata, second: NameMetadata) -> NameMetadata:
    """`first`, with gaps filled from `second`."""
    missing = {field: value for field, value in vars(second).items() if getattr(first, field) is None}
    return replace(first, **missing)


def _marked_tempo(text: str) -> re.Match[str] | None:
    """The first plausible number beside "bpm"."""
    found = (match for pattern in _TEMPOS for match in pattern.finditer(text))
    return next((match for match in found if SLOWEST <= _value(match) <= FASTEST), None)


def _value(tempo: re.Match[str]) -> float:
    return float(tempo[1].replace(",", "."))


def _beside_marked(text: str, tempo: re.Match[str]) -> set[int]:
    """Indexes, among the words without the tempo, of the two that stand beside it."""
    n_before = len(_words(text[: tempo.start()]))
    return {n_before - 1, n_before}


def _words(text: str) -> list[str]:
    """Words with their case, numbers glued to a key or a word taken apart: "bass110Em" -> bass, 110, Em."""
    return [part for word in _SEPARATORS.split(text) if word for part in _parts(word)]


def _parts(word: str) -> Iterator[str]:
    glued = _GLUED.match(word)
    if glued and (glued[1] or len(glued[3]) > 1):
        yield from (part for part in glued.groups() if part)
    elif (reverse := _KEY_THEN_TEMPO.match(word)) and len(reverse[1]) > 1:
        yield from reverse.groups()
    else:
        yield word


def _bare_tempo(words: Sequence[str], is_folder: bool) -> int | None:
    """Index of the word that is a tempo though nothing says so, or None."""
    candidates = [i for i in range(len(words)) if _may_be_tempo(words, i)]
    with_key = [i for i in candidates if _is_key_word(words, i - 1) or _is_key_word(words, i + 1)]
    if with_key or is_folder or not candidates:
        return with_key[0] if with_key else None
    inner_first = [i for i in candidates if i < len(words) - 1] or candidates
    beside_letter = [i for i in candidates if _is_letter(words, i - 1) or _is_letter(words, i + 1)]
    if beside_letter or any(_is_key_word(words, i) for i in range(len(words))):
        return (beside_letter or inner_first)[0]
    plain = [word.casefold() for word in words]
    is_loop = any(word.startswith("loop") or word.endswith(("loop", "loops")) for word in plain)
    has_index = any(word.isdigit() and i not in candidates for i, word in enumerate(words))
    if is_loop or (has_index and not vocabulary.ONE_SHOTS & set(plain)):
        return inner_first[0]
    return None


def _may_be_tempo(words: Sequence[str], i: int) -> bool:
    word = words[i]
    padded = word.startswith("0")
    if not word.isdigit() or not 2 <= len(word) <= 3 or not BARE_SLOWEST <= int(word) <= BARE_FASTEST:
        return False
    before = words[i - 1].casefold() if i else ""
    after = words[i + 1].casefold() if i + 1 < len(words) else ""
    counts = before in vocabulary.COUNTED_BEFORE or before.endswith("#") or after in vocabulary.COUNTED_AFTER
    if counts or before in vocabulary.MACHINES:
        return False
    return not padded or _is_key_word(words, i + 1) or _is_letter(words, i + 1)


def _key(words: Sequence[str], beside_tempo: set[int]) -> str | None:
    """The key: a word with a mode or accidental first, then a lone capital beside the tempo."""
    for i in range(len(words)):
        if found := _key_at(words, i):
            return found
    for i in sorted(beside_tempo):
        if _is_letter(words, i):
            return words[i]
    return None


def _is_key_word(words: Sequence[str], i: int) -> bool:
    return 0 <= i < len(words) and _key_at(words, i) is not None


def _is_letter(words: Sequence[str], i: int) -> bool:
    """Whether word i is a lone capital from A to G that neither numbers a part nor begins "E Piano"."""
    if not (0 <= i < len(words) and len(words[i]) == 1 and words[i] in "ABCDEFG"):
        return False
    before = words[i - 1].casefold() if i else ""
    after = words[i + 1].casefold() if i + 1 < len(words) else ""
    return before not in vocabulary.LETTERED and not (words[i] in "AE" and after in vocabulary.AFTER_LETTER)


def _key_at(words: Sequence[str], i: int) -> str | None:
    """The key that begins at word i: "F#m", "C" + "minor", "D" + "flat" + "major"; "a minor" may be English."""
    word = words[i]
    match = _WORD_KEY.match(word)
    if not match:
        return None
    note, accidental, mode = match[1], (match[2] or "").casefold(), match[3] or ""
    follow = [words[j].casefold() if j < len(words) else "" for j in (i + 1, i + 2)]
    if not mode and not accidental and follow[0] in {"sharp", "flat"}:
        accidental, follow = follow[0], [follow[1], ""]
    if not mode and follow[0] in {"min", "minor", "maj", "major"} and word != "a":
        return _written(note, accidental, follow[0])
    if not _is_certain(words, i, accidental, mode):
        return None
    return _written(note, accidental, mode)


def _is_certain(words: Sequence[str], i: int, accidental: str, mode: str) -> bool:
    """Whether one word alone is a key, and not a word of the language, a radio band or a standard."""
    word = words[i]
    long_mode = len(mode) > 1
    if long_mode:
        return accidental != "s" or word[0].isupper()
    if accidental in {"s", "sharp", "flat"} and not mode:
        return accidental != "s" and word[0].isupper()
    if mode == "M" or (accidental == "s" and mode):
        return False
    if accidental == "#":
        return True
    if not word[0].isupper() or (accidental == "b" and "B" in word[1:]):
        return False
    after_pronoun = i > 0 and words[i - 1].casefold() in vocabulary.PRONOUNS
    return bool(accidental or mode) and not (word == "Am" and after_pronoun)


def _written(note: str, accidental: str, mode: str) -> str:
    return note.upper() + _ACCIDENTALS.get(accidental, "") + _MODES.get(mode.casefold(), "")


def _lower_words(text: str) -> list[str]:
    """Lower-case words for the vocabulary, camel case taken apart; digits glued to words are left behind."""
    return [
        part.casefold() for word in re.split(r"[^A-Za-z\d&]+", text) for part in _CAMEL.findall(word) if part.strip()
    ]


@cache
def _phrases() -> tuple[dict[tuple[str, ...], str], ...]:
    """Words -> what they say, of genres and of instruments."""
    cut = re.compile(r"[a-z]+|\d+|&").findall
    return tuple(
        {tuple(cut(phrase)): name for name, options in table.items() for phrase in options}
        for table in (vocabulary.GENRES, vocabulary.INSTRUMENTS)
    )


def _vocabulary(words: Sequence[str]) -> tuple[str | None, str | None]:
    """(genre, instrument): longest phrases first, each word used once, genres before instruments of equal length.

    Of several the first counts, except that what makes a sound goes before the role it plays.
    """
    used: set[int] = set()
    found: tuple[list[tuple[bool, int, str]], ...] = ([], [])
    for length in (3, 2, 1):
        for phrases, own in zip(_phrases(), found, strict=True):
            for i in range(len(words) - length + 1):
                name = phrases.get(tuple(words[i : i + length]))
                if name is None:
                    continue
                place = set(range(i, i + length))
                if not used & place:
                    used |= place
                    own.append((name in vocabulary.ROLES, i, name))  # no genre is a role
    genre, instrument = (min(own)[2] if own else None for own in found)
    return genre, instrument
