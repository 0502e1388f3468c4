"""A processor that names instructions at which a process dies costs precision, and no more."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from loopscope.encoders import processor
from loopscope.encoders.runtime import Runtime
from loopscope.errors import EncoderError

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"


def linear(dtype: torch.dtype) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(96, 8, dtype=dtype)

        def forward(self, views: torch.Tensor) -> torch.Tensor:
            if dtype is torch.bfloat16:
                pytest.fail("the process would be dead by now")
            made: torch.Tensor = self.layer(views)
            return made

    return Network()


@pytest.fixture
def claims_tiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    processor.has_bfloat16.cache_clear()
    yield monkeypatch
    processor.has_bfloat16.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="of processors only")
def test_a_processor_that_dies_of_bfloat16_computes_in_float32(claims_tiles: pytest.MonkeyPatch) -> None:
    claims_tiles.setattr(processor, "_PRODUCT", DIES)
    assert Runtime(linear, torch.zeros(4, 96), "auto").dtype is torch.float32
    with pytest.raises(EncoderError, match="this processor cannot multiply in it; ask for float32"):
        Runtime(linear, torch.zeros(4, 96), "bfloat16")


@pytest.mark.parametrize(("product", "has"), [("pass", True), (DIES, False), ("while True: pass", False)])
def test_what_the_processor_claims_is_tried(claims_tiles: pytest.MonkeyPatch, product: str, has: bool) -> None:
    claims_tiles.setattr(processor, "_PRODUCT", product)
    claims_tiles.setattr(processor, "PATIENCE_S", 5.0)
    assert processor.has_bfloat16() is has


def test_where_no_tiles_are_claimed_no_process_is_begun(claims_tiles: pytest.MonkeyPatch) -> None:
    claims_tiles.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    claims_tiles.setattr(processor, "_PRODUCT", DIES)
    assert processor.has_bfloat16()
