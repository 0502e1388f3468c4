"""The log of the server process: lines on standard error, and the last warnings kept for the Diagnostics page.

What loopscope logs names stages, counts and times, no file, folder or token, so that one session may see what another
one caused. Only its own records are kept: those of libraries may hold anything.
"""

import logging
from collections import deque

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
KEPT = 50


class LastRecords(logging.Handler):
    """Keeps the last warnings and errors as text."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter(FORMAT))
        self.lines: deque[str] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; a traceback would name files and is left to standard error."""
        bare = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None, "stack_info": None})
        self.lines.append(self.format(bare))


def start_logging() -> None:
    """Log to standard error and keep the last warnings; called once, by the server."""
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # its lines are addresses, which carry tokens
    own = logging.getLogger("loopscope")
    if not _keepers(own):
        own.addHandler(LastRecords())


def last_records() -> list[str]:
    """The warnings kept, oldest first; none where the server was not started by `start_logging`."""
    return [line for keeper in _keepers(logging.getLogger("loopscope")) for line in keeper.lines]


def _keepers(logger: logging.Logger) -> list[LastRecords]:
    return [handler for handler in logger.handlers if isinstance(handler, LastRecords)]
