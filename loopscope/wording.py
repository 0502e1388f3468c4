"""Numbers in sentences: the word after a count agrees with it."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 loop", "1,200 loops"; `plural` where it is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def stand_out(n: int, of: int | None = None) -> str:
    """How many loops stand out: "1 stands out", "20 of 400 stand out"."""
    return f"{n:,}{'' if of is None else f' of {of:,}'} {'stands' if n == 1 else 'stand'} out"
