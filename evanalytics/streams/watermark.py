"""The watermark: how far time has certainly come, as a function of the log alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from evanalytics.durations import Duration, duration_us
from evanalytics.records import Record, duration, one_of

Policy = Literal["stream", "key"]

NEVER = -(2**60)
"""A watermark before everything (microseconds), for as long as a source has said nothing."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Watermark(Record):
    """How much lateness is allowed, and whose progress counts.

    The watermark at a row is the highest `ts` that has arrived up to and with it, less
    `allowed_lateness`. It is taken in the order of arrival (`seq`) and knows no wall clock, so how
    the log is cut into batches makes no difference. Where inputs come from several sources, the lowest
    of their watermarks counts; a source that has said nothing yet holds everything open.

    - **stream**: the highest `ts` among all events of the source, before any filter.
    - **key**: each key has its own watermark: the highest `ts` among the rows with that key that
      reach the node. A key that is slow as a whole loses nothing to the quick ones, and a key that
      falls silent keeps its windows open.

    A row can be late for a window of a minute and in time for one of a day. What is late is never
    dropped without a word: it is counted, and it is an output of the node. Rows that come out of a
    join are never late further down, for the join holds the watermark back.

    Attributes:
        allowed_lateness: 0 to 366 days; the default of an hour suits logs that arrive nearly in order.
        policy: "stream" or "key".

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> Watermark("18 hours")
        Watermark(allowed_lateness='18h')
    """

    allowed_lateness: timedelta
    policy: Policy

    def __init__(self, allowed_lateness: Duration = "1h", policy: Policy = "stream") -> None:
        self._fill(
            allowed_lateness=duration(allowed_lateness, "Watermark.allowed_lateness"),
            policy=one_of(policy, "Watermark.policy", ("stream", "key")),
        )

    @property
    def allowed_lateness_us(self) -> int:
        """The allowed lateness in microseconds."""
        return duration_us(self.allowed_lateness)
