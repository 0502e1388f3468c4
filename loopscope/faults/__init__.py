"""Signal-level checks: what is wrong with a loop as a recording, where, and how surely."""

from loopscope.faults.base import Fault, Measurement, Signal
from loopscope.faults.check import FAULT_COLUMNS, add_near_duplicates, check_file, check_library, faults_frame
from loopscope.faults.duplicates import near_duplicate_rows
from loopscope.faults.limits import LIMITS, SAME_SOUND_COSINE, Limit
from loopscope.faults.registry import CHECKS, fault_scores, find_faults

__all__ = [
    "CHECKS",
    "FAULT_COLUMNS",
    "LIMITS",
    "SAME_SOUND_COSINE",
    "Fault",
    "Limit",
    "Measurement",
    "Signal",
    "add_near_duplicates",
    "check_file",
    "check_library",
    "fault_scores",
    "faults_frame",
    "find_faults",
    "near_duplicate_rows",
]
