"""The watermark: how far time has certainly come, as a function of the log alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import narwhals.stable.v2 as nw

from evanalytics.durations import Duration, duration_us
from evanalytics.exceptions import PolicyError
from evanalytics.logs.schema import TS
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

    One event from a clock that is years ahead would make all that follow late. With `max_jump` a row
    moves the watermark no further than that past the time of the row which arrived before it, so a lone
    jump is held back (and counted, as "ahead" of the source), while after a true gap the second row
    is obeyed.

    Attributes:
        allowed_lateness: 0 to 366 days; the default of an hour suits logs that arrive nearly in order.
        policy: "stream" or "key".
        max_jump: More than zero; None: every row is believed. Only with the policy "stream".

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> Watermark("18 hours")
        Watermark(allowed_lateness='18h')
    """

    allowed_lateness: timedelta
    policy: Policy
    max_jump: timedelta | None

    def __init__(
        self,
        allowed_lateness: Duration = "1h",
        policy: Policy = "stream",
        *,
        max_jump: Duration | None = None,
    ) -> None:
        if max_jump is not None:
            max_jump = duration(max_jump, "Watermark.max_jump", allow_zero=False)
            if policy == "key":
                raise PolicyError('Watermark.max_jump: goes with the policy "stream" only; here it is "key"')
        self._fill(
            allowed_lateness=duration(allowed_lateness, "Watermark.allowed_lateness"),
            policy=one_of(policy, "Watermark.policy", ("stream", "key")),
            max_jump=max_jump,
        )

    @property
    def allowed_lateness_us(self) -> int:
        """The allowed lateness in microseconds."""
        return duration_us(self.allowed_lateness)

    def reached(self, before: nw.Expr) -> nw.Expr:
        """Return how far a row of the source moves the watermark, in microseconds since 1970.

        Args:
            before: The `ts` of the source's row that arrived before; null: there was none.
        """
        own = nw.col(TS) - self.allowed_lateness_us
        if self.max_jump is None:
            return own
        furthest = before + (duration_us(self.max_jump) - self.allowed_lateness_us)
        return nw.min_horizontal(own, furthest)

    def ahead(self, watermark: str) -> nw.Expr:
        """Return how many rows are further ahead than the watermark has followed them."""
        beyond = nw.col(TS) - self.allowed_lateness_us > nw.col(watermark)
        return beyond.cast(nw.Int64).sum()
