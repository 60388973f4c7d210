"""One sink of a live run: rows wait in a bounded line, leave in batches, and are acknowledged."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

import polars as pl

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import Clock
from evanalytics.delivery.dispatcher import Dispatcher
from evanalytics.delivery.lane import RequestRecord
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.durations import Duration
from evanalytics.exceptions import StreamError
from evanalytics.streams.nodes import SinkNode
from evanalytics.streams.outcome import Outcome
from evanalytics.streams.sinks import with_ids
from evanalytics.throttling.manager import ThrottleManager

_HELD_BATCHES = 4
"""A line holds so many batches; then whoever adds rows waits."""

_Done = asyncio.Future[Outcome[Any]]


@dataclass(slots=True, eq=False)
class _Part:
    """Rows that were added together, and how many of them are not acknowledged yet."""

    rows: pl.DataFrame
    left: int


class SinkLine:
    """Hands rows to a sink's function in batches, in order; one at a time if that is the policy's limit.

    A batch is acknowledged when the function has returned. One that fails is tried again as the
    delivery policy says; after its last attempt `on_failure` is told, and it and all behind it stay
    unacknowledged.
    A plain function runs in a thread, so that it may block. Four batches are held, whatever the policy's
    `max_queue`; then whoever adds rows waits.
    """

    def __init__(
        self,
        node: SinkNode,
        prefix: str,
        keys: tuple[str, ...],
        *,
        clock: Clock,
        delivery: DeliveryPolicy,
        throttle: ThrottleManager | None,
        on_failure: Callable[[Exception], object],
        on_request: Callable[[RequestRecord], object],
    ) -> None:
        """Begin with an empty line; `prefix` and `keys` are for `with_ids`."""
        self._node, self._prefix, self._keys = node, prefix, keys
        self._on_failure = on_failure
        self._parts: list[_Part] = []
        self._has_failed = False
        self._thread = _SinkThread()
        dispatcher = Dispatcher(
            self._send,
            delivery,
            throttle=throttle,
            group_by=None,
            clock=clock,
            retry_if=lambda error: not self._has_failed,
            on_request=on_request,
        )
        self._batches: BatchProcessor[tuple[_Part, int]] = BatchProcessor(
            BatchPolicy(
                max_batch_size=node.batch_size, flush_interval=node.max_batch_interval, group_by=None
            ),
            dispatcher.dispatch,
            clock=clock,
            max_held=_HELD_BATCHES * node.batch_size,
            dead_letter=self._failed,
            on_close=dispatcher.close,
        )

    @property
    def held(self) -> int:
        """Rows accepted and not yet acknowledged."""
        return self._batches.held

    @property
    def unacknowledged(self) -> list[pl.DataFrame]:
        """The rows of which some are not acknowledged yet, as they were added."""
        return [part.rows for part in self._parts]

    async def add(self, rows: pl.DataFrame) -> None:
        """Put rows into the line; waits while it is full."""
        if rows.is_empty():
            return
        part = _Part(with_ids(rows, self._prefix, self._keys), len(rows))
        self._parts.append(part)
        for place in range(len(rows)):
            await self._batches.add((part, place))

    async def flush(self) -> None:
        """Return once all that was added is acknowledged or has failed."""
        await self._batches.flush()

    async def close(self, timeout: Duration | None) -> None:
        """Take no more rows; what is not acknowledged when the time is up stays unacknowledged."""
        try:
            await self._batches.close(timeout)
        finally:
            self._thread.close()

    async def _send(self, items: list[tuple[_Part, int]]) -> None:
        if self._has_failed:
            raise StreamError("a batch before this one could not be delivered")
        await self._call(_frame(items))
        for part, _ in items:
            part.left -= 1
        self._parts = [part for part in self._parts if part.left]

    def _failed(self, items: list[tuple[_Part, int]], error: Exception) -> None:
        self._has_failed = True
        self._on_failure(error)

    async def _call(self, batch: pl.DataFrame) -> None:
        process = self._node.process_batch
        if inspect.iscoroutinefunction(process):
            await process(batch)
            return
        answer = await self._thread.run(partial(process, batch))
        if inspect.isawaitable(answer):
            await answer


class _SinkThread:
    """One thread for the calls of a plain function, one after the other.

    It is a daemon: a call that hangs keeps neither the loop nor the interpreter from ending.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[], Any]) -> Any:
        """Return what a blocking call returns."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="evanalytics-sink", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: _Done = loop.create_future()
        self._calls.put(partial(_answer, call, loop, done))
        return (await done).get()

    def close(self) -> None:
        """Let the thread end, once its call has returned."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _answer(call: Callable[[], Any], loop: asyncio.AbstractEventLoop, done: _Done) -> None:
    """Call, and tell a future of a loop what came of it."""
    outcome = Outcome.of(call)
    with suppress(RuntimeError):  # the loop is gone
        loop.call_soon_threadsafe(_tell, done, outcome)


def _tell(done: _Done, outcome: Outcome[Any]) -> None:
    if not done.done():
        done.set_result(outcome)


def _frame(items: list[tuple[_Part, int]]) -> pl.DataFrame:
    """Return rows, which stand one after the other in their parts, as one frame."""
    first: dict[int, tuple[_Part, int, int]] = {}
    for part, place in items:
        _, start, count = first.get(id(part), (part, place, 0))
        first[id(part)] = part, start, count + 1
    return pl.concat([part.rows.slice(start, count) for part, start, count in first.values()])
