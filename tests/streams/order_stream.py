"""A small stream of orders and payments, and a sink that keeps rows by their id."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import evanalytics as ev
from evanalytics.logs.typed_events import EventColumns, declared_schema
from tests.streams.seed_pipeline import order_analytics

SCHEMA = {
    "data.orderId": pl.String,
    "data.customerId": pl.String,
    "data.total": pl.Float64,
    "data.status": pl.String,
    "data.id": pl.String,
    "data.amount": pl.Float64,
}
_START = datetime(2026, 1, 1, tzinfo=UTC)


def order_events(count: int, seed: int = 1) -> list[ev.Event]:
    """Return orders and their payments, somewhat out of order."""
    draw = random.Random(seed)
    events = []
    for number in range(count):
        order = draw.randrange(max(count // 3, 1))
        paid = draw.random() < 0.4
        total = order % 50 / 2
        data = {"orderId": f"o{order}", "customerId": f"c{order % 7}", "status": "open", "total": total}
        events.append(
            ev.Event(
                id=f"e{number}",
                type="payment.processed" if paid else draw.choice(("order.created", "order.updated")),
                source="shop",
                time=_START + timedelta(seconds=number * 20 + draw.randint(-600, 600)),
                data={"id": f"p{number}", "orderId": f"o{order}", "amount": total, "status": "paid"}
                if paid
                else data,
            )
        )
    return events


async def one_by_one(events: list[ev.Event], start: int = 0) -> AsyncIterator[ev.Event]:
    for event in events[start:]:
        yield event


class MemorySink:
    """Keeps rows by id, as an idempotent store does."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple] = {}
        self.calls = 0
        self.received = 0
        self.changed: list[str] = []

    async def take(self, batch: pl.DataFrame) -> None:
        self.calls += 1
        self.received += len(batch)
        for row in batch.rows(named=True):
            values = tuple(row.values())
            if self.rows.setdefault(row["id"], values) != values:
                self.changed.append(row["id"])


def live_pipeline(
    joined: Callable[[pl.DataFrame], Any], metrics: Callable[[pl.DataFrame], Any], *, parallelism: int = 1
) -> ev.StreamProcessor:
    """Return the order analytics with sinks of their own."""
    processor = order_analytics()
    nodes = processor.graph.nodes
    nodes["event-source"] = replace(processor.graph.sources["event-source"], parallelism=parallelism)
    nodes["joined-data-sink"] = ev.SinkNode(joined, batch_size=100)
    nodes["metrics-sink"] = ev.SinkNode(metrics, batch_size=50)
    return processor


def build(parallelism: int = 1) -> tuple[ev.StreamProcessor, MemorySink, MemorySink]:
    joined, metrics = MemorySink(), MemorySink()
    return live_pipeline(joined.take, metrics.take, parallelism=parallelism), joined, metrics


def log_of(events: list[ev.Event]) -> ev.EventLog:
    """Return events as a log in memory."""
    frame, _ = EventColumns(declared_schema(SCHEMA)).frame(events, 0)
    return ev.EventLog.from_frame(frame)


def replayed(events: list[ev.Event]) -> tuple[dict[str, tuple], dict[str, tuple]]:
    """Return what the sinks get from a replay."""
    processor, joined, metrics = build()
    processor.run(log_of(events), engine="polars", sinks=True)
    return joined.rows, metrics.rows
