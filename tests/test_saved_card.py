"""What the card of a saved model may say: of every field the last value that is right and the first that is not."""

import copy
import math
import re
from typing import Any

import numpy as np
import pytest

from loopscope.detection.saved_card import check_card, check_shapes, check_values

N, F = 4, 3
EPOCH = {"phase": "pretrain", "epoch": 0, "n_epochs": 10, "train_loss": 0.5, "validation_loss": 0.5, "spread": None}
REPORT: dict[str, Any] = {"history": [EPOCH], "seconds": 1.0, "collapsed": False, "warnings": [], "measures": {}}
CARD: dict[str, Any] = {
    "format": 2,
    "name": "mine",
    "saved": "2026-11-22T10:00:00+00:00",
    "detector": "AE",
    "preset": "robust",
    "seed": 0,
    "options": {},
    "encoder_id": None,
    "n_features": F,
    "n_loops": N,
    "threshold_95": 1.0,
    "collapsed": False,
    "arrays_sha256": "0" * 64,
    "loop_ids": ["a", "b", "c", "d"],
    "components": [],
    "report": REPORT,
}
FLAG = ([True, False], [0, 1, None, "yes"])
FIGURE = ([0, -1.5, math.nan, math.inf], [True, None, "1", [1]])
SURROGATES = ["\ud800", "a\udfff", "\udabc"]


def text(longest: int) -> tuple[list[Any], list[Any]]:
    return ["", "x" * longest, "\ud7ff\ue000é"], ["x" * (longest + 1), *SURROGATES, 5, None]


def whole(least: int, most: int) -> tuple[list[Any], list[Any]]:
    return [least, most], [least - 1, most + 1, float(most), True, "1", None]


def number(least: float, most: float, beyond: float) -> tuple[list[Any], list[Any]]:
    return [least, most], [least - (beyond - most), beyond, math.nan, math.inf, True, "1", None]


ENDS: dict[str, tuple[list[Any], list[Any]]] = {
    "name": text(500),
    "saved": (["2026-11-22", CARD["saved"]], ["", "yesterday", 5, None]),
    "detector": text(100),
    "preset": text(100),
    "seed": whole(0, 2**63 - 1),
    "options": ([{}], [[], None, "layer_sizes"]),
    "options layer_sizes": ([[1], [65_536] * 16], [[], [0], [65_537], [1] * 17, [1.0], [5, 0], 5, None, {}]),
    "options density_neighbours": whole(1, 1_000),
    "options n_neighbours": whole(1, 1_000),
    "options n_trees": whole(1, 1_000),
    "options n_components": ([1, 65_536, 0.001, 0.999], [0, 65_537, 0.0, 1.0, 1.5, -0.5, math.nan, True, "1", None]),
    "options other": ([1e30, -1e30, 0, True, "x" * 100], [1.1e30, -1.1e30, math.nan, "x" * 101, None, [1], {}]),
    "encoder_id": ([None, *text(1_000)[0]], [value for value in text(1_000)[1] if value is not None]),
    "n_features": whole(1, 2**16),
    "threshold_95": number(-1e30, 1e30, 1.1e30),
    "collapsed": FLAG,
    "arrays_sha256": (
        ["0123456789abcdef" * 4],
        ["0" * 63, "0" * 65, "g" + "0" * 63, "A" * 64, "0" * 64 + "\n", 0, None],
    ),
    "loop_ids": (
        [[], ["x" * 200, "b", "c", "d"]],
        [["x" * 201, "b", "c", "d"], ["a", "b", "c"], ["a", "b", "c", "d", "e"], ["a", "b", "c", "c"], [1, 2, 3, 4]]
        + [[surrogate, "b", "c", "d"] for surrogate in SURROGATES]
        + [{}, None, "abcd"],
    ),
    "components": ([[], ["x"] * 100, ["x" * 100]], [["x"] * 101, ["x" * 101], [5], "x", None]),
    "patch_id": text(1_000),
    "patch_seconds": number(0, 60, 60.001),
    "report": ([REPORT], [None, [], {}, REPORT | {"more": 1}]),
    "report complete": FLAG,
    "report collapsed": FLAG,
    "report seconds": number(0, 1e9, 1e9 + 1),
    "report warnings": ([[], ["x" * 2_000] * 100], [["x"] * 101, ["x" * 2_001], [5], "x", None]),
    "report measures": ([{}], [[], None, 5]),
    "report measures any": FIGURE,
    "report measures held_out_loops": ([0, N], [-1, N + 1, math.nan, math.inf, "1"]),
    "report measures training_loops": ([0, N], [-1, N + 1, math.nan, math.inf, "1"]),
    "report history": ([[], [EPOCH] * 2], [[EPOCH] * (2 * 10**6 + 1), [{}], [EPOCH | {"more": 1}], [None], {}, None]),
    "report history 0 phase": (["pretrain", "finetune"], ["", "training", 5, None]),
    "report history 0 epoch": whole(0, 10**6),
    "report history 0 n_epochs": whole(0, 10**6),
    "report history 0 train_loss": FIGURE,
    "report history 0 validation_loss": FIGURE,
    "report history 0 spread": ([None, *FIGURE[0]], [value for value in FIGURE[1] if value is not None]),
}


def saying(path: str, value: object) -> dict[str, Any]:
    card = copy.deepcopy(CARD)
    inner: Any = card
    *above, last = path.split()
    for step in above:
        inner = inner[int(step) if step.isdigit() else step]
    inner[last] = value
    return card


def test_every_field_is_asked_for() -> None:
    assert CARD.keys() - {"format", "n_loops"} <= {path.partition(" ")[0] for path in ENDS}
    assert {f"report {name}" for name in REPORT} | {f"report history 0 {name}" for name in EPOCH} <= ENDS.keys()


@pytest.mark.parametrize("path", ENDS)
def test_the_last_value_that_is_right_is_taken_and_the_first_that_is_not_is_named(path: str) -> None:
    right, wrong = ENDS[path]
    for value in right:
        card = saying(path, value)
        assert check_card(card) is card
    for value in wrong:
        with pytest.raises(
            ValueError, match=f"^the card (has .* as {path.partition(' ')[0]}$|has . diff|counts other)"
        ):
            check_card(saying(path, value))


def test_loops_are_counted() -> None:
    right, wrong = whole(1, 10**7)
    for n_loops in right:
        check_card(CARD | {"n_loops": n_loops, "loop_ids": []})
    for n_loops in wrong:
        with pytest.raises(ValueError, match=r"^the card has .* as n_loops$"):
            check_card(CARD | {"n_loops": n_loops, "loop_ids": []})


@pytest.mark.parametrize("card", [None, [], "card", {}, *({**CARD, "format": it} for it in (0, 3, None, "2", [2]))])
def test_a_card_of_no_known_format_is_refused(card: object) -> None:
    with pytest.raises(ValueError, match=r"^the card is not of format 2 or an older one$"):
        check_card(card)


def test_what_a_card_lacks_is_named() -> None:
    for name in CARD.keys() - {"format"}:
        with pytest.raises(ValueError, match=f"^the card lacks {name}$"):
            check_card({field: value for field, value in CARD.items() if field != name})
    with pytest.raises(ValueError, match=r"^the card lacks detector, seed$"):
        check_card({field: value for field, value in CARD.items() if field not in ("seed", "detector")})
    older = {field: value for field, value in CARD.items() if field != "report"} | {"format": 1}
    assert check_card(older) is older, "which has its report in pieces"
    assert check_card(older | {"report": "another thing"})
    for name in REPORT:
        with pytest.raises(ValueError, match=r"as report$"):
            check_card(CARD | {"report": {field: value for field, value in REPORT.items() if field != name}})


ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "scores": ("F32", (N,)),
    "validation": ("BOOL", (N,)),
    "latents": ("F64", (N, 2)),
    "probe_scores": ("F64", (4,)),
    "component.knn": ("F32", (N,)),
    "repeat_scores": ("F32", (2, N)),
    "collection.mean": ("F32", (F,)),
    "collection.scale": ("F32", (F,)),
    "collection.axes": ("F32", (F, 2)),
    "collection.coordinates": ("F32", (5, 2)),
    "state.weight": ("F32", (7, 0, 1)),
    "state.counts": ("I64", ()),
    "state.flags": ("BOOL", (2,)),
}
MISSHAPEN: dict[str, list[tuple[int, ...]]] = {
    "scores": [(), (N + 1,), (N, 1), (0,)],
    "validation": [(N - 1,), (N, N)],
    "latents": [(N,), (N + 1, 2), (N, 0), (N, 2, 1)],
    "probe_scores": [(3,), (5,), (4, 1)],
    "component.knn": [(N + 1,), (N, 1)],
    "repeat_scores": [(N,), (2, N + 1)],
    "collection.mean": [(F + 1,), (N,)],
    "collection.scale": [(F + 1,), (F, 1)],
    "collection.axes": [(N, 2), (F, 3), (F, 0), (2, F)],
    "collection.coordinates": [(0, 2), (5, 3), (5,)],
}
WITH_KNN = CARD | {"components": ["knn"]}


def test_arrays_are_those_of_the_card_in_name_kind_and_shape() -> None:
    check_shapes(WITH_KNN, ARRAYS)
    check_shapes(WITH_KNN, ARRAYS | {"repeat_scores": ("F64", (0, N))})
    check_shapes(WITH_KNN, {name: ARRAYS[name] for name in list(ARRAYS)[:5]})
    check_shapes(WITH_KNN, ARRAYS | {"latents": ("F64", (N, 1))})
    for letter, is_of in (("n", (N,)), ("f", (F,))):
        others = {name: (kind, tuple(9 if length in is_of else length for length in shape)) for name, (kind, shape)
                  in ARRAYS.items() if name != "probe_scores"}  # fmt: skip
        with pytest.raises(ValueError, match=rf"'{letter}': {is_of[0]}"):
            check_shapes(WITH_KNN, ARRAYS | others)
    for name, shapes in MISSHAPEN.items():
        for shape in shapes:
            with pytest.raises(ValueError, match=r"^\S+ has the shape \("):
                check_shapes(WITH_KNN, ARRAYS | {name: (ARRAYS[name][0], shape)})
    for name, (kind, shape) in ARRAYS.items():
        others = {"F32", "F64", "I64", "BOOL", "U8"} - {kind}
        right = {"F32", "F64"} if kind.startswith("F") else set()
        for other in others - ({"F32", "F64", "I64", "BOOL"} if name.startswith("state.") else right):
            with pytest.raises(ValueError, match=f"^'{re.escape(name)}' is of kind {other}$"):
                check_shapes(WITH_KNN, ARRAYS | {name: (other, shape)})
        for other in ("F32", "F64") if kind.startswith("F") else ():
            check_shapes(WITH_KNN, ARRAYS | {name: (other, shape)})


def test_arrays_that_lack_and_that_no_model_has_are_named() -> None:
    for name in list(ARRAYS)[:5]:
        with pytest.raises(ValueError, match=f"^the arrays lack {re.escape(name)}$"):
            check_shapes(WITH_KNN, {other: ARRAYS[other] for other in ARRAYS if other != name})
    with pytest.raises(ValueError, match=r"^the arrays lack latents, scores$"):
        check_shapes(WITH_KNN, {name: ARRAYS[name] for name in ARRAYS if name not in ("scores", "latents")})
    for name in ("component.pca", "collection.more", "n", "stat"):
        with pytest.raises(ValueError, match=f"^there is an array '{re.escape(name)}', which no model has$"):
            check_shapes(WITH_KNN, ARRAYS | {name: ("F32", (N,))})


def test_arrays_hold_numbers_that_one_can_compute_with() -> None:
    trained = np.array([True, False])
    check_values({"validation": trained, "a": np.array([1e30, -1e30]), "empty": np.empty(0)})
    check_values({"validation": np.array([False, False]), "whole": np.array([2, 3])})
    for wrong in (math.nan, math.inf, -math.inf, 1.1e30, -1.1e30):
        for array in (np.array([wrong]), np.array([0.0, wrong])):
            with pytest.raises(ValueError, match=r"^a holds values that are no numbers or too large$"):
                check_values({"validation": trained, "a": array})
    with pytest.raises(ValueError, match=r"^no loop was trained on$"):
        check_values({"validation": np.array([True, True])})
