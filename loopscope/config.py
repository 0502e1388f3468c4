"""Defaults with their sources, and the folders loopscope writes to.

Two roots: the cache (can be deleted at any time: weights, demo library, transcoded copies) and the data root (cannot:
the database with embeddings and triage marks, saved models). `LOOPSCOPE_HOME` moves both under one folder.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP_NAME = "loopscope"
FOLDER_VARIABLE = "LOOPSCOPE_FOLDER"  # the folder that `loopscope app FOLDER` named
DEFAULT_PERCENTILE = 95.0  # threshold on training scores, paper section 5.4
FETCHED_BYTES = 4_000_000_000  # sounds of archives at an address kept; the one heard longest ago goes first
TRANSCODED_BYTES = 4_000_000_000  # playable copies kept; the one played longest ago goes first
AUDIO_EXTENSIONS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".caf", ".w64", ".m4a"}
)


@dataclass(frozen=True)
class Paths:
    """Where loopscope keeps things. Nothing is created by asking for a path; writers create what they need."""

    cache: Path
    data: Path

    @property
    def weights(self) -> Path:
        """Encoder weights as safetensors."""
        return self.cache / "weights"

    @property
    def demo(self) -> Path:
        """The synthesised demo library."""
        return self.cache / "demo-library"

    @property
    def transcoded(self) -> Path:
        """Playable copies of files that browsers do not play."""
        return self.cache / "transcoded"

    @property
    def fetched(self) -> Path:
        """Sounds of archives whose loops lie at an address."""
        return self.cache / "fetched"

    @property
    def uploads(self) -> Path:
        """Folders uploaded from a remote browser."""
        return self.cache / "uploads"

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.data / "loopscope.sqlite3"

    @property
    def models(self) -> Path:
        """Saved detectors, one folder each."""
        return self.data / "models"


def app_folder() -> Path:
    """Where app.py, pages, assets and .streamlit lie: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "app"
    return installed if installed.is_dir() else package.parent


def paths() -> Paths:
    """The folders in force now; reads `LOOPSCOPE_HOME` at each call so that tests can move it."""
    home = os.environ.get("LOOPSCOPE_HOME")
    if home:
        root = Path(home).expanduser()
        return Paths(cache=root / "cache", data=root / "data")
    return Paths(
        cache=Path(platformdirs.user_cache_dir(APP_NAME)),
        data=Path(platformdirs.user_data_dir(APP_NAME)),
    )


def n_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
