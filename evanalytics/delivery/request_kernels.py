"""Batches become requests, as loops; load it inside functions only, for it loads numba."""

from __future__ import annotations

from typing import Any

from evanalytics.compiled import kernel


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
    wrong guesses cost more than all the rest (4.2 against 2.6 ns per event). `bounds` are those of
    the batches from `first_batch` on. `seen_in` starts at -1 and `held` at 0, for each type; the
    request arrays have room for one request per event, and for one more.
    """
    requests = 0
    for batch in range(len(bounds) - 1):
        before = requests
        for event in range(bounds[batch], bounds[batch + 1]):
            kind = types[event]
            type_of[requests] = kind
            requests += seen_in[kind] != batch
            seen_in[kind] = batch
            held[kind] += 1
        for request in range(before, requests):
            kind = type_of[request]
            batch_of[request] = first_batch + batch
            events_of[request] = held[kind]
            held[kind] = 0
    return requests


@kernel
def find_requests(bounds: Any, types: Any, batch_of: Any, type_of: Any, latest: Any, request_of: Any) -> None:
    """Fill in each event's request; `latest` has room for each type."""
    request = 0
    for batch in range(len(bounds) - 1):
        while request < len(batch_of) and batch_of[request] == batch:
            latest[type_of[request]] = request
            request += 1
        for event in range(bounds[batch], bounds[batch + 1]):
            request_of[event] = latest[types[event]]
