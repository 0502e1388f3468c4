"""`loopscope analyse --embeddings`: a ranked list of vectors that are there already, however many."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopscope.cli.output import print_json, print_line, shown_progress, stopped_by_interrupt
from loopscope.errors import Cancelled, ExportError, ModelError
from loopscope.files import path_from_text

if TYPE_CHECKING:
    from loopscope.archive.manifest import Archive
    from loopscope.archive.score import Ranking
    from loopscope.detection.base import BaseDetector

ENDING = ".parquet"
FIRST = 50_000  # rows of the list that is printed


def analyse_embeddings(
    address: str,
    model: "BaseDetector | None",
    recipe: tuple[str, str, int],
    percentile: float,
    out: Path | None,
    as_json: bool,
    save: str | None = None,
) -> None:
    """Ranks an archive, a Parquet file or a folder of them; `save` names the model to keep. Raises LoopscopeError."""
    if out is not None and out.suffix != ENDING:
        raise ExportError(f"{out.name} does not end in {ENDING}, the only way to write so long a list; rename it.")
    ranking = _ranked(address, model, recipe)
    if save is not None:
        _save(ranking, save, address)
    if out is not None:
        _write(ranking, percentile, out)
    detector, n_loops = ranking.detector, len(ranking.scores)
    counts = {"loops": n_loops, "flagged": ranking.n_flagged(percentile), "learnt_from": len(detector.scores_)}
    if as_json:
        context = {"embeddings": address, "encoder": ranking.parts.encoder_id, "detector": detector.name}
        settings = {"preset": detector.preset, "seed": detector.seed, "threshold_percentile": percentile}
        seconds = {stage: round(taken, 3) for stage, taken in ranking.seconds.items()}
        rows = _readable(ranking.table(percentile, FIRST).to_pylist())
        print_json({**context, **settings, **counts, "seconds": seconds, "rows": rows})
    elif out is None:
        for row in _readable(ranking.table(percentile, min(FIRST, counts["flagged"])).to_pylist()):
            print_line(f"{row['path'] or row['loop_id']}: {row['score']:.4f}")


def learn_anew(archive: "Archive", name: str, known: "BaseDetector") -> int:
    """Learns from all folders of an archive as `known` learnt, under its name, which must be that of a saved model.

    Gives how many loops it learnt from; the model of before stays, as an older one of that name. Raises LoopscopeError.
    """
    from loopscope.archive.score import learn_from_sample
    from loopscope.detection.saved import list_models, save_model
    from loopscope.progress import training_progress

    if name not in set(list_models()["name"]):
        raise ModelError(f"{name!r} is a folder; to learn anew name a model by what loopscope models calls it.")
    parts, paths = archive.present
    with stopped_by_interrupt() as should_stop, shown_progress() as show:
        detector, _ = learn_from_sample(
            *(parts, paths, known.name, known.preset, known.seed),
            on_epoch=lambda epoch: show(training_progress(epoch)),
            should_stop=should_stop,
        )
    if not detector.report_.complete:
        raise Cancelled("The training was stopped; the model stays as it was.")
    save_model(detector, name, {"embeddings": archive.place.address, "loops": len(detector.scores_)})
    return len(detector.scores_)


def _ranked(address: str, model: "BaseDetector | None", recipe: tuple[str, str, int]) -> "Ranking":
    from loopscope.archive.manifest import is_archive, open_archive, parts_at
    from loopscope.archive.place import Place
    from loopscope.archive.score import rank_parts
    from loopscope.progress import training_progress

    place = Place.of(address)
    parts, paths = open_archive(place).present if is_archive(place) else (parts_at(address), None)
    with stopped_by_interrupt() as should_stop, shown_progress() as show:
        ranking = rank_parts(
            parts,
            *recipe,
            model=model,
            paths=paths,
            on_progress=show,
            on_epoch=lambda epoch: show(training_progress(epoch)),
            should_stop=should_stop,
        )
    if model is None and not ranking.detector.report_.complete:
        raise Cancelled("The training was stopped; the embeddings are kept.")
    return ranking


def _save(ranking: "Ranking", name: str, address: str) -> None:
    from loopscope.detection.saved import save_model

    save_model(ranking.detector, name, {"embeddings": address, "loops": len(ranking.detector.scores_)})


def _write(ranking: "Ranking", percentile: float, out: Path) -> None:
    """All rows; paths as in every list, of those that are no text the file:// URI."""
    import pyarrow.parquet as pq

    from loopscope.exports.new_files import one_sentence
    from loopscope.files import written_whole

    with one_sentence("write", out), written_whole(out) as part:
        pq.write_table(ranking.table(percentile), part, compression="zstd")


def _readable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "path": path_from_text(row["path"])} for row in rows]
