"""aiSFX with its real weights: golden values from another path, and what must not change an embedding."""

import json

import numpy as np
import pytest

from loopscope.checkpoints import AISFX, load_weights
from loopscope.encoders.aisfx import SAMPLE_RATE, load, make
from loopscope.encoders.catalogue import ENCODERS
from loopscope.encoders.processor import has_bfloat16
from loopscope.encoders.windowed import WindowedEncoder
from loopscope.errors import EncoderError
from tests.golden.clips import plucked
from tests.golden.make_aisfx import GOLDEN

Row = np.ndarray


def cosine(a: Row, b: Row) -> float:
    return float(np.min((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)))


@pytest.fixture
def encoder(aisfx_weights: object) -> WindowedEncoder:
    return load()


def test_embeddings_are_those_of_the_published_pipeline(encoder: WindowedEncoder) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    expected = np.array(list(golden.values()))
    clips = [plucked(float(duration_s), SAMPLE_RATE) for duration_s in golden]
    exact = make(load_weights(AISFX), precision="float32")
    found = exact.embed(clips)
    assert found.dtype == np.float32
    assert found.shape == (len(golden), encoder.n_features)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert exact.precision == "float32"
    assert cosine(encoder.embed(clips), expected) > 0.999


@pytest.mark.skipif(not has_bfloat16(), reason="this processor cannot multiply in bfloat16")
def test_reduced_precision_keeps_the_direction_and_says_so(aisfx_weights: object) -> None:
    clip = plucked(3.0, SAMPLE_RATE)
    exact, reduced = (make(load_weights(AISFX), precision=name) for name in ("float32", "bfloat16"))
    assert cosine(exact.embed([clip]), reduced.embed([clip])) > 0.999
    assert reduced.encoder_id == f"{exact.encoder_id}-bf16"


def test_neither_company_nor_order_nor_pieces_change_an_embedding(encoder: WindowedEncoder) -> None:
    clips = [plucked(duration_s, SAMPLE_RATE, seed) for seed, duration_s in enumerate((0.1, 1.0, 2.9, 5.2, 8.0))]
    together = encoder.embed(clips)
    alone = np.concatenate([encoder.embed([clip]) for clip in clips])
    backwards = encoder.embed(clips[::-1])[::-1]
    in_pieces = encoder.forward([encoder.prepare(np.array_split(clip, 7), len(clip)) for clip in clips])
    for other in (alone, backwards, in_pieces):
        assert cosine(together, other) > 0.99999


def test_loudness_does_not_matter(encoder: WindowedEncoder) -> None:
    clip = plucked(3.0, SAMPLE_RATE)
    assert cosine(encoder.embed([clip]), encoder.embed([clip * np.float32(0.01)])) > 0.9999


def test_different_sounds_differ(encoder: WindowedEncoder) -> None:
    noise = 0.2 * np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32)
    assert cosine(encoder.embed([plucked(3.0, SAMPLE_RATE)]), encoder.embed([noise])) < 0.9


def test_silence_and_a_single_sample_have_finite_embeddings(encoder: WindowedEncoder) -> None:
    X = encoder.embed([np.zeros(SAMPLE_RATE, np.float32), np.ones(1, np.float32)])
    assert np.isfinite(X).all()


def test_what_cannot_be_embedded_is_refused_in_one_sentence(encoder: WindowedEncoder) -> None:
    for bad in (np.array([0.1, np.nan], np.float32), np.zeros((2, 100), np.float32), np.empty(0, np.float32)):
        with pytest.raises(EncoderError):
            encoder.embed([bad])
    assert encoder.embed([]).shape == (0, encoder.n_features)


def test_the_id_names_encoder_version_and_weights(encoder: WindowedEncoder) -> None:
    assert encoder.encoder_id.startswith("aisfx-1-")
    assert encoder.weights_sha256[:12] in encoder.encoder_id
    ready = {info.name: info.ready for info in ENCODERS}
    assert ready["aisfx"]
    assert not ready["clap-music"]
