"""One batch: its events, how it came about, and what became of each event."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from evanalytics.batching.policy import Reason
from evanalytics.exceptions import BatchError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """How a batch came about.

    Attributes:
        number: Counts the batches of a processor from 0.
        size: Events in it.
        bytes: Their bytes; 0 where the processor has no `size_of`.
        reason: Why it left.
        opened_ns: When its first event arrived, by the processor's clock.
        left_ns: When it left.
    """

    number: int
    size: int
    bytes: int
    reason: Reason
    opened_ns: int
    left_ns: int

    @property
    def waited_ns(self) -> int:
        """How long the first event waited."""
        return self.left_ns - self.opened_ns


@dataclass(slots=True)
class Batch(Generic[T]):
    """The events of one batch, and the futures of those whose result is wanted, by their place."""

    number: int
    events: list[T] = field(default_factory=list)
    futures: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    bytes: int = 0
    opened_ns: int = 0
    deadline_ns: int = 0

    def record(self, reason: Reason, now_ns: int) -> BatchRecord:
        """Return how the batch came about, which leaves now."""
        return BatchRecord(
            number=self.number,
            size=len(self.events),
            bytes=self.bytes,
            reason=reason,
            opened_ns=self.opened_ns,
            left_ns=now_ns,
        )

    def settle(self, outcome: Any) -> list[tuple[list[T], Exception]]:
        """Tell the waiting futures; return the failed events without one, by their error."""
        if not self.futures and not isinstance(outcome, list | tuple | Exception):
            return []  # all went well, and nobody asks for a result
        results = spread(outcome, len(self.events))
        lost: dict[int, tuple[list[T], Exception]] = {}
        for place, (event, result) in enumerate(zip(self.events, results, strict=True)):
            future = self.futures.get(place)
            is_error = isinstance(result, Exception)
            if future is not None and not future.done():
                future.set_exception(result) if is_error else future.set_result(result)
            elif is_error:
                lost.setdefault(id(result), ([], result))[0].append(event)
        return list(lost.values())


def spread(outcome: Any, size: int) -> Sequence[Any]:
    """Return what became of each of so many events, from what their processing returned.

    A list or tuple holds one result per event; any other value is the result of each.
    """
    if not isinstance(outcome, list | tuple):
        return [outcome] * size
    if len(outcome) == size:
        return outcome
    error = BatchError(
        f"{len(outcome)} results were returned for {size} events; return one for each, or None"
    )
    return [error] * size
