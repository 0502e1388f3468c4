"""Riffs as the store keeps them, by content."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import numpy as np

from loopscope.arrays import Int
from loopscope.hearing.riff import CLASSES, STEPS
from loopscope.store import Store

RIFF_VERSION = "riff-1"  # kept before tempo and key: whoever has these was heard for its riff; see TEMPO_KEY_VERSION


def riff_report(riff: Int) -> str:
    """(CLASSES, STEPS) uint8 as text."""
    return base64.b64encode(riff.astype(np.uint8).tobytes()).decode("ascii")


def known_riffs(loop_ids: Iterable[str], store: Store) -> dict[str, Int]:
    """Those of these loops that play one, as far as they were listened to; opens no file."""
    found = store.get_reports("measurements", loop_ids, RIFF_VERSION, _is_text)
    riffs = {loop_id: _riff(report) for loop_id, report in found.items()}
    return {loop_id: riff for loop_id, riff in riffs.items() if riff is not None}


def _riff(report: str) -> Int | None:
    """None for what `riff_report` does not make."""
    try:
        values = np.frombuffer(base64.b64decode(report, validate=True), np.uint8)
    except binascii.Error:
        return None
    return values.reshape(CLASSES, STEPS) if values.size == CLASSES * STEPS else None


def _is_text(found: Any) -> bool:
    return isinstance(found, str) and found.isascii()
