"""What a setting does to a log, in a few numbers, quickly: the work behind each slider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.simulate import Batches, simulate_batches
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.quantiles import quantile_name
from evanalytics.delivery.requests import Requests, request_of_each, requests_of
from evanalytics.delivery.sending import NEVER, delivery_times, may_fail
from evanalytics.delivery.simulate import arrivals_of, release
from evanalytics.logs.log import EventLog
from evanalytics.parts import EVENTS_PER_THREAD, in_parts, parts_for
from evanalytics.throttling.policy import ThrottlePolicy
from evanalytics.tuning.histogram import BITS, Histogram
from evanalytics.tuning.settings import Settings

QUANTILES = (0.5, 0.9, 0.99, 0.999)
"""The quantiles that every table of metrics has."""

_LATENCIES = (*(f"{quantile_name(quantile)}_ns" for quantile in QUANTILES), "max_ns")
COLUMNS = ("events", "handed_back", "batches", "requests", "attempts", *_LATENCIES)
"""The columns of a table of metrics; all of them Int64, the latencies null where events are lost."""


@dataclass(frozen=True, slots=True, eq=False)
class Metrics:
    """What a setting does to a log.

    Attributes:
        batches: Batches that left.
        requests: Requests that were released.
        attempts: Calls that were made for them, retries included.
        latency: How late the events were.
    """

    batches: int
    requests: int
    attempts: int
    latency: Histogram

    def to_dict(self) -> dict[str, int | None]:
        """Return the numbers by the names in `COLUMNS`; latencies are rounded up by at most 0.1 %.

        Raises:
            SimulationError: There are no events.
        """
        counts = (len(self.latency), self.latency.lost, self.batches, self.requests, self.attempts)
        return dict(zip(COLUMNS, (*counts, *self.latency.quantiles_ns((*QUANTILES, 1))), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """A log cut into batches and requests: what settings with the same batch policy share."""

    arrivals: Arrivals
    batches: Batches
    requests: Requests

    @classmethod
    def of(cls, arrivals: Arrivals, policy: BatchPolicy) -> Grouped:
        """Return the batches and requests of a policy."""
        batches = simulate_batches(arrivals.time_ns, policy, arrivals.sizes)
        requests = requests_of(batches, arrivals.types, len(arrivals.type_names), policy.group_by)
        return cls(arrivals, batches, requests)

    def measure(
        self, throttle: ThrottlePolicy, delivery: DeliveryPolicy, operation: str = "publish"
    ) -> Metrics:
        """Return what becomes of the requests under these limits."""
        released = release(self.batches, self.requests, throttle)
        delivered, attempts = delivery_times(released, throttle.limit_of(operation), delivery)
        lost = int(self.requests.events[delivered == NEVER].sum()) if may_fail(delivery) else 0
        latency = self._latencies(delivered, lost)
        return Metrics(len(self.batches), len(self.requests), attempts, latency)

    def _latencies(self, delivered_ns: Any, lost: int) -> Histogram:
        from evanalytics.compiled import IS_COMPILED

        arrivals, requests, kinds = self.arrivals, self.requests, len(self.arrivals.type_names)
        if not IS_COMPILED:
            until = delivered_ns[request_of_each(self.batches, requests, arrivals.types, kinds)]
            return Histogram.of((until - arrivals.time_ns)[until != NEVER], lost=lost)
        from evanalytics.tuning import kernels

        time_ns, types, bounds = arrivals.time_ns, arrivals.types, self.batches.bounds
        by_type = len(requests) > len(self.batches)

        def count(first: int, end: int) -> Histogram:
            part, own = Histogram.empty(), bounds[first : end + 1]
            if not by_type:
                kernels.count_latencies(time_ns, own, delivered_ns[first:end], BITS, part.counts)
                return part
            begin, until = np.searchsorted(requests.batch, (first, end))
            kernels.count_latencies_by_type(
                time_ns, types, own, first, requests.batch[begin:until], requests.type[begin:until],
                delivered_ns[begin:until], np.zeros(kinds, np.int64), BITS, part.counts,
            )  # fmt: skip
            return part

        parts = in_parts(count, len(self.batches), parts_for(len(arrivals), EVENTS_PER_THREAD))
        return sum(parts, Histogram.empty(lost=lost))


def measure(
    log: EventLog | Arrivals | ArrayLike, settings: Settings, *, operation: str = "publish"
) -> Metrics:
    """Return what a setting does to a log, without its tables: 5 to 20 ms for a million events.

    For a log that is asked again and again, read it once: `Arrivals.of_log(log)`.

    Raises:
        PolicyError: The policies contradict each other, or `max_batch_bytes` meets unknown sizes.
        SimulationError: The arrivals cannot be read, or there are none.

    Example:
        >>> metrics = measure([0, 1_000_000, 2_000_000], Settings(batch=BatchPolicy(max_batch_size=3)))
        >>> metrics.requests, metrics.latency.quantile_ns(0.5)
        (1, 21004287)
    """
    grouped = Grouped.of(arrivals_of(log, settings.batch), settings.batch)
    return grouped.measure(settings.throttle, settings.delivery, operation)
