"""The vocabulary of sample packs, read from `vocabulary.toml` beside this file, which says what each list is for."""

import tomllib
from pathlib import Path

_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _phrases(table: str) -> dict[str, list[str]]:
    return {name: phrases.replace("\n", " ").split(", ") for name, phrases in _TABLES[table].items()}


def _words(name: str) -> frozenset[str]:
    return frozenset(_TABLES[name].split())


GENRES, INSTRUMENTS = _phrases("genres"), _phrases("instruments")  # name -> phrases that say it
ROLES, MACHINES, COUNTED_BEFORE, COUNTED_AFTER = map(_words, ("roles", "machines", "counted_before", "counted_after"))
ONE_SHOTS, LETTERED, AFTER_LETTER, PRONOUNS = map(_words, ("one_shots", "lettered", "after_letter", "pronouns"))
