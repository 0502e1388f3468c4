"""Fuzzed headers: whatever the first bytes say, a file is inspected to a result, and what was accepted decodes
and goes through the whole walk, where neither check nor encoder meets what nobody foresaw.

The inspection runs in a child process as in the app; a crash there would be reported as a reason, and fail here. More
than 2,000 cases in all: 250 for each of ten formats.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopscope.audio import decode
from loopscope.audio.inspection import Inspection
from loopscope.audio.isolation import InspectionWorker
from loopscope.errors import AudioError
from tests.hostile.sounds import FORMATS
from tests.hostile.walked import assert_every_file_ended, walk_as_the_app, write_loops

CASES = 250
HEADER_BYTES = 160
WALKED = 40  # of each format, those with the least in common


@pytest.fixture(scope="module")
def worker() -> Iterator[InspectionWorker]:
    child = InspectionWorker(seconds=20.0)
    yield child
    child.close()


@st.composite
def mutations(draw: st.DrawFn, good: bytes) -> bytes:
    """The good file with bytes of its header overwritten, a piece removed or doubled, or its end cut off."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(HEADER_BYTES, len(data) - 1)))
        kind = draw(st.sampled_from(["overwrite", "extreme", "remove", "double", "cut"]))
        length = draw(st.integers(1, 8))
        if kind == "overwrite":
            data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "extreme":
            data[at : at + 4] = draw(
                st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"])
            )
        elif kind == "remove":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        else:
            del data[draw(st.integers(0, len(data))) :]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_fuzzed_header_ends_in_a_loop_or_a_reason(name: str, worker: InspectionWorker, tmp_path: Path) -> None:
    good = FORMATS[name]()
    path = tmp_path / f"a.{name}"
    accepted: list[bool] = []
    sounds: dict[tuple[object, ...], bytes] = {}

    @settings(
        max_examples=CASES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(mutations(good))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        result = worker.inspect(str(path))
        accepted.append(isinstance(result, Inspection))
        if not isinstance(result, Inspection):
            reason = str(result)
            assert reason.endswith(".")
            assert "crashed" not in reason
            assert "took longer" not in reason
            return
        info = result.info
        assert 0.01 <= info.duration_s <= 3600
        waveform = decode(path, sample_rate=16000, duration_s=60.0)
        assert np.isfinite(waveform.samples).all()
        peak = float(np.abs(waveform.samples).max())
        kind = (info.sample_rate, info.channels, round(info.duration_s, 2), round(np.log10(peak + 1e-45)))
        sounds.setdefault(kind, data)
        try:
            decode(path, offset_s=info.duration_s / 2, duration_s=1.0)
        except AudioError as error:  # a broken seek table, say: a reason again
            assert str(error).endswith(".")

    check()
    assert len(accepted) >= CASES
    assert 0 < sum(accepted) < len(accepted)  # the fuzzing neither misses nor destroys everything
    folder = tmp_path / "loops"
    write_loops(folder, 12)
    for number, data in enumerate(list(sounds.values())[:WALKED]):
        (folder / f"fuzzed {number:02d}.{name}").write_bytes(data)
    assert_every_file_ended(folder, walk_as_the_app(folder, tmp_path))
