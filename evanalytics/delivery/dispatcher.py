"""Live delivery: batches become requests, which go out by the rules of `DeliveryPolicy`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from evanalytics.batching.batch import spread
from evanalytics.batching.policy import GroupBy
from evanalytics.clock import Clock, SystemClock, wait_all
from evanalytics.delivery.lane import Lane, Request, RequestRecord
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.durations import Duration
from evanalytics.exceptions import ClosedError, DeliveryError
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import ThrottlePolicy

T = TypeVar("T")


class Dispatcher(Generic[T]):
    """Groups batches into requests and sends them: slots, tokens, retries, a delivery timeout.

    Each operation has a lane of its own: one FIFO, its slots, its tokens. What the rules are, the
    edges included, `DeliveryPolicy` says. Each event is delivered or handed back, once: `dispatch`
    tells of every event its result or its `DeliveryError`, and a `BatchProcessor` in front takes the
    errors to its `dead_letter`. The bound on what is held is the processor's `max_held`.

    Args:
        send: Sends the events of one request; awaited at each attempt. A list or tuple that it returns
            holds one result per event; any other value is the result of each of them.
        policy: How requests are sent; the defaults of `DeliveryPolicy` if left out.
        throttle: Grants the tokens; no limit if left out. It must run on the same clock.
        group_by: "type": one request per event type, in the order of their first appearance;
            None: one request per batch.
        clock: Where time comes from; the system's by default.
        retry_if: Whether an error of `send` is worth another attempt; every error if left out.
        on_request: Is told of every request when it is delivered or given up; must not raise.

    Example:
        >>> async def send(events):
        ...     print(len(events), events[0].type)
        >>> async def main():
        ...     async with Dispatcher(send) as dispatcher:
        ...         await dispatcher.dispatch([Note("paid"), Note("shipped"), Note("paid")])
        >>> class Note:
        ...     def __init__(self, type):
        ...         self.type = type
        >>> asyncio.run(main())
        2 paid
        1 shipped
    """

    def __init__(
        self,
        send: Callable[[list[T]], Awaitable[Any]],
        policy: DeliveryPolicy | None = None,
        *,
        throttle: ThrottleManager | None = None,
        group_by: GroupBy | None = "type",
        clock: Clock | None = None,
        retry_if: Callable[[Exception], bool] = lambda error: True,
        on_request: Callable[[RequestRecord], object] | None = None,
    ) -> None:
        self.policy = policy or DeliveryPolicy()
        self._send = send
        self._clock = clock or SystemClock()
        self._throttle = throttle or ThrottleManager(ThrottlePolicy(), clock=self._clock)
        self._key_of: Callable[[T], Any] = attrgetter(group_by) if group_by else lambda event: None
        self._retry_if = retry_if
        self._on_request = on_request
        self._lanes: dict[str, Lane] = {}
        self._is_closed = False

    def dispatch(self, events: Sequence[T], operation: str = "publish") -> asyncio.Future[list[Any]]:
        """Release the requests of a batch now; the future ends with what became of each event.

        The list holds one entry per event, in their order: its result, or the `DeliveryError` that
        hands it back. Cancelling the future withdraws the requests that are not finished.

        Raises:
            ClosedError: The dispatcher is closed; nothing was accepted.
            ThrottleError: A request would cost more tokens than can be had at once; nothing was accepted.
        """
        if self._is_closed:
            raise ClosedError("the dispatcher is closed; the batch was not accepted")
        groups = group_in_order(events, self._key_of)
        costs = [self._throttle.policy.tokens_of(len(places)) for places in groups]
        for tokens in costs:
            self._throttle.check(operation, tokens)
        lane = self._lane(operation)
        requests = []
        for places, tokens in zip(groups, costs, strict=True):
            call = partial(self._send, [events[place] for place in places])
            requests.append(lane.submit(call, tokens=tokens, events=len(places)))
        collecting = asyncio.ensure_future(_collect(groups, requests, len(events)))
        collecting.add_done_callback(partial(_withdraw_all, requests))
        return collecting

    def call(
        self, operation: str, call: Callable[[], Awaitable[Any]], *, tokens: int = 1, events: int = 0
    ) -> asyncio.Future[Any]:
        """Send one call, such as a query, through an operation's lane.

        The future ends with its result or raises its `DeliveryError`; cancelling it withdraws the call.

        Args:
            operation: Whose lane, slots and tokens.
            call: Makes the call; awaited at each attempt.
            tokens: What each attempt costs.
            events: How many events it carries, for its record.

        Raises:
            ClosedError: The dispatcher is closed.
            ThrottleError: More tokens than can be had at once.
        """
        if self._is_closed:
            raise ClosedError("the dispatcher is closed; the call was not accepted")
        self._throttle.check(operation, tokens)
        return self._lane(operation).submit(call, tokens=tokens, events=events).outcome

    async def close(self, timeout: Duration | None = None) -> None:
        """Accept nothing more, and return once all is finished or the timeout has passed.

        What is not finished then is handed back with the reason "closed"; a call that is cut may have
        reached its service all the same.
        """
        self._is_closed = True
        unfinished = [(lane, r) for lane in self._lanes.values() for r in lane.unfinished.values()]
        await wait_all([request.outcome for _, request in unfinished], clock=self._clock, timeout=timeout)
        for lane, request in unfinished:
            lane.give_up(request, "closed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _lane(self, operation: str) -> Lane:
        lane = self._lanes.get(operation)
        if lane is None:
            lane = self._lanes[operation] = Lane(
                operation,
                self.policy,
                self._throttle,
                clock=self._clock,
                retry_if=self._retry_if,
                on_request=self._on_request,
            )
        return lane


def group_in_order(events: Sequence[T], key_of: Callable[[T], Any]) -> list[list[int]]:
    """Return the places of the events with each key, keys in the order of their first appearance.

    Example:
        >>> group_in_order("abca", str)
        [[0, 3], [1], [2]]
    """
    places: dict[Any, list[int]] = {}
    for place, event in enumerate(events):
        places.setdefault(key_of(event), []).append(place)
    return list(places.values())


async def _collect(groups: list[list[int]], requests: list[Request], size: int) -> list[Any]:
    """Return each event's result or error once all requests are finished."""
    results: list[Any] = [None] * size
    for places, request in zip(groups, requests, strict=True):
        try:
            outcome = await request.outcome
        except DeliveryError as error:
            outcome = error
        for place, result in zip(places, spread(outcome, len(places)), strict=True):
            results[place] = result
    return results


def _withdraw_all(requests: list[Request], collecting: asyncio.Future[Any]) -> None:
    if collecting.cancelled():
        for request in requests:
            if not request.outcome.cancel() and not request.outcome.cancelled():
                request.outcome.exception()  # looked at, or asyncio complains that nobody did
