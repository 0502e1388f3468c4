"""Groups of what is alike, and which of each is suggested to keep."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loopscope.analysis.families import LEAST_ALIKE, Relations, families_of, find_relations, joined, keeper_of
from loopscope.analysis.riffs import Riffs
from loopscope.embeddings import EmbeddingSet, neighbours
from loopscope.embeddings.neighbours import pairs_above
from loopscope.errors import Cancelled
from loopscope.faults.duplicates import centred
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.hearing.riff import CLASSES, STEPS
from loopscope.progress import ignore_progress, never_stop
from loopscope.store import Store
from loopscope.ui.projects.families import start_families
from loopscope.ui.projects.project import Project

RNG = np.random.default_rng(0)


def unique(*rows: tuple[str, float, int]) -> pd.DataFrame:
    """As Library.unique, of loops with these seconds and rates."""
    table = pd.DataFrame(rows, columns=["loop_id", "duration_s", "sample_rate"])
    return table.assign(name=table["loop_id"] + ".wav", folder="", path="/" + table["loop_id"] + ".wav")


def alike(n: int = 700) -> np.ndarray:
    """Sounds in 64 dimensions: the last hundred are ever better copies of the first."""
    X = RNG.normal(size=(n, 64)).astype(np.float32)
    X[-100:] = X[:100] + np.geomspace(0.5, 1e-4, 100)[:, None] * RNG.normal(size=(100, 64))
    return X


@pytest.mark.parametrize("cosine", [0.9, 0.97, 0.999])
def test_every_pair_that_agrees_is_found_once(cosine: float) -> None:
    X = alike()
    first, second, likeness = pairs_above(X, cosine)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = np.triu(unit @ unit.T, 1)
    i, j = np.nonzero(expected >= cosine)
    assert sorted(zip(first, second, strict=True)) == sorted(zip(i, j, strict=True)) and len(i) > 10
    np.testing.assert_allclose(likeness, expected[first, second], atol=1e-5)


def test_nobody_and_copies_of_one_sound_are_no_special_case() -> None:
    first, _, _ = pairs_above(np.eye(5, 8), 0.9)
    assert not len(first)
    first, second, _ = pairs_above(np.ones((300, 4)), 0.999)
    assert len(first) == 300 * 299 // 2 and (first < second).all()


def test_pairs_join_to_groups_also_by_others() -> None:
    assert joined([("b", "a"), ("d", "c"), ("e", "b")]) == [("a", "b", "e"), ("c", "d")]
    assert joined([]) == []
    chain = [(f"{at:05}", f"{at + 1:05}") for at in range(5000)]
    assert [len(group) for group in joined(reversed(chain))] == [5001]


def test_the_keeper_is_not_clipped_then_of_the_higher_rate_then_longer() -> None:
    loops = unique(("clipped", 9.0, 96000), ("short", 4.0, 48000), ("long", 8.0, 48000), ("low", 9.0, 44100))
    assert keeper_of(loops, {"clipped"}) == ("long", "not clipped, 48 kHz, 8 s")
    assert keeper_of(loops, ()) == ("clipped", "96 kHz, 9 s")
    assert keeper_of(loops.iloc[2:], ()) == ("long", "48 kHz, 8 s"), "a part of a table"
    assert keeper_of(loops.iloc[3:], ()) == ("low", ""), "nobody to compare with"
    same = unique(("a", 4.0, 48000), ("b", 4.0, 48000))
    assert keeper_of(same, ())[1] == "", "nothing speaks for either"


def test_a_family_is_its_keeper_and_the_others_that_are_still_there() -> None:
    loops = unique(("a", 4.0, 44100), ("b", 8.0, 44100), ("c", 4.0, 44100))
    table = families_of([("a", "b", "gone"), ("c", "gone")], loops, frozenset())
    assert table[["family", "loop_id", "keep", "why"]].to_numpy().tolist() == [
        [1, "b", True, "8 s"],
        [1, "a", False, ""],
    ]
    assert families_of([], loops, frozenset()).empty


def test_nobody_keeps_what_is_quarantined_so_that_no_family_goes_as_a_whole() -> None:
    loops = unique(("a", 9.0, 48000), ("b", 8.0, 48000), ("c", 7.0, 48000))

    def keepers(*groups: tuple[str, ...], quarantined: set[str]) -> list[tuple[str, str]]:
        table = families_of(groups, loops, frozenset(), quarantined)
        return list(table.loc[table["keep"], ["loop_id", "why"]].itertuples(index=False, name=None))

    assert keepers(("a", "b", "c"), quarantined=set()) == [("a", "9 s")]
    assert keepers(("a", "b", "c"), quarantined={"a"}) == [("b", "8 s")], "by hand"
    assert keepers(("b", "c"), quarantined={"b"}) == [("c", "the others are quarantined")], "as a near copy of a"
    assert keepers(("a", "b"), quarantined={"a", "b"}) == []
    assert keepers(("a", "b"), ("a", "c"), quarantined={"a", "b"}) == [("c", "the others are quarantined")]


def test_of_many_families_at_once_each_keeps_what_it_would_alone() -> None:
    rows = [(f"{at:03}", float(RNG.integers(2, 5)), int(RNG.choice([44100, 48000]))) for at in range(300)]
    loops, clipped = unique(*rows), {f"{at:03}" for at in range(0, 300, 4)}
    groups = [tuple(f"{at:03}" for at in range(first, first + 3)) for first in range(0, 300, 3)]
    table = families_of(groups, loops, clipped)
    assert table["family"].tolist() == [number for number in range(1, 101) for _ in range(3)]
    for number, group in enumerate(groups, 1):
        family = table[table["family"] == number]
        keeper = max(
            (loop_id not in clipped, rate, seconds, loop_id) for loop_id, seconds, rate in rows if loop_id in group
        )[3]
        assert family["loop_id"].tolist() == [keeper, *(loop_id for loop_id in group if loop_id != keeper)]
        assert family["keep"].tolist() == [True, False, False]


@pytest.mark.parametrize(("most", "least"), [(250, SAME_SOUND_COSINE), (3, None)])
def test_where_too_many_are_alike_only_the_same_sounds_are_listed_or_nobody_and_riffs_are_found(
    most: int, least: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 64)).astype(np.float32)
    X[:30] = X[0] + 0.12 * rng.normal(size=(30, 64))  # 435 pairs at about 0.986
    X[30:36] = X[30] + 1e-3 * rng.normal(size=(6, 64))
    monkeypatch.setattr(neighbours, "MOST_PAIRS", most)
    riff = (rng.random((CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    ids = tuple(f"{at:02}" for at in range(300))
    found = find_relations(
        EmbeddingSet(ids, X, "made-up"), Riffs({"01": riff, "02": riff}), ignore_progress, never_stop
    )
    assert found.least == least and found.riffs == (("01", "02", 0),)
    assert len(found.alike(SAME_SOUND_COSINE)) == (15 if least else 0)


def test_stricter_groups_are_parts_of_looser_ones_and_riffs_join_across_keys() -> None:
    ids = tuple(f"{at:03}" for at in range(700))
    riff = (RNG.random((CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    other = (RNG.random((CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    riffs = Riffs({"001": riff, "002": np.roll(riff, 3, axis=0), "003": other})
    embeddings = EmbeddingSet(ids, alike(), "made-up")
    found = find_relations(embeddings, riffs, ignore_progress, never_stop)
    assert found.riffs == (("001", "002", 3),) and found.has_riffs
    loose, strict = (set(found.alike(cosine)) for cosine in (LEAST_ALIKE, 0.9999))
    assert strict < loose and strict
    assert len(loose) == len(pairs_above(centred(embeddings.X), LEAST_ALIKE)[0])
    with pytest.raises(Cancelled):
        find_relations(embeddings, riffs, ignore_progress, lambda: True)


def test_what_nobody_asked_for_is_not_there() -> None:
    nothing = np.empty(0, np.int64)
    assert Relations(("a",), (nothing, nothing, np.empty(0)), (), n_riffs=0).alike(0.97) == []


def test_what_was_alike_to_another_encoder_goes_with_its_embeddings(tmp_path: Path) -> None:
    project, embeddings = Project(), EmbeddingSet(("a", "b"), np.ones((2, 4), np.float32), "made-up")
    with Store(tmp_path / "store.sqlite3") as store:

        def search() -> Relations | None:
            task = start_families(project, store, embeddings)
            deadline = time.monotonic() + 120
            while task.running and time.monotonic() < deadline:
                time.sleep(0.01)
            assert task.done, task.error
            return project.contents.relations

        project.update(embeddings=embeddings)
        assert search() is not None
        project.drop_embeddings()
        assert project.contents.relations is None
        assert search() is None, "asked for before the other encoder came"
