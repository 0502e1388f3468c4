"""The whole walk without a screen: each file in one table, the odd one first, nothing embedded twice."""

from pathlib import Path

import numpy as np
import pytest

from loopscope.analysis.pipeline import analyse_folder
from loopscope.config import paths
from loopscope.errors import DataError
from loopscope.store import Store
from tests.golden.clips import plucked
from tests.test_embeddings import RATE, Spectrum, write


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for number in range(20):
        write(tmp_path / "pack" / f"{number:02d}.wav", plucked(0.3, RATE, seed=number))
    write(tmp_path / "pack" / "odd.wav", np.random.default_rng(0).uniform(-0.9, 0.9, RATE // 3))
    (tmp_path / "pack" / "broken.wav").write_bytes(b"no sound")
    return tmp_path / "pack"


def test_a_folder_becomes_one_table_with_the_odd_loop_first(pack: Path) -> None:
    found = analyse_folder(pack, Spectrum(), "knn")
    assert found.table["name"].iloc[0] == "odd.wav"
    assert found.table["rank"].tolist() == sorted(found.table["rank"])
    assert len(found.table) == 21
    assert [Path(path).name for path in found.rejected["path"]] == ["broken.wav"]
    again = Spectrum()
    analyse_folder(pack, again, "knn")
    assert not again.seen, "the user's own database has the embeddings"


def test_a_given_store_is_used_and_left_open(pack: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "own.sqlite3") as store:
        found = analyse_folder(pack, Spectrum(), "knn", store=store)
        assert len(store.get_embeddings(found.embeddings.loop_ids, Spectrum.encoder_id)) == 21
    assert not paths().database.exists()


def test_a_folder_without_loops_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No readable loop was found"):
        analyse_folder(tmp_path, Spectrum(), "knn")
