"""What a live run measures of itself, readable as frames at any time."""

from __future__ import annotations

from collections import Counter, deque

import polars as pl

_SECONDS = 3_600
"""So many seconds of rates are kept."""
_NS = 1_000_000_000


class RunMetrics:
    """Rates by second, latencies by powers of two, and what was tried again.

    All times are of the run's clock, so that a wall clock that jumps changes nothing.
    """

    def __init__(self, start_ns: int) -> None:
        """Begin to count."""
        self._start_ns = start_ns
        self._seconds: deque[list[int]] = deque(maxlen=_SECONDS)
        self._latencies: Counter[tuple[str, int]] = Counter()
        self.attempts: Counter[str] = Counter()
        self.retries: Counter[str] = Counter()

    def processed(self, now_ns: int, events: int, rows: int) -> None:
        """Count events that went through the graph, and rows that came out for sinks."""
        second = (now_ns - self._start_ns) // _NS
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1] += events
        self._seconds[-1][2] += rows

    def took(self, what: str, duration_ns: int) -> None:
        """Note how long something took."""
        self._latencies[what, max(duration_ns // 1_000_000, 0).bit_length()] += 1

    def requested(self, sink: str, attempts: int, duration_ns: int) -> None:
        """Note a batch that a sink has taken or refused."""
        self.attempts[sink] += attempts
        self.retries[sink] += max(attempts - 1, 0)
        self.took(sink, duration_ns)

    def rates(self) -> pl.DataFrame:
        """Return columns `second` (since the start), `events`, `rows` (Int64): seconds with something in."""
        schema = {"second": pl.Int64, "events": pl.Int64, "rows": pl.Int64}
        return pl.DataFrame([tuple(row) for row in self._seconds], schema=schema, orient="row")

    def latencies(self) -> pl.DataFrame:
        """Return columns `what` (String: "micro-batch" or a sink), `below_ms`, `times` (Int64)."""
        rows = [(what, 1 << bits, times) for (what, bits), times in self._latencies.items()]
        schema = {"what": pl.String, "below_ms": pl.Int64, "times": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row").sort("what", "below_ms")

    def deliveries(self) -> pl.DataFrame:
        """Return columns `sink` (String), `attempts`, `retries` (Int64)."""
        rows = [(sink, count, self.retries[sink]) for sink, count in self.attempts.items()]
        schema = {"sink": pl.String, "attempts": pl.Int64, "retries": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")
