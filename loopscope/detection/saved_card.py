"""What the card of a saved model must say, field by field, and which arrays must lie beside it.

A card lies where anybody may write and decides how much is read and built, so nothing is done with it before this
module has said that it is right. Conventions: a rule says whether a value is right. Shapes are written as names: `n`
loops and `f` features as the card says, any other letter is one length wherever it comes, "*" may also be 0. What is
wrong is a ValueError that names the field.
"""

import re
import reprlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from loopscope.detection.fitted import Arrays
from loopscope.detection.parts import ScorePart
from loopscope.detection.saved_format import COLLECTION, COMPONENT, FORMAT, MIGRATIONS, PROBE, STATE
from loopscope.progress import PHASES

Rule = Callable[[Any], bool]
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]  # name -> kind as safetensors calls it, shape
LARGEST_VALUE = 1e30  # of an array; what is computed from it must be a number
MOST_LOOPS, MOST_FEATURES, MOST_EPOCHS = 10**7, 2**16, 10**6
FLOATS = ("F32", "F64")


def whole(least: int, most: int) -> Rule:
    """An integer in a range, both ends included; no bool."""
    return lambda value: type(value) is int and least <= value <= most


def number(least: float, most: float) -> Rule:
    """A number in a range, both ends included; never NaN."""
    return lambda value: type(value) in (int, float) and least <= value <= most


def text(longest: int) -> Rule:
    """Valid Unicode of at most so many characters."""
    return lambda value: isinstance(value, str) and len(value) <= longest and _is_unicode(value)


def either(*rules: Rule) -> Rule:
    """What any of the rules takes."""
    return lambda value: any(rule(value) for rule in rules)


def listing(rule: Rule, most: int) -> Rule:
    """A list of at most so many values."""
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(rule, value))


def table(rule: Rule) -> Rule:
    """An object whose names are free and whose values follow the rule."""
    return lambda value: isinstance(value, dict) and all(map(rule, value.values()))


def fields(rules: Mapping[str, Rule], **optional: Rule) -> Rule:
    """An object with exactly these fields, and perhaps the optional ones."""
    known = {**rules, **optional}
    return lambda value: (
        isinstance(value, dict)
        and rules.keys() <= value.keys() <= known.keys()
        and all(known[name](part) for name, part in value.items())
    )


def _is_unicode(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def is_time(value: object) -> bool:
    """A time as ISO 8601 has it."""
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _is_none(value: object) -> bool:
    return value is None


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_figure(value: object) -> bool:
    """Any number that training can come to, NaN and infinity among them."""
    return type(value) in (int, float)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


_EPOCH = {
    "phase": PHASES.__contains__,
    "epoch": whole(0, MOST_EPOCHS),
    "n_epochs": whole(0, MOST_EPOCHS),
    "train_loss": _is_figure,
    "validation_loss": _is_figure,
    "spread": either(_is_none, _is_figure),
}
_REPORT = {
    "history": listing(fields(_EPOCH), 2 * MOST_EPOCHS),
    "seconds": number(0, 1e9),
    "collapsed": _is_flag,
    "warnings": listing(text(2_000), 100),
    "measures": table(_is_figure),
}
_OPTION = either(number(-LARGEST_VALUE, LARGEST_VALUE), _is_flag, text(100))
_OPTIONS: Mapping[str, Rule] = {  # that say how much is built or computed; any other is an _OPTION
    "layer_sizes": lambda value: listing(whole(1, MOST_FEATURES), 16)(value) and len(value) > 0,
    "density_neighbours": whole(1, 1_000),
    "n_neighbours": whole(1, 1_000),
    "n_trees": whole(1, 1_000),
    "n_components": either(whole(1, MOST_FEATURES), lambda value: isinstance(value, float) and 0 < value < 1),
}
CARD: Mapping[str, Rule] = {  # of every format
    "name": text(500),
    "saved": is_time,
    "detector": text(100),
    "preset": text(100),
    "seed": whole(0, 2**63 - 1),
    "options": lambda value: isinstance(value, dict) and all(_OPTIONS.get(k, _OPTION)(v) for k, v in value.items()),
    "encoder_id": either(_is_none, text(1_000)),
    "n_features": whole(1, MOST_FEATURES),
    "n_loops": whole(1, MOST_LOOPS),
    "threshold_95": number(-LARGEST_VALUE, LARGEST_VALUE),
    "collapsed": _is_flag,
    "arrays_sha256": _is_digest,
    "loop_ids": listing(text(200), MOST_LOOPS),
    "components": listing(text(100), 100),
}
CARD_NOW = {**CARD, "report": fields(_REPORT, complete=_is_flag)}
CARD_PERHAPS: Mapping[str, Rule] = {"patch_id": text(1_000), "patch_seconds": number(0, 60)}  # older models lack them
COUNTS = ("held_out_loops", "training_loops")  # measures that are numbers of loops
SHAPES = {"scores": "n", "validation": "n", "latents": "n d", PROBE: "4"}
PERHAPS = {  # models of older versions lack some of these
    "repeat_scores": "* n",
    f"{COLLECTION}mean": "f",
    f"{COLLECTION}scale": "f",
    f"{COLLECTION}axes": "f k",
    f"{COLLECTION}coordinates": "m k",
}


def check_card(card: object) -> dict[str, Any]:
    """The card, if every field has the type, range and length that it may have in its format. Raises ValueError."""
    if not isinstance(card, dict) or card.get("format") not in (*MIGRATIONS, FORMAT):
        raise ValueError(f"the card is not of format {FORMAT} or an older one")
    rules = CARD_NOW if card["format"] == FORMAT else CARD
    missing = rules.keys() - card.keys()
    if missing:
        raise ValueError(f"the card lacks {', '.join(sorted(missing))}")
    present = {**rules, **{name: rule for name, rule in CARD_PERHAPS.items() if name in card}}
    wrong = next((name for name, rule in present.items() if not rule(card[name])), None)
    if wrong:
        raise ValueError(f"the card has {reprlib.repr(card[wrong])} as {wrong}")
    ids, n_loops = card["loop_ids"], card["n_loops"]
    if len(ids) not in (0, n_loops) or len(set(ids)) < len(ids):
        raise ValueError(f"the card has {len(set(ids)):,} different loop_ids for {n_loops:,} loops")
    measures = card["report"]["measures"] if "report" in rules else {}
    if not all(0 <= measures.get(name, 0) <= n_loops for name in COUNTS):
        raise ValueError(f"the card counts other loops than its {n_loops:,}")
    return card


def check_shapes(card: Mapping[str, Any], found: Shapes) -> None:
    """Whether the arrays are those of the card, before any is read. Raises ValueError."""
    own = SHAPES | {f"{COMPONENT}{name}": "n" for name in card["components"]}
    lengths = {"n": card["n_loops"], "f": card["n_features"]}
    missing = own.keys() - found.keys()
    if missing:
        raise ValueError(f"the arrays lack {', '.join(sorted(missing))}")
    for name, (kind, shape) in found.items():
        of_state = name.startswith(STATE)  # whose shapes the detector knows
        if not of_state and name not in own | PERHAPS:
            raise ValueError(f"there is an array {reprlib.repr(name)}, which no model has")
        if kind not in (("BOOL",) if name == "validation" else (*FLOATS, "BOOL", "I64") if of_state else FLOATS):
            raise ValueError(f"{reprlib.repr(name)} is of kind {kind}")
        if not of_state and not _agrees((own | PERHAPS)[name].split(), shape, lengths):
            raise ValueError(f"{name} has the shape {shape} in a model of {lengths}")


def check_values(arrays: Arrays) -> None:
    """Whether every array holds numbers that one can compute with; a part may say nothing of some loops (NaN). Raises
    ValueError.
    """
    for name, array in arrays.items():
        known = array[~np.isnan(array)] if name == COMPONENT + ScorePart.OWN_MOMENTS else array
        if known.size and not (known.max() <= LARGEST_VALUE and known.min() >= -LARGEST_VALUE):  # False for NaN
            raise ValueError(f"{name} holds values that are no numbers or too large")
    if arrays["validation"].all():
        raise ValueError("no loop was trained on")


def _agrees(pattern: list[str], shape: tuple[int, ...], lengths: dict[str, int]) -> bool:
    """Whether a shape follows its pattern; lengths that have no value yet get theirs."""
    if len(pattern) != len(shape):
        return False
    for letter, length in zip(pattern, shape, strict=True):
        if letter == "*":
            continue
        wanted = int(letter) if letter.isdigit() else lengths.setdefault(letter, length)
        if length != wanted or length < 1:
            return False
    return True
