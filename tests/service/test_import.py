from __future__ import annotations

import io
import os
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from evanalytics.exceptions import QueryError
from evanalytics.logs.log import EventLog
from evanalytics.service import EmbeddedEventService, PublishResult

START = datetime(2026, 1, 1, tzinfo=UTC)


def log(ids: list[str], first_total: int = 0) -> EventLog:
    return EventLog.from_frame(
        pl.DataFrame(
            {
                "id": ids,
                "type": ["order"] * len(ids),
                "source": ["shop"] * len(ids),
                "time": [START + timedelta(seconds=i) for i in range(len(ids))],
                "data__total": list(range(first_total, first_total + len(ids))),
            },
            schema={
                "id": pl.String,
                "type": pl.String,
                "source": pl.String,
                "time": pl.Datetime("us", "UTC"),
                "data__total": pl.Int64,
            },
        )
    )


async def test_an_imported_log_comes_back_event_by_event() -> None:
    orders = log(["c", "a", "b"])

    async with EmbeddedEventService() as service:
        result = await service.import_log(orders, progress=False)

        assert result == PublishResult(accepted=3)
        assert await service.query_events() == list(orders.events())


async def test_importing_twice_is_harmless() -> None:
    async with EmbeddedEventService() as service:
        await service.import_log(log(["a", "b"]), progress=False)

        assert await service.import_log(log(["a", "b"]), progress=False) == PublishResult(duplicates=2)


async def test_duplicates_within_the_log_are_counted() -> None:
    async with EmbeddedEventService() as service:
        result = await service.import_log(log(["a", "b", "a"]), progress=False)

        assert result == PublishResult(accepted=2, duplicates=1, conflicts=1, conflicting_ids=("a",))


async def test_import_and_publish_agree_on_what_is_the_same_event() -> None:
    orders = log(["a", "b"])

    async with EmbeddedEventService() as service:
        await service.publish_events(orders.events())

        assert await service.import_log(orders, progress=False) == PublishResult(duplicates=2)


async def test_events_of_which_only_some_have_an_extension_are_no_conflicts() -> None:
    mixed = EventLog.from_frame(log(["a", "b"]).lazy.with_columns(pl.Series("ext__trace", ["00-ab", None])))

    async with EmbeddedEventService() as service:
        await service.publish_events(mixed.events())

        assert await service.import_log(mixed, progress=False) == PublishResult(duplicates=2)


async def test_an_empty_log_is_imported() -> None:
    async with EmbeddedEventService() as service:
        assert await service.import_log(log([]), progress=False) == PublishResult()


async def test_a_log_of_many_batches_keeps_its_order(tmp_path: Path) -> None:
    ids = [str(i) for i in range(300_000)]

    async with EmbeddedEventService(tmp_path / "events.duckdb") as service:
        result = await service.import_log(log(ids), progress=False)
        stored = [frame["id"] async for frame in service.export_frames()]

    assert result == PublishResult(accepted=300_000)
    assert pl.concat(stored).to_list() == ids


async def test_progress_is_shown_when_asked_for() -> None:
    with redirect_stderr(io.StringIO()) as shown:
        async with EmbeddedEventService() as service:
            await service.import_log(log(["a", "b"]), progress=True)

    assert "2.00/2.00" in shown.getvalue()


async def test_no_progress_is_shown_otherwise() -> None:
    with redirect_stderr(io.StringIO()) as shown:
        async with EmbeddedEventService() as service:
            await service.import_log(log(["a", "b"]), progress=False)

    assert shown.getvalue() == ""


async def test_an_exported_log_is_the_imported_one(tmp_path: Path) -> None:
    orders = log(["c", "a", "b"])

    async with EmbeddedEventService() as service:
        await service.import_log(orders, progress=False)
        exported = await service.export_log(tmp_path / "orders.parquet")

    assert exported.lazy.select(*orders.schema.columns).collect().equals(orders.lazy.collect())
    assert list(exported.events()) == list(orders.events())


async def test_an_export_of_nothing_is_refused(tmp_path: Path) -> None:
    async with EmbeddedEventService() as service:
        with pytest.raises(QueryError, match="no event is selected, so there is no log to export"):
            await service.export_log(tmp_path / "orders.parquet")

    assert os.listdir(tmp_path) == []


async def test_an_export_can_be_a_selection(tmp_path: Path) -> None:
    async with EmbeddedEventService() as service:
        await service.import_log(log(["a", "b", "c"]), progress=False)
        exported = await service.export_log(tmp_path / "some.parquet", start=START + timedelta(seconds=1))

    assert [event.id for event in exported.events()] == ["b", "c"]


async def test_an_export_under_another_name_is_refused(tmp_path: Path) -> None:
    async with EmbeddedEventService() as service:
        with pytest.raises(QueryError, match=r"path: a log is exported as Parquet, so name it \*.parquet"):
            await service.export_log(tmp_path / "orders.csv")
