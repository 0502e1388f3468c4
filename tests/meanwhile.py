"""What other programs do to a file between our last look at it and what we do next."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def just_before(path: Path, happens: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Something happens between the last look at `path` and whatever takes its name away, however that is done."""
    pending = [happens]

    def first(real: Callable[..., None]) -> Callable[..., None]:
        def then(name: str | Path, *more: object, **options: object) -> None:
            if os.fspath(name) == str(path) and pending:
                pending.pop()()
            real(name, *more, **options)

        return then

    for name in ("unlink", "remove", "rename", "replace"):
        monkeypatch.setattr(os, name, first(getattr(os, name)))


def saved_anew(path: Path, content: bytes = b"another") -> Callable[[], None]:
    """As editors save: a new file takes the name of the old."""

    def save() -> None:
        new = path.with_name("being saved")
        new.write_bytes(content)
        shutil.move(new, path)

    return save
