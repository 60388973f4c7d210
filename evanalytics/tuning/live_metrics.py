"""What a live run does, second by second, and how late its events are: counted as it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from evanalytics.clock import Clock
from evanalytics.delivery.lane import RequestRecord
from evanalytics.tuning.histogram import Histogram, highest_of

_SECOND = 1_000_000_000
_KEPT_SECONDS = 3_600
_COARSER = 8
"""A shown bin joins 2**8 of the histogram's: four for each doubling."""


@dataclass(slots=True)
class _Second:
    second: int
    accepted: int = 0
    delivered: int = 0
    handed_back: int = 0
    requests: int = 0
    retries: int = 0
    queue_depth: int = 0


_SCHEMA = dict.fromkeys(_Second.__annotations__, pl.Int64)


class LiveMetrics:
    """Counts of a live run in bounded memory: the last hour by the second, all latencies as a histogram.

    Seconds are those of the run's clock since it began; all is counted when it happens there, so that a
    wall clock that jumps moves nothing.

    Attributes:
        latencies: From an event's arrival to the end of the request that delivered it.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin to count now."""
        self.latencies = Histogram.empty()
        self._clock = clock
        self._start_ns = clock.monotonic_ns()
        self._seconds = deque([_Second(0)], maxlen=_KEPT_SECONDS)
        self._total = _Second(0)

    def accept(self, queue_depth: int, events: int = 1) -> None:
        """Count events that were taken on; so many are held now."""
        now = self._now()
        now.accepted += events
        self._total.accepted += events
        now.queue_depth = max(now.queue_depth, queue_depth)

    def deliver(self, latencies_ns: Sequence[int]) -> None:
        """Count events that were delivered, each with its latency."""
        self.latencies.add(np.array(latencies_ns, dtype=np.int64))
        self._now().delivered += len(latencies_ns)
        self._total.delivered += len(latencies_ns)

    def finish(self, request: RequestRecord) -> None:
        """Count a request that was delivered, or given up so that its events were handed back."""
        for counts in (self._now(), self._total):
            counts.requests += 1
            counts.retries += max(len(request.starts_ns) - 1, 0)
            counts.handed_back += 0 if request.outcome == "delivered" else request.events

    def totals(self) -> dict[str, int]:
        """Return accepted, delivered, handed_back (events), requests and retries since the beginning."""
        totals = asdict(self._total)
        del totals["second"], totals["queue_depth"]
        return totals

    def rates(self) -> pl.DataFrame:
        """Return what happened in each of the last 3,600 seconds, the current one included.

        Columns, all Int64: second (since the beginning), accepted, delivered, handed_back (events),
        requests (finished), retries (of these), queue_depth (the most events held).
        """
        self._now()
        return pl.DataFrame([asdict(second) for second in self._seconds], schema=_SCHEMA)

    def latency(self) -> pl.DataFrame:
        """Return the latency histogram, four bins for each doubling, those without events left out.

        Columns: up_to_ms (Float64, the highest latency that falls into the bin), events (Int64).
        """
        counts = self.latencies.counts.reshape(-1, 2**_COARSER).sum(axis=1)
        (places,) = np.nonzero(counts)
        highest = highest_of((places + 1 << _COARSER) - 1) / 1e6
        return pl.DataFrame({"up_to_ms": highest, "events": counts[places]}, schema=_LATENCY)

    def _now(self) -> _Second:
        """Return the counts of the current second; seconds in which nothing happened are there, too."""
        second = (self._clock.monotonic_ns() - self._start_ns) // _SECOND
        last = self._seconds[-1]
        if last.second < second:
            first = max(last.second + 1, second - _KEPT_SECONDS + 1)
            self._seconds.extend(_Second(silent) for silent in range(first, second + 1))
        return self._seconds[-1]


_LATENCY = {"up_to_ms": pl.Float64, "events": pl.Int64}
