"""Numbers in sentences, whose nouns agree with them, and texts of strangers on one line of a terminal."""

import unicodedata

_STEERING = frozenset({"Cc", "Zl", "Zp"})  # Unicode's categories of control characters and of ends of lines
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})  # reorder what follows them


def counted(n: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 loop", "1,200 loops"; `plural` where it is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def stand_out(n: int, of: int | None = None) -> str:
    """How many loops stand out: "1 stands out", "20 of 400 stand out"."""
    return f"{n:,}{'' if of is None else f' of {of:,}'} {'stands' if n == 1 else 'stand'} out"


def in_line(text: str) -> str:
    """Text on one line that steers no terminal: control characters as `\\xNN` or `\\uNNNN`.

    So are those that turn the direction of writing round. What is no UTF-8 stays surrogates.
    """
    return "".join(_escaped(sign) if _steers(sign) else sign for sign in text)


def _steers(sign: str) -> bool:
    return unicodedata.category(sign) in _STEERING or unicodedata.bidirectional(sign) in _TURNING


def _escaped(sign: str) -> str:
    return f"\\x{ord(sign):02x}" if sign <= "\xff" else f"\\u{ord(sign):04x}"
