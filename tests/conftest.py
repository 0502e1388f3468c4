"""Fixtures shared by all tests: nothing is ever written outside a temporary folder."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as app.py has it: threads that wait must not take others' time


def pytest_configure(config: pytest.Config) -> None:
    """Has librosa's functions compiled and cached before workers and child processes ask for them side by side.

    Two processes that filled numba's cache at once crashed once, in a new environment.
    """
    if not hasattr(config, "workerinput"):
        from loopscope.metadata.tempo_key import estimate_key, estimate_tempo

        noise = np.random.default_rng(0).normal(size=44100).astype(np.float32)
        estimate_tempo(noise, 22050)
        estimate_key(noise, 22050)


@pytest.fixture(autouse=True)
def loopscope_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh home for the database, models and caches of one test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("LOOPSCOPE_HOME", str(home))
    yield home


@pytest.fixture(autouse=True)
def own_main_module() -> Iterator[None]:
    """Streamlit's script runner puts its script in the place of `__main__`, which child processes would then run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def fetched_aisfx() -> Path:
    """The real aiSFX weights in this machine's own cache, fetched once."""
    from loopscope.checkpoints import AISFX, fetch

    return fetch(AISFX)


@pytest.fixture
def aisfx_weights(fetched_aisfx: Path, loopscope_home: Path) -> Path:
    """The real aiSFX weights, put into this test's home as if they had been fetched there."""
    from loopscope.checkpoints import AISFX

    AISFX.stored.parent.mkdir(parents=True, exist_ok=True)
    AISFX.stored.symlink_to(fetched_aisfx)
    return AISFX.stored


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Every connection that is opened, so that a test can set what SQLite itself knows of full disks and caches."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    return opened
