"""What the owner's other folders have of this one: nobody else's, nothing twice, nothing that is not there any more."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loopscope.analysis import elsewhere as search
from loopscope.analysis.elsewhere import Alike, find_alike
from loopscope.analysis.families import families_of, joined, semitones_of
from loopscope.audio import content_hash
from loopscope.config import paths
from loopscope.embeddings import EmbeddingSet, between
from loopscope.embeddings.neighbours import TooManyPairsError, pairs_above, unit_rows
from loopscope.errors import AudioError, Cancelled
from loopscope.faults.limits import SAME_SOUND_COSINE
from loopscope.hearing.riff import CLASSES, STEPS
from loopscope.library import Library, scan_folder
from loopscope.library.present import CHANGED, GONE, files_of
from loopscope.metadata.riffs import RIFF_VERSION, riff_report
from loopscope.progress import ignore_progress, never_stop
from loopscope.store import ProjectRow, Store
from loopscope.ui.projects.elsewhere import Elsewhere, other_projects, places_elsewhere
from loopscope.ui.projects.families import start_elsewhere
from loopscope.ui.projects.project import LOCAL, Project
from loopscope.ui.projects.registry import ProjectRegistry
from loopscope.ui.server import visitors
from loopscope.ui.server.media import MediaRegistry
from loopscope.ui.views.elsewhere import already
from tests.test_projects import BROWSER, RATE, Tiny, analysed, finish, registry, tiny  # noqa: F401

RNG = np.random.default_rng(0)
ENCODER = "made-up"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite3") as opened:
        yield opened


def embedded(store: Store, ids: list[str], X: np.ndarray, encoder: str = ENCODER) -> EmbeddingSet:
    X = X.astype(np.float32)
    store.put_embeddings(ids, encoder, X)
    return EmbeddingSet(tuple(ids), X, encoder)


def asked(embeddings: EmbeddingSet, others: list[str], store: Store) -> Alike:
    return find_alike(embeddings, others, store, ignore_progress, never_stop)


# One folder against the rest.


@pytest.mark.parametrize(("n_here", "block", "rows"), [(40, 4096, 1024), (40, 7, 9), (3, 7, 2)])
def test_every_pair_between_folders_is_found_and_none_within_whatever_the_blocks(
    n_here: int, block: int, rows: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "BLOCK", block)
    monkeypatch.setattr(between, "QUERY_ROWS", rows)
    X = RNG.normal(size=(100, 32))
    X[:40] += 2.0  # their own mean makes them less alike, that of all would not
    X[40:60] += 3 * RNG.normal(size=32)
    X[1] = X[0] * 3  # within this folder
    X[60:63] = X[:3] + 0.02 * RNG.normal(size=(3, 32))
    X[70] = X[60]  # within the others
    X[80:] = X[2] + np.geomspace(0.15, 0.5, 20)[:, None] * RNG.normal(size=(20, 32))
    ids = [f"{at:03}" for at in range(100)]
    embeddings = embedded(store, ids[:n_here], X[:n_here])
    embedded(store, ids[n_here:], X[n_here:])
    found = asked(embeddings, ids[n_here:], store)
    unit = unit_rows(X)
    centred = unit_rows(unit - (unit[:n_here] if n_here >= search.ENOUGH else unit).mean(axis=0))
    i, j = np.nonzero(centred[:n_here] @ centred[n_here:].T >= 0.97)
    expected = {(ids[a], ids[b + n_here]) for a, b in zip(i, j, strict=True)}
    assert set(found.relations.alike(0.97)) == expected
    assert {("000", "060"), ("001", "060"), ("000", "070"), ("002", "062")} <= expected
    for row, name in enumerate(ids[:n_here]):
        nearest = found.nearest_to(name)
        order = np.argsort(-(unit[row] @ unit[n_here:].T), kind="stable")[: search.NEAREST]
        assert [cosine for _, cosine in nearest] == pytest.approx(np.sort(unit[row] @ unit[n_here:].T)[::-1][:12])
        assert nearest[0][0] in {ids[at + n_here] for at in order[:2]}, "of two copies either may come first"
    assert found.nearest_to("099") == []


def test_what_another_encoder_made_is_not_compared_and_whoever_is_not_embedded_costs_nothing(store: Store) -> None:
    X = RNG.normal(size=(40, 16))
    here = embedded(store, [f"h{at}" for at in range(40)], X)
    embedded(store, ["same", "near"], X[:2])
    embedded(store, ["other encoder"], X[:1], "made-up-too")
    store.put_embeddings(["wider"], ENCODER, RNG.normal(size=(1, 24)).astype(np.float32))
    found = asked(here, ["other encoder", "never", "wider", "same", "near"], store)
    assert set(found.others) == {"same", "near"}
    assert set(found.relations.alike(0.999)) == {("h0", "same"), ("h1", "near")}
    assert not asked(here, ["wider"], store).others
    nobody = asked(here, [], store)
    assert not nobody.others and nobody.nearest_to("h0") == [] and not nobody.relations.matched()


def test_too_many_are_listed_more_strictly_or_not_at_all_and_a_stop_is_heard(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.abs(RNG.normal(size=(60, 64))) + RNG.normal(size=(60, 64))
    X[40:] = X[0] + 0.18 * RNG.normal(size=(20, 64))
    X[40] = X[0]
    ids = [f"{at:02}" for at in range(60)]
    here = embedded(store, ids[:40], X[:40])
    embedded(store, ids[40:], X[40:])
    for most, least, n in ((20, 0.97, 20), (5, SAME_SOUND_COSINE, 1), (0, None, 0)):
        monkeypatch.setattr(between, "MOST_PAIRS", most)
        relations = asked(here, ids[40:], store).relations
        assert (relations.least, len(relations.near[0])) == (least, n)
    with pytest.raises(TooManyPairsError):
        between.compare(X, [X], -1.0, np.zeros(64, np.float32), 1)
    with pytest.raises(Cancelled):
        find_alike(here, ids[40:], store, ignore_progress, lambda: True)


def test_copies_of_one_folder_split_in_two_are_those_of_the_whole(store: Store) -> None:
    X = RNG.normal(size=(120, 48))
    X[60:90] = X[:30] + np.geomspace(0.3, 1e-3, 30)[:, None] * RNG.normal(size=(30, 48))
    ids = [f"{at:03}" for at in range(120)]
    here = embedded(store, ids[:60], X[:60])
    embedded(store, ids[60:], X[60:])
    found = set(asked(here, ids[60:], store).relations.alike(0.995))
    unit = unit_rows(X)
    first, second, _ = pairs_above(unit - unit.mean(axis=0), 0.995)
    whole = {(ids[a], ids[b]) for a, b in zip(first, second, strict=True)}
    assert found and len(found ^ whole) <= 1, "but for one at the very border"


def test_a_riff_is_found_in_every_key_and_its_height_is_told_by_way_of_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    riff = (RNG.random((CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    other = (RNG.random((CLASSES, STEPS)) ** 4 * 255).astype(np.uint8)
    heights = {f"up {up}": up for up in range(CLASSES)}
    reports = {name: riff_report(np.roll(riff, up, axis=0)) for name, up in heights.items()}
    store.put_reports("measurements", {"here": riff_report(riff), "no kin": riff_report(other)} | reports, RIFF_VERSION)
    here = embedded(store, ["here", "no kin"], RNG.normal(size=(2, 8)))
    found = asked(here, list(heights), store).relations
    assert {pair[0] for pair in found.riffs} == {"here"}
    assert {name: up for _, name, up in found.riffs} == {
        name: up if up <= 6 else up - 12 for name, up in heights.items()
    }
    monkeypatch.setattr(search, "MOST_RIFF_PAIRS", 23)
    limited = asked(here, list(heights), store).relations
    assert not limited.riffs and not replace(limited, most_riffs=23).has_riffs
    table = families_of(joined(found.same_riff), made_up(*(pair[1] for pair in found.riffs), "here"), ())
    known = dict(zip(table["loop_id"], semitones_of(table, found.riffs), strict=True))
    keeper = table.loc[table["keep"], "loop_id"].item()
    up = 0 if keeper == "here" else heights[keeper]
    expected = {name: (own - up + 5) % 12 - 5 for name, own in heights.items()} | {"here": (-up + 5) % 12 - 5}
    assert known == expected and known[keeper] == 0


def made_up(*loop_ids: str):  # type: ignore[no-untyped-def]
    """As Library.unique."""
    import pandas as pd

    table = pd.DataFrame({"loop_id": loop_ids, "name": loop_ids, "path": [f"/{it}" for it in loop_ids]})
    return table.assign(folder="", duration_s=1.0, sample_rate=44100)


# Whose folders, and which of their files.


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write(tmp_path / "new", range(12))


def noise(seed: int) -> np.ndarray:
    """No two are alike."""
    return 0.3 * np.random.default_rng(seed).normal(size=RATE // 10)


def write(folder: Path, numbers: Iterable[int]) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        soundfile.write(folder / f"{number:03d}.wav", noise(number), RATE)
    return folder


def search_of(project: Project, known: ProjectRegistry) -> Elsewhere:
    now = project.contents
    assert now.library is not None and now.embeddings is not None
    task = finish(start_elsewhere(project, known.store, now.library, now.embeddings))
    assert task.state == "done", task.error
    found = project.contents.elsewhere
    assert found is not None
    return found


def names(found: Elsewhere) -> list[str]:
    return sorted(found.library.loops["name"])


@pytest.fixture
def shelf(tmp_path: Path, tiny: Tiny) -> Path:  # noqa: F811
    """Another folder that was analysed: ten loops, two of which the pack has, one of them half as loud."""
    folder = write(tmp_path / "old", range(100, 108))
    shutil.copy(write(tmp_path / "sources", range(2)) / "000.wav", folder / "taken.wav")
    soundfile.write(folder / "quieter.wav", 0.5 * noise(1), RATE)
    return folder


def test_the_owner_s_other_folders_are_asked_and_nobody_else_s(pack: Path, shelf: Path) -> None:
    known = registry()
    analysed(shelf, at=known)
    strange = write(shelf.parent / "strange", range(12))
    analysed(strange, owner=BROWSER, at=known)
    project = analysed(pack, at=known)
    found = search_of(project, known)
    assert names(found) == ["quieter.wav", "taken.wav"]
    copied = set(found.library.loops["loop_id"]) & set(project.contents.library.loops["loop_id"])  # type: ignore[union-attr]
    assert copied == {content_hash(pack / "000.wav")}
    assert set(found.library.loops["folder"]) == {"old"}
    assert found.alike.relations.alike(0.999) == [(content_hash(pack / "001.wav"), content_hash(shelf / "quieter.wav"))]
    assert found.n_loops == 9 and list(found.asked.values()) == [10]
    theirs = search_of(analysed(strange, owner=BROWSER, at=known), known)
    assert theirs.library.loops.empty and not theirs.asked, "a stranger has no other folder"


def test_a_forgotten_project_shows_up_no_more_also_where_it_was_found_before(pack: Path, shelf: Path) -> None:
    known = registry()
    old = analysed(shelf, at=known)
    project = analysed(pack, at=known)
    found = search_of(project, known)
    known.forget(LOCAL, old.id)
    assert found.within(other_projects(LOCAL, project.id, known.store)).loops.empty
    again = search_of(project, known)
    assert again.library.loops.empty and not again.alike.others


def test_a_folder_that_its_owner_may_not_open_now_is_not_asked(
    pack: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry()
    monkeypatch.setattr(visitors, "allowed_roots", lambda address: (pack, shelf))
    analysed(shelf, owner=BROWSER, at=known)
    project = analysed(pack, owner=BROWSER, at=known)
    found = search_of(project, known)
    assert names(found) == ["quieter.wav", "taken.wav"]
    monkeypatch.setattr(visitors, "allowed_roots", lambda address: (pack,))
    assert other_projects(BROWSER, project.id, known.store) == []
    assert found.within(other_projects(BROWSER, project.id, known.store)).loops.empty
    assert search_of(project, known).library.loops.empty
    remote = ProjectRow("far", LOCAL, "s3://label/loops", "far", 0.0, {})
    known.store.put_project(remote)
    assert other_projects(LOCAL, project.id, known.store) == [], "what lies at an address has no files to be asked"


def test_a_file_is_no_copy_of_itself_below_two_folders_through_a_link_or_by_another_name(
    pack: Path, shelf: Path
) -> None:
    known = registry()
    inner = write(pack / "inside", range(200, 210))
    analysed(inner, at=known)
    analysed(pack.parent, at=known)  # holds all of them
    alias = pack.parent.parent / f"{pack.parent.name}-alias"
    alias.mkdir()
    for file in sorted(pack.glob("*.wav")):
        os.link(file, alias / file.name)
    analysed(alias, at=known)
    project = analysed(pack, at=known)
    found = search_of(project, known)
    copies = found.library.loops[found.library.loops["loop_id"].isin(set(project.contents.library.loops["loop_id"]))]  # type: ignore[union-attr]
    assert {Path(path).parent.name for path in copies["path"]} == {"old", "sources"}
    rows = other_projects(LOCAL, project.id, known.store)
    known_files = found.library
    nothing = Library(pack, known_files.loops.iloc[:0], known_files.rejected)
    whose = {place.path: place.title for own in places_elsewhere(rows, nothing, known.store).values() for place in own}
    assert whose[str(inner / "200.wav")] == "inside" and whose[str(pack / "000.wav")] == pack.parent.name


def test_what_is_gone_or_changed_is_left_out_with_the_reason_and_does_not_sound(pack: Path, shelf: Path) -> None:
    known = registry()
    analysed(shelf, at=known)
    project = analysed(pack, at=known)
    heard, files = MediaRegistry(), files_of(search_of(project, known).library)
    heard.publish_elsewhere("mine", "families", files)
    loop_id = content_hash(shelf / "quieter.wav")
    sound = heard.sound("mine", loop_id)
    assert sound is not None and content_hash(sound) == loop_id
    assert heard.sound("another session's", loop_id) is None and heard.sound("mine", "0" * 32) is None
    assert heard.outbox("mine") is None
    soundfile.write(shelf / "quieter.wav", noise(9), RATE)
    with pytest.raises(AudioError, match="changed"):
        heard.sound("mine", loop_id)
    scan_folder(shelf, known.store)  # as another person who has that folder, too: its content is known anew
    (shelf / "taken.wav").unlink()
    with pytest.raises(AudioError, match="gone"):
        heard.sound("mine", content_hash(pack / "000.wav"))
    found = search_of(project, known)
    assert found.library.loops.empty
    reasons = {Path(path).name: reason for path, reason in found.library.rejected.itertuples(index=False)}
    assert reasons == {"quieter.wav": CHANGED, "taken.wav": GONE}
    heard.publish_elsewhere("mine", "families", files_of(found.library))
    assert heard.sound("mine", loop_id) is None


def test_a_link_that_came_since_leads_nobody_out_of_the_folder(pack: Path, shelf: Path, tmp_path: Path) -> None:
    known = registry()
    analysed(shelf, at=known)
    (file,) = [
        file for file in files_of(search_of(analysed(pack, at=known), known).library).values() if "quieter" in file.path
    ]
    outside = tmp_path / "secret.wav"
    shutil.copy2(file.path, outside)
    Path(file.path).unlink()
    Path(file.path).symlink_to(outside)
    file.check()
    with pytest.raises(AudioError):
        content_hash(file)


def test_a_folder_of_another_encoder_is_asked_for_the_same_files_alone(pack: Path, shelf: Path, tiny: Tiny) -> None:  # noqa: F811
    known = registry()
    analysed(shelf, at=known)
    tiny.encoder_id = "tiny-2"
    project = analysed(pack, at=known)
    found = search_of(project, known)
    assert names(found) == ["taken.wav"] and (found.n_loops, found.alike.others) == (9, ())
    with Store(paths().database) as opened:
        assert set(opened.embeddings_by_encoder()) == {"tiny-1", "tiny-2"}


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((33, 0, 0, 0), "Of the 33 loops here your other folders have none yet."),
        ((1, 1, 0, 0), "Of the 1 loop here your other folders have 1 as an exact copy already."),
        (
            (33, 2, 1, 1),
            "Of the 33 loops here your other folders have 2 as exact copies and 1 as a near copy already; 1 plays a "
            "riff that is there, too.",
        ),
        ((1200, 0, 0, 7), "Of the 1,200 loops here your other folders have none yet; 7 play a riff that is there."),
    ],
)
def test_a_sentence_says_what_one_has_already(counts: tuple[int, int, int, int], said: str) -> None:
    assert already(*counts) == said
