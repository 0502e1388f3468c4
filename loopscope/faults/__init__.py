"""Signal-level checks: what is wrong with a loop as a recording, where, and how surely."""

from loopscope.faults.check import add_near_duplicates, check_library, faults_frame
from loopscope.faults.limits import LIMITS
from loopscope.faults.registry import fault_scores, find_faults

__all__ = ["LIMITS", "add_near_duplicates", "check_library", "fault_scores", "faults_frame", "find_faults"]
