"""Batches become requests, as loops; load it inside functions only, for it loads numba."""

from __future__ import annotations

from typing import Any

from evanalytics.compiled import Index, kernel

BITS = 64
"""So many types can be told apart by a bit each."""


@kernel
def group_by_type(
    bounds: Any,
    first_batch: int,
    types: Any,
    seen_in: Any,
    held: Any,
    batch_of: Any,
    type_of: Any,
    events_of: Any,
) -> int:
    """Fill in each batch's requests, by type in order of first appearance; return their number.

    No branch asks whether a type is new to its batch: that is hard to foresee, and a processor's
    wrong guesses cost more than all the rest. The bits of `seen` tell it where there are no more
    types than bits (2.6 ns per event); `seen_in`, which starts at -1 for each type and else is empty,
    where there are more (4.7 ns). `bounds` are those of the batches from `first_batch` on, and
    `held` starts at 0 for each type; the request arrays have room for one request per event.
    """
    requests, one, none = Index(0), Index(1), Index(0)
    for batch in range(len(bounds) - 1):
        before, seen = requests, none
        for event in range(Index(bounds[batch]), Index(bounds[batch + 1])):
            kind = Index(types[event])
            type_of[requests] = kind
            held[kind] += 1
            if len(seen_in) > 0:
                requests += Index(seen_in[kind] != batch)
                seen_in[kind] = batch
            else:
                requests += one - ((seen >> kind) & one)
                seen |= one << kind
        for request in range(before, requests):
            kind = Index(type_of[request])
            batch_of[request] = first_batch + batch
            events_of[request] = held[kind]
            held[kind] = 0
    return int(requests)


@kernel
def find_requests(bounds: Any, types: Any, batch_of: Any, type_of: Any, latest: Any, request_of: Any) -> None:
    """Fill in each event's request; `latest` has room for each type."""
    request, end = Index(0), Index(len(batch_of))
    for batch in range(len(bounds) - 1):
        while request < end and batch_of[request] == batch:
            latest[Index(type_of[request])] = request
            request += Index(1)
        for event in range(Index(bounds[batch]), Index(bounds[batch + 1])):
            request_of[event] = latest[Index(types[event])]
