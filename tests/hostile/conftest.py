"""Fixtures of tests whose input lies about sizes."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM = 2**33  # bytes of addresses that a test may ask for; libraries reserve gigabytes of them for later


@pytest.fixture
def little_memory() -> Iterator[None]:
    """No more than ROOM beside what this process has taken: what asks for gigabytes fails, and harms no other."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
