"""Stretches of a log's arrivals: one that was picked, the busiest one, and how busy each is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.durations import Duration, duration_ns, parse_duration
from evanalytics.exceptions import TuningError
from evanalytics.logs.log import EventLog

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def arrivals_between(arrivals: Arrivals, start_us: int, end_us: int) -> Arrivals:
    """Return the arrivals with start_us <= time < end_us (microseconds since 1970) as a log of its own.

    Its arrays are views, but for times that begin anew, at `start_us`: nothing was waiting before.
    """
    start_ns, end_ns = ((us - arrivals.start_us) * 1_000 for us in (start_us, end_us))
    first, last = np.searchsorted(arrivals.time_ns, [start_ns, end_ns])
    part = slice(int(first), int(last))
    sizes = None if arrivals.sizes is None else arrivals.sizes[part]
    times, types, seq = arrivals.time_ns[part], arrivals.types[part], arrivals.seq[part]
    times = times - start_ns if start_ns else times  # 80 MB for ten million events, at each step of a drag
    return Arrivals(times, types, arrivals.type_names, seq, sizes, start_us)


def busiest_stretch(
    log: EventLog | Arrivals, length: Duration, *, most_events: int | None = None
) -> tuple[datetime, datetime]:
    """Return the beginning and end (exclusive) of the stretch of this length with the most events.

    It begins with an event; of several the earliest is taken. `log.between(*stretch)` is that part.

    Args:
        log: The log, or its arrivals.
        length: How long; more than zero.
        most_events: Shorten the stretch so that it holds no more; its first instant is always whole.

    Raises:
        TuningError: There are no events.

    Example:
        >>> busiest_stretch(Arrivals.of_times([0, 5_000_000, 5_500_000], unit="us"), "1s")[0].second
        5
    """
    arrivals = Arrivals.of_log(log) if isinstance(log, EventLog) else log
    if len(arrivals) == 0:
        raise TuningError("busiest_stretch: there are no events")
    length_ns = max(duration_ns(parse_duration(length, name="length", allow_zero=False)), 1_000)
    until = np.searchsorted(arrivals.time_ns, arrivals.time_ns + length_ns)
    first = int(np.argmax(until - np.arange(len(arrivals))))
    if most_events is not None and first + most_events < until[first]:
        length_ns = max(int(arrivals.time_ns[first + most_events] - arrivals.time_ns[first]), 1_000)
    start_us = arrivals.start_us + int(arrivals.time_ns[first]) // 1_000
    start = _EPOCH + timedelta(microseconds=start_us)
    return start, start + timedelta(microseconds=length_ns // 1_000)


def events_per_bin(arrivals: Arrivals, start_us: int, end_us: int, bins: int) -> NDArray[np.int64]:
    """Return how many events arrive in each of so many equal parts of a stretch."""
    edges_us = start_us + np.arange(bins + 1) * (end_us - start_us) // bins
    places = np.searchsorted(arrivals.time_ns, (edges_us - arrivals.start_us) * 1_000)
    return np.diff(places).astype(np.int64)
