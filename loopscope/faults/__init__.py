"""Signal-level checks: what is wrong with a loop as a recording, where, and how surely."""

from loopscope.faults.base import Fault, Measurement, Signal
from loopscope.faults.checking import CHECKS, fault_scores, find_faults
from loopscope.faults.limits import LIMITS, Limit

__all__ = ["CHECKS", "LIMITS", "Fault", "Limit", "Measurement", "Signal", "fault_scores", "find_faults"]
