"""Publishes at once share a commit, and each keeps a result of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl
import pytest

from evanalytics.exceptions import EventError, ServiceError
from evanalytics.service import EmbeddedEventService, PublishResult
from evanalytics.service.group_commit import GroupCommit
from evanalytics.service.store import EventStore
from tests.service.served import event


class Rig:
    """A group commit whose writer is held up until all has been published."""

    def __init__(self) -> None:
        self.store = EventStore(":memory:", memory_limit="100MB")
        self.parts = list[int]()
        self.writer = ThreadPoolExecutor(1)
        self.free = threading.Event()
        self.commits = GroupCommit(self.store, self.writer)
        append_each = self.store.append_each

        def counting(parts: list[pl.DataFrame]) -> list[PublishResult]:
            self.parts.append(len(parts))
            return append_each(parts)

        self.store.append_each = counting  # type: ignore[method-assign, assignment]
        self.writer.submit(self.free.wait)

    def write(self) -> None:
        self.free.set()
        self.writer.shutdown()


def test_what_waits_goes_into_one_commit() -> None:
    rig = Rig()
    outcomes = [rig.commits.publish([event(number)]) for number in range(100)]
    rig.write()

    assert rig.parts == [100]
    assert {outcome.result() for outcome in outcomes} == {PublishResult(accepted=1)}
    assert rig.store.size == 100


def test_each_publish_keeps_its_own_result() -> None:
    rig = Rig()
    first = rig.commits.publish([event("a"), event("b")])
    second = rig.commits.publish([event("b", data=1), event("c"), event("a")])
    none = rig.commits.publish([])
    rig.write()

    assert first.result() == PublishResult(accepted=2)
    assert second.result() == PublishResult(accepted=1, duplicates=2, conflicts=1, conflicting_ids=("b",))
    assert none.result() == PublishResult()


def test_a_payload_that_is_no_json_fails_its_own_publish_only() -> None:
    rig = Rig()
    bad = rig.commits.publish([event("a"), event("b", data=object())])
    good = rig.commits.publish([event("c")])
    rig.write()

    with pytest.raises(EventError, match="event 'b': data is not JSON"):
        bad.result()
    assert good.result().accepted == 1
    assert rig.store.size == 1


def test_a_commit_that_fails_fails_all_that_share_it() -> None:
    rig = Rig()
    outcomes: list[Future[PublishResult]] = [rig.commits.publish([event(name)]) for name in "ab"]

    def broken(parts: list[pl.DataFrame]) -> list[PublishResult]:
        raise ServiceError("disk full")

    rig.store.append_each = broken  # type: ignore[method-assign, assignment]
    rig.write()

    assert [str(outcome.exception()) for outcome in outcomes] == ["disk full", "disk full"]


def test_a_publish_that_is_cancelled_before_its_turn_is_not_written() -> None:
    rig = Rig()
    cancelled = rig.commits.publish([event("a")])
    other = rig.commits.publish([event("b")])
    cancelled.cancel()
    rig.write()

    assert other.result().accepted == 1
    assert rig.store.size == 1


async def test_publishing_at_once_keeps_everything_in_the_order_of_the_calls() -> None:
    async with EmbeddedEventService() as service:
        await asyncio.gather(*(service.publish_events([event(number)]) for number in range(300)))
        found = await service.query_events(limit=300)

    assert [one.id for one in found] == [str(number) for number in range(300)]
