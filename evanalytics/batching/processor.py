"""Live batching: events go in one by one and come out as batches, by size or by age."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from evanalytics.batching.batch import Batch, BatchRecord
from evanalytics.batching.policy import BatchPolicy, Reason
from evanalytics.clock import Clock, SystemClock, Timer, wait_all
from evanalytics.durations import Duration
from evanalytics.exceptions import BatchError, ClosedError, PolicyError

T = TypeVar("T")


class BatchProcessor(Generic[T]):
    """Gathers events into batches and hands each batch to `process_batch`.

    When a batch leaves is the policy's to say, edges included: at its deadline an arriving event
    finds it gone, whether or not the timer has run yet. `process_batch` is called at the very instant
    at which the batch leaves, even while earlier batches are still being processed; to have fewer at
    once, give it the `dispatch` of a `Dispatcher`.

    An event that was accepted is processed or handed back, once: a failure goes to the future of
    `add_for_result` if there is one, else to `dead_letter`, else the next `flush` or `close`
    raises a `BatchError` that holds the events. A caller that is cancelled harms only itself, for an
    event that has joined a batch stays in it.

    As an async context manager it closes on exit. All callers belong to one event loop.

    Args:
        policy: When a batch leaves. Its `group_by` is for the dispatcher.
        process_batch: Takes the events of a batch; what it returns is awaited. A list or tuple holds one
            result per event, in their order, where an exception is that event's failure; any other
            value is the result of each of them. An exception that is raised fails them all.
        clock: Where time comes from; the system's by default.
        size_of: The size of an event in bytes; needed with `max_batch_bytes`.
        max_held: The most events accepted and not yet processed; beyond it `add` waits, first come,
            first served. None: no bound.
        on_batch: Is told of every batch as it leaves; must not raise.
        dead_letter: Takes failed events for which nobody waits, with the reason; must not raise.
        on_close: Ends what `process_batch` has begun, within the timeout that it is given; for a
            dispatcher's `dispatch`, its `close`. So each event's own fate is known when time is up.

    Raises:
        PolicyError: `max_batch_bytes` without `size_of`, or a `max_held` below `max_batch_size`.

    Example:
        >>> async def show(events):
        ...     print(events)
        >>> async def main():
        ...     async with BatchProcessor(BatchPolicy(max_batch_size=2), show) as processor:
        ...         await processor.add_many("abc")
        >>> asyncio.run(main())
        ['a', 'b']
        ['c']
    """

    def __init__(
        self,
        policy: BatchPolicy,
        process_batch: Callable[[list[T]], Awaitable[Any]],
        *,
        clock: Clock | None = None,
        size_of: Callable[[T], int] | None = None,
        max_held: int | None = 100_000,
        on_batch: Callable[[BatchRecord], object] | None = None,
        dead_letter: Callable[[list[T], Exception], object] | None = None,
        on_close: Callable[[Duration | None], Awaitable[object]] | None = None,
    ) -> None:
        if policy.max_batch_bytes is not None and size_of is None:
            raise PolicyError("BatchPolicy.max_batch_bytes: the processor needs size_of=, an event's bytes")
        if max_held is not None and max_held < policy.max_batch_size:
            raise PolicyError(
                f"BatchProcessor.max_held: needs at least max_batch_size ({policy.max_batch_size}), "
                f"got {max_held}; no batch would ever be full"
            )
        self.policy = policy
        self._process_batch = process_batch
        self._clock = clock or SystemClock()
        self._size_of = size_of
        self._max_held = float("inf") if max_held is None else max_held
        self._on_batch = on_batch
        self._dead_letter = dead_letter
        self._on_close = on_close

        self._now_ns = self._clock.monotonic_ns  # these four are looked up at every event
        self._max_size = policy.max_batch_size
        self._max_bytes = policy.max_batch_bytes
        self._interval_ns = policy.flush_interval_ns

        self._batch: Batch[T] = Batch(number=0)
        self._timer: Timer | None = None
        self._held = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._running: dict[int, tuple[Batch[T], asyncio.Task[None]]] = {}
        self._lost: list[T] = []
        self._first_error: Exception | None = None
        self._is_closed = False

    @property
    def held(self) -> int:
        """Events accepted and not yet processed or handed back."""
        return self._held

    async def add(self, event: T) -> None:
        """Return once the event is accepted; waits only while too many are held.

        Raises:
            ClosedError: The processor is closed, or was closed while this waited; not accepted.
        """
        if self._held >= self._max_held or self._room or self._is_closed:
            await self._admit(event)
        else:
            self._join(event)

    async def add_many(self, events: Iterable[T]) -> None:
        """Add events in their order; returns once the last one is accepted."""
        for event in events:
            await self.add(event)

    async def add_for_result(self, event: T) -> asyncio.Future[Any]:
        """Add an event; the future that is returned ends with the event's own result.

        Cancelling the future withdraws nothing: the event is processed with its batch.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._held >= self._max_held or self._room or self._is_closed:
            await self._admit(event, future)
        else:
            self._join(event, future)
        return future

    async def flush(self) -> None:
        """Send the open batch now, and return once all that was accepted so far is processed.

        Raises:
            BatchError: Events failed, and there is nobody else to take them back.
        """
        self._send_open("flush")
        await wait_all([task for _, task in self._running.values()], clock=self._clock, timeout=None)
        self._raise_lost()

    async def close(self, timeout: Duration | None = None) -> None:
        """Accept nothing more, send the open batch now, and return once all is processed.

        Callers that wait for room are refused. What is not processed when the timeout has passed is cut
        and handed back; whoever was processing it may have done so all the same.

        Raises:
            BatchError: Events failed or were cut, and there is nobody else to take them back.
        """
        self._stop()
        if self._on_close is not None:
            await self._on_close(timeout)
            timeout = None
        await wait_all([task for _, task in self._running.values()], clock=self._clock, timeout=timeout)
        for batch, task in list(self._running.values()):
            self._finish(batch, BatchError("closed before the batch was processed"))
            task.cancel()
        self._raise_lost()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _join(self, event: T, future: asyncio.Future[Any] | None = None) -> None:
        event_bytes = 0 if self._size_of is None else self._size_of(event)
        now = self._now_ns()
        batch = self._batch
        if batch.events and now >= batch.deadline_ns:
            self._leave("age", now)
            batch = self._batch
        events = batch.events
        events.append(event)
        self._held += 1
        size = len(events)
        if future is not None:
            batch.futures[size - 1] = future
        if size == 1:
            batch.opened_ns, batch.deadline_ns = now, now + self._interval_ns
        if event_bytes:
            batch.bytes += event_bytes
        if size == 1 or size >= self._max_size or self._max_bytes is not None:
            self._look(batch, now)

    def _look(self, batch: Batch[T], now: int) -> None:
        """Send the open batch if it is due; else see to it that a timer is set."""
        if now >= batch.deadline_ns:  # only if the flush interval is zero
            self._leave("age", now)
        elif len(batch.events) >= self._max_size:
            self._leave("size", now)
        elif self._max_bytes is not None and batch.bytes >= self._max_bytes:
            self._leave("bytes", now)
        elif self._timer is None:
            self._timer = self._clock.call_at_ns(batch.deadline_ns, self._on_timer)

    def _on_timer(self) -> None:
        """Send the batch that is due; for one that was opened since the timer was set, wait on."""
        self._timer = None
        now = self._now_ns()
        if self._batch.events and now >= self._batch.deadline_ns:
            self._leave("age", now)
        elif self._batch.events:
            self._timer = self._clock.call_at_ns(self._batch.deadline_ns, self._on_timer)

    def _stop(self) -> None:
        self._is_closed = True
        self._send_open("close")
        if self._timer is not None:
            self._timer.cancel()
        for turn in self._room:
            if not turn.done():
                turn.set_result(None)

    def _send_open(self, reason: Reason) -> None:
        now = self._now_ns()
        if self._batch.events:
            self._leave("age" if now >= self._batch.deadline_ns else reason, now)

    def _leave(self, reason: Reason, now: int) -> None:
        batch, self._batch = self._batch, Batch(number=self._batch.number + 1)
        if self._on_batch is not None:
            self._on_batch(batch.record(reason, now))
        try:
            results = self._process_batch(list(batch.events))  # theirs to alter
        except Exception as error:  # noqa: BLE001 - whatever it is, the events' owners are told
            self._finish(batch, error)
        else:
            task = asyncio.get_running_loop().create_task(self._process(batch, results))
            self._running[batch.number] = batch, task

    async def _process(self, batch: Batch[T], results: Awaitable[Any]) -> None:
        try:
            outcome = await results
        except asyncio.CancelledError:
            outcome = BatchError("process_batch was cancelled")
        except Exception as error:  # noqa: BLE001 - whatever it is, the events' owners are told
            outcome = error
        if batch.number in self._running:  # else cut by close, and handed back already
            self._finish(batch, outcome)

    def _finish(self, batch: Batch[T], outcome: Any) -> None:
        self._running.pop(batch.number, None)
        self._held -= len(batch.events)
        self._wake_room()
        for events, error in batch.settle(outcome):
            self._hand_back(events, error)

    def _hand_back(self, events: list[T], error: Exception) -> None:
        if self._dead_letter is not None:
            self._dead_letter(events, error)
        else:
            self._lost += events
            self._first_error = self._first_error or error

    def _raise_lost(self) -> None:
        if self._lost:
            lost, cause = self._lost, self._first_error
            self._lost, self._first_error = [], None
            message = f"{len(lost)} events were not processed ({cause}); they are in .events"
            raise BatchError(message, lost) from cause

    async def _admit(self, event: T, future: asyncio.Future[Any] | None = None) -> None:
        """Join in turn, once there is room."""
        if self._is_closed:
            raise ClosedError("the batch processor is closed; the event was not accepted")
        turn = asyncio.get_running_loop().create_future()
        self._room.append(turn)
        try:
            await turn
            if self._is_closed:
                raise ClosedError("the batch processor was closed; the event was not accepted")
            self._join(event, future)
        finally:
            self._room.remove(turn)
            self._wake_room()

    def _wake_room(self) -> None:
        if self._room and self._held < self._max_held and not self._room[0].done():
            self._room[0].set_result(None)
