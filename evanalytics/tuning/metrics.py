"""What a setting does to a log, in a few numbers, quickly: the work behind each slider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.simulate import Batches, simulate_batches
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.quantiles import quantile_name
from evanalytics.delivery.requests import Requests, request_of_each, requests_of
from evanalytics.delivery.sending import NEVER, Int64Array, delivery_times
from evanalytics.delivery.simulate import arrivals_of, release
from evanalytics.logs.log import EventLog
from evanalytics.parts import workers
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
    """A log cut into batches and requests: what settings with the same batch policy share.

    Attributes:
        arrivals: The log.
        batches: All its batches.
        requests: Their requests, in parts.
        threads: How many threads measure; all cores if None.
    """

    arrivals: Arrivals
    batches: Batches
    requests: list[Requests]
    threads: int | None

    @classmethod
    def of(cls, arrivals: Arrivals, policy: BatchPolicy, *, threads: int | None = None) -> Grouped:
        """Return the batches and requests of a policy."""
        batches = simulate_batches(arrivals.time_ns, policy, arrivals.sizes)
        kinds = len(arrivals.type_names)
        requests = requests_of(batches, arrivals.types, kinds, policy.group_by, threads=threads)
        return cls(arrivals, batches, requests, threads)

    def measure(
        self, throttle: ThrottlePolicy, delivery: DeliveryPolicy, operation: str = "publish"
    ) -> Metrics:
        """Return what becomes of the requests under these limits."""
        from evanalytics.compiled import IS_COMPILED

        released = [release(self.batches, part, throttle) for part in self.requests]
        attempts = 0

        def sent() -> Iterator[tuple[Requests, Int64Array]]:
            nonlocal attempts
            times = delivery_times(released, throttle.limit_of(operation), delivery)
            for part, (delivered, tried) in zip(self.requests, times, strict=True):
                attempts += tried
                yield part, delivered

        latency = Histogram.empty()
        with workers(self.threads or len(released)) as each:  # they count while the next are sent
            for part in each(self._count if IS_COMPILED else self._count_by_columns, sent()):
                latency += part
        return Metrics(len(self.batches), sum(map(len, released)), attempts, latency)

    def _count(self, sent: tuple[Requests, Int64Array]) -> Histogram:
        """Return how late the events of a part's requests are."""
        from evanalytics.tuning import kernels

        requests, delivered = sent
        found = Histogram.empty(lost=_lost(*sent))
        if len(requests) == 0:
            return found
        arrivals, first, last = self.arrivals, int(requests.batch[0]), int(requests.batch[-1])
        bounds = self.batches.bounds[first : last + 2]
        if len(requests) == len(bounds) - 1:
            kernels.count_latencies(arrivals.time_ns, bounds, delivered, BITS, found.counts)
            return found
        kernels.count_latencies_by_type(
            arrivals.time_ns, arrivals.types, bounds, first, requests.batch, requests.type,
            delivered, np.zeros(len(arrivals.type_names), np.int64), BITS, found.counts,
        )  # fmt: skip
        return found

    def _count_by_columns(self, sent: tuple[Requests, Int64Array]) -> Histogram:
        """Do the same without compiled loops, where one part holds all requests."""
        requests, delivered = sent
        arrivals = self.arrivals
        request = request_of_each(self.batches, requests, arrivals.types, len(arrivals.type_names))
        until = delivered[request]
        return Histogram.of((until - arrivals.time_ns)[until != NEVER], lost=_lost(*sent))


def _lost(requests: Requests, delivered_ns: Int64Array) -> int:
    return int(requests.events[delivered_ns == NEVER].sum())


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
