"""What an opening of an archive found out, kept for the next one: beside the archive, or where nobody may write there
among what this machine keeps.

    rankings/<model>-<state>.npz     the loops to show, and a score of every row of the parts (`shown`)
    rankings/<recipe>-<state>.model  a detector that learnt from the archive, as `detection.saved` writes it

A name tells all that the content depends on: the version of every part and listing (state), the model with its own
scores or the recipe (detector, preset, seed), and the code that scores with the packages under it. Arrays without
pickle, each with a checksum; a file is there whole or not at all. One that does not read is computed again, and so is
everything where nobody tells versions apart. When parts came, the scores of those that stayed go on to hold.
"""

import hashlib
import io
import logging
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np

import loopscope
from loopscope.archive.manifest import Archive
from loopscope.archive.place import Place
from loopscope.archive.ranking_file import KeptRanking, PartRows, ranking_bytes, ranking_from
from loopscope.archive.shown import Shown
from loopscope.arrays import Float
from loopscope.config import paths
from loopscope.defects import Defect, attempt
from loopscope.detection.base import BaseDetector
from loopscope.detection.saved import ARRAYS, CARD, load_model, save_model
from loopscope.errors import DataError, LoopscopeError, ModelError, first_line

Result = TypeVar("Result")
log = logging.getLogger(__name__)
RANKING, MODEL = ".npz", ".model"
LARGEST = 2**32  # bytes
MOST = 8  # files of a kind, of which those of earlier states go first
LENGTH = 24  # letters of a digest
CODE = ("detection/*.py", "archive/*.py", "analysis/scoring.py", "embeddings/neighbours.py")
PACKAGES = ("numpy", "scikit-learn", "torch")


class KeptRankings:
    """Of an archive as it is now. `first`: loops that are shown."""

    def __init__(self, archive: Archive, first: int) -> None:
        self._archive, self._first = archive, first
        self._versions = archive.state()
        self._state = _digest(archive.encoder_id, archive.n_features, sorted((self._versions or {}).items()))
        beside = archive.place.below("rankings")
        here = Place.of(paths().cache / "rankings" / _digest(archive.place.address))
        self._homes = {home: _names(home) for home in (beside, here)} if self._versions is not None else {}

    def model(self, recipe: tuple[str, str, int]) -> BaseDetector | None:
        """What learnt from this archive by detector, preset and seed; None where none did, or none that reads."""
        read = (_tried(partial(_model_from, found)) for found in self._found(_recipe(recipe), MODEL))
        own = (model for model in read if model and (model.name, model.preset, model.seed) == recipe)
        return next(own, None)

    def ranking(self, model: BaseDetector) -> Shown | None:
        """What this model says of the archive as it is now; None where nobody kept that, or it does not read."""
        read = (_tried(partial(self._read, found, model)) for found in self._found(self._name(model), RANKING))
        return next((kept.shown for kept in read if kept), None)

    def scores(self, model: BaseDetector) -> Float | None:
        """What this model said of the loops that were there before, (n_loops,), NaN for others; None for nothing."""
        own = f"{self._name(model)}-"
        before = (home.below(name) for home, names in self._homes.items() for name in names
                  if name.startswith(own) and name.endswith(RANKING))  # fmt: skip
        kept = next(filter(None, (_tried(partial(self._read, found, model)) for found in before)), None)
        if kept is None:
            return None
        parts = self._archive.present[0]
        nothing = {part: np.full(part.n_rows, np.nan) for part in self._parts}
        rows = [kept.parts.get(part, nothing[part]) for part in self._parts]
        return parts.of_rows(np.concatenate([np.empty(0), *rows]))

    @cached_property
    def _parts(self) -> list[PartRows]:
        """Of the archive as it was when it was looked at, in order."""
        parts, versions = self._archive.present[0], self._versions or {}
        named = [(place.path.rpartition("/")[2], n) for place, n in zip(parts.places, parts.lengths, strict=True)]
        return [PartRows(name, versions.get(f"parts/{name}", ""), n) for name, n in named]

    def _read(self, place: Place, model: BaseDetector) -> KeptRanking:
        return ranking_from(_content(place), self._archive.encoder_id, self._archive.n_features, model)

    def keep_model(self, recipe: tuple[str, str, int], model: BaseDetector) -> None:
        """For whoever opens this archive next with this recipe."""
        self._write(f"{_recipe(recipe)}-{self._state}{MODEL}", partial(_model_bytes, model))

    def keep(self, shown: Shown) -> None:
        """For whoever opens this archive next with this model, unless it has changed meanwhile."""
        name = self._name(shown.scored.detector)
        self._write(f"{name}-{self._state}{RANKING}", lambda: ranking_bytes(shown, self._parts))

    def _name(self, model: BaseDetector) -> str:
        """The model by what it says of its own loops."""
        fitted = model.fitted
        own = hashlib.sha256("\n".join(fitted.loop_ids).encode() + np.asarray(fitted.scores, np.float64).tobytes())
        return _digest(own.hexdigest(), model.name, model.preset, model.seed, self._first, _code())

    def _found(self, name: str, ending: str) -> list[Place]:
        whole = f"{name}-{self._state}{ending}"
        return [home.below(whole) for home, names in self._homes.items() if whole in names]

    def _write(self, name: str, content: Callable[[], bytes]) -> None:
        """Where that is possible; an archive opens also where nothing can be kept."""
        if not self._homes or self._archive.state() != self._versions:
            return
        made = content()
        for home in self._homes:
            try:
                home.below(name).write(made)
            except DataError as error:
                log.info("A ranking cannot be kept there: %s", error)
                continue
            with suppress(DataError):  # somebody else tidies too
                _tidy(home, name)
            return


def _tidy(home: Place, written: str) -> None:
    """Removes what the file that was written takes the place of, and more than there may be."""
    own, _, state = written.partition("-")
    names = [name for name in home.names() if name.endswith(Path(written).suffix) and name != written]
    before = [name for name in names if name.startswith(f"{own}-")]
    others = sorted(set(names) - set(before), key=lambda name: (name.endswith(state), name))
    for name in [*before, *others[: max(0, len(others) + 1 - MOST)]]:
        home.below(name).remove()


def _model_bytes(model: BaseDetector) -> bytes:
    content = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="loopscope-") as folder, zipfile.ZipFile(content, "w") as packed:
        place = save_model(model, "kept", {}, Path(folder))
        for name in (CARD, ARRAYS):
            packed.write(place / name, name)
    return content.getvalue()


def _model_from(place: Place) -> BaseDetector:
    """Raises ValueError and whatever else a file that is none may raise."""
    with (
        tempfile.TemporaryDirectory(prefix="loopscope-") as folder,
        zipfile.ZipFile(io.BytesIO(_content(place))) as packed,
    ):
        for name in (CARD, ARRAYS):
            if packed.getinfo(name).file_size > LARGEST:
                raise ValueError(f"{name} is too large")
            (Path(folder) / name).write_bytes(packed.read(name))
        try:
            return load_model(folder, set_aside=False)
        except ModelError as error:
            raise ValueError(first_line(error)) from error


def _content(place: Place) -> bytes:
    if place.info()["size"] > LARGEST:
        raise ValueError("it is too large")
    return place.read()


def _names(home: Place) -> list[str]:
    try:
        return home.names()
    except DataError:  # nobody may look there, who may read the parts
        return []


def _recipe(recipe: tuple[str, str, int]) -> str:
    return _digest(*recipe, _code())


def _digest(*said: object) -> str:
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()[:LENGTH]


@cache
def _code() -> str:
    """Of all that scores depend on beside the archive and the model."""
    package = Path(loopscope.__file__).parent
    files = sorted(file for pattern in CODE for file in package.glob(pattern))
    packages = [version(name) for name in PACKAGES]
    return _digest(loopscope.__version__, packages, [hashlib.sha256(file.read_bytes()).hexdigest() for file in files])


def _tried(read: Callable[[], Result]) -> Result | None:
    """What was kept, None where it does not read, whatever lies there."""
    try:
        found = attempt("reading what was kept of an archive", read)
    except LoopscopeError as error:
        found = Defect(first_line(error))
    if not isinstance(found, Defect):
        return found
    log.warning("What was kept of an archive does not read (%s); it is computed again.", found.reason)
    return None
