"""An explorer view as bytes for the browser: sent once per version, whatever happens to threshold or selection.

Conventions: rows without a score come first (their scores, coordinates and latents are NaN), by name from Z to A, so
that a list that runs from the last row to the first ends with them from A to Z; then all others, sorted by score,
ascending, so that "flagged" is a range of rows from a cut to the end, for every view and at every threshold. The blobs,
each gzipped:

- `table`: JSON with ids, names, the main finding of the checks on each in a few words ("" for none), titles of the
  kinds of finding, levels of the categorical columns, how many rows have no score, titles.
- `points`: scores, split, durations, category codes, PCA coordinates: what the first drawing needs; `faults` and
  `suspicions` as bit sets over the kinds of finding, `listen` the rank in the order of triage (1 = first), `modified`
  in seconds since the epoch. What the view does not know of is left out.
- `latents`: what only the heatmap needs; asked for after the first drawing.
- `near-<row>`: the rows nearest to one row, made when it is asked for: all pairs of 50,000 loops would take a minute.
- `moments-<row>`: JSON of where one loop is oddest (`analysis.moments`), made when it is asked for; null where nobody
  knows.
- `taught-<digest>`: what marks teach (`lessons`), made when it is asked for.

A blob of arrays is a little-endian uint32 with the length of a JSON header, the header, and the arrays one after the
other, each beginning at a multiple of 8 bytes. The header maps a name to dtype, shape and offset (from the end of the
header).
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loopscope.analysis.moments import MomentFinder, Moments
from loopscope.analysis.triage import TITLES
from loopscope.ui.explorer import lessons
from loopscope.ui.explorer.lessons import Lessons
from loopscope.ui.explorer.view import ExplorerView

Array = NDArray[Any]

HEATMAP_DIMENSIONS = 64  # baselines show their inputs (512 and more): the dimensions that vary most stand for all
CATEGORICAL_COLUMNS = ("folder", "instrument", "genre", "category", "key", "new")
NUMERIC_COLUMNS = ("bpm", "loop_structure")
KNOWN_COLUMNS = {  # name in the blob: column, dtype
    "faults": ("faults", np.int32),
    "suspicions": ("suspicions", np.int32),
    "listen": ("triage_rank", np.int32),
    "modified": ("modified", np.float64),
}
DTYPES = {"f4": np.float32, "f8": np.float64, "u1": np.uint8, "i4": np.int32}
_OF_ROW = re.compile(r"(?P<what>near|moments)-(?P<row>[0-9]{1,9})")  # int() refuses thousands of digits
_LEVEL_TEXT, _LEVEL_FLOATS = 1, 0  # gzip levels: floats hardly shrink and would cost a second at 50,000 loops


class PackedView(Mapping[str, bytes]):
    """The blobs by name. Those of one row and `taught` are made when they are asked for, and not counted.

    `of_row` answers what is asked of one row, by the name of the blob before the number.
    """

    def __init__(
        self,
        blobs: Mapping[str, bytes],
        of_row: Mapping[str, Callable[[int], bytes] | None],
        taught: Callable[[str], Mapping[str, Array]] | None,
        n_loops: int,
    ) -> None:
        self._blobs, self._of_row, self._taught, self._n_loops = blobs, of_row, taught, n_loops

    def __getitem__(self, name: str) -> bytes:
        if name in self._blobs:
            return self._blobs[name]
        if name.startswith(lessons.PREFIX) and self._taught is not None:
            return gzip.compress(pack_arrays(self._taught(name)), _LEVEL_FLOATS, mtime=0)
        asked = _OF_ROW.fullmatch(name)
        answer = self._of_row.get(asked["what"]) if asked else None
        if answer is None or asked is None or int(asked["row"]) >= self._n_loops:
            raise KeyError(name)
        return answer(int(asked["row"]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)


def pack_view(view: ExplorerView) -> PackedView:
    """The blobs of one `ExplorerView`, by name."""
    order = view.order
    loops = view.loops.iloc[order]
    levels, codes = _categories(loops)
    scored = view.scored
    dimensions = _highest_variance(view.latents[scored])
    table = {
        "title": view.title,
        "ids": loops["loop_id"].tolist(),
        "names": loops["name"].tolist(),
        "levels": levels,
        "unscored": int((~scored).sum()),
        "explained": [float(ratio) for ratio in view.explained_variance],
        "dimensions": dimensions.tolist(),
        "totalDimensions": int(view.latents.shape[1]),
        "near": view.neighbours is not None,
        "moments": view.moments is not None,
    }
    if "brief" in loops:
        table |= {"briefs": loops["brief"].tolist(), "faultKinds": list(TITLES.values())}
    points = {
        "scores": loops["score"].to_numpy(np.float64),
        "reference": np.asarray(view.reference_scores, np.float64),
        "validation": (loops["split"] == "validation").to_numpy(np.uint8),
        "durations": loops["duration_s"].to_numpy(np.float32),
        "coordinates": view.coordinates[order].T.astype(np.float32),
        **{f"code:{column}": values for column, values in codes.items()},
        **{f"value:{c}": _numbers(loops[c]) for c in NUMERIC_COLUMNS if c in loops},
        **{name: loops[c].to_numpy(dtype) for name, (c, dtype) in KNOWN_COLUMNS.items() if c in loops},
    }
    latents = {"latents": view.latents[np.ix_(order, dimensions)].T.astype(np.float32)}
    blobs = {
        "table": _pack_text(table),
        "points": gzip.compress(pack_arrays(points), _LEVEL_FLOATS, mtime=0),
        "latents": gzip.compress(pack_arrays(latents), _LEVEL_FLOATS, mtime=0),
    }
    taught = None if view.lessons is None else _in_display_rows(view.lessons, order)
    of_row = {"near": _near(view.neighbours, order), "moments": _moments(view.moments, table["ids"])}
    return PackedView(blobs, of_row, taught, len(order))


def _pack_text(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return gzip.compress(text, _LEVEL_TEXT, mtime=0)


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Arrays in one blob; see the module's head for the layout."""
    header, chunks, offset = {}, [], 0
    for name, array in arrays.items():
        code = next(code for code, dtype in DTYPES.items() if array.dtype == dtype)
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        header[name] = {"dtype": code, "shape": list(array.shape), "offset": offset}
        padding = -len(data) % 8
        chunks += [data, bytes(padding)]
        offset += len(data) + padding
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join([len(text).to_bytes(4, "little"), text, *chunks])


def _categories(loops: pd.DataFrame) -> tuple[dict[str, list[str]], dict[str, Array]]:
    """Levels and codes of the categorical columns that are there; code -1 where a value is unknown."""
    levels, codes = {}, {}
    for column in CATEGORICAL_COLUMNS:
        if column in loops:
            values = pd.Categorical(loops[column].map(lambda value: None if pd.isna(value) else str(value)))
            levels[column] = [str(level) for level in values.categories]
            codes[column] = values.codes.astype(np.int32)
    return levels, codes


def _numbers(column: "pd.Series[Any]") -> Array:
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float32)


def _highest_variance(latents: Array) -> Array:
    """Column numbers, in order, of the dimensions with the greatest variance, at most `HEATMAP_DIMENSIONS`; none where
    there is no row to tell by."""
    if not len(latents):
        return np.empty(0, np.intp)
    spread = latents.var(axis=0, dtype=np.float64)
    return np.sort(np.argsort(-spread, kind="stable")[:HEATMAP_DIMENSIONS])


def _near(neighbours: Callable[[int], Array] | None, order: Array) -> Callable[[int], bytes] | None:
    """Which rows are nearest to one, asked and answered in row numbers of the display order."""
    if neighbours is None:
        return None
    position = _positions(order)

    def near(row: int) -> bytes:
        rows = position[neighbours(int(order[row]))]
        return gzip.compress(pack_arrays({"rows": rows}), _LEVEL_FLOATS, mtime=0)

    return near


def _moments(finder: MomentFinder | None, loop_ids: Sequence[str]) -> Callable[[int], bytes] | None:
    """Where one loop is oddest, asked by its row; other loops by their ids, of which a later view has the same."""
    if finder is None:
        return None

    def packed(row: int) -> bytes:
        found = finder.find(loop_ids[row])
        return _pack_text(None if found is None else moments_record(found))

    return packed


def moments_record(found: Moments) -> dict[str, Any]:
    """For the browser, in hundredths."""
    return {
        "curve": np.round(found.curve.astype(np.float64), 2).tolist(),
        "step": found.step_s,
        "at": round(found.at_s, 4),
        "odd": round(found.odd, 2),
        "beside": [{"id": moment.loop_id, "at": round(moment.at_s, 4)} for moment in found.beside],
    }


def _in_display_rows(taught: Lessons, order: Array) -> Callable[[str], Mapping[str, Array]]:
    """A lesson by name, its rows in the display order."""
    position = np.append(_positions(order), np.array([-2, -1], np.int32))  # the last are those of -2 and -1

    def named(name: str) -> Mapping[str, Array]:
        arrays = {kind: values[order] for kind, values in taught.arrays(name).items()}
        return arrays | {"because": position[arrays["because"]]}

    return named


def _positions(order: Array) -> Array:
    position = np.empty(len(order), np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    return position
