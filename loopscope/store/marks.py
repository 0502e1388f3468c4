"""What users made of loops, by content: marks, notes, and what they say of tempo and key."""

import time
from collections.abc import Iterable, Mapping

from loopscope.errors import DataError
from loopscope.store.database import Database, Row
from loopscope.store.parsing import correction_of, mark_of
from loopscope.store.records import MARK_NAMES, Correction, Mark

_FORGET_EMPTY = "DELETE FROM marks WHERE loop_id = ? AND mark IS NULL AND note = ''"


class LoopMarks:
    """The part of the store that nothing can compute again."""

    _database: Database

    def get_marks(self, loop_ids: Iterable[str] | None = None) -> dict[str, Mark]:
        """The triage marks of these loops, or of all."""
        columns = "SELECT loop_id, mark, note, updated_at FROM marks"
        found: Iterable[Row] = (
            self._database.rows(columns)
            if loop_ids is None
            else self._database.rows_in(f"{columns} WHERE loop_id IN ({{marks}})", (), sorted(set(loop_ids)))
        )
        return {row[0]: mark_of(row[1:]) for row in found}

    def set_mark(self, loop_id: str, mark: str | None, note: str | None = None) -> None:
        """Set a loop's mark, None removes it; without a `note` the present one stays. Raises DataError."""
        self.set_marks({loop_id: mark}, note)

    def set_marks(self, marks: Mapping[str, str | None], note: str | None = None) -> None:
        """Set many marks at once, all or none; without a `note` the present ones stay. Raises DataError."""
        unknown = {mark for mark in marks.values() if mark is not None and mark not in MARK_NAMES}
        if unknown:
            raise DataError(f"Unknown mark {sorted(unknown)[0]!r}; give one of {', '.join(MARK_NAMES)} or None.")
        now = time.time()
        self._database.write(
            (
                "INSERT INTO marks (loop_id, mark, note, updated_at) VALUES (?, ?, coalesce(?, ''), ?) "
                "ON CONFLICT (loop_id) DO UPDATE SET mark = excluded.mark, note = coalesce(?, note), "
                "updated_at = excluded.updated_at",
                [(loop_id, mark, note, now, note) for loop_id, mark in marks.items()],
            ),
            (_FORGET_EMPTY, [(loop_id,) for loop_id in marks]),
        )

    def set_note(self, loop_id: str, note: str) -> None:
        """Set a loop's note, empty removes it; its mark stays."""
        self._database.write(
            (
                "INSERT INTO marks (loop_id, mark, note, updated_at) VALUES (?, NULL, ?, ?) "
                "ON CONFLICT (loop_id) DO UPDATE SET note = excluded.note, updated_at = excluded.updated_at",
                [(loop_id, note, time.time())],
            ),
            (_FORGET_EMPTY, [(loop_id,)]),
        )

    def get_corrections(self) -> dict[str, Correction]:
        """What users say of tempo and key, by loop_id: of all loops, since hardly any has a correction."""
        found = self._database.rows("SELECT loop_id, bpm, key FROM corrections")
        return {loop_id: correction_of(values) for loop_id, *values in found}

    def set_correction(self, loop_id: str, correction: Correction) -> None:
        """What holds of a loop's tempo and key whatever else is said; an empty one takes that back."""
        forget = ("DELETE FROM corrections WHERE loop_id = ?", [(loop_id,)])
        row = (loop_id, correction.bpm, correction.key, time.time())
        keep = ("INSERT INTO corrections (loop_id, bpm, key, updated_at) VALUES (?, ?, ?, ?)", [row])
        self._database.write(*([forget] if correction == Correction() else [forget, keep]))
