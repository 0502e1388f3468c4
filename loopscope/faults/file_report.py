"""What the checks say of one file, as it is kept: findings, and what the file brings to comparisons with others."""

from collections.abc import Collection, Iterator
from typing import Any, TypedDict

from loopscope import audio
from loopscope.audio.readers import open_regular
from loopscope.audio.tags import read_tags
from loopscope.faults.base import Fault, Signal, decibels, is_finding
from loopscope.faults.registry import BLOCK_S, OVERLAP_S, judge, measure_blocks, to_compare
from loopscope.metadata.tags import key_of
from loopscope.store.parsing import is_number
from loopscope.user_files import FilePath

INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}  # by the coding

Report = list[dict[str, Any]]  # the findings of one file, strongest first


class StoredReport(TypedDict):
    """What is kept of one file: its findings at the tempo that its name told, and what it brings to comparisons.

    A file that is renamed to another tempo is checked again; who its neighbours are matters to no stored report.
    """

    tempo_bpm: float | None
    findings: Report
    values: dict[str, float]


class FileReport(StoredReport):
    """The same as the checks leave it: `failed` are the kinds of finding whose checks failed, which findings say."""

    failed: list[str]


def check_file(path: FilePath, tempo_bpm: float | None = None) -> tuple[Fault, ...]:
    """Findings in one file, strongest first; a minute of it at a time in memory. Raises AudioError with the reason.

    `tempo_bpm`: beats per minute where they are known.
    """
    return judge(measure_blocks(blocks_of(path, tempo_bpm)))


def blocks_of(path: FilePath, tempo_bpm: float | None = None) -> Iterator[Signal]:
    """The file in blocks of a minute that overlap by a tenth of a second, all channels, at its own rate."""
    with open_regular(path) as file:
        header = audio.probe(file)
        bits = INTEGER_BITS.get(header.subtype)
        tags = read_tags(file, header)
        tagged = tags.bpm, key_of(tags)
        start_s = 0.0
        while start_s == 0.0 or start_s < header.duration_s - OVERLAP_S:
            part = audio.decode(file, mono=False, offset_s=start_s, duration_s=BLOCK_S + OVERLAP_S)
            yield Signal(part.samples, part.sample_rate, start_s, tempo_bpm, bits, *tagged)
            start_s += BLOCK_S


def report_of(path: FilePath, tempo_bpm: float | None, kinds: Collection[str] | None = None) -> FileReport:
    """What all checks, or those of some `kinds`, say of one file. Raises AudioError with the reason."""
    peak = 0.0

    def watched() -> Iterator[Signal]:
        nonlocal peak
        for block in blocks_of(path, tempo_bpm):
            peak = max(peak, block.peak)
            yield block

    measured = measure_blocks(watched(), kinds)
    return {
        "tempo_bpm": tempo_bpm,
        "findings": [fault.row for fault in judge(measured)],
        "values": to_compare(measured) | ({"peak": float(decibels(peak))} if peak else {}),
        "failed": [kind for kind, found in measured.items() if found.failure],
    }


def is_stored_report(found: Any) -> bool:
    """Whether something read from the store is what `report_of` makes."""
    if not isinstance(found, dict) or found.keys() != StoredReport.__annotations__.keys():
        return False
    tempo_bpm, findings, values = (found[name] for name in StoredReport.__annotations__)
    are_values = isinstance(values, dict) and all(map(is_number, values.values()))
    return (tempo_bpm is None or is_number(tempo_bpm)) and is_report(findings) and are_values


def is_report(found: Any) -> bool:
    """Whether something read from the store is a list of findings."""
    return isinstance(found, list) and all(map(is_finding, found))
