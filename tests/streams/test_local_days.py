"""Local days: the same as zoneinfo says day by day, near and far."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.streams.local_days import day_start_us

EPOCH = date(1970, 1, 1)
ZONES = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Gaza"]


def start_by_zoneinfo(zone: str, day: date) -> int:
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return (local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_of_any_year_begins_when_zoneinfo_says(zone: str) -> None:
    days = [date(2, 1, 1) + timedelta(days=317 * step) for step in range(11_000)]
    days = [day for day in days if day.year < 9_999]

    assert [day_start_us(zone, (day - EPOCH).days) for day in days] == [
        start_by_zoneinfo(zone, day) for day in days
    ]


def test_every_week_of_four_centuries_begins_when_zoneinfo_says() -> None:
    days = [date(2096, 1, 3) + timedelta(weeks=week) for week in range(22_000)]

    assert all(
        day_start_us("Europe/Berlin", (day - EPOCH).days) == start_by_zoneinfo("Europe/Berlin", day)
        for day in days
    )


def test_the_last_day_that_python_knows_has_an_end() -> None:
    last = (date(9_999, 12, 31) - EPOCH).days

    assert day_start_us("Europe/Berlin", last + 1) - day_start_us("Europe/Berlin", last) == 86_400_000_000


@pytest.mark.parametrize("outlier", [datetime(9_999, 12, 31, 12), datetime(2_804, 7, 1), datetime(2, 1, 1)])
def test_one_event_thousands_of_years_away_leaves_the_days_of_the_others_right(outlier: datetime) -> None:
    times = [datetime(2026, 3, 28, 22, 59), datetime(2026, 3, 28, 23), datetime(2026, 3, 29, 22), outlier]
    frame = pl.DataFrame(
        {"id": list("abcd"), "type": "t", "source": "s", "time": sorted(t.replace(tzinfo=UTC) for t in times)}
    )
    processor = ev.StreamProcessor("p")
    node = ev.AggregatorNode(
        windows=ev.TumblingWindow("1d", tz="Europe/Berlin"), aggregator=ev.WindowedCounter()
    )
    processor.add_source("s").connect_to(processor.add_node("days", node))
    days = {
        start_by_zoneinfo("Europe/Berlin", t.astimezone(ZoneInfo("Europe/Berlin")).date())
        for t in frame["time"]
    }

    result = processor.run(ev.EventLog.from_frame(frame), engine="polars")

    assert set(result.results("days")["start"].dt.timestamp("us")) == days
