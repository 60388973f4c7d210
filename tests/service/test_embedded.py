from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.event import Event
from evanalytics.exceptions import ClosedError, EventError, QueryError, ServiceError
from evanalytics.service import EmbeddedEventService, PublishResult

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def event(event_id: str, **attributes: Any) -> Event:
    return Event(**{"id": event_id, "type": "order", "source": "shop", "time": NOON} | attributes)


def ids(events: list[Event]) -> str:
    return "".join(event.id for event in events)


async def test_a_published_event_comes_back_whole() -> None:
    order = event("1", data={"total": 5}, subject="customer 7", extensions={"traceparent": "00-1"})

    async with EmbeddedEventService() as service:
        await service.publish_events([order])

        assert await service.get_event("1") == order


async def test_an_unknown_id_is_none() -> None:
    async with EmbeddedEventService() as service:
        assert await service.get_event("1") is None


async def test_publishing_twice_is_harmless() -> None:
    orders = [event("1", data={"total": 5}), event("2")]

    async with EmbeddedEventService() as service:
        first = await service.publish_events(orders)
        second = await service.publish_events(orders)

        assert first == PublishResult(accepted=2)
        assert second == PublishResult(duplicates=2)
        assert service.event_count == 2


async def test_of_one_id_the_first_event_stays_and_the_second_is_a_conflict() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events([event("1", data={"total": 5})])
        result = await service.publish_events([event("1", data={"total": 6}), event("2")])

        assert result == PublishResult(accepted=1, duplicates=1, conflicts=1, conflicting_ids=("1",))
        assert (await service.query_events())[0].data == {"total": 5}


async def test_one_id_twice_in_one_batch_counts_as_if_in_two() -> None:
    async with EmbeddedEventService() as service:
        result = await service.publish_events([event("1"), event("1"), event("1", type="payment")])

        assert result == PublishResult(accepted=1, duplicates=2, conflicts=1, conflicting_ids=("1",))


async def test_nothing_published_is_nothing_accepted() -> None:
    async with EmbeddedEventService() as service:
        assert await service.publish_events([]) == PublishResult()


async def test_a_batch_with_one_bad_event_leaves_nothing_behind() -> None:
    async with EmbeddedEventService() as service:
        with pytest.raises(EventError, match="event '2': data is not JSON"):
            await service.publish_events([event("1"), event("2", data=object())])

        assert await service.query_events() == []


async def test_ids_are_told_apart_by_case_and_space() -> None:
    async with EmbeddedEventService() as service:
        result = await service.publish_events([event("a"), event("A"), event("a "), event("a\0")])

        assert result.accepted == 4


async def test_events_outlive_the_service(tmp_path: Path) -> None:
    async with EmbeddedEventService(tmp_path / "events.duckdb") as service:
        await service.publish_events([event("1", data=[1, None])])
    async with EmbeddedEventService(tmp_path / "events.duckdb") as service:
        assert await service.query_events() == [event("1", data=[1, None])]
        assert await service.publish_events([event("1", data=[1, None])]) == PublishResult(duplicates=1)


async def test_pages_go_by_arrival_not_by_time() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events([event("b", time=NOON), event("a", time=NOON - MINUTE)])

        assert ids(await service.query_events()) == "ba"
        assert ids(await service.query_events(sort="desc")) == "ab"


@pytest.mark.parametrize(("sort", "pages"), [("asc", ["ab", "cd", "e", ""]), ("desc", ["ed", "cb", "a", ""])])
async def test_after_id_pages_on(sort: Any, pages: list[str]) -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events(map(event, "abcde"))

        page = await service.query_events(limit=2, sort=sort)
        seen = [ids(page)]
        while page:
            page = await service.query_events(limit=2, sort=sort, after_id=page[-1].id)
            seen.append(ids(page))

        assert seen == pages


async def test_a_page_goes_on_behind_an_event_that_the_query_leaves_out() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events([event("a"), event("b", type="payment"), event("c")])

        assert ids(await service.query_events(types="order", after_id="b")) == "c"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"types": "order"}, "ac"),
        ({"types": ["order", "payment"]}, "abc"),
        ({"types": []}, ""),
        ({"types": "nothing"}, ""),
        ({"types": "' OR true --"}, ""),
        ({"sources": ["till"]}, "bd"),
        ({"types": "payment", "sources": "till"}, "b"),
        ({"start": NOON + MINUTE}, "bcd"),
        ({"end": NOON + MINUTE}, "a"),
        ({"start": NOON + MINUTE, "end": NOON + 2 * MINUTE}, "b"),
        ({"limit": 1}, "a"),
    ],
    ids=str,
)
async def test_a_query_selects(query: dict[str, Any], found: str) -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events(
            [
                event("a"),
                event("b", type="payment", source="till", time=NOON + MINUTE),
                event("c", time=NOON + 2 * MINUTE),
                event("d", type="refund", source="till", time=NOON + 3 * MINUTE),
            ]
        )

        assert ids(await service.query_events(**query)) == found


async def test_a_bound_may_be_in_any_time_zone() -> None:
    there = timezone(timedelta(hours=-8))

    async with EmbeddedEventService() as service:
        await service.publish_events([event("a"), event("b", time=NOON + MINUTE)])

        assert ids(await service.query_events(start=(NOON + MINUTE).astimezone(there))) == "b"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"after_id": "x"}, "after_id: there is no event 'x'"),
        ({"limit": 0}, "limit: from 1 to 10,000, got 0"),
        ({"limit": 10_001}, "limit: from 1 to 10,000, got 10001"),
        ({"sort": "up"}, "sort: 'asc' or 'desc', got 'up'"),
        ({"start": datetime(2026, 1, 1)}, "start: needs a datetime with a time zone"),
        ({"end": datetime(2026, 1, 1)}, "end: needs a datetime with a time zone"),
    ],
    ids=str,
)
async def test_a_query_that_makes_no_sense_is_refused(query: dict[str, Any], message: str) -> None:
    async with EmbeddedEventService() as service:
        with pytest.raises(QueryError, match=message):
            await service.query_events(**query)


async def test_services_in_one_process_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"

    async with EmbeddedEventService(path) as one, EmbeddedEventService(path) as two:
        await one.publish_events([event("1")])

        assert await two.publish_events([event("1"), event("2")]) == PublishResult(accepted=1, duplicates=1)
        assert ids(await one.query_events()) == "12"


async def test_the_file_stays_open_until_its_last_service_is_closed(tmp_path: Path) -> None:
    one, two = EmbeddedEventService(tmp_path / "e.duckdb"), EmbeddedEventService(tmp_path / "e.duckdb")

    await one.close()

    assert await two.publish_events([event("1")]) == PublishResult(accepted=1)
    await two.close()


async def test_a_program_may_change_its_folder_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    service = EmbeddedEventService("events.duckdb")
    monkeypatch.chdir(tmp_path / "elsewhere")
    await service.publish_events([event("1")])
    assert list(Path.cwd().iterdir()) == []  # no write-ahead log here
    await service.close()
    monkeypatch.chdir(tmp_path)

    async with EmbeddedEventService("events.duckdb") as again:
        assert ids(await again.query_events()) == "1"


async def test_services_in_memory_share_nothing() -> None:
    async with EmbeddedEventService() as one, EmbeddedEventService() as two:
        await one.publish_events([event("1")])

        assert await two.query_events() == []


async def test_publishers_at_once_keep_every_event_once() -> None:
    batches = [[event(f"{n}-{i}") for i in range(20)] + [event("same")] for n in range(20)]

    async with EmbeddedEventService() as service:
        results = await asyncio.gather(*map(service.publish_events, batches))

        assert sum(result.accepted for result in results) == service.event_count == 401
        assert len(await service.query_events(limit=10_000)) == 401


async def test_publishing_leaves_the_event_loop_free() -> None:
    async with EmbeddedEventService() as service:
        publishing = asyncio.ensure_future(service.publish_events(event(str(i)) for i in range(5_000)))
        await asyncio.sleep(0)
        turns = 0
        while not publishing.done():
            turns += 1
            await asyncio.sleep(0)

    assert turns > 1


async def test_a_cancelled_publisher_harms_nobody() -> None:
    async with EmbeddedEventService() as service:
        publishing = asyncio.ensure_future(service.publish_events([event("1")]))
        await asyncio.sleep(0)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        again = await service.publish_events([event("1"), event("2")])

        assert again.accepted + again.duplicates == 2
        assert ids(await service.query_events()) == "12"


async def test_a_closed_service_says_so() -> None:
    service = EmbeddedEventService()
    await service.close()

    with pytest.raises(ClosedError, match="the event service on :memory: is closed"):
        await service.query_events()


async def test_closing_twice_is_harmless() -> None:
    service = EmbeddedEventService()
    await service.close()

    await service.close()


async def test_closing_waits_for_all_that_is_being_written(tmp_path: Path) -> None:
    service = EmbeddedEventService(tmp_path / "events.duckdb")
    publishing = [asyncio.ensure_future(service.publish_events([event(one)])) for one in "abcdefgh"]
    await asyncio.sleep(0)
    await service.close()

    assert await asyncio.gather(*publishing) == [PublishResult(accepted=1)] * 8
    async with EmbeddedEventService(tmp_path / "events.duckdb") as service:
        assert service.event_count == 8


async def test_repr_tells_the_file_and_the_count(tmp_path: Path) -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events([event("1")])

        assert repr(service) == "EmbeddedEventService(':memory:': 1 events)"


async def test_a_damaged_block_is_an_error_never_a_wrong_event(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    async with EmbeddedEventService(path) as service:
        await service.publish_events(event(str(i), data={"n": i}) for i in range(5_000))
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)

    async with EmbeddedEventService(path) as service:
        with pytest.raises(ServiceError, match=r"events.duckdb: Corrupt database file: computed checksum"):
            await service.query_events()


async def test_exported_frames_hold_a_log(tmp_path: Path) -> None:
    events = [event(str(i), data={"n": i}, extensions={"trace": "t"}) for i in range(5)]

    async with EmbeddedEventService() as service:
        await service.publish_events(events)
        frames = [frame async for frame in service.export_frames(size=2)]

    assert [frame.height for frame in frames] == [2, 2, 1]
    assert pl.concat(frames).row(4, named=True) == {
        "seq": 4,
        "id": "4",
        "type": "order",
        "source": "shop",
        "time": NOON,
        "ts": int(NOON.timestamp() * 1e6),
        "subject": None,
        "data": '{"n":4}',
        "extensions": '{"trace":"t"}',
    }


async def test_exported_frames_can_be_selected() -> None:
    async with EmbeddedEventService() as service:
        await service.publish_events([event("a"), event("b", type="payment"), event("c")])
        frames = [frame async for frame in service.export_frames(types="payment", size=1)]

    assert [frame["id"].to_list() for frame in frames] == [["b"]]


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("xyz"), st.integers(0, 9))), max_size=6)
)
def test_store_agrees_with_a_dict(batches: list[list[tuple[int, str, int]]]) -> None:
    async def main() -> None:
        kept: dict[str, Event] = {}
        async with EmbeddedEventService() as service:
            for batch in batches:
                events = [event(str(i), type=t, time=NOON + m * MINUTE) for i, t, m in batch]
                accepted, conflicts = 0, list[str]()
                for one in events:
                    accepted += one.id not in kept
                    conflicts += [one.id] if kept.setdefault(one.id, one) != one else []
                result = await service.publish_events(events)
                assert result.accepted == accepted
                assert result.duplicates == len(events) - accepted
                assert list(result.conflicting_ids) == conflicts[:20]
            arrived = list(kept.values())
            assert await service.query_events() == arrived
            assert await service.query_events(sort="desc") == arrived[::-1]
            late = NOON + 5 * MINUTE
            wanted = [one for one in arrived if one.type in "xy" and one.time >= late]
            assert await service.query_events(types=["x", "y"], start=late) == wanted
            for one in arrived:
                assert await service.get_event(one.id) == one

    asyncio.run(main())
