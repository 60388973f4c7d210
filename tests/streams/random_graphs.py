"""Random logs and pipelines that meet every edge often, and what the reference says of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import evanalytics as ev
from evanalytics.durations import duration_us, parse_duration
from tests.streams import reference

SECOND = 1_000_000
DST = datetime(2026, 3, 8, 6, 0, tzinfo=UTC)  # Chicago's clocks go forward at 08:00 UTC
TYPES = ("order", "order.late", "payment", "click")


def random_log(draw: random.Random, size: int) -> pl.DataFrame:
    """Return events out of order, with ties, repeated ids, nulls in keys, times on round seconds."""
    step = draw.choice((1, 10, 60, 3600))
    base = DST if draw.random() < 0.5 else datetime(1969, 12, 31, 23, 0, tzinfo=UTC)
    jitter = draw.choice((0, 3, 30))
    times = [
        base + timedelta(seconds=step * (i * draw.choice((0, 1, 1, 2)) // 2 + draw.randint(-jitter, jitter)))
        for i in range(size)
    ]
    return pl.DataFrame(
        {
            "id": [f"e{draw.randrange(max(size * 3 // 4, 1))}" for _ in range(size)],
            "type": [draw.choice(TYPES) for _ in range(size)],
            "source": [draw.choice(("a", "b")) for _ in range(size)],
            "time": times,
            "data__key": [draw.choice(("x", "y", "z", None)) for _ in range(size)],
            "data__number": [draw.choice((1, 2, None)) for _ in range(size)],
            "data__amount": [draw.choice((0.5, 1.25, -3.0, 8.0, None, float("nan"))) for _ in range(size)],
        },
        schema_overrides={"data__number": pl.Int64, "data__amount": pl.Float64, "data__key": pl.String},
    )


@dataclass
class Case:
    """A pipeline's parameters; every graph is some of these nodes."""

    lateness: str
    policy: str
    two_sources: bool
    dedupe: str | None
    deduped: bool
    windows: list[Any]
    keys: list[Any]
    join_window: str
    join_key: tuple[str, ...]
    complete: bool
    max_jump: str | None = None


def random_case(draw: random.Random) -> Case:
    step = draw.choice((1, 10, 60, 3600))
    windows: list[Any] = [ev.TumblingWindow(f"{step * draw.choice((1, 2, 5))}s")]
    if draw.random() < 0.5:
        windows.append(ev.HoppingWindow(f"{step * 6}s", f"{step * draw.choice((1, 2, 3))}s"))
    if draw.random() < 0.5:
        windows.append(ev.SessionWindow(f"{step * draw.choice((1, 3))}s"))
    if draw.random() < 0.4:
        windows.append(
            ev.TumblingWindow(f"{draw.choice((1, 2))}d", tz=draw.choice(("America/Chicago", "Asia/Kolkata")))
        )
    case = Case(
        lateness=f"{step * draw.choice((0, 1, 5, 40))}s",
        policy=draw.choice(("stream", "key")),
        two_sources=draw.random() < 0.3,
        dedupe=draw.choice((None, "0s", f"{step * 4}s")),
        deduped=draw.random() < 0.5,
        windows=windows,
        keys=draw.sample(["all", "part", "number", ("part", "number")], draw.randint(1, 3)),
        join_window=f"{step * draw.choice((0, 1, 4, 30))}s",
        join_key=draw.choice((("part",), ("number",), ("part", "number"))),
        complete=draw.random() < 0.5,
    )
    other = random.Random(repr(case))  # what follows is drawn as if there were no bound on jumps
    if case.policy == "stream" and other.random() < 0.3:
        case.max_jump = f"{step * other.choice((1, 3, 20))}s"
    return case


FIGURES = [
    ev.WindowedCounter(),
    ev.WindowedSum("amount"),
    ev.WindowedMin("amount"),
    ev.WindowedMax("number"),
    ev.WindowedMean("amount", "mean"),
]
HEAVY = [ev.WindowedQuantile("amount", 0.5, "median"), ev.WindowedDistinct("part", "parts")]
COLUMNS = {"part": "data.key", "number": "data.number", "amount": "data.amount", "who": "id"}


def pipeline(case: Case, heavy: bool, parallelism: int = 1) -> ev.StreamProcessor:
    """Return source(s) -> [dedupe] -> filter -> transforms -> join -> counts, and -> aggregator."""
    figures = FIGURES + (HEAVY if heavy else [])
    processor = ev.StreamProcessor("random")
    mark = ev.Watermark(case.lateness, case.policy, max_jump=case.max_jump)  # type: ignore[arg-type]
    orders, payments = {"type": {"$regex": "^order"}}, {"type": "payment"}
    if case.two_sources:
        left_in = processor.add_source("orders-in", types=TYPES[:2], watermark=mark, parallelism=parallelism)
        right_in = processor.add_source(
            "payments-in", filter=payments, watermark=mark, parallelism=parallelism
        )
        outputs = (None, None)
    else:
        start = processor.add_source("events", types=TYPES[:3], watermark=mark, parallelism=parallelism)
        if case.deduped:
            start = start.connect_to(processor.add_node("dedupe", ev.DedupeNode("id", within=case.dedupe)))
        split = ev.FilterNode({"orders": ev.filter(orders), "payments": ev.filter(payments)})
        left_in = right_in = start.connect_to(processor.add_node("split", split))
        outputs = ("orders", "payments")
    left = left_in.connect_to(processor.add_node("left", ev.TransformNode(COLUMNS)), output=outputs[0])
    right = right_in.connect_to(processor.add_node("right", ev.TransformNode(COLUMNS)), output=outputs[1])
    join = processor.add_node(
        "join",
        ev.JoinNode(
            left_key=case.join_key, right_key=case.join_key, join_window=case.join_window,
            output_complete=case.complete,
            select={"part": ev.left("part"), "number": ev.right("number"), "amount": ev.left("amount")},
        ),
    )  # fmt: skip
    left.connect_to(join, "left")
    right.connect_to(join, "right")
    counts = ev.AggregatorNode(windows=case.windows, keys=case.keys, aggregator=figures)
    left.connect_to(processor.add_node("counts", counts))
    join.connect_to(
        processor.add_node(
            "pair-counts", ev.AggregatorNode(windows=case.windows[:1], keys=["all"], aggregator=figures)
        )
    )
    return processor


def expected(case: Case, log: ev.EventLog, heavy: bool) -> dict[str, Any]:
    """Return what the reference makes of the same."""
    events = [{**row, "type": row["type"]} for row in log.lazy.collect().sort("seq").iter_rows(named=True)]
    lateness, jump = us(case.lateness), None if case.max_jump is None else us(case.max_jump)
    is_order = lambda row: row["type"].startswith("order")  # noqa: E731
    is_payment = lambda row: row["type"] == "payment"  # noqa: E731
    is_taken = lambda row: row["type"] in TYPES[:3]  # noqa: E731
    if case.two_sources:
        wms = {
            "left": [reference.source_watermark(events, is_order, lateness, jump)],
            "right": [reference.source_watermark(events, is_payment, lateness, jump)],
        }
        taken = events
    else:
        both = [reference.source_watermark(events, is_taken, lateness, jump)]
        wms = {"left": both, "right": both}
        taken = [row for row in events if row["type"] in TYPES[:3]]
    sources = {"orders-in": is_order, "payments-in": is_payment} if case.two_sources else {"events": is_taken}
    marks = [*wms["left"], *wms["right"]]
    ahead = {
        name: sum(takes(row) and row["ts"] - lateness > mark[row["seq"]] for row in events)
        for (name, takes), mark in zip(sources.items(), marks, strict=False)
    }
    again: list[Any] = []
    if case.deduped and not case.two_sources:
        marks = reference.now_of(taken, wms["left"], case.policy, lateness, ("id",))
        taken, again = reference.dedupe(
            taken, marks, ("id",), None if case.dedupe is None else us(case.dedupe)
        )
    left = [shaped(row) for row in taken if is_order(row)]
    right = [shaped(row) for row in taken if is_payment(row)]
    kinds = [kind_of(window) for window in case.windows]
    keys = [() if key == "all" else (key,) if isinstance(key, str) else tuple(key) for key in case.keys]
    figures = figures_of(heavy)
    counts, late = reference.aggregate(
        left,
        lambda key: reference.now_of(left, wms["left"], case.policy, lateness, key),
        kinds,
        keys,
        figures,
    )
    both_wms = wms["left"] if not case.two_sources else [*wms["left"], *wms["right"]]
    merged = sorted(
        [(row["seq"], 0, row) for row in left] + [(row["seq"], 1, row) for row in right], key=lambda x: x[:2]
    )
    marks = reference.now_of([row for _, _, row in merged], both_wms, case.policy, lateness, case.join_key)
    side_marks = [[m for (_, s, _), m in zip(merged, marks, strict=True) if s == side] for side in (0, 1)]
    pairs, fates = reference.join(
        left, right, *side_marks, case.join_key, case.join_key, us(case.join_window)
    )
    of_seq = {row["seq"]: row for row in left}, {row["seq"]: row for row in right}
    joined = [
        {
            "seq": max(a, b), "ts": max(of_seq[0][a]["ts"], of_seq[1][b]["ts"]), "left_seq": a, "right_seq": b,
            "part": of_seq[0][a]["part"], "number": of_seq[1][b]["number"], "amount": of_seq[0][a]["amount"],
        }
        for a, b in pairs
    ]  # fmt: skip
    if not case.complete:
        joined += [
            {**of_seq[0][s], "left_seq": s, "right_seq": None, "number": None}
            for s in fates["left"]["unmatched"]
        ]
        joined += [
            {**of_seq[1][s], "left_seq": None, "right_seq": s, "part": None, "amount": None}
            for s in fates["right"]["unmatched"]
        ]
    pair_counts, _ = reference.aggregate(joined, lambda key: [None] * len(joined), kinds[:1], [()], figures)
    return {
        "counts": counts, "late": late, "pairs": joined, "fates": fates, "pair_counts": pair_counts,
        "again": sorted(row["seq"] for row in again), "left": len(left), "right": len(right),
        "ahead": ahead if jump is not None else {},
    }  # fmt: skip


def shaped(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "seq": row["seq"], "ts": row["ts"], "part": row["data__key"], "number": row["data__number"],
        "amount": row["data__amount"], "who": row["id"],
    }  # fmt: skip


def us(text: str) -> int:
    return duration_us(parse_duration(text))


def kind_of(window: Any) -> tuple[Any, ...]:
    if isinstance(window, ev.SessionWindow):
        return ("session", duration_us(window.gap))
    if isinstance(window, ev.HoppingWindow):
        return ("hopping", duration_us(window.width), duration_us(window.hop))
    return ("tumbling", duration_us(window.width), window.tz)


def figures_of(heavy: bool) -> Any:
    def figures(rows: list[dict[str, Any]]) -> tuple[Any, ...]:
        amounts = sorted(row["amount"] for row in rows if row["amount"] is not None)
        numbers = [row["number"] for row in rows if row["number"] is not None]
        plain = (
            len(rows), sum(amounts), min(amounts, default=None), max(numbers, default=None),
            sum(amounts) / len(amounts) if amounts else None,
        )  # fmt: skip
        if not heavy:
            return plain
        return (*plain, median(amounts), len({row["part"] for row in rows if row["part"] is not None}))

    return figures


def median(values: list[float]) -> float | None:
    if not values:
        return None
    at = (len(values) - 1) / 2
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)
