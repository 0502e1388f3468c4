"""The marks on a model's loops when it was saved, as its card keeps them: how many, until when, what they changed.

Marks themselves belong to the loops, wherever these go; a card only says what had been said.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

import pandas as pd

from loopscope.analysis.feedback import SAID, Taught
from loopscope.detection.saved_card import fields, is_time, whole
from loopscope.store.records import Mark
from loopscope.wording import counted

FIRST = 20  # loops of the list that somebody hears
MOST = 10**7
_RULE = fields({**dict.fromkeys((*SAID, "newly_first"), whole(0, MOST)), "last": is_time})


@dataclass(frozen=True)
class Marked:
    """Marks by kind; `last` is when the last was set, ISO 8601; `newly_first` counts other loops that these put among
    the first 20.
    """

    keep: int
    quarantine: int
    love: int
    last: str
    newly_first: int

    @classmethod
    def of(cls, marks: Iterable[Mark], newly_first: int) -> Self | None:
        """Of these marks; None where there are none."""
        known = [mark for mark in marks if mark.mark in SAID]
        if not known:
            return None
        last = datetime.fromtimestamp(max(mark.updated_at for mark in known), UTC).isoformat(timespec="seconds")
        return cls(
            **{kind: sum(mark.mark == kind for mark in known) for kind in SAID}, last=last, newly_first=newly_first
        )

    @classmethod
    def read(cls, data: object) -> Self | None:
        """From what a card says of the data, which may be anybody's; None where that says nothing of marks."""
        said = data.get("marks") if isinstance(data, dict) else None
        return cls(**said) if isinstance(said, dict) and _RULE(said) else None

    def written(self) -> dict[str, Any]:
        """For a card."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """For people."""
        kinds = ", ".join(f"{n:,} {SAID[kind]}" for kind in SAID if (n := getattr(self, kind)))
        n = self.keep + self.quarantine + self.love
        moved = (
            f" They put {counted(self.newly_first, 'other loop')} among the first {FIRST}." if self.newly_first else ""
        )
        return f"Saved with {counted(n, 'mark')} on its loops ({kinds}), the last of {self.last[:10]}.{moved}"


def newly_first(taught: Taught, before: pd.DataFrame) -> int:
    """How many loops that nobody marked are put among the first of the list by marks on others; `before` is the table
    that they were taught on (loop_id, triage_rank).
    """
    rose = (taught.ranks <= FIRST) & (before["triage_rank"].to_numpy() > FIRST)
    return int((rose & ~before["loop_id"].isin(taught.marked).to_numpy()).sum())
