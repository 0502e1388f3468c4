"""`loopscope doctor`: whether everything that loopscope needs is there and works."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from loopscope.cli.output import json_option, print_json, print_line
from loopscope.errors import LoopscopeError, first_line

LITTLE_DISK = 2e9  # bytes: weights of one encoder and the embeddings of a large folder
FAILED = 1
NEEDED = {"torch": "PyTorch", "librosa": "librosa", "sklearn": "scikit-learn", "scipy": "SciPy"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, whether it is in order, and what was found."""

    what: str
    ok: bool
    found: str


@click.command(short_help="Look whether all that is needed is there.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Says what is installed, which weights are here, where things are kept and how much room there is.

    Exit status 1 where something that an analysis needs is missing or does not work.

    \b
    Examples:
      loopscope doctor
      loopscope doctor --json
    """
    from loopscope.installation import kept_folders, package_versions, system

    findings = [*map(_installed, NEEDED, NEEDED.values()), _app(), _audio(), *_weights(), _database(), *_disks()]
    folders = kept_folders()
    if as_json:
        said = {"system": system(), "packages": package_versions(), "findings": [asdict(one) for one in findings]}
        kept = [{"what": it.what, "path": str(it.place), "bytes": it.n_bytes, "note": it.note} for it in folders]
        print_json({**said, "folders": kept, "ok": all(one.ok for one in findings)})
    else:
        print_line(system())
        for name, found in package_versions().items():
            print_line(f"{name} {found}")
        for it in folders:
            print_line(f"{it.what}: {it.place} ({it.n_bytes / 1e6:,.1f} MB, {it.note})")
        for one in findings:
            print_line(f"{'ok    ' if one.ok else 'WRONG '} {one.what}: {one.found}")
    ctx.exit(0 if all(one.ok for one in findings) else FAILED)


def _installed(module: str, title: str) -> Finding:
    """Whether a library that an analysis needs can be imported."""
    try:
        return Finding(title, True, str(getattr(import_module(module), "__version__", "imported")))
    except (ImportError, OSError) as error:  # OSError: a shared library that it needs is not there
        return Finding(title, False, f"it does not import ({first_line(error)}); install it again")


def _app() -> Finding:
    """The app is an extra: without it nothing is wrong."""
    here = all(find_spec(name) is not None for name in ("streamlit", "plotly"))
    return Finding("App", True, "installed" if here else "not installed; pip install 'loopscope[app]' adds it")


def _audio() -> Finding:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        return Finding("libsndfile", False, f"it does not load ({first_line(error)}); install libsndfile1")
    return Finding("libsndfile", True, soundfile.__libsndfile_version__)


def _weights() -> list[Finding]:
    """Of every encoder; those that are not here can be fetched, which needs the network."""
    from loopscope.encoders.catalogue import known_encoders, plugins

    own = [Finding(f"Weights of {it.name}", True, "here" if it.ready else "to be fetched") for it in known_encoders()]
    return own + [Finding("Encoder plug-in", False, sentence) for sentence in plugins().refused]


def _database() -> Finding:
    from loopscope.store import Store

    def look() -> str:
        with Store.default() as store:
            return store.notice or str(store.path)

    return _tried("Database", look)


def _disks() -> list[Finding]:
    from loopscope.config import paths

    return [_disk("Data folder", paths().data), _disk("Cache folder", paths().cache)]


def _disk(what: str, folder: Path) -> Finding:
    """Free room where `folder` is or will be."""
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:,.1f} GB free at {folder}"
    return Finding(what, free >= LITTLE_DISK, said if free >= LITTLE_DISK else f"{said}; free some space")


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except LoopscopeError as error:
        return Finding(what, False, str(error))
