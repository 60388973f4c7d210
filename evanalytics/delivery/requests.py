"""Batches become requests: one per event type, or one per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evanalytics.batching.policy import GroupBy
from evanalytics.batching.simulate import Batches
from evanalytics.parts import parts_of, workers

Int32Array = NDArray[np.int32]

EVENTS_PER_PART = 200_000
"""So many events are worth a part of the work, where each costs some nanoseconds."""

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


def requests_of(
    batches: Batches,
    types: Int32Array,
    type_count: int,
    group_by: GroupBy | None,
    *,
    threads: int | None = None,
) -> list[Requests]:
    """Return the requests that batches become, by type in the order of first appearance.

    They come in parts, each with whole batches; together they are all requests in their order.

    Args:
        batches: The batches.
        types: The type of each event, as a number.
        type_count: How many types there are.
        group_by: By what a batch is cut.
        threads: How many work on it; all cores if left out.
    """
    from evanalytics.compiled import IS_COMPILED

    if not IS_COMPILED and group_by is not None:
        return [requests_by_sorting(batches, types, type_count)]
    parts = batch_parts(batches) if IS_COMPILED else [(0, len(batches))]
    group = partial(_requests_of, batches, types, type_count, group_by)
    with workers(len(parts) if threads is None else threads) as each:
        return list(each(group, parts))


def all_requests(parts: Sequence[Requests]) -> Requests:
    """Return the requests of all parts as one."""
    columns = zip(*((part.batch, part.type, part.events) for part in parts), strict=True)
    return Requests(*map(np.concatenate, columns))


def batch_parts(batches: Batches) -> list[tuple[int, int]]:
    """Return ranges of batches with about as many events each, at least one, into which to cut work."""
    cuts = [end for _, end in parts_of(int(batches.bounds[-1]), EVENTS_PER_PART)]
    ends = np.unique(np.searchsorted(batches.bounds, cuts)).tolist()
    return list(pairwise([0, *ends]))


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


def _requests_of(
    batches: Batches, types: Int32Array, type_count: int, group_by: GroupBy | None, part: tuple[int, int]
) -> Requests:
    """Return the requests of a range of batches."""
    first, end = part
    bounds = batches.bounds[first : end + 1]
    if group_by is None:
        batch = np.arange(first, end, dtype=np.int32)
        return Requests(batch, np.full(len(batch), ALL_TYPES, np.int32), np.diff(bounds).astype(np.int32))
    own = types[int(bounds[0]) : int(bounds[-1])]
    if len(own) == len(bounds) - 1:  # every event is a batch
        return Requests(np.arange(first, end, dtype=np.int32), own, np.ones(len(own), np.int32))
    from evanalytics.delivery import request_kernels as kernels

    out = [np.empty(len(own), np.int32) for _ in range(3)]
    seen_in = np.full(type_count if type_count > kernels.BITS else 0, -1, np.int64)
    held = np.zeros(type_count, np.int64)
    count = kernels.group_by_type(bounds, first, types, seen_in, held, *out)
    return Requests(*(array[:count].copy() for array in out))
