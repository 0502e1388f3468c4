"""What can go wrong, in one sentence each: what happened, the value, the remedy.

Every error loopscope raises on purpose is a `LoopscopeError`, so that a page can show `str(error)` as it stands.
"""


class LoopscopeError(Exception):
    """Base of all errors meant to be read by the user."""


class AudioError(LoopscopeError):
    """A file cannot be decoded; the message is the reason listed beside the file."""


class LibraryError(LoopscopeError):
    """A folder cannot be scanned."""


class StoreError(LoopscopeError):
    """The database file cannot be opened, read or written."""


class WeightsError(LoopscopeError):
    """Encoder weights are missing, incomplete or not the published ones."""


class EncoderError(LoopscopeError):
    """An encoder is unknown or cannot embed what it was given."""


class DataError(LoopscopeError):
    """An array or table is not what the function needs (shape, NaN, too few loops, another encoder)."""


class ModelError(LoopscopeError):
    """A saved model cannot be read, or does not fit these embeddings."""


class ExportError(LoopscopeError):
    """A list or copy plan cannot be written."""


class Cancelled(LoopscopeError):  # noqa: N818 (the wish of the user, not an error)
    """The user stopped a task; what was finished is kept."""


def first_line(error: BaseException) -> str:
    """The first line of an error of somebody else's, for use inside one of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
