from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from evanalytics.event import Event
from evanalytics.exceptions import ServiceError
from evanalytics.service.client import PublishResult
from evanalytics.service.positions import Hashes, PositionIndex
from evanalytics.service.rows import frame_of_events
from evanalytics.service.selection import Selection
from evanalytics.service.store import EventStore


def rows(ids: str) -> pl.DataFrame:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return frame_of_events([Event(id=one, type="order", source="shop", time=noon) for one in ids])


def all_alike(ids: pl.Series) -> Hashes:
    return np.zeros(len(ids), dtype=np.uint64)


@pytest.fixture
def store() -> Iterator[EventStore]:
    """A store in which every two ids have the same hash."""
    store = EventStore(":memory:", memory_limit="1GB", hash_ids=all_alike)
    yield store
    store.close()


def test_ids_with_one_hash_are_told_apart_when_added(store: EventStore) -> None:
    first = store.append(rows("ab"))
    second = store.append(rows("bca"))

    assert (first, second) == (PublishResult(accepted=2), PublishResult(accepted=1, duplicates=2))


def test_ids_with_one_hash_are_told_apart_when_looked_up(store: EventStore) -> None:
    store.append(rows("ab"))
    store.append(rows("c"))

    assert [store.position_of(one) for one in "abcd"] == [0, 1, 2, None]


def test_positions_are_found_again_after_opening(tmp_path: Path) -> None:
    store = EventStore(str(tmp_path / "e.duckdb"), memory_limit="1GB")
    store.append(rows("abc"))
    store.close()
    store = EventStore(str(tmp_path / "e.duckdb"), memory_limit="1GB")

    assert [store.position_of(one) for one in "abcd"] == [0, 1, 2, None]
    store.close()


def test_what_a_reader_sees_is_found_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    store = EventStore(":memory:", memory_limit="1GB")
    add = PositionIndex.add
    seen = []

    def look_before_adding(index: PositionIndex, *entries: Any) -> None:
        with ThreadPoolExecutor(1) as reader:
            page = reader.submit(store.page, Selection(), after=None, limit=9).result()
            seen.extend((reader.submit(store.position_of, event.id).result(), at) for at, event in page)
        add(index, *entries)

    monkeypatch.setattr(PositionIndex, "add", look_before_adding)
    store.append(rows("ab"))
    store.append(rows("cd"))

    assert seen == [(0, 0), (1, 1)]
    store.close()


def test_an_append_that_fails_changes_nothing(store: EventStore) -> None:
    broken = rows("ab").with_columns(type=pl.Series(["order", None]))

    with pytest.raises(ServiceError, match=r"event store :memory:: Constraint Error: NOT NULL"):
        store.append(broken)

    assert store.append(rows("ab")) == PublishResult(accepted=2)
    assert [position for position, _ in store.page(Selection(), after=None, limit=9)] == [0, 1]


class Deaf:
    """A listener that is told often enough."""

    name: str | None = None

    def events_added(self) -> None:
        pass


def test_listeners_come_and_go_while_others_are_told(store: EventStore, switching_often: None) -> None:
    def come_and_go() -> None:
        for _ in range(300):
            staying = [Deaf() for _ in range(100)]
            for listener in staying:
                store.listen(listener)

    with ThreadPoolExecutor(1) as elsewhere:
        coming = elsewhere.submit(come_and_go)
        while not coming.done():
            store.tell_listeners()

    assert coming.exception() is None


@pytest.fixture
def switching_often() -> Iterator[None]:
    """Threads take turns after a microsecond instead of five milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_bookmarks_outlive_the_store(tmp_path: Path) -> None:
    store = EventStore(str(tmp_path / "e.duckdb"), memory_limit="1GB")
    store.bookmarks |= {"billing": 3, "mail": 5}
    store.close()
    store = EventStore(str(tmp_path / "e.duckdb"), memory_limit="1GB")
    store.bookmarks["mail"] = 6
    store.close()
    store = EventStore(str(tmp_path / "e.duckdb"), memory_limit="1GB")

    assert store.bookmarks == {"billing": 3, "mail": 6}
    store.close()
