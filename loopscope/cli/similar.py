"""`loopscope similar`: more loops like one."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopscope.cli.output import json_option, print_json, print_line, shown_progress, stopped_by_interrupt
from loopscope.files import is_file
from loopscope.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from loopscope.archive.place import Place


@click.command(short_help="List loops that sound like one.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--in", "folder", metavar="FOLDER", help="Where to look; by default the folder that FILE lies in.")
@click.option("--everywhere", is_flag=True, help="Look at every loop that was ever embedded and is still there.")
@click.option("-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--encoder", default="auto", show_default=True)
@json_option
def similar(file: Path, folder: str | None, everywhere: bool, count: int, encoder: str, as_json: bool) -> None:
    """Lists the loops that sound most like FILE, with their cosine distance (0: the same direction, up to 2).

    \b
    Examples:
      loopscope similar ~/Music/Loops/Bass_90bpm.wav
      loopscope similar ~/Music/Loops/Bass_90bpm.wav --in ~/Music -n 3 --encoder aisfx --json
      loopscope similar ~/Music/Loops/Bass_90bpm.wav --everywhere

    Of an archive (`loopscope index`) FILE may also be the loop_id of one of its loops.
    """
    from loopscope.archive.manifest import is_archive
    from loopscope.archive.place import Place

    rejected = None
    if folder and everywhere:
        raise click.UsageError("--everywhere looks into no single folder; leave --in out.")
    if everywhere:
        rows, rejected = _nearest_everywhere(file, count, encoder)
    elif folder and is_archive(place := Place.of(folder)):
        rows = _nearest_in_archive(file, place, count)
    else:
        rows = _nearest(file, folder or str(file.expanduser().resolve().parent), count, encoder)
    if as_json:
        left_out = {} if rejected is None else {"rejected": rejected.to_dict("records")}
        print_json({"file": str(file), "rows": rows.to_dict("records"), **left_out})
        return
    for row in rows.to_dict("records"):
        print_line(f"{row['path']}: {row['distance']:.4f}")
    if rejected is not None and len(rejected):
        said = f"{counted(len(rejected), 'embedded file')} left out: gone, or changed since; --json names them."
        click.echo(said, err=True)


def _nearest_in_archive(file: Path, archive: "Place", count: int) -> "pd.DataFrame":
    """path, name, loop_id and distance of the loops of an archive that are nearest to one of them."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    from loopscope.archive.manifest import open_archive
    from loopscope.archive.neighbours import neighbours_of
    from loopscope.files import display_name, path_from_text
    from loopscope.library import scan_file

    loop_id = scan_file(file).unique["loop_id"].iloc[0] if is_file(file) else str(file)
    parts, paths = open_archive(archive).present
    with stopped_by_interrupt() as should_stop, shown_progress() as show:
        ids, distances = neighbours_of(parts, _home_of_neighbours(archive), show, should_stop).nearest(loop_id, count)
    rows = pc.index_in(pa.array(ids, pa.large_string()), value_set=parts.loop_ids.combine_chunks())
    where = [path_from_text(path) for path in paths.take(rows).to_pylist()]
    names = [display_name(Path(path).name) for path in where]
    return pd.DataFrame(
        {"path": pd.Series(where, dtype="object"), "name": names, "loop_id": ids, "distance": distances.astype(float)}
    )


def _home_of_neighbours(archive: "Place") -> Path:
    """Beside the parts, or of an archive that lies elsewhere on this machine: the index is mapped into memory."""
    from loopscope.config import paths

    if archive.is_local:
        return Path(archive.path) / "neighbours"
    address = archive.system.unstrip_protocol(archive.path)
    return paths().cache / "neighbours" / hashlib.sha256(address.encode()).hexdigest()[:24]


def _nearest(file: Path, folder: str, count: int, encoder: str) -> "pd.DataFrame":
    """path, name, loop_id and distance of the nearest loops, nearest first; FILE itself and its copies left out."""
    import numpy as np

    from loopscope.embeddings import embed_library
    from loopscope.embeddings.neighbours import nearest_to
    from loopscope.encoders.base import load_encoder
    from loopscope.errors import DataError
    from loopscope.library import scan_file, scan_folder
    from loopscope.store import Store

    asked = scan_file(file)
    with stopped_by_interrupt() as should_stop, shown_progress() as show, Store.default() as store:
        library = scan_folder(folder, store, show, should_stop)
        loaded = load_encoder(encoder, on_progress=show)
        query = embed_library(asked, loaded, store, should_stop=should_stop)
        if not query.loop_ids:
            raise DataError(str(query.rejected["reason"].iloc[0]))
        found = embed_library(library, loaded, store, show, should_stop)
    others = np.array([loop_id != query.loop_ids[0] for loop_id in found.loop_ids], dtype=np.bool_)
    rows, distances = nearest_to(query.X, found.X, count, others)
    near = [found.loop_ids[row] for row in rows[0]]
    table = library.unique.set_index("loop_id").loc[near, ["path", "name"]].reset_index()
    return table.assign(distance=distances[0].astype(float))[["path", "name", "loop_id", "distance"]]


def _nearest_everywhere(file: Path, count: int, encoder: str) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """The same among all files whose content this encoder has embedded; path and reason of those that are not as they
    were then."""
    import pandas as pd

    from loopscope.analysis.elsewhere import nearest_to
    from loopscope.embeddings import embed_library
    from loopscope.encoders.base import load_encoder
    from loopscope.errors import DataError
    from loopscope.library import scan_file
    from loopscope.library.present import Place, present_library
    from loopscope.store import Store

    asked = scan_file(file)
    with stopped_by_interrupt() as should_stop, shown_progress() as show, Store.default() as store:
        loaded = load_encoder(encoder, on_progress=show)
        query = embed_library(asked, loaded, store, should_stop=should_stop)
        if not query.loop_ids:
            raise DataError(str(query.rejected["reason"].iloc[0]))
        known = store.embedded_files(loaded.encoder_id).items()
        places = (Place(path, loop_id, folder := str(Path(path).parent), folder) for path, loop_id in known)
        library = present_library((place for place in places if place.loop_id != query.loop_ids[0]), store)
        near = nearest_to(query, list(library.unique["loop_id"]), count, store, show, should_stop)
    table = library.unique.set_index("loop_id").loc[[loop_id for loop_id, _ in near], ["path", "name"]].reset_index()
    table = table.assign(distance=pd.Series([1 - cosine for _, cosine in near], dtype="float64"))
    return table[["path", "name", "loop_id", "distance"]], library.rejected
