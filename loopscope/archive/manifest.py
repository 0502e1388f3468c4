"""An archive: Parquet parts with what is known of each loop, and listings of where the loops lie.

    manifest.json                 the encoder of all parts
    parts/<digest>.parquet        what is known of loops, never changed once written
    files/<digest>.parquet        of one folder, which it names: loop_id and path of every file, and version where it
                                  lies elsewhere; written anew whenever the folder is indexed

Parts and listings are found by looking, so that several machines may write them at once and a killed one leaves nothing
half done.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loopscope.archive.parts import ENDING, Parts, parts_in
from loopscope.archive.place import Place
from loopscope.errors import DataError

MANIFEST = "manifest.json"
FORMAT = 1
LARGEST_MANIFEST = 2**24  # bytes
FOLDER_KEY = b"loopscope.folder"


@dataclass(frozen=True)
class Archive:
    """Parts of one encoder and listings; `earlier`: folders of listings that are too old to name their own."""

    place: Place
    encoder_id: str
    n_features: int
    earlier: tuple[str, ...] = ()

    @cached_property
    def parts(self) -> Parts:
        """What is known, as far as it was written when this was first asked for."""
        folder = self.place.below("parts")
        found = parts_in([folder.below(name) for name in folder.names() if name.endswith(ENDING)])
        if found.places and (found.encoder_id, found.n_features) != (self.encoder_id, self.n_features):
            raise DataError(
                f"{self.place.shown} is by its {MANIFEST} of {self.encoder_id} ({self.n_features} features), by its "
                f"parts of {found.encoder_id} ({found.n_features}); put the {MANIFEST} right, or move the parts away."
            )
        return replace(found, encoder_id=self.encoder_id, n_features=self.n_features)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Those indexed so far, as text, in alphabetical order, as they were when this was first asked for."""
        listings = self.place.below("files")
        nameless = {self._listing(folder).path for folder in self.earlier}
        found = [listings.below(name) for name in listings.names() if name.endswith(ENDING)]
        named = (_folder_of(listing) for listing in found if listing.path not in nameless)
        return tuple(sorted({*named, *self.earlier}))

    @cached_property
    def present(self) -> tuple[Parts, pa.ChunkedArray]:
        """The loops that still have a file in some folder, and the first file of each, in the order of the parts."""
        listings = [self.listing(folder) for folder in self.folders]
        if not listings:
            return self.parts, self.parts.paths
        listed = pa.concat_tables(listings)
        ids = pc.cast(listed.column("loop_id"), pa.large_string()).combine_chunks()
        found = pc.index_in(self.parts.loop_ids, value_set=ids)
        parts = self.parts.only(np.asarray(pc.is_valid(found)))
        return parts, pc.cast(listed.column("path"), pa.large_string()).take(pc.drop_null(found))

    def state(self) -> dict[str, str] | None:
        """The version of every part and listing now, by its name; None where they are not told apart."""
        found = {
            f"{folder}/{name}": version
            for folder in ("parts", "files")
            for name, version in self.place.below(folder).versions().items()
            if name.endswith(ENDING)
        }
        return found if all(found.values()) else None

    def renewed(self) -> "Archive":
        """The same, to be looked at again."""
        return replace(self)

    def write_part(self, name: str, content: bytes) -> None:
        """A new part, there at once or not at all."""
        self.place.below("parts", name).write(content)

    def with_listing(
        self, folder: str, loop_ids: Sequence[str], paths: Sequence[str], versions: Sequence[str] | None = None
    ) -> "Archive":
        """The archive that knows these files of a folder, and none that it knew before.

        `versions` of files that lie elsewhere, see `fetched`.
        """
        columns = {"loop_id": loop_ids, "path": paths} | ({} if versions is None else {"version": versions})
        table = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
        content = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({FOLDER_KEY: folder.encode()}), content, compression="zstd")
        self._listing(folder).write(content.getvalue())
        return self.renewed()

    def listing(self, folder: str) -> pa.Table:
        """The files of one indexed folder: loop_id and path."""
        with self._listing(folder).open_parquet() as file:
            return file.read(columns=["loop_id", "path"])

    def versions(self, folder: str) -> dict[str, tuple[str, str]]:
        """The loop_id and version of each file of one indexed folder, by path; "" where no version was told."""
        if folder not in self.folders:
            return {}
        with self._listing(folder).open_parquet() as file:
            rows = file.read().to_pylist()
        return {row["path"]: (row["loop_id"], row.get("version") or "") for row in rows}

    def save(self) -> None:
        """Writes the manifest."""
        record = {"format": FORMAT, "encoder_id": self.encoder_id, "n_features": self.n_features}
        self.place.below(MANIFEST).write(json.dumps(record, indent=1).encode())

    def _listing(self, folder: str) -> Place:
        return self.place.below("files", hashlib.sha256(folder.encode()).hexdigest()[:24] + ENDING)


def is_archive(place: Place) -> bool:
    """Whether an archive lies there; others call files manifest.json too."""
    try:
        said = json.loads(_manifest_of(place)) if has_manifest(place) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and {"format", "encoder_id"} <= said.keys()


def has_manifest(place: Place) -> bool:
    """Whether an archive lies there or something in its place, which no archive is to replace. Raises DataError."""
    return place.below(MANIFEST).is_a("file")


def open_archive(place: Place) -> Archive:
    """The archive in that folder. Raises DataError where there is none that reads."""
    shown = place.shown
    if not has_manifest(place):
        raise DataError(f"{shown} is no archive; make one with loopscope index.")
    content = _manifest_of(place)
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            raise DataError(f"The archive {shown} is of format {said['format']}, this is {FORMAT}; update loopscope.")
        return Archive(place, str(said["encoder_id"]), int(said["n_features"]), _texts(said.get("folders", [])))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"The manifest of {shown} does not read ({type(error).__name__}); name another folder."
        ) from error


def make_archive(place: Place, encoder_id: str, n_features: int) -> Archive:
    """The archive there, a new one where there is none. Raises DataError if another encoder made it."""
    if not has_manifest(place):
        made = Archive(place, encoder_id, n_features)
        made.save()
        return made
    found = open_archive(place)
    if (found.encoder_id, found.n_features) != (encoder_id, n_features):
        raise DataError(
            f"The archive {place.shown} is of {found.encoder_id} ({found.n_features} features), not of "
            f"{encoder_id} ({n_features}); choose that encoder or another folder."
        )
    return found


def parts_at(address: object) -> Parts:
    """The parts of an archive, or Parquet files made elsewhere: one file, or all in a folder. Raises DataError."""
    place = Place.of(address)
    if is_archive(place):
        return open_archive(place).parts
    if place.path.endswith(ENDING) and not place.is_a("directory"):
        return parts_in([place])
    found = [place.below(name) for name in place.names() if name.endswith(ENDING)]
    if not found and has_manifest(place):
        return open_archive(place).parts  # which says what is wrong with it
    if not found:
        raise DataError(f"There is no Parquet file in {place.shown}; check the spelling.")
    return parts_in(found)


def _manifest_of(place: Place) -> bytes:
    return place.below(MANIFEST).read()[:LARGEST_MANIFEST]


def _folder_of(listing: Place) -> str:
    """The folder that a listing names. Raises DataError where it is none, as loops would be missing without a word."""
    with listing.open_parquet() as file:
        named = (file.schema_arrow.metadata or {}).get(FOLDER_KEY, b"").decode("utf-8", "replace")
    if not named or "\N{REPLACEMENT CHARACTER}" in named:
        raise DataError(f"{listing.shown} names no folder; remove it and index its folder again.")
    return str(named)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TypeError("folders are no list of texts")
    return tuple(value)
