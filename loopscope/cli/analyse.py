"""`loopscope analyse` and `loopscope score`: which loops stand out, as the app ranks them."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopscope.cli.output import json_option, print_bytes, print_json, print_line, shown_progress, stopped_by_interrupt
from loopscope.cli.ranked import analyse_embeddings
from loopscope.cli.saved import encoder_name, saved_model
from loopscope.errors import Cancelled, ExportError

if TYPE_CHECKING:
    import pandas as pd

    from loopscope.analysis.pipeline import Analysis

FORMATS = ("csv", "json", "parquet", "html", "m3u8")
COLUMNS = ["triage_rank", "name", "folder", "triage", "reason", "rank", "score", "percentile", "is_anomaly"]
MORE_COLUMNS = ["split", "duration_s", "loop_id", "path"]

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Write the whole list there; its ending says how: {', '.join(FORMATS)}.",
)
percentile_option = click.option(
    "--percentile",
    type=click.FloatRange(0, 100),
    default=95.0,
    show_default=True,
    help="Above which of the training scores a loop is flagged.",
)


@click.command(short_help="Rank the loops of a folder.")
@click.argument("folder", required=False)
@click.option("--embeddings", metavar="FILE", help="Instead of FOLDER: an archive, or Parquet files made elsewhere.")
@click.option("--encoder", default="auto", show_default=True, help="clap-fusion, clap-music, aisfx or auto.")
@click.option(
    "--detector", default="AEwRES", show_default=True, help="AE, AEwRES, isolation-forest, pca, knn or mahalanobis."
)
@click.option("--preset", help="local (the default), robust or paper of AE and AEwRES; robust or paper of others.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--model", metavar="NAME", help="Score with a saved model instead of learning from FOLDER.")
@click.option("--save", metavar="NAME", help="With --embeddings: keep what was learnt as a model of that name.")
@percentile_option
@click.option("--engine", type=click.Choice(["threads", "dask"]), default="threads", show_default=True)
@click.option("--cluster", metavar="ADDRESS", help="Of a Dask scheduler, for the engine dask.")
@out_option
@json_option
def analyse(
    folder: str | None,
    embeddings: str | None,
    encoder: str,
    detector: str,
    preset: str | None,
    seed: int,
    model: str | None,
    save: str | None,
    percentile: float,
    engine: str,
    cluster: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Learns what is normal in FOLDER and lists what to listen to first, faults and loops that stand out.

    \b
    Examples:
      loopscope analyse ~/Music/Loops
      loopscope analyse ~/Music/Loops --encoder aisfx --detector knn --json
      loopscope analyse ~/Music/Loops --detector AE --preset robust --seed 1 --out loops.csv
      loopscope analyse ~/Music/Loops --percentile 90 --out listen-first.m3u8
      loopscope embed ~/Music/Loops --out embeddings.parquet
      loopscope analyse --embeddings embeddings.parquet --detector knn --out ranked.parquet
    """
    if (folder is None) == (embeddings is None):
        raise click.UsageError("Name either a FOLDER or, with --embeddings, what was embedded before.")
    _check_names(encoder, detector, preset)
    if embeddings is not None:
        if model is not None and save is not None:
            raise click.UsageError("--save keeps what was learnt here, and --model learns nothing; leave one out.")
        saved = None if model is None else saved_model(model)
        analyse_embeddings(embeddings, saved, (detector, preset or "robust", seed), percentile, out, as_json, save)
        return
    if save is not None:
        raise click.UsageError("--save goes with --embeddings; models of a folder are saved in the app.")
    assert folder is not None  # as one of the two is
    _check_ending(out)
    options = {"detector": detector, "preset": preset, "seed": seed, "percentile": percentile, "engine": engine}
    analysis = _analysed(folder, encoder, model, cluster, options)
    _tell(analysis, percentile, out, as_json)


@click.command(short_help="Rank a folder by a saved model.")
@click.argument("folder")
@click.option("--model", required=True, metavar="NAME", help="A saved model, by its name or folder.")
@click.option("--encoder", default="auto", help="By default the one that the model learnt from.")
@percentile_option
@out_option
@json_option
def score(folder: str, model: str, encoder: str, percentile: float, out: Path | None, as_json: bool) -> None:
    """Scores the loops of FOLDER with a saved model, and lists what to listen to first.

    \b
    Examples:
      loopscope score ~/Music/Loops --model house
      loopscope score ~/Music/Loops --model house --out scores.parquet
      loopscope score ~/Music/Loops --model house --json
    """
    _check_ending(out)
    _tell(_analysed(folder, encoder, model, None, {"percentile": percentile}), percentile, out, as_json)


def _check_ending(out: Path | None) -> None:
    """Before anything is computed."""
    if out is not None and out.suffix.lstrip(".") not in FORMATS:
        raise ExportError(f"{out.name} has no ending that says how to write it; choose one of {', '.join(FORMATS)}.")


def _check_names(encoder: str, detector: str, preset: str | None) -> None:
    """Nobody embeds a folder for a detector that there is not. Raises EncoderError or DataError."""
    from loopscope.detection.registry import make_detector, recommended_preset
    from loopscope.encoders.base import encoder_info
    from loopscope.encoders.catalogue import AUTO

    if encoder != AUTO:
        encoder_info(encoder)
    make_detector(detector, preset or recommended_preset(detector))


def _analysed(folder: str, encoder: str, model: str | None, cluster: str | None, options: dict[str, Any]) -> "Analysis":
    from loopscope.analysis.pipeline import analyse_folder
    from loopscope.embeddings.cluster import connected_to
    from loopscope.progress import training_progress

    saved = None if model is None else saved_model(model)
    engine = {"engine": "dask"} if cluster else {}
    with (
        stopped_by_interrupt() as should_stop,
        shown_progress() as show,
        connected_to(cluster) if cluster else nullcontext(),
    ):
        analysis = analyse_folder(
            folder,
            encoder_name(encoder, saved),
            model=saved,
            on_progress=show,
            on_epoch=lambda epoch: show(training_progress(epoch)),
            should_stop=should_stop,
            **(options | engine),
        )
    if saved is None and analysis.detector.unfinished:
        raise Cancelled("The training was stopped; embeddings and findings are kept.")
    return analysis


def _tell(analysis: "Analysis", percentile: float, out: Path | None, as_json: bool) -> None:
    from loopscope.analysis.triage import triage_rank

    table = triage_rank(analysis.table, analysis.faults)[[*COLUMNS, *MORE_COLUMNS]]
    context = {
        "library": str(analysis.library.root),
        "encoder": analysis.embeddings.encoder_id,
        "detector": analysis.detector.name,
        "preset": analysis.detector.preset,
        "seed": analysis.detector.seed,
        "threshold_percentile": percentile,
    }
    if out is not None:
        print_bytes(_written(table, context, out.suffix.lstrip("."), analysis.library.root), out)
    if as_json:
        rejected = analysis.rejected.to_dict("records")
        print_json({**context, "rows": table.to_dict("records"), "rejected": rejected})
    elif out is None:
        _print_first(table)


def _written(table: "pd.DataFrame", context: dict[str, Any], form: str, root: Path) -> bytes:
    from loopscope import exports
    from loopscope.analysis.triage import NORMAL

    if form == "csv":
        return exports.csv_bytes(table, context)
    if form == "json":
        return exports.json_bytes(table, context)
    if form == "parquet":
        return exports.parquet_bytes(table, context)
    if form == "html":
        return exports.html_bytes(table[COLUMNS], f"{root.name}: what to listen to first")
    return exports.m3u8_bytes(table[table["triage"] != NORMAL])


def _print_first(table: "pd.DataFrame") -> None:
    """What the badge on the Explore page calls faulty or interesting, a line each."""
    from loopscope.analysis.triage import NORMAL

    for row in table[table["triage"] != NORMAL].to_dict("records"):
        print_line(f"{row['path']}: {row['triage']}: {row['reason']}")
