"""The chain of batches as a loop; load it inside functions only, for it loads numba."""

from __future__ import annotations

from typing import Any

from evanalytics.compiled import Index, kernel

SIZE, AGE, BYTES = 0, 1, 2


@kernel
def chain_batches(
    arrival_ns: Any, most: int, interval_ns: int, first: Any, leave_ns: Any, reason: Any
) -> int:
    """Fill in each batch's first event, leave time and reason; return how many batches there are.

    A batch that fills up in time costs one look, wherever its events lie; only one that ends
    by age is searched for its end. `first` has room for one more than `leave_ns`.
    """
    events, begin, batches, size, one = Index(len(arrival_ns)), Index(0), Index(0), Index(most), Index(1)
    while begin < events:
        deadline = arrival_ns[begin] + interval_ns
        end = min(begin + size, events)
        first[batches] = begin
        if end - begin == size and arrival_ns[end - one] < deadline:
            leave_ns[batches] = arrival_ns[end - one]
            reason[batches] = SIZE
        else:
            end = _first_at_or_after(arrival_ns, deadline, begin, end)
            leave_ns[batches] = deadline
            reason[batches] = AGE
        batches += one
        begin = end
    first[batches] = events
    return int(batches)


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
    events, begin, batches, size, one = Index(len(arrival_ns)), Index(0), Index(0), Index(most), Index(1)
    while begin < events:
        deadline = arrival_ns[begin] + interval_ns
        first[batches] = begin
        leave_ns[batches] = deadline
        reason[batches] = AGE
        end, held = begin, 0
        while end < events and (arrival_ns[end] < deadline or end == begin):
            held += sizes[end]
            end += one
            is_full = end - begin >= size
            if (is_full or held >= most_bytes) and arrival_ns[end - one] < deadline:
                leave_ns[batches] = arrival_ns[end - one]
                reason[batches] = SIZE if is_full else BYTES
                break
        batches += one
        begin = end
    first[batches] = events
    return int(batches)


@kernel
def _first_at_or_after(arrival_ns: Any, instant: int, begin: Any, end: Any) -> Any:
    """Return the first index past `begin` whose arrival is not before the instant, or `end`."""
    one = Index(1)
    low, step = begin, one
    while low + step < end and arrival_ns[low + step] < instant:
        low += step
        step <<= one
    high = min(low + step, end)
    while high - low > one:
        middle = (low + high) >> one
        if arrival_ns[middle] < instant:
            low = middle
        else:
            high = middle
    return high
