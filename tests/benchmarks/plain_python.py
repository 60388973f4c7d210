"""The same simulation as a loop in plain Python, written to be quick: a peer to race."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence

from evanalytics.tuning.settings import Settings


def simulate_in_python(arrivals_ns: Sequence[int], types: Sequence[int], settings: Settings) -> list[int]:
    """Return each event's latency under a sliding window, slots and a fixed service time."""
    batch, delivery = settings.batch, settings.delivery
    limit = settings.throttle.limit_of("publish")
    assert limit is not None
    assert limit.kind == "sliding_window"
    most, interval, grouped = batch.max_batch_size, batch.flush_interval_ns, batch.group_by is not None
    fixed, per_event = delivery.service.fixed_ns, delivery.service.per_event_ns
    taken: deque[int] = deque([-limit.per_ns] * limit.max_requests, maxlen=limit.max_requests)
    busy = [0] * (delivery.max_in_flight or len(arrivals_ns))
    latencies: list[int] = []
    per, head_left, first, events = limit.per_ns, 0, 0, len(arrivals_ns)
    while first < events:
        deadline = arrivals_ns[first] + interval
        stop, leave = first, deadline
        bound = min(first + most, events)
        while stop < bound and arrivals_ns[stop] < deadline:
            stop += 1
        if stop - first == most:
            leave = arrivals_ns[stop - 1]
        held: dict[int, int] = {}
        if grouped:
            for event in range(first, stop):
                kind = types[event]
                held[kind] = held.get(kind, 0) + 1
        else:
            held[0] = stop - first
        finished = {}
        for kind, count in held.items():
            start = max(leave, head_left, busy[0], taken[0] + per)
            taken.append(start)
            head_left = start
            finished[kind] = finish = start + fixed + per_event * count
            heapq.heapreplace(busy, finish)
        if grouped:
            latencies += [finished[types[event]] - arrivals_ns[event] for event in range(first, stop)]
        else:
            latencies += [finished[0] - arrival for arrival in arrivals_ns[first:stop]]
        first = stop
    return latencies
