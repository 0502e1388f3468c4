"""Instrument, genre, tempo and key of loops: from their names, else from their sound, with the source of each."""

from loopscope.metadata.listening import Heard, estimate_from_audio
from loopscope.metadata.names import NameFacts, parse_name
from loopscope.metadata.table import METADATA_COLUMNS, fill_from_audio, fill_from_store, read_names

__all__ = [
    "METADATA_COLUMNS",
    "Heard",
    "NameFacts",
    "estimate_from_audio",
    "fill_from_audio",
    "fill_from_store",
    "parse_name",
    "read_names",
]
