"""What is counted while processes are killed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was left after kills.

    Attributes:
        what: Who was killed.
        kills: How often.
        acknowledged: Events of which somebody was told that they are kept.
        kept: Events that are there at the end.
        lost: Acknowledged events that are not.
        doubled: Events that are there more than once.
        unopened: How often the file could not be opened after a kill.
    """

    what: str
    kills: int
    acknowledged: int
    kept: int
    lost: int
    doubled: int
    unopened: int

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong, and there was something that could have been."""
        return self.acknowledged > 0 and self.lost == self.doubled == self.unopened == 0

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.kills} kills, {self.acknowledged:,} events acknowledged, {self.kept:,} kept, "
            f"{self.lost} lost, {self.doubled} doubled, file not opened {self.unopened} times"
        )
