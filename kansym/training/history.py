"""What happened during training, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """One step of the whole population; losses are mean squared errors without penalties.

    Args:
        step: from 0.
        train, validation: one number per member; a member that has ended repeats its best.
        intervals: grid pieces of the first layer at that step.
    """

    step: int
    train: tuple[float, ...]
    validation: tuple[float, ...]
    intervals: int


@dataclass(frozen=True)
class History:
    """All records of one training, first to last."""

    records: tuple[Record, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def best(self) -> tuple[float, ...]:
        """Return the least validation loss so far over all members, one number per record."""
        found, least = [], float("inf")
        for record in self.records:
            least = min(least, *record.validation)
            found.append(least)
        return tuple(found)

    def to_rows(self) -> list[dict[str, object]]:
        """Return one JSON-able mapping per record."""
        return [
            {"step": r.step, "train": list(r.train), "validation": list(r.validation), "intervals": r.intervals}
            for r in self.records
        ]
