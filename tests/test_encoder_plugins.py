"""Encoders of other packages: found by entry points, tested for conformance, and never anybody's crash."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from loopscope.analysis.walk import Plan
from loopscope.encoders import catalogue
from loopscope.encoders.base import encoder_info, load_encoder
from loopscope.encoders.conformance import breaches_of
from loopscope.errors import EncoderError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = """
import time
import numpy as np
from loopscope.encoders.catalogue import EncoderInfo
from loopscope.errors import EncoderError

INFO = EncoderInfo("bands-8", "Eight bands, a toy", 8, "MIT, the tests", "their_encoder:load")
UPPER = EncoderInfo("Bands", "x", 8, "MIT", "their_encoder:load")
TAKEN = EncoderInfo("aisfx", "x", 8, "MIT", "their_encoder:load")
LIAR = EncoderInfo("liar", "x", 8, "MIT", "their_encoder:load")
BROKEN = EncoderInfo("broken", "x", 8, "MIT", "their_encoder:nowhere")
UNTITLED = EncoderInfo("untitled", None, 8, "MIT", "their_encoder:load")
NOTHING = EncoderInfo("nothing", "x", 8, "MIT", "their_encoder:nothing")
LONGER = EncoderInfo("bands-8-v2", "x", 8, "MIT", "their_encoder:load")
NUMBER = 3

class Bands:
    encoder_id, sample_rate, n_features = "bands-8-v1", 16000, 8
    description, notice = "Eight bands, a toy of the tests.", ""

    def embed(self, waveforms):
        return np.stack([self._one(np.asarray(x, np.float32)) for x in waveforms])

    def _one(self, x):
        if not len(x) or not np.isfinite(x).all():
            raise EncoderError("An empty or broken sound.")
        power = np.abs(np.fft.rfft(x, max(len(x), 64))) ** 2
        return np.array([np.log10(part.mean() + 1e-9) for part in np.array_split(power, 8)], np.float32)

def load(weights_file, on_progress):
    return Bands()

def nothing(weights_file, on_progress):
    return None
"""
ENTRIES = """[loopscope.encoders]
bands-8 = their_encoder:INFO
Bands = their_encoder:UPPER
aisfx = their_encoder:TAKEN
liar = their_encoder:LIAR
broken = their_encoder:BROKEN
number = their_encoder:NUMBER
untitled = their_encoder:UNTITLED
nothing = their_encoder:NOTHING
bands-8-v2 = their_encoder:LONGER
gone = their_encoder.gone:INFO
leaving = their_encoder_leaving:INFO
refusing = their_encoder_refusing:INFO
"""
LEAVING = "raise SystemExit(3)"
REFUSING = "from loopscope.errors import EncoderError\nraise EncoderError('No licence here.')"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with encoders, as pip leaves it."""
    (tmp_path / "their_encoder.py").write_text(PACKAGE)
    (tmp_path / "their_encoder_leaving.py").write_text(LEAVING)
    (tmp_path / "their_encoder_refusing.py").write_text(REFUSING)
    card = tmp_path / "their_encoder-1.0.dist-info"
    card.mkdir()
    (card / "METADATA").write_text("Metadata-Version: 2.1\nName: their-encoder\nVersion: 1.0\n")
    (card / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue.plugins.cache_clear()
    yield
    catalogue.plugins.cache_clear()
    sys.modules.pop("their_encoder", None)


def test_what_a_package_brings_is_known_and_what_breaks_the_rules_is_said(installed: None) -> None:
    assert [info.name for info in catalogue.known_encoders()][3:] == [
        "bands-8",
        "bands-8-v2",
        "broken",
        "liar",
        "nothing",
    ]
    said = "\n".join(catalogue.plugins().refused)
    assert said.count("of the package their-encoder cannot be used: ") == 7
    assert "'aisfx'" in said and "another encoder has this name" in said
    assert "'Bands'" in said and "in small letters" in said
    assert "'number'" in said and "is a int, not an EncoderInfo" in said
    assert "'untitled'" in said and "of another type" in said
    assert "'gone'" in said and "ModuleNotFoundError" in said
    assert "'leaving'" in said and "SystemExit, 3." in said
    assert "'refusing'" in said and "EncoderError, No licence here." in said
    assert encoder_info("aisfx").n_features == 512, "ours stays"
    assert load_encoder("bands-8").encoder_id == "bands-8-v1"
    assert Plan(encoder_id="bands-8-v1").encoder_name == "bands-8"
    assert Plan(encoder_id="bands-8-v2-1").encoder_name == "bands-8-v2", "one name begins the other"
    with pytest.raises(EncoderError, match="calls itself None, which must begin with nothing-"):
        load_encoder("nothing")
    with pytest.raises(EncoderError, match="calls itself 'bands-8-v1', which must begin with liar-"):
        load_encoder("liar")
    with pytest.raises(EncoderError, match="broken cannot be loaded"):
        load_encoder("broken")


def test_a_third_party_encoder_can_be_chosen_on_the_embed_page(installed: None) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    at.radio(key="encoder-name").set_value("bands-8").run()
    assert not at.exception
    texts = [element.value for element in at.caption]
    assert any("8 numbers per loop · MIT, the tests" in text for text in texts)
    assert any("cannot be used" in text for text in texts)


def bands(change: Callable[[Any], None] = lambda encoder: None) -> Any:
    encoder = load_encoder("bands-8")
    change(encoder)
    return encoder


def set_embed(make: Callable[[Any, Sequence[np.ndarray]], Any]) -> Callable[[Any], None]:
    """Replaces what an encoder does."""

    def change(encoder: Any) -> None:
        kind = type("Odd", (type(encoder),), {"embed": make})
        encoder.__class__ = kind

    return change


def rows_of(encoder: Any, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([encoder._one(np.asarray(x, np.float32)) for x in waveforms])


def centred(encoder: Any, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    X = rows_of(encoder, waveforms)
    return X - (X.mean(axis=0) if len(X) > 1 else 0)


def counting(encoder: Any, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    encoder.n = getattr(encoder, "n", 0) + 1
    return rows_of(encoder, waveforms) + np.float32(encoder.n)


def careless(encoder: Any, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([encoder._one(np.nan_to_num(x) if len(x) else np.zeros(100, np.float32)) for x in waveforms])


def scaling(encoder: Any, waveforms: Sequence[np.ndarray]) -> np.ndarray:
    X = rows_of(encoder, waveforms)
    for waveform in waveforms:
        np.multiply(waveform, np.float32(0.999), out=waveform)
    return X


def test_an_encoder_that_keeps_the_contract_has_no_breaches(installed: None, aisfx_weights: Path) -> None:
    assert breaches_of(bands()) == []
    assert breaches_of(load_encoder("aisfx")) == []


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        (lambda encoder: setattr(encoder, "encoder_id", "bands 8\n"), "not printable ASCII"),
        (lambda encoder: setattr(encoder, "sample_rate", 44.1), "sample_rate is 44.1"),
        (lambda encoder: setattr(encoder, "n_features", 9), "float32 (5, 9)"),
        (set_embed(lambda encoder, waveforms: rows_of(encoder, waveforms).astype(float)), "gives float64"),
        (set_embed(lambda encoder, waveforms: np.ones((len(waveforms), 8), np.float32)), "the same embedding"),
        (set_embed(lambda encoder, waveforms: np.log(np.zeros((len(waveforms), 8), np.float32))), "NaN or infinity"),
        (set_embed(centred), "depends on the loops beside it"),
        (set_embed(counting), "other embeddings the second time"),
        (set_embed(careless), "takes NaN; it must raise EncoderError"),
        (set_embed(scaling), "changes the sound"),
        (set_embed(lambda encoder, waveforms: 1 / 0), "ZeroDivisionError"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_each_breach_of_the_contract_is_named(change: Callable[[Any], None], breach: str, installed: None) -> None:
    assert breach in " ".join(breaches_of(bands(change)))
