"""What runs here and where it keeps things, for the Diagnostics page and `loopscope doctor`."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loopscope import __version__
from loopscope.config import FETCHED_BYTES, TRANSCODED_BYTES, paths

PACKAGES = ("streamlit", "plotly", "torch", "laion-clap", "librosa", "soundfile", "scikit-learn", "pandas", "numpy")
NOT_INSTALLED = "is not installed"


@dataclass(frozen=True)
class KeptFolder:
    """One place that loopscope writes to: what lies there, and whether it can be had again."""

    what: str
    place: Path
    note: str

    @property
    def n_bytes(self) -> int:
        """Bytes in regular files below it."""
        return folder_bytes(self.place)


def system() -> str:
    """Python and the system, in a line."""
    return f"Python {platform.python_version()} on {platform.platform()}"


def package_versions() -> dict[str, str]:
    """Versions by distribution, loopscope itself first; NOT_INSTALLED of what is not there."""
    return {"loopscope": __version__} | {name: _version(name) for name in PACKAGES}


def kept_folders() -> list[KeptFolder]:
    """Where loopscope keeps things."""
    places = paths()
    return [
        KeptFolder("Embeddings, marks", places.database.parent, "kept"),
        KeptFolder("Encoder weights", places.weights, "can be fetched again"),
        KeptFolder("Demo library", places.demo, "can be made again"),
        KeptFolder("Playable copies", places.transcoded, f"can be made again; {TRANSCODED_BYTES / 1e9:.0f} GB at most"),
        KeptFolder("Fetched sounds", places.fetched, f"can be fetched again; {FETCHED_BYTES / 1e9:.0f} GB at most"),
        KeptFolder("Uploads", places.uploads, "copies of uploaded folders"),
    ]


def folder_bytes(folder: Path) -> int:
    """Bytes in regular files below a folder, 0 where there is none."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # laion-clap is installed by itself
        return NOT_INSTALLED
