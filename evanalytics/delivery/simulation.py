"""What a simulation found: latencies, and tables of events, requests and batches on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evanalytics.batching.simulate import REASONS, Batches
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.quantiles import latency_quantile_ns, quantile_name
from evanalytics.delivery.requests import Requests, request_of_each
from evanalytics.delivery.sending import NEVER, Released, Sent
from evanalytics.delivery.tables import CAUSES, named, queue_table, request_table

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """What would happen to a log under given policies.

    Instants are nanoseconds since the log's start; `time` columns are the same as datetimes, counted
    from 1970 where the log's start is not known. A table is made when it is first asked for.

    Attributes:
        arrivals: The events that went in, in the order of their arrival.
    """

    arrivals: Arrivals
    _batches: Batches
    _requests: Requests
    _released: Released
    _sent: Sent

    def __repr__(self) -> str:
        return (
            f"<Simulation of {len(self.arrivals):,} events in {len(self._batches):,} batches "
            f"and {len(self._requests):,} requests>"
        )

    @cached_property
    def latency_ns(self) -> pl.Series:
        """Each event's time from its arrival to the end of its request; null if it was handed back."""
        latency = pl.Series("latency_ns", self._sent.finish_ns[self._request_of] - self.arrivals.time_ns)
        if not self._sent.outcome.any():
            return latency
        return latency.set(pl.Series(self._sent.outcome[self._request_of] != 0), None)

    def latency_quantile_ns(self, quantile: float) -> int | None:
        """Return the latency that this share of the events keeps within: the ceil(q n)-th smallest.

        Events that were handed back count as later than all others; None if the quantile is one of them.

        Raises:
            SimulationError: The quantile is not between 0 and 1, or there are no events.
        """
        return latency_quantile_ns(self.latency_ns, quantile)

    def summary(self, quantiles: tuple[float, ...] = (0.5, 0.9, 0.99, 0.999)) -> pl.DataFrame:
        """Return one row: how much went out, what became of it, how late.

        Columns: events, handed_back (events), batches, requests, attempts, tokens, a `p99_ns` for each
        quantile, max_ns, and max_held: the most events held at once (open batch, waiting, in flight).
        """
        found = {f"{quantile_name(q)}_ns": self.latency_quantile_ns(q) for q in quantiles}
        row = {
            "events": len(self.arrivals),
            "handed_back": self.latency_ns.null_count(),
            "batches": len(self._batches),
            "requests": len(self._requests),
            "attempts": int(self._sent.attempts.sum()),
            "tokens": int(self._released.all_tokens @ self._sent.attempts),
            **found,
            "max_ns": self.latency_quantile_ns(1),
            "max_held": self.max_held,
        }
        return pl.DataFrame(row, schema=dict.fromkeys(row, pl.Int64))

    @property
    def starts_ns(self) -> pl.Series:
        """When calls start, retries included, in rising order: what a limit per time counts."""
        starts = self._sent.start_ns
        return pl.Series("start_ns", np.sort(starts[starts != NEVER]))

    @cached_property
    def max_held(self) -> int:
        """The most events held at once: in the open batch, waiting, or in flight."""
        if len(self.arrivals) == 0:
            return 0
        order = np.argsort(self._sent.finish_ns, kind="stable")
        done = np.concatenate(([0], np.cumsum(self._requests.events[order], dtype=np.int64)))
        gone = done[np.searchsorted(self._sent.finish_ns[order], self.arrivals.time_ns, side="right")]
        return int((np.arange(1, len(self.arrivals) + 1) - gone).max())

    @cached_property
    def events(self) -> pl.DataFrame:
        """One row per event, in the order of arrival.

        Columns: seq (its position in the log), time, type, batch, request, arrival_ns, latency_ns.
        """
        return pl.DataFrame(
            {
                "seq": self.arrivals.seq,
                "time": self._time(self.arrivals.time_ns),
                "type": named(self.arrivals.types, self.arrivals.type_names),
                "batch": self._requests.batch[self._request_of],
                "request": self._request_of,
                "arrival_ns": self.arrivals.time_ns,
                "latency_ns": self.latency_ns,
            }
        )

    @cached_property
    def batches(self) -> pl.DataFrame:
        """One row per batch, in the order in which they left.

        Columns: batch, time (when it left), first (its first row in `events`), size, opened_ns, leave_ns,
        reason.
        """
        batches = self._batches
        return pl.DataFrame(
            {
                "batch": np.arange(len(batches), dtype=np.int32),
                "time": self._time(batches.leave_ns),
                "first": batches.first,
                "size": batches.sizes,
                "opened_ns": self.arrivals.time_ns[batches.first],
                "leave_ns": batches.leave_ns,
                "reason": named(batches.reason, REASONS),
            }
        )

    @cached_property
    def requests(self) -> pl.DataFrame:
        """One row per request, in the order of release.

        Columns: those of `simulate_calls`, and batch, type (null where a request is a whole batch) and
        batching_ns, how long its first event waited for the batch to leave. The latency of that
        event is the sum of the five: batching_ns, slot_ns, tokens_ns, backoff_ns, service_ns.
        """
        table = request_table(self._released, self._sent)
        kind = named(self._requests.type, self.arrivals.type_names)
        waited = self._released.release_ns - self.arrivals.time_ns[self._first_event]
        added = [
            pl.Series("batch", self._requests.batch),
            kind.alias("type"),
            pl.Series("batching_ns", waited),
        ]
        return table.with_columns(added).select(
            "request", "batch", "type", pl.exclude("request", "batch", "type")
        )

    def waits(self, bins: int = 1) -> pl.DataFrame:
        """Return what the events' time went into, by cause, over the time of their arrival.

        Args:
            bins: Into how many spans of equal length the log is cut.

        Returns:
            Columns: time (begin of the span), events, cause ("batching", "slot", "tokens", "backoff",
            "service"), mean_ns (Float64, per event). Spans without events are left out.
        """
        width = int(self.arrivals.time_ns[-1]) // bins + 1 if len(self.arrivals) else 1
        span = self.arrivals.time_ns // width
        events = np.bincount(span, minlength=bins)
        total_ns = {"batching": self._released.release_ns[self._request_of] - self.arrivals.time_ns}
        for cause in CAUSES[1:]:
            total_ns[cause] = self.requests[f"{cause}_ns"].to_numpy()[self._request_of]
        held = np.flatnonzero(events)
        frame = pl.DataFrame({"time": self._time(held * width), "events": events[held]})
        means = {cause: np.bincount(span, waited)[held] / events[held] for cause, waited in total_ns.items()}
        return (
            frame.with_columns(**{cause: pl.Series(mean) for cause, mean in means.items()})
            .unpivot(CAUSES, index=("time", "events"), variable_name="cause", value_name="mean_ns")
            .with_columns(pl.col("cause").cast(pl.Enum(CAUSES)))
            .sort("time", "cause")
        )

    def queue(self, points: int = 500) -> pl.DataFrame:
        """Return what is held at evenly spaced instants, from the start to the last finish.

        Columns: time, at_ns, and events in_batch (open), waiting (released, not started) and in_flight
        (started, retries included), and tokens taken since the instant before.
        """
        table = queue_table(self.arrivals.time_ns, self._released, self._sent, points)
        return table.insert_column(0, self._time(table["at_ns"].to_numpy()).alias("time"))

    @cached_property
    def _request_of(self) -> NDArray[np.int32]:
        types, names = self.arrivals.types, self.arrivals.type_names
        return request_of_each(self._batches, self._requests, types, len(names))

    @cached_property
    def _first_event(self) -> Int64Array:
        first = np.zeros(len(self._requests), np.int64)
        backwards = np.arange(len(self.arrivals))[::-1]
        first[self._request_of[::-1]] = backwards  # where a request occurs again, the last write counts
        return first

    def _time(self, at_ns: Int64Array) -> pl.Series:
        return pl.Series(self.arrivals.start_us + at_ns // 1_000).cast(pl.Datetime("us", "UTC"))
