"""Batches over a whole log at once: arrival times in, batches out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evanalytics.batching.policy import BatchPolicy
from evanalytics.exceptions import PolicyError

Int64Array = NDArray[np.int64]

REASONS = ("size", "age", "bytes")
"""The reasons that a simulation knows, in the order of their codes."""


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of a log, in the order in which they leave.

    Attributes:
        bounds: Batch b holds the events from `bounds[b]` up to, not including, `bounds[b + 1]`.
        leave_ns: When each batch leaves, on the clock of the arrivals; never decreasing.
        reason: Why each batch leaves, as an index into `REASONS`.
    """

    bounds: Int64Array
    leave_ns: Int64Array
    reason: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.leave_ns)

    @property
    def first(self) -> Int64Array:
        """The position of each batch's first event."""
        return self.bounds[:-1]

    @property
    def sizes(self) -> Int64Array:
        """The events in each batch."""
        return np.diff(self.bounds)


def simulate_batches(arrival_ns: Int64Array, policy: BatchPolicy, sizes: Int64Array | None = None) -> Batches:
    """Return the batches into which a policy cuts a sequence of arrivals.

    Args:
        arrival_ns: When each event arrives, in nanoseconds, never decreasing.
        policy: When a batch leaves.
        sizes: Each event's size in bytes; needed if the policy has `max_batch_bytes`.

    Raises:
        PolicyError: The policy counts bytes, and no sizes were given.

    Example:
        >>> arrivals = np.array([0, 1, 2, 3_000_000_000], dtype=np.int64)
        >>> batches = simulate_batches(arrivals, BatchPolicy(max_batch_size=2, flush_interval="1s"))
        >>> batches.sizes.tolist(), [REASONS[code] for code in batches.reason]
        ([2, 1, 1], ['size', 'age', 'age'])
    """
    if policy.max_batch_bytes is None:
        sizes = None
    elif sizes is None:
        raise PolicyError(
            "BatchPolicy.max_batch_bytes: counts bytes, and these arrivals have no sizes; "
            "give the events' sizes, or leave max_batch_bytes out"
        )
    from evanalytics.compiled import IS_COMPILED

    return (_by_loop if IS_COMPILED else batches_by_search)(arrival_ns, policy, sizes)


def batches_by_search(arrival_ns: Int64Array, policy: BatchPolicy, sizes: Int64Array | None) -> Batches:
    """Return the batches without compiled loops: search every possible end at once, then jump."""
    events = len(arrival_ns)
    begin = np.arange(events)
    by_age = np.maximum(np.searchsorted(arrival_ns, arrival_ns + policy.flush_interval_ns), begin + 1)
    by_size = np.minimum(begin + policy.max_batch_size, events + 1)
    full = by_size
    if sizes is not None:
        total = np.concatenate(([0], np.cumsum(sizes)))
        by_bytes = np.searchsorted(total, total[:-1] + policy.max_batch_bytes)
        full = np.minimum(by_size, np.maximum(by_bytes, begin + 1))
    is_full = (full <= by_age) & (policy.flush_interval_ns > 0)
    bounds = _jump(np.where(is_full, full, by_age))
    first = bounds[:-1]
    leave = np.where(is_full[first], arrival_ns[bounds[1:] - 1], arrival_ns[first] + policy.flush_interval_ns)
    at_once = np.where(full[first] == by_size[first], REASONS.index("size"), REASONS.index("bytes"))
    reason = np.where(is_full[first], at_once, REASONS.index("age"))
    return Batches(bounds, leave, reason.astype(np.int8))


def _by_loop(arrival_ns: Int64Array, policy: BatchPolicy, sizes: Int64Array | None) -> Batches:
    from evanalytics.batching import kernels

    events = len(arrival_ns)
    out: tuple[Any, ...] = (
        np.empty(events + 1, np.int64),
        np.empty(events, np.int64),
        np.empty(events, np.int8),
    )
    most, interval = min(policy.max_batch_size, events + 1), policy.flush_interval_ns
    if sizes is None:
        count = kernels.chain_batches(arrival_ns, most, interval, *out)
    else:
        most_bytes = policy.max_batch_bytes or 1
        count = kernels.chain_batches_with_bytes(arrival_ns, sizes, most, interval, most_bytes, *out)
    bounds, leave, reason = out
    return Batches(bounds[: count + 1], leave[:count], reason[:count])  # pages behind were never touched


def _jump(end_of: Int64Array) -> Int64Array:
    """Return 0, end_of[0], end_of[end_of[0]], ... up to the end."""
    ends, bounds = end_of.tolist(), [0]
    while bounds[-1] < len(ends):
        bounds.append(ends[bounds[-1]])
    return np.array(bounds, dtype=np.int64)
