"""The same log with more traffic, with bursts, with a worse service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.simulate import arrivals_of
from evanalytics.durations import Duration, duration_ns
from evanalytics.exceptions import TuningError
from evanalytics.logs.log import EventLog
from evanalytics.records import Record, duration, number
from evanalytics.tuning.settings import Settings

Int64Array = NDArray[np.int64]

_MOST_EVENTS = 200_000_000


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Burst(Record):
    """A time during which there is more traffic than there was.

    Attributes:
        at: When it begins, counted from the start of the log.
        lasting: How long it lasts.
        factor: How many times as much traffic; 0 to 1,000.

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> Burst(at="1h", lasting="5m", factor=10).factor
        10.0
    """

    at: timedelta
    lasting: timedelta
    factor: float

    def __init__(self, *, at: Duration, lasting: Duration, factor: float) -> None:
        self._fill(
            at=duration(at, "Burst.at"),
            lasting=duration(lasting, "Burst.lasting", allow_zero=False),
            factor=number(factor, "Burst.factor", least=0, most=1_000),
        )


def what_if(
    log: EventLog | Arrivals | ArrayLike,
    *,
    traffic: float = 1.0,
    bursts: Iterable[Burst] = (),
    seed: int = 0,
    with_sizes: bool = False,
) -> Arrivals:
    """Return the arrivals of a log with other traffic: more of the same kind at the same times.

    With traffic 2.5 each event occurs twice, and every second one three times. A copy comes between
    its original and the next arrival, at a random instant, so that busy times stay busy and quiet
    ones quiet. With less than 1, events are left out at random.

    Args:
        log: A log, arrivals, or arrival times in whole nanoseconds since the start.
        traffic: How many times as much traffic, all the time; 0 to 1,000.
        bursts: Spans with more traffic still; where they overlap, their factors multiply.
        seed: Of what is left to chance.
        with_sizes: Whether to read the events' sizes from a log, for policies that count bytes.

    Raises:
        TuningError: There would be more than 200 million events.

    Example:
        >>> len(what_if([0, 1_000_000], traffic=3))
        6
    """
    arrivals = _arrivals(log, with_sizes)
    factor = np.full(len(arrivals), number(traffic, "what_if.traffic", least=0, most=1_000))
    for burst in bursts:
        begin, length = duration_ns(burst.at), duration_ns(burst.lasting)
        inside = (arrivals.time_ns >= begin) & (arrivals.time_ns < begin + length)
        factor[inside] *= burst.factor
    return _multiplied(arrivals, factor, np.random.default_rng(seed))


def flash_sale(arrivals: Arrivals, settings: Settings) -> tuple[Arrivals, Settings]:
    """Ten times the traffic for a fiftieth of the log's span, its busiest."""
    if len(arrivals) == 0:
        return arrivals, settings
    length = int(arrivals.time_ns[-1]) // 50 + 1
    span = arrivals.time_ns // length
    factor = np.where(span == np.bincount(span).argmax(), 10.0, 1.0)
    return _multiplied(arrivals, factor, np.random.default_rng(0)), settings


def retry_storm(arrivals: Arrivals, settings: Settings) -> tuple[Arrivals, Settings]:
    """Three calls in ten fail, and are tried again."""
    return arrivals, _with_service(settings, failure_rate=0.3)


def slow_consumer(arrivals: Arrivals, settings: Settings) -> tuple[Arrivals, Settings]:
    """Every call takes five times as long."""
    service = settings.delivery.service
    slower = {name: getattr(service, name) * 5 for name in ("fixed", "per_event", "spread")}
    return arrivals, _with_service(
        settings, **slower, quantiles=tuple(time * 5 for time in service.quantiles)
    )


PRESETS: Mapping[str, Callable[[Arrivals, Settings], tuple[Arrivals, Settings]]] = MappingProxyType(
    {"flash sale": flash_sale, "retry storm": retry_storm, "slow consumer": slow_consumer}
)
"""Bad days by name: each takes a log's arrivals and settings and returns those of the bad day."""


def _arrivals(log: EventLog | Arrivals | ArrayLike, with_sizes: bool) -> Arrivals:
    if isinstance(log, EventLog):
        return Arrivals.of_log(log, with_sizes=with_sizes)
    return arrivals_of(log, BatchPolicy())


def _multiplied(arrivals: Arrivals, factor: NDArray[np.float64], random: np.random.Generator) -> Arrivals:
    if factor.sum() > _MOST_EVENTS:
        raise TuningError(f"what_if: there would be {factor.sum():,.0f} events; use at most {_MOST_EVENTS:,}")
    whole = np.floor(factor).astype(np.int64)
    copies = whole + (random.random(len(factor)) < factor - whole)
    events = np.repeat(np.arange(len(arrivals)), copies)
    gaps = np.diff(arrivals.time_ns, append=arrivals.time_ns[-1:])[events]
    is_copy = np.diff(events, prepend=-1) == 0
    later = np.where(is_copy, random.integers(0, gaps + 1), 0)
    return arrivals.moved(arrivals.time_ns[events] + later, events)


def _with_service(settings: Settings, **changes: object) -> Settings:
    delivery: DeliveryPolicy = settings.delivery
    service = replace(delivery.service, **changes)  # type: ignore[arg-type]
    return Settings(settings.batch, settings.throttle, replace(delivery, service=service))
