"""The publisher: what is accepted is delivered or handed back, once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.clock import ManualClock, settle
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.event import Event
from evanalytics.exceptions import (
    BatchError,
    ClosedError,
    DeliveryError,
    EventError,
    PolicyError,
    QueryError,
    ServiceError,
)
from evanalytics.publisher import EventPublisher
from evanalytics.service import EmbeddedEventService, PublishResult
from evanalytics.service.server import event_app
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from tests.service.served import client_of

MS = 1_000_000
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONCE = Retry(max_attempts=1)


def event(event_id: object, type: str = "paid", **attributes: Any) -> Event:
    return Event(**{"id": str(event_id), "type": type, "source": "shop", "time": NOON} | attributes)


def events(ids: str, type: str = "paid") -> list[Event]:
    return [event(event_id, type) for event_id in ids]


class SlowService(EmbeddedEventService):
    """An embedded service whose calls take 10 ms of a clock moved by hand, and fail when told."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.calls = list[tuple[int, str]]()
        self.failures = 0
        self.error: Exception = ServiceError("disk full")

    async def publish_events(self, events: Iterable[Event]) -> PublishResult:
        batch = list(events)
        self.calls.append((self.clock.monotonic_ns() // MS, "".join(one.id for one in batch)))
        await self.clock.sleep(0.01)
        if self.failures:
            self.failures -= 1
            raise self.error
        return self._store.append_each([self._rows(batch)])[0]  # at once: the clock stands still meanwhile

    @staticmethod
    def _rows(batch: list[Event]) -> Any:
        from evanalytics.service.rows import frame_of_events

        return frame_of_events(batch)

    async def query_events(self, **query: Any) -> list[Event]:
        self.calls.append((self.clock.monotonic_ns() // MS, "?"))
        if query.get("after_id") is not None:
            raise QueryError("after_id: there is no such event")
        return []


class Rig:
    """A publisher before a slow service, on a clock moved by hand."""

    def __init__(
        self,
        batch: BatchPolicy | None = None,
        throttle: ThrottlePolicy | None = None,
        clock: ManualClock | None = None,
        keeps_letters: bool = True,
        **delivery: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.service = SlowService(self.clock)
        self.letters = list[tuple[str, str]]()
        self.publisher = EventPublisher(
            self.service,
            batch or BatchPolicy(max_batch_size=100, flush_interval="1s"),
            throttle,
            DeliveryPolicy(**delivery),
            clock=self.clock,
            dead_letter=self.take_back if keeps_letters else None,
        )

    def take_back(self, events: list[Event], error: Exception) -> None:
        assert isinstance(error, DeliveryError)
        self.letters.append(("".join(one.id for one in events), error.reason))

    async def queue(self, events: Iterable[Event]) -> None:
        for one in events:
            await self.publisher.queue_event(one)

    async def finish(self, work: Any) -> Any:
        """Let time pass until work is done; return its result."""
        task = asyncio.ensure_future(work)
        await settle()
        while not task.done():
            deadline = self.clock.next_deadline_ns()
            assert deadline is not None, "nothing is left to happen"
            await self.clock.advance_to_ns(deadline)
        return task.result()


async def test_a_batch_leaves_as_one_request_per_type() -> None:
    rig = Rig()
    await rig.queue([event("a"), event("b", "seen"), event("c")])
    await rig.finish(rig.publisher.flush())

    assert rig.service.calls == [(0, "ac"), (0, "b")]
    assert rig.service.event_count == 3


async def test_a_batch_leaves_by_itself_when_its_first_event_has_waited_long_enough() -> None:
    rig = Rig()
    await rig.queue(events("ab"))
    await rig.clock.advance("1s")

    assert rig.service.calls == [(1_000, "ab")]


async def test_queued_batches_are_throttled_too() -> None:
    rig = Rig(BatchPolicy(max_batch_size=1), ThrottlePolicy(operations={"publish": RateLimit(2, "1s")}))
    await rig.queue(events("abc"))
    await rig.finish(rig.publisher.flush())

    assert rig.service.calls == [(0, "a"), (0, "b"), (1_000, "c")]


async def test_no_more_requests_are_in_flight_than_the_policy_allows() -> None:
    rig = Rig(max_in_flight=2)
    await rig.queue([event(name, type=name) for name in "abc"])
    await rig.finish(rig.publisher.flush())

    assert rig.service.calls == [(0, "a"), (0, "b"), (10, "c")]


async def test_a_publish_now_is_one_request_and_tells_its_result() -> None:
    rig = Rig()
    result = await rig.finish(rig.publisher.publish_events_now([event("a"), event("b", "seen")]))
    again = await rig.finish(rig.publisher.publish_events_now([event("a")]))

    assert rig.service.calls[0] == (0, "ab")
    assert (result.accepted, again.duplicates) == (2, 1)


async def test_a_publish_now_of_nothing_asks_nothing() -> None:
    rig = Rig()

    assert await rig.publisher.publish_events_now([]) == PublishResult()
    assert rig.service.calls == []


async def test_a_publish_now_waits_for_the_tokens_that_its_weight_costs() -> None:
    rig = Rig(throttle=ThrottlePolicy(RateLimit(3, "1s"), tokens_per="event"))
    await rig.finish(rig.publisher.publish_events_now(events("ab")))
    await rig.finish(rig.publisher.publish_events_now(events("cd")))

    assert rig.service.calls == [(0, "ab"), (1_000, "cd")]


async def test_a_weight_that_no_window_holds_is_split() -> None:
    rig = Rig(throttle=ThrottlePolicy(RateLimit(3, "1s"), tokens_per="event"))
    result = await rig.finish(rig.publisher.publish_events_now(events("abcdefg")))

    assert [ids for _, ids in rig.service.calls] == ["abc", "def", "g"]
    assert result.accepted == 7


async def test_a_queued_batch_that_no_window_holds_is_split_by_type() -> None:
    rig = Rig(throttle=ThrottlePolicy(RateLimit(2, "1s"), tokens_per="event"))
    await rig.queue([event("a"), event("x", "seen"), event("b"), event("c")])
    await rig.finish(rig.publisher.flush())

    assert [ids for _, ids in rig.service.calls] == ["ab", "c", "x"]


async def test_a_query_never_waits_for_publishing() -> None:
    limits = {"publish": RateLimit(1, "1h"), "query": RateLimit(10, "1s")}
    rig = Rig(throttle=ThrottlePolicy(operations=limits), max_in_flight=1)
    publishing = [asyncio.ensure_future(rig.publisher.publish_events_now([event(name)])) for name in "ab"]
    await settle()

    assert await rig.publisher.query_events(types="paid") == []
    assert rig.service.calls == [(0, "a"), (0, "?")]
    for waiting in publishing:
        waiting.cancel()


async def test_queries_are_throttled_by_their_own_limit() -> None:
    rig = Rig(throttle=ThrottlePolicy(operations={"query": RateLimit(1, "1s")}))
    for _ in range(2):
        await rig.finish(rig.publisher.query_events())

    assert rig.service.calls == [(0, "?"), (1_000, "?")]


async def test_a_question_that_makes_no_sense_is_told_as_the_client_tells_it() -> None:
    rig = Rig()

    with pytest.raises(QueryError, match="after_id: there is no such event"):
        await rig.finish(rig.publisher.query_events(after_id="x"))
    assert len(rig.service.calls) == 1


async def test_a_failed_request_is_tried_again() -> None:
    rig = Rig(retry=Retry(base="5ms", jitter=0))
    rig.service.failures = 2
    await rig.queue(events("ab"))
    await rig.finish(rig.publisher.flush())

    assert rig.service.calls == [(0, "ab"), (15, "ab"), (35, "ab")]
    assert (rig.service.event_count, rig.letters) == (2, [])


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"max_body_bytes": 10}, "the request is longer than 10 bytes"),
        ({"throttle": ThrottlePolicy(RateLimit(1, "1s"), tokens_per="event")}, "at most 1 at a time"),
    ],
)
async def test_what_a_server_refuses_for_good_is_not_tried_again(
    limits: dict[str, Any], sentence: str
) -> None:
    at_once = DeliveryPolicy(retry=Retry(max_attempts=5, base="1ms", max_delay="2ms"))
    async with EmbeddedEventService() as service, client_of(event_app(service, **limits)) as client:
        publisher = EventPublisher(
            client, BatchPolicy(max_batch_size=2, flush_interval="1s"), delivery=at_once
        )
        for one in events("ab"):
            await publisher.queue_event(one)
        with pytest.raises(BatchError, match=sentence) as refused:
            await publisher.close()

    assert [one.id for one in refused.value.events] == ["a", "b"]
    assert publisher.metrics.totals()["retries"] == 0


async def test_what_could_not_be_delivered_goes_to_the_dead_letters_once() -> None:
    rig = Rig(retry=ONCE)
    rig.service.failures = 1
    await rig.queue(events("ab"))
    await rig.finish(rig.publisher.flush())
    await rig.finish(rig.publisher.close())

    assert rig.letters == [("ab", "failed")]


async def test_without_dead_letters_the_next_flush_raises_with_the_events() -> None:
    rig = Rig(retry=ONCE, keeps_letters=False)
    rig.service.failures = 1
    await rig.queue(events("ab"))
    with pytest.raises(BatchError, match=r"2 events were not delivered .*disk full.*\.events") as failed:
        await rig.finish(rig.publisher.flush())
    await rig.finish(rig.publisher.close())  # told once

    assert failed.value.events == events("ab")


async def test_a_publish_now_that_fails_holds_what_was_not_delivered() -> None:
    throttle = ThrottlePolicy(RateLimit(2, "1s"), tokens_per="event")
    rig = Rig(throttle=throttle, retry=ONCE)
    rig.service.failures = 1
    with pytest.raises(BatchError, match=r"2 of 3 events were not published") as failed:
        await rig.finish(rig.publisher.publish_events_now(events("abc")))

    assert failed.value.events == events("ab")
    assert rig.service.event_count == 1


async def test_a_payload_that_is_no_json_is_refused_alone_and_at_once() -> None:
    rig = Rig()
    await rig.queue(events("a"))
    with pytest.raises(EventError, match="event 'b': data is not JSON"):
        await rig.publisher.queue_event(event("b", data=object()))
    await rig.finish(rig.publisher.close())

    assert (rig.service.event_count, rig.letters) == (1, [])


async def test_beyond_max_queue_a_producer_waits() -> None:
    rig = Rig(BatchPolicy(max_batch_size=2), max_queue=2)
    third = asyncio.ensure_future(rig.queue(events("abc")))
    await settle()
    held = rig.publisher.held
    await rig.clock.advance("10ms")
    await third

    assert (held, rig.publisher.held) == (2, 1)


def test_a_queue_that_no_batch_would_ever_fill_is_refused() -> None:
    with pytest.raises(PolicyError, match="needs at least max_batch_size"):
        Rig(BatchPolicy(max_batch_size=10), max_queue=5)


async def test_a_closed_publisher_refuses() -> None:
    rig = Rig()
    await rig.finish(rig.publisher.close())

    for call in (rig.publisher.queue_event(event("a")), rig.publisher.publish_events_now(events("a"))):
        with pytest.raises(ClosedError, match="not accepted"):
            await call


async def test_close_returns_within_its_timeout_though_the_service_hangs() -> None:
    rig = Rig(max_in_flight=1)
    rig.clock.sleep = lambda seconds: asyncio.Event().wait()  # type: ignore[method-assign, assignment, return-value]
    await rig.queue([event("a"), event("b", "seen")])
    await rig.finish(rig.publisher.close("3s"))

    assert rig.clock.monotonic_ns() == 3_000 * MS
    assert sorted(rig.letters) == [("a", "closed"), ("b", "closed")]
    assert rig.publisher.held == 0


async def test_it_counts_what_it_does() -> None:
    rig = Rig(retry=Retry(max_attempts=2, base="5ms", jitter=0))
    rig.service.failures = 3
    await rig.queue(events("ab"))
    await rig.finish(rig.publisher.flush())  # fails twice: handed back
    await rig.clock.advance_to_ns(2_000 * MS)
    await rig.queue(events("cd"))
    await rig.finish(rig.publisher.flush())  # fails once
    rates = rig.publisher.metrics.rates()

    assert rig.publisher.metrics.totals() == {
        "accepted": 4, "delivered": 2, "handed_back": 2, "requests": 2, "retries": 2,
    }  # fmt: skip
    assert rates["second"].to_list() == [0, 1, 2]
    assert rates["accepted"].to_list() == [2, 0, 2]
    assert rates["handed_back"].to_list() == [2, 0, 0]
    assert rates["queue_depth"].to_list() == [2, 0, 2]
    assert rig.publisher.metrics.latency()["events"].to_list() == [2]
    assert rig.publisher.metrics.latencies.quantile_ns(1) == pytest.approx(25 * MS, rel=0.001)


async def test_the_log_tells_figures_and_no_payload(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="evanalytics.publisher")
    rig = Rig(retry=ONCE)
    rig.service.error = ServiceError("event 'a' with card 4111-1111")
    rig.service.failures = 1
    await rig.queue([event("a", data={"card": "4111-1111"})])
    await rig.finish(rig.publisher.flush())
    await rig.finish(rig.publisher.publish_events_now([event("b", data={"card": "4111-1111"})]))
    failed, delivered = caplog.records

    assert (failed.levelname, failed.getMessage()) == ("WARNING", "publish request 0: failed")
    assert vars(delivered) | {"operation": "publish", "events": 1, "attempts": 1, "took_ms": 10.0} == vars(
        delivered
    )
    assert "4111" not in "".join(str(vars(record)) for record in caplog.records)


# the wall clock -------------------------------------------------------------------------------


class JumpingClock(ManualClock):
    """A clock whose wall time goes back an hour, then on a day, then stands."""

    jumps = (timedelta(hours=-1), timedelta(days=1), timedelta())

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def now(self) -> datetime:
        self.asked += 1
        return NOON + self.jumps[self.asked % 3]


async def everything(clock: ManualClock) -> list[tuple[int, str]]:
    """Return the calls of a run in which something happens to every rule that knows time."""
    throttle = ThrottlePolicy(RateLimit(3, "1s", kind="fixed_window"))
    rig = Rig(
        BatchPolicy(max_batch_size=3, flush_interval="200ms"),
        throttle,
        clock,
        delivery_timeout="4s",
        retry=Retry(),
    )
    rig.service.failures = 3
    for number in range(40):
        await rig.queue([event(number % 10, type=str(number % 3))])
        await rig.clock.advance("70ms")
    await rig.finish(rig.publisher.close("20s"))
    return rig.service.calls


async def test_a_wall_clock_that_jumps_changes_nothing_for_nobody_asks_it() -> None:
    clock = JumpingClock()

    assert await everything(clock) == await everything(ManualClock())
    assert clock.asked == 0


@pytest.mark.parametrize("jump_s", [-3_600.0, 86_400.0, None])
async def test_the_systems_wall_clock_may_jump(jump_s: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, asked = time.time(), iter(range(1_000_000))
    monkeypatch.setattr(time, "time", lambda: begin + next(asked) * (jump_s or 0))
    batch = BatchPolicy(max_batch_size=100, flush_interval="20ms")
    throttle = ThrottlePolicy(RateLimit(100, "1s", kind="token_bucket", burst=1))

    async with EmbeddedEventService() as service, EventPublisher(service, batch, throttle) as publisher:
        for number in range(5):
            await publisher.publish_events_now([event(number)])
        await publisher.queue_event(event("queued"))
        async with asyncio.timeout(60):  # it leaves by its age
            while service.event_count < 6:
                await asyncio.sleep(0.005)

    assert publisher.metrics.totals()["delivered"] == 6
