"""`loopscope embed`: one row of numbers a loop, to go on with elsewhere."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopscope.cli.output import json_option, print_bytes, print_json, shown_progress, stopped_by_interrupt
from loopscope.errors import ExportError

if TYPE_CHECKING:
    from loopscope.embeddings import EmbeddingSet
    from loopscope.library import Library

ENDING = ".parquet"


@click.command(short_help="Write the embeddings of a folder.")
@click.argument("folder")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A .parquet file.")
@click.option("--encoder", default="auto", show_default=True)
@click.option("--engine", type=click.Choice(["threads", "dask"]), default="threads", show_default=True)
@click.option("--cluster", metavar="ADDRESS", help="Of a Dask scheduler, for the engine dask.")
@json_option
def embed(folder: str, out: Path, encoder: str, engine: str, cluster: str | None, as_json: bool) -> None:
    """Writes the embeddings of the loops in FOLDER: loop_id, path, name, encoder_id, embedding (a list of numbers).

    \b
    Examples:
      loopscope embed ~/Music/Loops --out embeddings.parquet
      loopscope embed ~/Music/Loops --encoder aisfx --out embeddings.parquet --json
    """
    if out.suffix != ENDING:
        raise ExportError(f"{out.name} does not end in {ENDING}, the only way to write embeddings; rename it.")
    library, embeddings = _embedded(folder, encoder, "dask" if cluster else engine, cluster)
    print_bytes(_written(library, embeddings), out)
    if as_json:
        n_loops, n_features = embeddings.X.shape
        rejected = [*library.rejected.to_dict("records"), *embeddings.rejected.to_dict("records")]
        said = {"out": str(out), "encoder": embeddings.encoder_id, "loops": n_loops, "features": n_features}
        print_json({**said, "rejected": rejected})


def _embedded(folder: str, encoder: str, engine: str, cluster: str | None) -> "tuple[Library, EmbeddingSet]":
    from loopscope.embeddings import embed_library
    from loopscope.embeddings.cluster import connected_to
    from loopscope.encoders.base import load_encoder
    from loopscope.library import scan_folder
    from loopscope.store import Store

    with (
        stopped_by_interrupt() as should_stop,
        shown_progress() as show,
        connected_to(cluster) if cluster else nullcontext(),
        Store.default() as store,
    ):
        library = scan_folder(folder, store, show, should_stop)
        loaded = load_encoder(encoder, on_progress=show)
        return library, embed_library(library, loaded, store, show, should_stop, engine)


def _written(library: "Library", embeddings: "EmbeddingSet") -> bytes:
    from loopscope.exports import parquet_bytes

    loops = library.unique.set_index("loop_id").loc[list(embeddings.loop_ids), ["path", "name"]].reset_index()
    return parquet_bytes(loops.assign(encoder_id=embeddings.encoder_id, embedding=list(embeddings.X)))
