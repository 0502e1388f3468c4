"""Libraries that are loaded when they are first used: PyTorch, scikit-learn and SciPy take seconds to import.

What was analysed before is shown without any of them. `late("torch")` stands where `import torch` would; modules of
ours that are built on one of them are imported by the functions that need them, `with importing`.

Two threads that import parts of one library side by side may see each other's unfinished modules: where two packages
import each other, Python breaks the deadlock by handing one out half made. So all of it goes through one lock. Nothing
may be asked of a late library while a module is being imported, or that module waits for the lock under its own.
"""

import threading
from importlib import import_module
from typing import Any

importing = threading.RLock()


class _Late:
    """Stands for a module until something is asked of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        with importing:  # also while it is asked: some packages import their parts only then
            return getattr(import_module(self._name), attribute)


def late(name: str) -> Any:
    """The module of this name, to be imported when one of its attributes is first asked for."""
    return _Late(name)
