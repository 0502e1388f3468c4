"""Instrument, genre, tempo and key of loops: from their names, else from their sound, with the source of each."""

from loopscope.metadata.names import parse_name
from loopscope.metadata.table import fill_from_store, read_names
from loopscope.metadata.tempo_key import estimate_from_audio

__all__ = ["estimate_from_audio", "fill_from_store", "parse_name", "read_names"]
