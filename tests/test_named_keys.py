"""A key that a name or tags say is told to be wrong where the notes speak against it, and a true one is not."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopscope.analysis.triage import triage_rank
from loopscope.faults import check_library, file_report
from loopscope.faults.check import known_faults, without_corrected
from loopscope.faults.limits import LIMITS
from loopscope.faults.music.key import Contradicted, unpacked
from loopscope.faults.named_keys import compare_with_names, contradiction
from loopscope.hearing.choice import choice_of
from loopscope.hearing.key import key_name, key_number, named_key_features, odds_against
from loopscope.hearing.notes import find_notes, resampled
from loopscope.library import Library, scan_folder
from loopscope.packs.check import check_folder
from loopscope.packs.rules import Rules
from loopscope.store import Store
from loopscope.store.records import Correction

RATE = 22050
MINOR, MAJOR = (0, 3, 7, 10, 8, 5, 7, 0), (0, 4, 7, 9, 5, 2, 7, 0)
FAR = ("C#", "F#m", "B", "G#m")  # of A minor and of C major: several notes apart


def riff(root: int, steps: tuple[int, ...]) -> np.ndarray:
    """(n,) eight plucked notes, twice, and the root held at the end."""
    parts = []
    for step, seconds in [*((step, 0.3) for step in steps * 2), (0, 0.6)]:
        t = np.arange(int(seconds * RATE)) / RATE
        hz = 440 * 2 ** ((root + step - 69) / 12)
        tone = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 5))
        parts.append(tone * np.exp(-4 * t) * np.clip((seconds - t) / 0.02, 0, 1))
    return (0.2 * np.concatenate(parts)).astype(np.float32)


def pack(folder: Path, *names: str) -> Library:
    """Files of these names that play one riff in A minor, each begun elsewhere so that no two are copies."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        soundfile.write(folder / name, np.roll(riff(45, MINOR), 40 * number), RATE)
    return scan_folder(folder)


def told(library: Library, store: Store | None = None) -> dict[str, tuple[str, str]]:
    """By name, what is said of the key."""
    found = check_library(library, store)
    found = found[found["kind"] == "other_key"].set_index("loop_id")
    names = library.unique.set_index("loop_id")["name"]
    return {str(names[loop_id]): (str(row["sentence"]), str(row["brief"])) for loop_id, row in found.iterrows()}


@pytest.mark.parametrize("root", [40, 45, 50, 55])
@pytest.mark.parametrize(("steps", "mode"), [(MINOR, "m"), (MAJOR, "")])
def test_the_true_key_is_never_the_unlikely_one(root: int, steps: tuple[int, ...], mode: str) -> None:
    x = riff(root, steps)
    odds = odds_against(find_notes(resampled(x, RATE)), len(x) / RATE)
    true = key_number(key_name(root % 12) + mode)
    assert odds[true] < LIMITS["other_key"].suspect / 2
    assert (odds >= LIMITS["other_key"].suspect).sum() >= 12, "most keys are far away"


def test_the_weights_are_those_of_the_features() -> None:
    x = riff(45, MINOR)
    features = named_key_features(find_notes(resampled(x, RATE)), len(x) / RATE)
    assert set(choice_of("named_key").weights) == set(features)
    turned = named_key_features(find_notes(resampled(riff(47, MINOR), RATE)), len(x) / RATE)
    for name, values in features.items():
        moved = np.roll(values.reshape(2, 12), 2, axis=1).ravel()
        np.testing.assert_allclose(turned[name], moved, atol=0.1, err_msg=name)


def test_a_wrong_key_in_a_name_is_told_and_a_true_or_near_one_is_not(tmp_path: Path) -> None:
    wrong = [f"Bass_100_{key}.wav" for key in FAR]
    said = told(pack(tmp_path / "pack", "Bass_100_Am.wav", "Bass_100_A.wav", "riff.wav", *wrong))
    assert set(said) == set(wrong), "A may mean A minor, and what says no key is not wrong"
    assert said["Bass_100_C#.wav"] == ("Its name says C#; its notes fit Am.", "Am, not C#")
    assert said["Bass_100_G#m.wav"][1] == "Am, not G#m", "as it is written"


def test_copies_of_one_sound_that_are_named_otherwise_are_not_told_apart(tmp_path: Path) -> None:
    pack(tmp_path / "pack", "Bass_100_C#.wav")
    for copy, is_told in (("Bass_101_C#.wav", True), ("Bass_101_Am.wav", False)):
        shutil.copy(tmp_path / "pack" / "Bass_100_C#.wav", tmp_path / "pack" / copy)
        assert bool(told(scan_folder(tmp_path / "pack"))) is is_told


def test_a_renamed_file_is_judged_by_its_new_name_and_not_heard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pack(tmp_path / "pack", "Bass_100_Ebm.wav")
    with Store(tmp_path / "store.sqlite3") as store:
        assert set(told(library, store)) == {"Bass_100_Ebm.wav"}
        monkeypatch.setattr(file_report, "blocks_of", lambda *_args: pytest.fail("a file was read again"))
        (tmp_path / "pack" / "Bass_100_Ebm.wav").rename(tmp_path / "pack" / "Bass_100_Am.wav")
        assert not told(scan_folder(tmp_path / "pack"), store)
        assert known_faults(library, store)["kind"].tolist().count("other_key") == 1


def test_a_correction_by_the_user_silences_it_on_the_command_line_too(tmp_path: Path) -> None:
    library = pack(tmp_path / "pack", "Bass_100_Ebm.wav", "Bass_100_B.wav")
    corrected, other = library.unique["loop_id"]
    rules = Rules(select=frozenset({"other_key"}))
    with Store(tmp_path / "store.sqlite3") as store:
        assert len(check_folder(library.root, rules, store=store).findings) == 2
        store.set_correction(corrected, Correction(bpm=100.0))
        assert len(check_folder(library.root, rules, store=store).findings) == 2, "a tempo settles no key"
        store.set_correction(corrected, Correction(key="Am"))
        (finding,) = check_folder(library.root, rules, store=store).findings
        assert finding.loop_id == other and finding.level == "note"
        found = check_library(library, store)
        assert set(without_corrected(found, store)["loop_id"]) == {other}
        store.set_correction(corrected, Correction())
        assert len(check_folder(library.root, rules, store=store).findings) == 2, "taken back"


def test_tags_are_held_against_the_notes_too() -> None:
    against = frozenset({1, 13, 11, 23})
    loop = Contradicted(against, heard=21, tagged=1)
    found = contradiction(loop, None)
    assert found is not None and (found.sentence, found.brief) == ("Its tags say C#; its notes fit Am.", "Am, not C#")
    both = contradiction(loop, "Db")
    assert both is not None and both.sentence == "Its name and its tags say Db; its notes fit Am."
    unsure = contradiction(Contradicted(against), "Bm")
    assert unsure is not None and unsure.brief == "hardly Bm"
    assert contradiction(Contradicted(frozenset({1}), tagged=1), "C") is None, "in C# minor it may be"
    assert contradiction(Contradicted(against, heard=13), "C#") is None, "its root is heard"


@pytest.mark.parametrize("heard", [None, 0, 23])
@pytest.mark.parametrize("tagged", [None, 0, 23])
@pytest.mark.parametrize("keys", [frozenset(), frozenset({0}), frozenset(range(24))])
def test_the_number_that_is_kept_says_the_same(keys: frozenset[int], heard: int | None, tagged: int | None) -> None:
    loop = Contradicted(keys, heard, tagged)
    assert unpacked(loop.packed) == loop
    assert loop.packed < 2**53, "a float holds it"


@pytest.mark.parametrize(("name", "number"), [("C", 0), ("Db", 1), ("C#", 1), ("Cb", 11), ("Bb", 10), ("Bm", 23)])
def test_a_key_in_any_spelling_has_its_number(name: str, number: int) -> None:
    assert key_number(name) == number


def test_it_is_worth_knowing_and_no_fault(tmp_path: Path) -> None:
    library = pack(tmp_path / "pack", "Bass_100_Am.wav", "Bass_100_Ebm.wav")
    table = library.loops.assign(percentile=50.0)
    ranked = triage_rank(table, check_library(library)).set_index("name")
    assert (ranked["fault_evidence"] == 0).all() and (ranked["triage"] == "normal").all()
    assert ranked.loc["Bass_100_Ebm.wav", "fault_kinds"] == "Another key than named"


def test_values_of_loops_without_a_key_say_nothing() -> None:
    assert compare_with_names({"a": {"peak": -1.0}}, {"a": "Am"}) == {}
