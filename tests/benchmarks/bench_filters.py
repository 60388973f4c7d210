"""Filters: one event beside a hand-written function and mongoquery; 10M rows beside hand-written engines."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from evanalytics.event import Event
from evanalytics.filters.filter import filter
from evanalytics.logs.log import EventLog
from evanalytics.logs.reader import read_log
from tests.benchmarks.measure import Row, median_s

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TYPES = ("order.created", "order.paid", "order.shipped", "page.viewed")
COUNTRIES = ("DE", "FR", "US", "NL", "PL")
Work = Callable[[], object]
_ROUNDS = 300
_TWO_TYPES = frozenset(("order.created", "order.paid"))


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    yield from _single_events()
    with tempfile.TemporaryDirectory() as folder:
        yield from _columns(Path(folder))
        yield from _json_text(Path(folder))


def _single_events() -> Iterator[Row]:
    """A few events many times: short turns meet the same noise, and some meet none."""
    source = random.Random(1)
    events = [_event(number, source) for number in range(500)]
    documents = [{"type": e.type, "data": e.data} for e in events]
    for name, (document, by_hand) in SINGLE.items():
        works = {"ours": _each(filter(document).predicate, events), "hand": _each(by_hand, events)}
        if mongoquery := _mongoquery(document):
            works["mongoquery"] = _each(mongoquery, documents[:200])
        times = _best(works, rounds=_ROUNDS)
        ours = times["ours"] / len(events)
        yield Row(
            f"one event, {name}", ours, _ROUNDS, f"{times['hand'] / times['ours']:.2f}x by hand", "0.5x"
        )
        if "mongoquery" in times:
            ratio = times["mongoquery"] / 200 / ours
            yield Row(f"one event, {name}", ours, _ROUNDS, f"{ratio:,.0f}x mongoquery", "25x")


SINGLE: dict[str, tuple[dict[str, Any], Callable[[Event], bool]]] = {
    "three conditions": (
        {"type": "order.created", "data.total": {"$gt": 100}, "data.customer.country": "DE"},
        lambda e: (
            e.type == "order.created"
            and (total := e.data.get("total")) is not None
            and total > 100
            and (e.data.get("customer") or {}).get("country") == "DE"
        ),
    ),
    "set and range": (
        {"type": {"$in": ["order.created", "order.paid"]}, "data.total": {"$gte": 50, "$lt": 150}},
        lambda e: e.type in _TWO_TYPES and (total := e.data.get("total")) is not None and 50 <= total < 150,
    ),
    "alternatives": (
        {"$or": [{"data.customer.country": "FR"}, {"data.total": {"$lt": 20}}]},
        lambda e: (
            (e.data.get("customer") or {}).get("country") == "FR"
            or ((total := e.data.get("total")) is not None and total < 20)
        ),
    ),
    "absence": (
        {"data.customer.country": {"$ne": "DE"}, "data.coupon": {"$exists": False}},
        lambda e: (e.data.get("customer") or {}).get("country") != "DE" and "coupon" not in e.data,
    ),
}


def _columns(folder: Path) -> Iterator[Row]:
    """10M events in Parquet: count and sum what matches; the hand-written twin over the same log."""
    log = _ten_million(folder)
    relation = log.to_duckdb()
    frame = nw.from_native(relation)
    column, total = pl.col, pl.col("data__total").sum()
    for name, (document, by_hand, sql) in COLUMNS.items():
        condition = filter(document)
        expression = condition.compile(log.schema).expression
        assert expression is not None
        works: dict[str, Work] = {
            "hand": lambda h=by_hand: log.lazy.filter(h(column)).select(pl.len(), total).collect(),  # type: ignore[misc]
            "ours": lambda c=condition: log.where(c).lazy.select(pl.len(), total).collect(),  # type: ignore[misc]
            "sql": lambda s=sql: relation.filter(s).aggregate("count(*), sum(data__total)").fetchall(),  # type: ignore[misc]
            "duck": lambda e=expression: (  # type: ignore[misc]
                frame.filter(e).to_native().aggregate("count(*), sum(data__total)").fetchall()
            ),
        }
        times = _best(works, rounds=7)
        yield Row(
            f"10M rows, polars, {name}",
            times["ours"],
            7,
            f"{times['ours'] / times['hand']:.2f}x by hand",
            "1.15x",
        )
        yield Row(
            f"10M rows, DuckDB, {name}",
            times["duck"],
            7,
            f"{times['duck'] / times['sql']:.2f}x SQL by hand",
            "1.3x",
        )


COLUMNS: dict[str, tuple[dict[str, Any], Callable[[Any], pl.Expr], str]] = {
    "three conditions": (
        {"type": "order.created", "data.total": {"$gt": 150}, "data.country": "DE"},
        lambda c: (c.type == "order.created") & (c.data__total > 150) & (c.data__country == "DE"),
        "type = 'order.created' AND data__total > 150 AND data__country = 'DE'",
    ),
    "set and range": (
        {"type": {"$in": ["order.created", "order.paid"]}, "data.items": {"$gte": 3, "$lt": 7}},
        lambda c: c.type.is_in(["order.created", "order.paid"]) & (c.data__items >= 3) & (c.data__items < 7),
        "type IN ('order.created', 'order.paid') AND data__items >= 3 AND data__items < 7",
    ),
    "negations": (
        {"data.country": {"$ne": "DE"}, "data.total": {"$not": {"$gt": 100}}},
        lambda c: (
            ((c.data__country != "DE") | c.data__country.is_null())
            & ((c.data__total <= 100) | c.data__total.is_null())
        ),
        "data__country IS DISTINCT FROM 'DE' AND (data__total <= 100 OR data__total IS NULL)",
    ),
    "prefix": (
        {"type": {"$regex": "^order\\."}, "data.items": 5},
        lambda c: c.type.str.starts_with("order.") & (c.data__items == 5),
        "starts_with(type, 'order.') AND data__items = 5",
    ),
}


def _json_text(folder: Path) -> Iterator[Row]:
    """Arrays stay JSON text: the optimized filter reads the events that cheap columns leave, no more."""
    path = folder / "log.ndjson"
    with path.open("w") as file:
        for number in range(300_000):
            data = {"n": number, "tags": [number % 7, number % 11], "note": "x" * 40}
            record = {
                "id": str(number),
                "type": TYPES[number % 4],
                "source": "s",
                "time": NOON.isoformat(),
                "data": data,
            }
            file.write(json.dumps(record) + "\n")
    log = read_log(path, progress=False)
    condition = filter({"data.tags": 3, "type": "order.paid", "data.n": {"$lt": 30_000}})
    ours = median_s(lambda: log.where(condition), runs=3)
    unordered = median_s(lambda: sum(map(condition.predicate, log.events())), runs=1)
    yield Row(
        "300k rows of JSON text, array and columns", ours, 3, f"{unordered / ours:.1f}x unordered", "3x"
    )


def _ten_million(folder: Path) -> EventLog:
    draw, size = np.random.default_rng(1), 10_000_000
    times = np.sort(draw.integers(0, 30 * 86_400 * 10**6, size)) + int(NOON.timestamp()) * 10**6
    total = pl.Series(draw.random(size) * 200)
    path = folder / "ten.parquet"
    pl.DataFrame(
        {
            "id": pl.Series(np.arange(size)).cast(pl.String),
            "type": pl.Series(TYPES).gather(draw.integers(0, 4, size)),
            "source": pl.Series(["web", "app"]).gather(draw.integers(0, 2, size)),
            "time": pl.Series(times).cast(pl.Datetime("us", "UTC")),
            "data__total": pl.select(pl.when(pl.Series(draw.random(size) > 0.1)).then(total)).to_series(),
            "data__country": pl.Series(COUNTRIES).gather(draw.integers(0, 5, size)),
            "data__items": pl.Series(draw.integers(0, 20, size)),
        }
    ).write_parquet(path)
    return read_log(path, progress=False)


def _event(number: int, source: random.Random) -> Event:
    data = {"total": source.random() * 200, "customer": {"country": source.choice(COUNTRIES)}}
    return Event(id=str(number), type=source.choice(TYPES), source="shop", time=NOON, data=data)


def _mongoquery(document: dict[str, Any]) -> Callable[[Any], bool] | None:
    try:
        from mongoquery import Query  # type: ignore[import-untyped]
    except ImportError:
        return None
    match: Callable[[Any], bool] = Query(document).match
    return match


def _each(function: Callable[[Any], object], items: list[Any]) -> Work:
    def work() -> None:
        for item in items:
            function(item)

    return work


def _best(works: dict[str, Work], *, rounds: int) -> dict[str, float]:
    """Return the least time of each over rounds in which they take turns: they meet the same noise."""
    best = dict.fromkeys(works, float("inf"))
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best
