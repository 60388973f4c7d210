"""Callers of a publisher are cancelled wherever they wait: no event is lost or told of twice.

Each seed is a run of its own on a clock moved by hand: random policies, failures and callers, some
of which are cancelled at a random one of their waits. `test_every_single_wait` then goes through all waits
of each call, one by one.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.clock import ManualClock, settle
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.event import Event
from evanalytics.exceptions import BatchError, ClosedError, DeliveryError, ServiceError
from evanalytics.publisher import EventPublisher
from evanalytics.service import PublishResult
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from tests.test_publisher import event

SEEDS = 500
CLOSE_TIMEOUT_NS = 2_000_000_000


class CancelledAt:
    """Runs a coroutine in the task that awaits this; at its n-th wait that task is cancelled."""

    def __init__(self, work: Coroutine[Any, Any, Any], wait: int) -> None:
        self.work, self.wait = work, wait
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        go_on: Callable[[], Any] = lambda: self.work.send(None)  # noqa: E731
        while True:
            try:
                waiting = go_on()
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self.waits == self.wait:
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                yield waiting
                go_on = lambda: self.work.send(None)  # noqa: E731
            except BaseException as error:  # noqa: BLE001 - the coroutine shall see it where it waits
                go_on = lambda error=error: self.work.throw(error)  # type: ignore[misc]  # noqa: E731


class FlakyService:
    """Keeps ids once a call has taken its time; a call that is cut or fails keeps nothing."""

    def __init__(self, clock: ManualClock, chance: random.Random, failing: float) -> None:
        self.clock, self.chance, self.failing = clock, chance, failing
        self.kept: Counter[str] = Counter()

    async def publish_events(self, events: Iterable[Event]) -> PublishResult:
        batch = list(events)
        await self.clock.sleep(self.chance.choice((0, 0.001, 0.02, 0.3)))
        if self.chance.random() < self.failing:
            raise ServiceError("not now")
        self.kept.update(one.id for one in batch)
        return PublishResult(accepted=len(batch))

    async def query_events(self, **query: Any) -> list[Event]:
        await self.clock.sleep(0.005)
        return []


class Run:
    """One run: what callers were told, beside what the service keeps and what was handed back."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.service = FlakyService(self.clock, chance, failing=chance.choice((0, 0.2, 0.9)))
        self.letters: Counter[str] = Counter()
        self.told: dict[str, str] = {}
        self.publisher = EventPublisher(
            self.service,  # type: ignore[arg-type]
            BatchPolicy(
                max_batch_size=chance.choice((1, 3, 7)), flush_interval=chance.choice(("0s", "15ms", "1s"))
            ),
            ThrottlePolicy(
                chance.choice(
                    (None, RateLimit(3, "50ms"), RateLimit(5, "20ms", kind="token_bucket", burst=2))
                ),
                tokens_per=chance.choice(("request", "event")),
            ),
            DeliveryPolicy(
                max_in_flight=chance.choice((1, 2, None)),
                max_queue=chance.choice((7, 12, None)),
                retry=Retry(max_attempts=chance.choice((1, 3)), base="5ms"),
                delivery_timeout=chance.choice((None, "100ms")),
            ),
            clock=self.clock,
            dead_letter=lambda events, error: self.letters.update(one.id for one in events),
        )

    async def queue(self, event_id: str) -> None:
        self.told[event_id] = "cancelled"
        try:
            await self.publisher.queue_event(event(event_id, type=event_id[-1]))
            self.told[event_id] = "accepted"
        except ClosedError:
            self.told[event_id] = "refused"

    async def publish_now(self, ids: list[str]) -> None:
        self.told.update(dict.fromkeys(ids, "withdrawn"))
        try:
            await self.publisher.publish_events_now([event(event_id) for event_id in ids])
            self.told.update(dict.fromkeys(ids, "delivered"))
        except BatchError as error:
            self.told.update(dict.fromkeys(ids, "delivered"))
            self.told.update((one.id, "returned") for one in error.events)
        except ClosedError:
            self.told.update(dict.fromkeys(ids, "refused"))

    async def query(self) -> None:
        with suppress(DeliveryError, ClosedError):
            await self.publisher.query_events()

    async def close(self) -> None:
        begin = self.clock.monotonic_ns()
        await self.publisher.close("2s")
        assert self.clock.monotonic_ns() - begin <= CLOSE_TIMEOUT_NS

    def call(self, number: int) -> Coroutine[Any, Any, Any]:
        """Return a random call."""
        chance = self.chance.random()
        if chance < 0.6:
            return self.queue(f"q{number}")
        if chance < 0.8:
            return self.publish_now([f"n{number}-{i}" for i in range(self.chance.randint(1, 5))])
        return self.query() if chance < 0.9 else self.publisher.flush()

    async def random_calls(self) -> None:
        """Make calls at random instants, cancel some, then close, perhaps cancelled, perhaps amid all."""
        tasks = list[asyncio.Task[Any]]()
        for number in range(40):
            work = self.call(number)
            if self.chance.random() < 0.4:
                work = _as_coroutine(CancelledAt(work, self.chance.randint(1, 4)))
            tasks.append(asyncio.create_task(work))
            await self.clock.advance(f"{self.chance.choice((0, 1, 4, 30))}ms")
        closing = asyncio.create_task(_as_coroutine(CancelledAt(self.close(), self.chance.randint(1, 4))))
        await self.finish([*tasks, closing] if self.chance.random() < 0.5 else [closing])
        await self.finish([asyncio.create_task(self.close()), *tasks])

    async def finish(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Let time pass until the tasks are done."""
        await settle()
        while not all(task.done() for task in tasks):
            deadline = self.clock.next_deadline_ns()
            assert deadline is not None, "somebody waits for nothing"
            await self.clock.advance_to_ns(deadline)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def check(self) -> None:
        """Hold what callers were told against what the service keeps and what was handed back."""
        wrong = [
            (event_id, told, self.service.kept[event_id], self.letters[event_id])
            for event_id, told in self.told.items()
            if (self.service.kept[event_id], self.letters[event_id]) not in _FATES[told]
        ]
        totals = self.publisher.metrics.totals()

        assert wrong == []
        assert self.publisher.held == 0
        assert totals["accepted"] == totals["delivered"] + totals["handed_back"]
        assert totals["delivered"] == self.service.kept.total()


_FATES = {  # times kept by the service, times handed back
    "accepted": {(1, 0), (0, 1)},
    "cancelled": {(0, 0)},  # while it waited to be accepted
    "refused": {(0, 0)},
    "delivered": {(1, 0)},
    "returned": {(0, 0)},  # in the BatchError
    "withdrawn": {(0, 0), (1, 0)},
}


async def _as_coroutine(work: CancelledAt) -> Any:
    return await work


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_nothing_is_lost_or_told_twice_whoever_is_cancelled(first: int) -> None:
    fates: Counter[str] = Counter()
    for seed in range(first, first + 50):

        async def one(seed: int = seed) -> Run:
            run = Run(seed)
            await run.random_calls()
            return run

        run = asyncio.run(one())
        try:
            run.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        fates.update(run.told.values())

    assert set(fates) >= {"accepted", "cancelled", "delivered", "withdrawn"}


@pytest.mark.parametrize("kind", ["queue", "publish_now", "query", "flush", "close"])
def test_every_single_wait(kind: str) -> None:
    waits = sum(len(list(runs_to_the_last_wait(seed, kind))) - 1 for seed in range(20))

    assert waits >= 20 if kind != "queue" else waits >= 5  # most are accepted at once


def runs_to_the_last_wait(seed: int, kind: str) -> Iterator[Run]:
    """Yield a run for each wait of a call, at which it is cancelled, and one in which it is not."""
    for wait in count(1):
        run, waited = asyncio.run(run_cancelled_at(wait, seed, kind))
        run.check()
        yield run
        if waited < wait:
            return


async def run_cancelled_at(wait: int, seed: int, kind: str) -> tuple[Run, int]:
    """Return a run in which a call is cancelled at its n-th wait, and how often it waited."""
    run = Run(seed)
    works: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "queue": lambda: run.queue("mine"),
        "publish_now": lambda: run.publish_now(["mine-0", "mine-1", "mine-2"]),
        "query": run.query,
        "flush": run.publisher.flush,
        "close": run.close,
    }
    others = [asyncio.create_task(run.queue(f"q{number}")) for number in range(20)]
    await settle()
    cancelled = CancelledAt(works[kind](), wait)
    await run.finish([asyncio.create_task(_as_coroutine(cancelled))])
    await run.finish([asyncio.create_task(run.close()), *others])
    return run, cancelled.waits
