"""The chain of batches as a loop; load it inside functions only, for it loads numba."""

from __future__ import annotations

from typing import Any

from evanalytics.compiled import kernel

SIZE, AGE, BYTES = 0, 1, 2


@kernel
def chain_batches(
    arrival_ns: Any, most: int, interval_ns: int, first: Any, leave_ns: Any, reason: Any
) -> int:
    """Fill in each batch's first event, leave time and reason; return how many batches there are.

    A batch that fills up in time costs one look, wherever its events lie; only one that ends
    by age is searched for its end. `first` has room for one more than `leave_ns`.
    """
    events, begin, batches = len(arrival_ns), 0, 0
    while begin < events:
        deadline = arrival_ns[begin] + interval_ns
        end = min(begin + most, events)
        first[batches] = begin
        if end - begin == most and arrival_ns[end - 1] < deadline:
            leave_ns[batches] = arrival_ns[end - 1]
            reason[batches] = SIZE
        else:
            end = _first_at_or_after(arrival_ns, deadline, begin, end)
            leave_ns[batches] = deadline
            reason[batches] = AGE
        batches += 1
        begin = end
    first[batches] = events
    return batches


@kernel
def chain_batches_with_bytes(
    arrival_ns: Any,
    sizes: Any,
    most: int,
    interval_ns: int,
    most_bytes: int,
    first: Any,
    leave_ns: Any,
    reason: Any,
) -> int:
    """Do the same where a batch also leaves once it holds so many bytes."""
    events, begin, batches = len(arrival_ns), 0, 0
    while begin < events:
        deadline = arrival_ns[begin] + interval_ns
        first[batches] = begin
        leave_ns[batches] = deadline
        reason[batches] = AGE
        end, held = begin, 0
        while end < events and (arrival_ns[end] < deadline or end == begin):
            held += sizes[end]
            end += 1
            is_full = end - begin >= most
            if (is_full or held >= most_bytes) and arrival_ns[end - 1] < deadline:
                leave_ns[batches] = arrival_ns[end - 1]
                reason[batches] = SIZE if is_full else BYTES
                break
        batches += 1
        begin = end
    first[batches] = events
    return batches


@kernel
def _first_at_or_after(arrival_ns: Any, instant: int, begin: int, end: int) -> int:
    """Return the first index past `begin` whose arrival is not before the instant, or `end`."""
    low, step = begin, 1
    while low + step < end and arrival_ns[low + step] < instant:
        low += step
        step *= 2
    high = min(low + step, end)
    while high - low > 1:
        middle = (low + high) // 2
        if arrival_ns[middle] < instant:
            low = middle
        else:
            high = middle
    return high
