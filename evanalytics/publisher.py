"""`EventPublisher`: events go out batched or at once, queries beside them, all of it throttled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import Clock, SystemClock
from evanalytics.delivery.dispatcher import Dispatcher, group_in_order
from evanalytics.delivery.lane import RequestRecord
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.durations import Duration
from evanalytics.event import Event
from evanalytics.exceptions import (
    BatchError,
    ClosedError,
    DeliveryError,
    EventError,
    FilterError,
    QueryError,
    ServiceAccessError,
    ThrottleError,
)
from evanalytics.service.client import EventServiceClient, PublishResult, QueryArguments
from evanalytics.service.wire import RefusedError
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import ThrottlePolicy
from evanalytics.tuning.live_metrics import LiveMetrics

T = TypeVar("T")

_FINAL = (
    EventError,
    FilterError,
    QueryError,
    ServiceAccessError,
    RefusedError,
    ThrottleError,
    ClosedError,
)
"""Errors that another attempt would only repeat."""

_log = logging.getLogger("evanalytics.publisher")

DeadLetter = Callable[[list[Event], Exception], object]


@dataclass(slots=True, eq=False)
class _Queued:
    event: Event
    type: str
    size: int
    arrived_ns: int


class EventPublisher:
    """Publishes events through a client: batched, grouped by type, throttled, tried again.

    The three policies say it all, and they are those of the simulator: settings that were tuned on a
    log can be handed in as they are. Only where a request would cost more tokens than its limit's
    window holds, which a simulation refuses, this splits it.

    An event that was accepted is delivered or handed back, once: to `dead_letter`, else in the
    `BatchError` of the next `flush` or `close`. What was cut at a timeout may have reached the
    service all the same; publishing it again is harmless there. A caller that is cancelled harms
    only itself. Queries have tokens and slots of their own and never wait for publishing.

    The logger "evanalytics.publisher" is told of every request, with its figures as fields (`operation`,
    `request`, `events`, `attempts`, `took_ms`, `outcome`); payloads and keys are never logged.

    As an async context manager it closes on exit; the client is closed by whoever made it.

    Args:
        client: The service; a client over HTTP tries again by itself, so give it `Retry(max_attempts=1)`
            to leave that to `delivery`, whose attempts pay tokens.
        batch_policy: When queued events leave.
        throttle: The limits of "publish" and "query"; none if left out.
        delivery: How many requests at once, how often and how long; the defaults of `DeliveryPolicy`
            if left out. Beyond its `max_queue` events, `queue_event` waits.
        clock: Where time comes from; the system's by default. Only its monotonic reading is used.
        dead_letter: Takes queued events that were not delivered, with the reason; must not raise.

    Attributes:
        metrics: What was done so far: rates, queue depth, retries and latencies, as frames.

    Raises:
        PolicyError: `max_queue` is less than `max_batch_size`.

    Example:
        >>> from datetime import UTC, datetime
        >>> from evanalytics.service import EmbeddedEventService
        >>> async def main() -> None:
        ...     batch = BatchPolicy(max_batch_size=100, flush_interval="5s")
        ...     async with EmbeddedEventService() as service, EventPublisher(service, batch) as publisher:
        ...         for number in range(250):
        ...             await publisher.queue_event(
        ...                 Event(id=str(number), type="paid", source="shop", time=datetime.now(UTC)))
        ...         await publisher.flush()
        ...         print(publisher.metrics.totals())
        >>> asyncio.run(main())
        {'accepted': 250, 'delivered': 250, 'handed_back': 0, 'requests': 3, 'retries': 0}
    """

    def __init__(
        self,
        client: EventServiceClient,
        batch_policy: BatchPolicy,
        throttle: ThrottlePolicy | None = None,
        delivery: DeliveryPolicy | None = None,
        *,
        clock: Clock | None = None,
        dead_letter: DeadLetter | None = None,
    ) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._dead_letter = dead_letter
        self._throttle = throttle or ThrottlePolicy()
        self._key_of: Callable[[_Queued], Any] = (
            attrgetter("type") if batch_policy.group_by else lambda _: None
        )
        self._lost: list[Event] = []
        self._first_error: Exception | None = None
        self.metrics = LiveMetrics(self._clock)
        self._dispatcher: Dispatcher[_Queued] = Dispatcher(
            self._send,
            delivery,
            throttle=ThrottleManager(self._throttle, clock=self._clock),
            group_by=batch_policy.group_by,
            clock=self._clock,
            retry_if=lambda error: not isinstance(error, _FINAL),
            on_request=self._note,
        )
        self._processor: BatchProcessor[_Queued] = BatchProcessor(
            batch_policy,
            self._release,
            clock=self._clock,
            size_of=attrgetter("size"),
            max_held=self._dispatcher.policy.max_queue,
            dead_letter=self._hand_back,
            on_close=self._dispatcher.close,
        )

    @property
    def held(self) -> int:
        """Queued events that are not yet delivered or handed back."""
        return self._processor.held

    async def queue_event(self, event: Event) -> None:
        """Return once the event is accepted for a batch; waits only while too many are held.

        Raises:
            EventError: The payload is not JSON; not accepted.
            ClosedError: The publisher is closed, or was closed while this waited; not accepted.
        """
        await self._processor.add(self._queued(event))
        self.metrics.accept(self._processor.held)

    async def publish_events_now(self, events: Iterable[Event]) -> PublishResult:
        """Publish events in front of no batch, in one request, and return what became of them.

        It takes its turn among the requests of "publish", and its tokens: one, or one per event,
        as the throttle policy says. Cancelling it withdraws what is not sent yet.

        Raises:
            EventError: A payload is not JSON; nothing was sent.
            BatchError: Not all were delivered; those that were not are in its `events`.
            ClosedError: The publisher is closed.
        """
        queued = [self._queued(event) for event in events]
        pieces = self._cut(queued)
        calls = [self._call_with(piece) for piece in pieces]
        self.metrics.accept(self.held, len(queued))
        try:
            if calls:
                await asyncio.wait(calls)
        finally:
            lost = [piece for piece, call in zip(pieces, calls, strict=True) if not _is_delivered(call)]
        if lost:
            error = next(filter(None, (call.exception() for call in calls)))
            back = [one.event for piece in lost for one in piece]
            message = f"{len(back)} of {len(queued)} events were not published ({error}); they are in .events"
            raise BatchError(message, back) from error
        return sum((call.result() for call in calls), PublishResult())

    async def query_events(self, **query: Unpack[QueryArguments]) -> list[Event]:
        """Return what the client's `query_events` returns, once there is a token of "query".

        Raises:
            DeliveryError: No attempt succeeded; the last one's error is its `__cause__`.
            ServiceError: The question makes no sense, or the key is wrong: as the client raises it.
            ClosedError: The publisher is closed.
        """
        try:
            found: list[Event] = await self._dispatcher.call(
                "query", partial(self._client.query_events, **query)
            )
        except DeliveryError as error:
            if isinstance(error.__cause__, _FINAL):
                raise error.__cause__ from None
            raise
        return found

    async def flush(self) -> None:
        """Send the open batch now, and return once all that was queued so far is delivered or handed back.

        Raises:
            BatchError: Events were not delivered, and there is no `dead_letter` to take them.
        """
        await self._processor.flush()
        self._raise_lost()

    async def close(self, timeout: Duration | None = None) -> None:
        """Accept nothing more, send the open batch, and return once nothing is on its way any more.

        Whatever is not finished when the timeout has passed is handed back then. Closing twice is harmless.

        Raises:
            BatchError: Events were not delivered, and there is no `dead_letter` to take them.
        """
        await self._processor.close(timeout)
        _log.info("closed", extra=self.metrics.totals())
        self._raise_lost()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _queued(self, event: Event) -> _Queued:
        """Return an event as it waits; one that cannot be sent is refused here, alone."""
        return _Queued(event, event.type, len(event.to_json()), self._clock.monotonic_ns())

    def _release(self, batch: list[_Queued]) -> Awaitable[list[Any]]:
        """Send a batch; one whose requests might cost too much at once in pieces."""
        if len(self._cut(batch)) == 1:
            return self._dispatcher.dispatch(batch)
        groups = group_in_order(batch, self._key_of)
        pieces = [piece for group in groups for piece in self._cut(group)]
        outcomes = [self._dispatcher.dispatch([batch[place] for place in piece]) for piece in pieces]
        return _put_together(pieces, outcomes, len(batch))

    def _cut(self, events: list[T]) -> list[list[T]]:
        """Return events in pieces that the limit of "publish" can grant, as few as possible."""
        limit = self._throttle.limit_of("publish")
        most = limit.max_tokens if limit and self._throttle.tokens_per == "event" else None
        size = most or max(len(events), 1)
        return [events[first : first + size] for first in range(0, len(events), size)]

    def _call_with(self, events: list[_Queued]) -> asyncio.Future[Any]:
        tokens = self._throttle.tokens_of(len(events))
        return self._dispatcher.call(
            "publish", partial(self._send, events), tokens=tokens, events=len(events)
        )

    async def _send(self, events: list[_Queued]) -> PublishResult:
        result = await self._client.publish_events([one.event for one in events])
        now = self._clock.monotonic_ns()
        self.metrics.deliver([now - one.arrived_ns for one in events])
        if result.conflicts:
            fields = {"conflicts": result.conflicts, "events": len(events)}
            _log.warning("ids that were given to other events before", extra=fields)
        return result

    def _note(self, record: RequestRecord) -> None:
        self.metrics.finish(record)
        level = logging.DEBUG if record.outcome == "delivered" else logging.WARNING
        if _log.isEnabledFor(level):
            fields = {
                "operation": record.operation,
                "request": record.index,
                "events": record.events,
                "attempts": len(record.starts_ns),
                "took_ms": (record.finished_ns - record.released_ns) / 1e6,
                "outcome": record.outcome,
            }
            _log.log(level, "%s request %d: %s", record.operation, record.index, record.outcome, extra=fields)

    def _hand_back(self, queued: list[_Queued], error: Exception) -> None:
        events = [one.event for one in queued]
        if self._dead_letter is not None:
            self._dead_letter(events, error)
        else:
            self._lost += events
            self._first_error = self._first_error or error

    def _raise_lost(self) -> None:
        if self._lost:
            lost, cause = self._lost, self._first_error
            self._lost, self._first_error = [], None
            message = f"{len(lost)} events were not delivered ({cause}); they are in .events"
            raise BatchError(message, lost) from cause


async def _put_together(
    pieces: list[list[int]], outcomes: list[asyncio.Future[list[Any]]], size: int
) -> list[Any]:
    """Return each event's own outcome, in the order of the batch."""
    results: list[Any] = [None] * size
    for piece, outcome in zip(pieces, outcomes, strict=True):
        for place, result in zip(piece, await outcome, strict=True):
            results[place] = result
    return results


def _is_delivered(call: asyncio.Future[Any]) -> bool:
    """Return whether a call has succeeded; withdraw it if it is not finished."""
    return not call.cancel() and not call.cancelled() and call.exception() is None
