"""Fixtures shared by all tests: nothing is ever written outside a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def loopscope_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh home for the database, models and caches of one test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("LOOPSCOPE_HOME", str(home))
    yield home
