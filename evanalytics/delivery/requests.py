"""Batches become requests: one per event type, or one per batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evanalytics.batching.policy import GroupBy
from evanalytics.batching.simulate import Batches
from evanalytics.parts import EVENTS_PER_THREAD, in_parts, parts_for

Int32Array = NDArray[np.int32]

ALL_TYPES = -1
"""The type of a request that holds a whole batch."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests in the order of their release.

    Attributes:
        batch: Each request's batch, never decreasing.
        type: The type of its events, or `ALL_TYPES`.
        events: How many events it carries.
    """

    batch: Int32Array
    type: Int32Array
    events: Int32Array

    def __len__(self) -> int:
        return len(self.batch)


def requests_of(batches: Batches, types: Int32Array, type_count: int, group_by: GroupBy | None) -> Requests:
    """Return the requests that batches become, by type in the order of first appearance."""
    if group_by is None:
        batch = np.arange(len(batches), dtype=np.int32)
        return Requests(batch, np.full(len(batch), ALL_TYPES, np.int32), batches.sizes.astype(np.int32))
    if len(batches) == len(types):  # every event is a batch
        return Requests(np.arange(len(batches), dtype=np.int32), types, np.ones(len(batches), np.int32))
    from evanalytics.compiled import IS_COMPILED

    return (_by_loop if IS_COMPILED else requests_by_sorting)(batches, types, type_count)


def request_of_each(batches: Batches, requests: Requests, types: Int32Array, type_count: int) -> Int32Array:
    """Return the index of the request that carries each event."""
    batch_of_event = np.repeat(np.arange(len(batches), dtype=np.int32), batches.sizes)
    if len(requests) == len(batches):  # one request per batch, whatever the types
        return batch_of_event
    from evanalytics.compiled import IS_COMPILED

    if not IS_COMPILED:
        key = requests.batch.astype(np.int64) * type_count + requests.type
        order = np.argsort(key)
        place = np.searchsorted(key[order], batch_of_event.astype(np.int64) * type_count + types)
        return order[place].astype(np.int32)
    from evanalytics.delivery import request_kernels as kernels

    out = np.empty(len(types), np.int32)
    latest = np.zeros(type_count, np.int32)
    kernels.find_requests(batches.bounds, types, requests.batch, requests.type, latest, out)
    return out


def requests_by_sorting(batches: Batches, types: Int32Array, type_count: int) -> Requests:
    """Return the requests without compiled loops: find each type's first event in each batch."""
    batch_of_event = np.repeat(np.arange(len(batches)), batches.sizes)
    key = batch_of_event * type_count + types
    keys, first, events = np.unique(key, return_index=True, return_counts=True)
    order = np.argsort(first)
    batch, kind = np.divmod(keys[order], max(type_count, 1))
    return Requests(batch.astype(np.int32), kind.astype(np.int32), events[order].astype(np.int32))


def _by_loop(batches: Batches, types: Int32Array, type_count: int) -> Requests:
    """Return the requests of some batches in each thread; each writes where its own events lie."""
    from evanalytics.delivery import request_kernels as kernels

    bounds, out = batches.bounds, [np.empty(len(types) + 1, np.int32) for _ in range(3)]

    def group(first: int, end: int) -> tuple[int, int]:
        begin = int(bounds[first])
        seen_in, held = np.full(type_count, -1, np.int64), np.zeros(type_count, np.int64)
        own = [array[begin : int(bounds[end]) + 1] for array in out]
        return begin, kernels.group_by_type(bounds[first : end + 1], first, types, seen_in, held, *own)

    total = 0
    for begin, count in in_parts(group, len(batches), parts_for(len(types), EVENTS_PER_THREAD)):
        if begin > total:  # there are fewer requests than events: close the gap
            for array in out:
                array[total : total + count] = array[begin : begin + count]
        total += count
    batch, kind, events = (array[:total] for array in out)
    return Requests(batch, kind, events)
