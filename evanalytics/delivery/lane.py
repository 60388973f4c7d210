"""The lane of one operation: its FIFO, its slots, its share of the tokens, its retries."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from evanalytics.clock import Clock, Timer
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.exceptions import DeliveryError, DeliveryReason, ThrottleTimeoutError
from evanalytics.throttling.manager import ThrottleManager


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What became of a request; times are readings of the dispatcher's clock, in nanoseconds.

    Attributes:
        operation: Whose lane it went through.
        index: Counts the requests of the lane from 0, in the order of their release.
        events: How many events it carries.
        released_ns: When it was released: when its batch left.
        asked_ns: When it had its slot and asked for its first tokens; None if it never came to that.
        starts_ns: When each attempt started.
        ends_ns: When each attempt ended, whatever its result.
        finished_ns: When the request was delivered or given up.
        outcome: "delivered", or why it was given up.
    """

    operation: str
    index: int
    events: int
    released_ns: int
    asked_ns: int | None
    starts_ns: tuple[int, ...]
    ends_ns: tuple[int, ...]
    finished_ns: int
    outcome: Literal["delivered"] | DeliveryReason


@dataclass(slots=True, eq=False)
class Request:
    """A call on its way through a lane; `outcome` ends with its result or a `DeliveryError`."""

    index: int
    call: Callable[[], Awaitable[Any]]
    tokens: int
    events: int
    released_ns: int
    deadline_ns: int | None
    outcome: asyncio.Future[Any]
    asked_ns: int | None = None
    starts_ns: list[int] = field(default_factory=list)
    ends_ns: list[int] = field(default_factory=list)
    error: BaseException | None = None
    task: asyncio.Task[Any] | None = None
    alarm: Timer | None = None


class Lane:
    """Sends the requests of one operation, in their order, by the rules of `DeliveryPolicy`.

    One task per request that has a slot. What may happen at an instant happens in the policy's
    order, whichever timer the loop runs first: `_advance` looks at retries before the head, and every
    deadline is looked at again where a request would go on.
    """

    def __init__(
        self,
        operation: str,
        policy: DeliveryPolicy,
        throttle: ThrottleManager,
        *,
        clock: Clock,
        retry_if: Callable[[Exception], bool],
        on_request: Callable[[RequestRecord], object] | None,
    ) -> None:
        self.operation = operation
        self.unfinished: dict[int, Request] = {}
        self._policy = policy
        self._slots = float("inf") if policy.max_in_flight is None else policy.max_in_flight
        self._timeout_ns = policy.delivery_timeout_ns
        self._throttle = throttle
        self._clock = clock
        self._retry_if = retry_if
        self._on_request = on_request
        self._released = self._in_flight = 0
        self._queue: deque[Request] = deque()
        self._head: Request | None = None  # has its slot and waits for its first tokens
        self._backing_off: list[tuple[int, int, asyncio.Future[None]]] = []

    def submit(self, call: Callable[[], Awaitable[Any]], *, tokens: int, events: int) -> Request:
        """Release a request now; cancelling its `outcome` withdraws it."""
        now = self._clock.monotonic_ns()
        request = Request(
            index=self._released,
            call=call,
            tokens=tokens,
            events=events,
            released_ns=now,
            deadline_ns=None if self._timeout_ns is None else now + self._timeout_ns,
            outcome=asyncio.get_running_loop().create_future(),
        )
        self._released += 1
        self.unfinished[request.index] = request
        if request.deadline_ns is not None:
            request.alarm = self._clock.call_at_ns(
                request.deadline_ns, partial(self.give_up, request, "timeout")
            )
        request.outcome.add_done_callback(partial(self._withdraw_cancelled, request))
        self._queue.append(request)
        self._advance()
        return request

    def give_up(self, request: Request, reason: DeliveryReason) -> None:
        """Hand a request back now, wherever it is, unless it has ended; a running call is cut."""
        if request.index not in self.unfinished or (request.task is not None and request.task.done()):
            return
        if request.task is None:
            self._queue.remove(request)
        else:
            request.task.cancel()  # its slot is free once it has really ended
        self._finish(request, error=self._error(request, reason))

    def _advance(self) -> None:
        """Let everything go on that may: due retries first, then the head of the FIFO."""
        now = self._clock.monotonic_ns()
        while self._backing_off and self._backing_off[0][0] <= now:
            turn = heapq.heappop(self._backing_off)[2]
            if not turn.done():
                turn.set_result(None)
        while self._queue and self._head is None and self._in_flight < self._slots:
            request = self._queue[0]
            if request.deadline_ns is not None and request.deadline_ns <= now:
                self.give_up(request, "timeout")
                continue
            self._head = self._queue.popleft()
            self._in_flight += 1
            request.asked_ns = now
            request.task = asyncio.get_running_loop().create_task(self._attempt(request))
            request.task.add_done_callback(partial(self._end, request))

    async def _attempt(self, request: Request) -> Any:
        """Return the call's result, after as many attempts as it takes and the policy allows."""
        retry = self._policy.retry
        while True:
            await self._start(request)
            try:
                return await request.call()
            except Exception as error:
                request.error = error
                attempt = len(request.starts_ns)
                if attempt == retry.max_attempts or not self._retry_if(error):
                    raise self._error(request, "failed") from error
            finally:
                request.ends_ns.append(self._clock.monotonic_ns())
            await self._back_off(request, request.ends_ns[-1] + retry.backoff_ns(request.index, attempt))

    async def _start(self, request: Request) -> None:
        try:
            await self._throttle.acquire(self.operation, request.tokens, deadline_ns=request.deadline_ns)
        except ThrottleTimeoutError:
            raise self._error(request, "timeout") from request.error
        request.starts_ns.append(self._clock.monotonic_ns())
        if self._head is request:
            self._head = None
            self._advance()

    async def _back_off(self, request: Request, due_ns: int) -> None:
        if request.deadline_ns is not None and due_ns >= request.deadline_ns:
            raise self._error(request, "timeout")
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._backing_off, (due_ns, request.index, turn))
        timer = self._clock.call_at_ns(due_ns, self._advance)
        try:
            await turn
        finally:
            timer.cancel()

    def _end(self, request: Request, task: asyncio.Task[Any]) -> None:
        """Free the slot of a request whose task has ended, and say what became of it."""
        self._in_flight -= 1
        if self._head is request:
            self._head = None
        error = self._error(request, "failed") if task.cancelled() else task.exception()
        if request.index not in self.unfinished:
            pass  # it was given up before its task ended
        elif error is None:
            self._finish(request, result=task.result())
        elif isinstance(error, DeliveryError):
            self._finish(request, error=error)
        else:  # retry_if raised, say: still nobody's event is lost
            request.error = error
            self._finish(request, error=self._error(request, "failed"))
        self._advance()

    def _finish(self, request: Request, *, result: Any = None, error: DeliveryError | None = None) -> None:
        del self.unfinished[request.index]
        if request.alarm is not None:
            request.alarm.cancel()
        if not request.outcome.done():
            request.outcome.set_exception(error) if error else request.outcome.set_result(result)
        if self._on_request is not None:
            self._on_request(self._record(request, error.reason if error else "delivered"))

    def _record(self, request: Request, outcome: Literal["delivered"] | DeliveryReason) -> RequestRecord:
        return RequestRecord(
            operation=self.operation,
            index=request.index,
            events=request.events,
            released_ns=request.released_ns,
            asked_ns=request.asked_ns,
            starts_ns=tuple(request.starts_ns),
            ends_ns=tuple(request.ends_ns),
            finished_ns=self._clock.monotonic_ns(),
            outcome=outcome,
        )

    def _error(self, request: Request, reason: DeliveryReason) -> DeliveryError:
        attempts = len(request.starts_ns)
        error = DeliveryError(
            f"{self.operation} request {request.index} ({request.events} events): given up after "
            f"{attempts} attempts ({reason}); last error: {request.error!r}",
            reason=reason,
            attempts=attempts,
        )
        error.__cause__ = request.error
        return error

    def _withdraw_cancelled(self, request: Request, outcome: asyncio.Future[Any]) -> None:
        if outcome.cancelled():
            self.give_up(request, "closed")
