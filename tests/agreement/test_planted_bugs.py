"""Each bug seen in the field, planted into the live classes, is caught by the comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evanalytics.batching.processor import BatchProcessor
from evanalytics.delivery import dispatcher
from evanalytics.delivery.lane import Lane
from evanalytics.throttling import manager
from evanalytics.throttling.line import Line
from evanalytics.throttling.meters import FixedWindow, SlidingWindow, TokenBucket, meter_of
from tests.agreement import live_run
from tests.agreement.live_run import expected, live
from tests.strategies import MS, random_scenario

SEEDS = range(1_000)


def is_caught() -> bool:
    return any(live(scenario) != expected(scenario) for scenario in map(random_scenario, SEEDS))


class TimerRestartsAtEachItem(BatchProcessor):
    def _look(self, batch, now):
        super()._look(batch, now)
        self._restart(batch, now)

    def _join(self, event, future=None):
        super()._join(event, future)
        self._restart(self._batch, self._clock.monotonic_ns())

    def _restart(self, batch, now):
        if self._timer is not None:
            self._timer.cancel()
            batch.deadline_ns = now + self._interval_ns
            self._timer = self._clock.call_at_ns(batch.deadline_ns, self._on_timer)


class EventAtTheDeadlineJoins(BatchProcessor):
    def _look(self, batch, now):
        if len(batch.events) == 1 and self._interval_ns:
            batch.deadline_ns += 1
        super()._look(batch, now)


class BatchLeavesOneEventTooLate(BatchProcessor):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._max_size += 1


class TimerTicksPeriodically(BatchProcessor):
    def _look(self, batch, now):
        if len(batch.events) == 1 and self._interval_ns:
            batch.deadline_ns = (now // self._interval_ns + 1) * self._interval_ns
        super()._look(batch, now)


class BytesAreCountedAfterTheBatchLeft(BatchProcessor):
    def _look(self, batch, now):
        held, batch.bytes = batch.bytes, batch.bytes - self._size_of(batch.events[-1])
        super()._look(batch, now)
        batch.bytes = held


class NewcomerOvertakes(manager.ThrottleManager):
    async def acquire(self, operation, tokens=1, *, deadline_ns=None):
        line, now = self._line(operation), self._clock.monotonic_ns()
        if line.meter.ready_ns(tokens) <= now:
            line.meter.take(now, tokens)
        else:
            await line.wait(tokens, deadline_ns)


class CancelledWaiterSpends(Line):
    def _leave(self, waiter):
        self.meter.take(self._clock.monotonic_ns(), waiter.tokens)
        super()._leave(waiter)


class CancelledWaiterBlocksTheLine(Line):
    def _leave(self, waiter):
        if self.waiters[0] is waiter:
            self.waiters.popleft()
            if self.waiters:  # served only after the time of the one that left
                self._clock.call_at_ns(self._clock.monotonic_ns() + MS, self._wake_first)


class WholeTicks(TokenBucket):
    def ready_ns(self, tokens):
        return -(-super().ready_ns(tokens) // MS) * MS


class DebtIsForgiven(TokenBucket):
    def take(self, now_ns, tokens):
        super().take(now_ns, min(tokens, self._limit.burst))


class WindowOffByOne(SlidingWindow):
    def ready_ns(self, tokens):
        return super().ready_ns(tokens + 1 if len(self._taken) > tokens else tokens)


class ClosedWindow(SlidingWindow):
    def ready_ns(self, tokens):
        ready = super().ready_ns(tokens)
        return ready + 1 if ready else ready


class GridBeginsAtTheFirstRequest(FixedWindow):
    def take(self, now_ns, tokens):
        if now_ns >= self._begin_ns + self._per_ns:
            self._begin_ns, self._used = now_ns, 0
        super().take(now_ns, tokens)


class RetryPaysNothing(Lane):
    async def _start(self, request):
        if request.starts_ns:
            request.starts_ns.append(self._clock.monotonic_ns())
        else:
            await super()._start(request)


class RetryGivesItsSlotAway(Lane):
    async def _back_off(self, request, due_ns):
        self._in_flight -= 1
        self._advance()
        try:
            await super()._back_off(request, due_ns)
        finally:
            self._in_flight += 1


class HeadGoesBeforeARetryThatIsDue(Lane):
    async def _back_off(self, request, due_ns):
        await super()._back_off(request, due_ns + 1)


class TokensAtTheDeadlineAreTaken(Lane):
    async def _start(self, request):
        deadline, request.deadline_ns = request.deadline_ns, None
        await super()._start(request)
        request.deadline_ns = deadline


class OneSlotTooMany(Lane):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._slots += 1


class LastInFirstOut(Lane):
    def _advance(self):
        self._queue.reverse()
        super()._advance()
        self._queue.reverse()


def meters(kind: type) -> Callable[..., Any]:
    """Return `meter_of` with one kind of meter replaced."""
    true = kind.__mro__[1]

    def replaced(limit, start_ns):
        meter = meter_of(limit, start_ns)
        return kind(limit, start_ns) if isinstance(meter, true) else meter

    return replaced


@pytest.mark.parametrize(
    "bug",
    [
        TimerRestartsAtEachItem,
        EventAtTheDeadlineJoins,
        BatchLeavesOneEventTooLate,
        TimerTicksPeriodically,
        BytesAreCountedAfterTheBatchLeft,
    ],
)
def test_bug_in_the_processor_is_caught(bug, monkeypatch):
    monkeypatch.setattr(live_run, "BatchProcessor", bug)

    assert is_caught()


@pytest.mark.parametrize(
    "bug",
    [
        RetryPaysNothing,
        RetryGivesItsSlotAway,
        HeadGoesBeforeARetryThatIsDue,
        TokensAtTheDeadlineAreTaken,
        OneSlotTooMany,
        LastInFirstOut,
    ],
)
def test_bug_in_the_lane_is_caught(bug, monkeypatch):
    monkeypatch.setattr(dispatcher, "Lane", bug)

    assert is_caught()


@pytest.mark.parametrize(
    "bug", [WholeTicks, DebtIsForgiven, WindowOffByOne, ClosedWindow, GridBeginsAtTheFirstRequest]
)
def test_bug_in_a_meter_is_caught(bug, monkeypatch):
    monkeypatch.setattr("evanalytics.throttling.line.meter_of", meters(bug))

    assert is_caught()


@pytest.mark.parametrize("bug", [CancelledWaiterSpends, CancelledWaiterBlocksTheLine])
def test_bug_in_the_line_is_caught(bug, monkeypatch):
    monkeypatch.setattr(manager, "Line", bug)

    assert is_caught()


def test_overtaking_newcomer_is_caught(monkeypatch):
    monkeypatch.setattr(live_run, "ThrottleManager", NewcomerOvertakes)

    assert is_caught()


def test_wrong_order_of_groups_is_caught(monkeypatch):
    true = dispatcher.group_in_order

    def by_name(events, key_of):
        return sorted(true(events, key_of), key=lambda places: key_of(events[places[0]]) or "")

    monkeypatch.setattr(dispatcher, "group_in_order", by_name)

    assert is_caught()
