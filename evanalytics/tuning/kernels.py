"""Latencies counted as they are computed; load it inside functions only, for it loads numba."""

from __future__ import annotations

from typing import Any

from evanalytics.compiled import kernel, step


@kernel
def count_latencies(time_ns: Any, bounds: Any, delivered_ns: Any, bits: int, counts: Any) -> None:
    """Count the latencies of events whose request is their batch; bins as in `Histogram`."""
    shift = 0
    for batch in range(len(bounds) - 1):
        if delivered_ns[batch] >= 0:
            for event in range(bounds[batch], bounds[batch + 1]):
                latency = delivered_ns[batch] - time_ns[event]
                shift = _shift_for(latency, shift, bits)
                counts[(shift << bits) + (latency >> shift)] += 1


@kernel
def count_latencies_by_type(
    time_ns: Any,
    types: Any,
    bounds: Any,
    first_batch: int,
    batch_of: Any,
    type_of: Any,
    delivered_ns: Any,
    latest: Any,
    bits: int,
    counts: Any,
) -> None:
    """Count the latencies of events with a request per type, of the batches from `first_batch` on.

    `bounds` and the requests are those of these batches; `latest` has room for each type.
    """
    shift, request = 0, 0
    for batch in range(len(bounds) - 1):
        while request < len(batch_of) and batch_of[request] == first_batch + batch:
            latest[type_of[request]] = delivered_ns[request]
            request += 1
        for event in range(bounds[batch], bounds[batch + 1]):
            latency = latest[types[event]] - time_ns[event]
            if latency >= 0:
                shift = _shift_for(latency, shift, bits)
                counts[(shift << bits) + (latency >> shift)] += 1


@step
def _shift_for(latency: Any, shift: Any, bits: Any) -> Any:
    """Return by how many bits a latency is too long, beginning at the shift of the one before.

    Neighbours are about equally late, so that mostly nothing is left to do.
    """
    while latency >> shift >= 2 << bits:
        shift += 1
    while shift > 0 and latency >> shift < 1 << bits:
        shift -= 1
    return shift
