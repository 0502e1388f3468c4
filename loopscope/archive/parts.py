"""Parquet files with an embedding a loop, ours or made elsewhere: read in chunks, written whole.

Columns: `loop_id` (text), `embedding` (a list of floats, all of one length), `path` (text; may be missing), and of ours
as JSON, where they are known, `file` (what the scan found), `report` (what the checks found) and `metadata` (what was
measured). The encoder stands in the file's metadata, or in a column `encoder_id` as `loopscope embed` writes it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loopscope.archive.place import Place
from loopscope.arrays import Bool, Float
from loopscope.errors import DataError
from loopscope.files import display_name

ENDING = ".parquet"
CHUNK = 8192  # rows in memory at a time: 16 MB of 512 features as float32
ENCODER_KEY = b"loopscope.encoder_id"
EMBEDDING_LEAF = "embedding.list.element"  # the column as Parquet names it
UNKNOWN = "imported"  # what made the embeddings, where nobody says


@dataclass(frozen=True)
class Parts:
    """Parquet files read as one table, a row a loop: the first row of each loop_id counts.

    `encoder_id` made all embeddings, which have `n_features` each.
    """

    places: tuple[Place, ...]
    encoder_id: str
    n_features: int
    left_out: tuple[int, ...] = ()  # rows of the files that do not count, see `only`

    def only(self, wanted: Bool) -> "Parts":
        """The same files with the wanted loops alone, (n_loops,) bool."""
        if wanted.all():
            return self
        return replace(self, left_out=(*self.left_out, *np.flatnonzero(self._kept)[~wanted].tolist()))

    @cached_property
    def _every_id(self) -> pa.ChunkedArray:
        ids = self._column("loop_id")
        if ids.null_count:
            raise DataError(f"{ids.null_count:,} rows have no loop_id; give every row one.")
        return ids

    @cached_property
    def _kept(self) -> Bool:
        """Which rows of the files count, (n_rows,) bool."""
        codes = pc.dictionary_encode(self._every_id).combine_chunks()
        codes = codes.indices if isinstance(codes, pa.DictionaryArray) else codes
        _, first = np.unique(codes.to_numpy(zero_copy_only=False), return_index=True)
        kept = np.zeros(len(codes), np.bool_)
        kept[first] = True
        kept[list(self.left_out)] = False
        return kept

    @cached_property
    def loop_ids(self) -> pa.ChunkedArray:
        """One text a loop, in the order of the files."""
        return self._every_id.filter(pa.array(self._kept))

    @cached_property
    def digest(self) -> str:
        """Names these files as they are: another when one is added, replaced or removed."""
        seen = hashlib.sha256()
        for place in self.places:
            info = place.info()
            seen.update(repr((place.path, info["size"], info.get("mtime"))).encode("utf-8", "surrogateescape"))
        return seen.hexdigest()[:24]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each file."""
        return tuple(len(rows) for rows in self._every_id.chunks)

    def by_row(self, values: Float) -> Float:
        """Values of the loops, (n_loops,), as (n_rows,) of the files; NaN for rows that do not count."""
        found = np.full(len(self._kept), np.nan)
        found[self._kept] = values
        return found

    def of_rows(self, values: Float) -> Float:
        """The reverse of `by_row`."""
        return values[self._kept]

    @property
    def n_loops(self) -> int:
        """Different loops."""
        return len(self.loop_ids)

    @property
    def paths(self) -> pa.ChunkedArray:
        """Where each loop lay when it was embedded, "" where nobody says."""
        return self.column("path")

    def column(self, name: str) -> pa.ChunkedArray:
        """Texts of a column in the order of `loop_ids`, "" where there are none."""
        return pc.fill_null(self._column(name), "").filter(pa.array(self._kept))

    def texts(self, name: str) -> Iterator[tuple[int, pa.Array]]:
        """The texts of a column as they pass by, each piece with the number of its first loop; null for none."""
        row = start = 0
        for place in self.places:
            with place.open_parquet() as file:
                known = [name] if name in file.schema_arrow.names else []
                for batch in file.iter_batches(CHUNK, columns=[*known, "loop_id"]):
                    column = batch.column(name) if known else pa.nulls(len(batch), pa.string())
                    found = column.filter(pa.array(self._kept[start : start + len(batch)]))
                    start += len(batch)
                    yield row, found
                    row += len(found)

    def chunks(self, wanted: Bool | None = None, rows: int = CHUNK) -> Iterator[Float]:
        """Embeddings (m, n_features) float32, all rows in the order of `loop_ids` as they pass by.

        `wanted` (n_loops,) bool leaves rows out. Raises DataError for rows that are no embedding.
        """
        kept = self._kept.copy()
        if wanted is not None:
            kept[np.flatnonzero(kept)[~wanted]] = False
        start = 0
        for place in self.places:
            with place.open_parquet() as file:
                if not kept[start : start + file.metadata.num_rows].any():
                    start += file.metadata.num_rows
                    continue
                for batch in file.iter_batches(rows, columns=["embedding"]):
                    chosen = kept[start : start + len(batch)]
                    start += len(batch)
                    if chosen.any():
                        yield matrix_of(batch.column(0), self.n_features, place.path)[chosen]

    def matrix(self, wanted: Bool) -> Float:
        """The embeddings of the wanted rows, (m, n_features) float32, in the order of `loop_ids`."""
        found = list(self.chunks(wanted))
        return np.concatenate(found) if found else np.empty((0, self.n_features), np.float32)

    def _column(self, name: str) -> pa.ChunkedArray:
        arrays: list[pa.Array] = []
        for place in self.places:
            with place.open_parquet() as file:
                if name in file.schema_arrow.names:
                    arrays.append(pc.cast(file.read(columns=[name]).column(0), pa.large_string()).combine_chunks())
                else:
                    arrays.append(pa.nulls(file.metadata.num_rows, pa.large_string()))
        return pa.chunked_array(arrays, pa.large_string())


def parts_in(places: Sequence[Place]) -> Parts:
    """These Parquet files as one table. Raises DataError where they are not of one encoder, or hold no embeddings."""
    encoder_id, n_features, first = "", 0, ""
    for place in places:
        with place.open_parquet() as file:
            missing = {"loop_id", "embedding"} - set(file.schema_arrow.names)
            if missing:
                raise DataError(f"{place.shown} has no column {min(missing)}; give it one.")
            made_by, width = _encoder_of(file), _width_of(file, place.path)
        if not first:
            encoder_id, n_features, first = made_by, width, place.path
        elif (made_by, width) != (encoder_id, n_features):
            raise DataError(
                f"{place.shown} holds {width} features of {made_by}, {display_name(first)} {n_features} "
                f"of {encoder_id}; put each encoder's in a folder of its own."
            )
    return Parts(tuple(places), encoder_id, n_features)


def part_bytes(
    loop_ids: Sequence[str], paths: Sequence[str], X: Float, encoder_id: str, extras: Mapping[str, Sequence[str | None]]
) -> bytes:
    """A part of these loops, X (n, n_features). Raises DataError for values that float16 does not hold."""
    with np.errstate(over="ignore"):  # it is said below
        half = X.astype(np.float16)
    if not np.isfinite(half).all():
        raise DataError("Embeddings reach beyond ±65,504, which float16 does not hold; scale them down.")
    flat = pa.array(half.ravel())
    columns: dict[str, Any] = {
        "loop_id": pa.array(loop_ids, pa.string()),
        "path": pa.array(paths, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, X.shape[1]),
    }
    columns |= {name: pa.array(values, pa.string()) for name, values in extras.items()}
    table = pa.table(columns).replace_schema_metadata({ENCODER_KEY: encoder_id.encode()})
    sink = pa.BufferOutputStream()
    packed = {name: "ZSTD" for name in table.column_names} | {EMBEDDING_LEAF: "NONE"}  # which would save a tenth
    pq.write_table(
        table, sink, compression=packed, use_dictionary=False, row_group_size=CHUNK, write_page_checksum=True
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def part_name(loop_ids: Sequence[str]) -> str:
    """The same for the same loops, whoever writes it: a batch that is done again replaces itself."""
    return hashlib.sha256("\n".join(loop_ids).encode()).hexdigest()[:24] + ENDING


def matrix_of(column: pa.Array, n_features: int, path: str) -> Float:
    """Lists of floats as (n, n_features) float32. Raises DataError where one is missing, too long or not finite."""
    if column.null_count or not _is_floats(column.type):
        raise DataError(f"{display_name(path)} has rows without an embedding; leave those loops out.")
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    if (lengths != n_features).any():
        raise DataError(f"{display_name(path)} has embeddings of other than {n_features} values; embed it again.")
    flat = column.flatten()
    X = flat.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(column), n_features)
    if not np.isfinite(X).all():
        raise DataError(f"{display_name(path)} has embeddings with NaN or infinity; leave those loops out.")
    return np.asarray(X, dtype=np.float32)


def _is_floats(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_floating(kind.value_type))


def _encoder_of(file: pq.ParquetFile) -> str:
    said = (file.schema_arrow.metadata or {}).get(ENCODER_KEY)
    if said is not None:
        return str(said.decode("utf-8", "replace"))
    if "encoder_id" not in file.schema_arrow.names:
        return UNKNOWN
    names = pc.unique(file.read(columns=["encoder_id"]).column(0)).to_pylist()
    if len(names) > 1:
        raise DataError(f"One file holds embeddings of {names[0]} and {names[1]}; write a file an encoder.")
    return str(names[0]) if names and names[0] else UNKNOWN


def _width_of(file: pq.ParquetFile, path: str) -> int:
    kind = file.schema_arrow.field("embedding").type
    if not _is_floats(kind):
        raise DataError(f"{display_name(path)} has embeddings of type {kind}; write lists of floats.")
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    first = next(file.iter_batches(1, columns=["embedding"]), None)
    return 0 if first is None or not len(first) else len(first.column(0)[0] or ())
