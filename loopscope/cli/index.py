"""`loopscope index`: an archive of many folders, which grows without starting over."""

from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click

from loopscope.cli.output import json_option, print_json, print_line, shown_progress, stopped_by_interrupt
from loopscope.cli.ranked import learn_anew
from loopscope.cli.saved import saved_model
from loopscope.wording import counted

if TYPE_CHECKING:
    from loopscope.archive.drift import Drift
    from loopscope.archive.grow import Growth
    from loopscope.archive.manifest import Archive
    from loopscope.archive.place import Place
    from loopscope.detection.base import BaseDetector


@click.command(short_help="Keep a library of many folders as an archive.")
@click.argument("archive")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@click.option("--embeddings", metavar="FILE", help="Add vectors made elsewhere: Parquet, a file or a folder of them.")
@click.option("--encoder", default="auto", show_default=True, help="Of an archive that is there, its own is taken.")
@click.option(
    "--checks/--no-checks",
    default=True,
    show_default=True,
    help="Of loops that are new: look for faults, listen for tempo and key.",
)
@click.option("--cluster", metavar="ADDRESS", help="Of a Dask scheduler, whose workers see the same paths.")
@click.option(
    "--model", metavar="NAME", help="Say how far what is new in each folder lies from what this saved model learnt."
)
@click.option("--refit", is_flag=True, help="With --model: learn it anew from a sample of all folders, and keep that.")
@json_option
def index(
    archive: str,
    folders: tuple[str, ...],
    embeddings: str | None,
    encoder: str,
    checks: bool,
    cluster: str | None,
    model: str | None,
    refit: bool,
    as_json: bool,
) -> None:
    """Brings what is new in the FOLDERs into ARCHIVE, a folder of Parquet files, and says what that holds.

    A FOLDER, and the ARCHIVE too, may be an address that fsspec knows (s3://bucket/loops), with its package installed.

    `loopscope analyse --embeddings ARCHIVE` ranks its loops, `loopscope similar LOOP --in ARCHIVE` finds more like one.

    \b
    Examples:
      loopscope index archive ~/Music/Loops --encoder aisfx
      loopscope index archive ~/Music/Loops --no-checks --json
      loopscope index archive
      loopscope analyse --embeddings archive --detector knn --save label
      loopscope index archive --model label
      loopscope index archive --model label --refit
    """
    from loopscope.archive.grow import add_embeddings
    from loopscope.archive.manifest import open_archive
    from loopscope.archive.place import Place

    if refit and model is None:
        raise click.UsageError("--refit learns a saved model anew; name it with --model.")
    place, learnt = Place.of(archive), None if model is None else saved_model(model)
    grown = [_added(place, folder, encoder, checks, cluster) for folder in folders]
    if embeddings is not None:
        with shown_progress() as show:
            grown.append(add_embeddings(place, embeddings, show))
    found = open_archive(place)
    rejected = [row for growth in grown for row in growth.rejected.to_dict("records")]
    new, known, gone = (sum(getattr(growth, name) for growth in grown) for name in ("n_new", "n_known", "n_gone"))
    n_loops, n_present = found.parts.n_loops, found.present[0].n_loops
    drifts = [] if learnt is None else _drifts(found, learnt)
    n_learnt = learn_anew(found, model, learnt) if refit and model is not None and learnt is not None else None
    if as_json:
        said = {"archive": archive, "encoder": found.encoder_id, "features": found.n_features, "loops": n_loops}
        counts = {"present": n_present, "new": new, "known": known, "gone": gone, "folders": list(found.folders)}
        drift = {} if learnt is None else {"drift": [{**asdict(one), "differs": one.differs} for one in drifts]}
        again = {} if n_learnt is None else {"learnt_from": n_learnt}
        print_json({**said, **counts, "rejected": rejected, **drift, **again})
        return
    for row in rejected:
        print_line(f"{row['path']}: {row['reason']}")
    print_line(
        f"{counted(n_loops, 'loop')} of {found.encoder_id}, {n_present:,} of them in {len(found.folders)} folders"
    )
    if grown:
        print_line(f"{new:,} new, {known:,} known before, {gone:,} files gone, {len(rejected):,} left out")
    for of_folder in drifts:
        print_line(f"{of_folder.folder}: {of_folder.sentence()}")
    if n_learnt is not None:
        print_line(f"{model} has learnt anew from {counted(n_learnt, 'loop')} of all folders")


def _drifts(archive: "Archive", model: "BaseDetector") -> list["Drift"]:
    from loopscope.archive.drift import drift_of

    with stopped_by_interrupt() as should_stop, shown_progress() as show:
        return drift_of(archive, model, show, should_stop)


def _added(place: "Place", folder: str, encoder: str, checks: bool, cluster: str | None) -> "Growth":
    from loopscope.analysis.walk import Plan
    from loopscope.archive.grow import add_address, add_folder
    from loopscope.archive.manifest import has_manifest, open_archive
    from loopscope.archive.place import Place
    from loopscope.embeddings.cluster import connected_to
    from loopscope.encoders.base import load_encoder
    from loopscope.library import scan_folder
    from loopscope.store import Store

    own = open_archive(place).encoder_id if has_manifest(place) else ""
    with (
        stopped_by_interrupt() as should_stop,
        shown_progress() as show,
        connected_to(cluster) if cluster else nullcontext(),
    ):
        engine, is_elsewhere = "dask" if cluster else "threads", not Place.of(folder).is_local
        if not is_elsewhere:
            with Store.default() as store:
                library = scan_folder(Place.of(folder).path, store, show, should_stop)
        loaded = load_encoder(Plan(encoder=encoder, encoder_id=own).encoder_name, on_progress=show)
        add = partial(add_address, place, folder) if is_elsewhere else partial(add_folder, place, library)
        return add(loaded, everything=checks, engine=engine, on_progress=show, should_stop=should_stop)
