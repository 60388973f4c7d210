"""Streams replayed: the seed's pipeline beside polars and SQL by hand, bytewax, and a bare read; a hot key.

Bytewax is left out where it is not installed (`pip install bytewax`). Ours and a peer take turns, and the
ratio is the median of the turns' ratios, so that a busy machine slows both.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl

import evanalytics as ev
from evanalytics.logs.synthetic import sample_frame
from evanalytics.streams.staging import needed_columns
from tests.benchmarks.measure import Row, median_s
from tests.streams.seed_pipeline import (
    HOUR,
    TYPES,
    by_hand_in_polars,
    by_hand_in_sql,
    order_analytics,
)

EVENTS = int(os.environ.get("EVANALYTICS_BENCH_EVENTS", 5_000_000))
TURNS = 3


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "shop.parquet")
        ev.write_sample(path, events=EVENTS, days=max(EVENTS // 350_000, 1), progress=False)
        yield from _pipeline(path)
        yield from _memory(folder)
    yield from _bytewax()
    yield from _hot_key()


def _pipeline(path: str) -> Iterator[Row]:
    log, processor = ev.read_log(path, progress=False), order_analytics()
    size = f"{EVENTS / 1e6:g}M events"

    def plan() -> None:
        processor.validate(log)
        needed_columns(processor.graph, log)

    yield Row("seed's pipeline: building the plan", median_s(plan), 7, "", "20 ms")
    columns = ["type", "time", "data__orderId", "data__customerId", "data__id", "data__status", "data__total",
               "data__amount"]  # fmt: skip
    ours = lambda: processor.run(log, engine="polars")  # noqa: E731
    yield _against(
        "seed's pipeline, polars", size, ours, "polars by hand", lambda: by_hand_in_polars(path), "1.25x"
    )
    read = lambda: pl.scan_parquet(path).select(columns).collect()  # noqa: E731
    yield _against("seed's pipeline, polars", size, ours, "the bare read", read, "3.4x")
    theirs = lambda: by_hand_in_sql(path)  # noqa: E731
    sql = lambda: processor.run(log, engine="duckdb")  # noqa: E731
    yield _against("seed's pipeline, DuckDB", size, sql, "SQL by hand", theirs, "1.3x")


def _against(
    what: str, size: str, ours: Callable[[], object], peer: str, theirs: Callable[[], object], aim: str
) -> Row:
    own, ratios = [], []
    for _ in range(TURNS):
        spent = [_seconds(work) for work in (ours, theirs)]
        own.append(spent[0])
        ratios.append(spent[0] / spent[1])
    ratio = statistics.median(ratios)
    return Row(
        f"{what}, {size}", statistics.median(own), TURNS, f"{ratio:.2f}x the time of {peer}", f"at most {aim}"
    )


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


_PEAK = """
import resource, sys
import evanalytics as ev
from tests.streams.seed_pipeline import order_analytics
log = ev.read_log(sys.argv[1], progress=False)
order_analytics().run(log, engine=sys.argv[2], keep=sys.argv[3] == "kept")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _memory(folder: str) -> Iterator[Row]:
    path = str(Path(folder) / "large.parquet")
    events = EVENTS * 2
    ev.write_sample(path, events=events, days=max(events // 350_000, 1), progress=False)
    for engine, kept in (("polars", "kept"), ("polars", "not kept"), ("duckdb", "not kept")):
        begin = time.perf_counter()
        command = [sys.executable, "-c", _PEAK, path, engine, kept]
        out = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
        )
        peak = int(out.stdout.split()[-1]) / 1e6
        what = f"seed's pipeline, {engine}, {events / 1e6:g}M events, {kept}"
        yield Row(what, time.perf_counter() - begin, 1, f"peak RSS {peak:.2f} GB", "2.8 GB")


def _bytewax() -> Iterator[Row]:
    if importlib.util.find_spec("bytewax") is None:
        return
    from tests.benchmarks.bytewax_counts import count_orders

    frame, _ = sample_frame(events=100_000, days=1)
    log, processor = ev.EventLog.from_frame(frame), order_analytics()
    names = {"type": "type", "time": "time", "data__status": "status", "data__customerId": "customer_id"}
    events = frame.select(pl.col(old).alias(new) for old, new in names.items()).to_dicts()
    ours = median_s(lambda: processor.run(log, engine="polars"), runs=5)
    theirs = _seconds(lambda: count_orders(events))
    yield Row(
        "seed's pipeline, polars, 0.1M events", ours, 5, f"{theirs / ours:.0f}x bytewax, counts alone", "100x"
    )


def _hot_key() -> Iterator[Row]:
    """One order id with 5 % of a million events; its pairs go to a sink that does not keep them."""
    frame = hot_frame()
    log = ev.EventLog.from_frame(frame)
    for engine in ("polars", "duckdb"):
        taken = [0]

        def count(rows: pl.DataFrame, taken: list[int] = taken) -> None:
            taken[0] += len(rows)

        processor = ev.StreamProcessor("hot")
        kinds = {"l": ev.filter({"type": "order.created"}), "r": ev.filter({"type": "payment.processed"})}
        split = processor.add_source("events", types=TYPES).connect_to(
            processor.add_node("s", ev.FilterNode(kinds))
        )
        select = {"order_id": ev.left("data.orderId"), "amount": ev.right("data.amount")}
        node = ev.JoinNode(left_key="data.orderId", right_key="data.orderId", join_window="1h", select=select)
        join = processor.add_node("join", node)
        split.connect_to(join, output="l", input="left")
        split.connect_to(join, output="r", input="right")
        join.connect_to(processor.add_node("sink", ev.SinkNode(count, batch_size=65_536)))
        run = lambda: processor.run(log, engine=engine, sinks=True, keep=False)  # noqa: B023, E731
        ratios, own = [], []
        for _ in range(TURNS):
            own.append(_seconds(run))
            theirs = min(
                _seconds(lambda: hot_by_hand_in_polars(frame)), _seconds(lambda: hot_by_hand_in_sql(frame))
            )
            ratios.append(own[-1] / theirs)
        what = f"hot key, {taken[0] // TURNS:,} pairs to a sink, {engine}"
        peer = f"{statistics.median(ratios):.2f}x the time of the best by hand"
        yield Row(what, statistics.median(own), TURNS, peer, "at most 2x")


def hot_frame(events: int = 1_000_000) -> pl.DataFrame:
    """Return orders and payments of a week, of which one order id has 5 %."""
    number = pl.int_range(events, eager=True)
    draw = (number * 2_654_435_761) % 4_294_967_296
    order = pl.select(pl.when(draw % 20 == 0).then(0).otherwise(1 + draw % 400_009)).to_series()
    start = 1_764_547_200_000_000
    return pl.DataFrame(
        {
            "id": number.cast(pl.String),
            "type": pl.select(
                pl.when(draw // 32 % 2 == 0).then(pl.lit(TYPES[0])).otherwise(pl.lit(TYPES[3]))
            ).to_series(),
            "source": ["shop"] * events,
            "time": (start + number * (169 * HOUR // events)).cast(pl.Datetime("us", "UTC")),
            "data__orderId": "o" + order.cast(pl.String),
            "data__amount": draw % 1_000 / 4,
        }
    )


def hot_by_hand_in_polars(frame: pl.DataFrame) -> int:
    """Count the pairs, ids and all, joined on the key and on buckets of an hour, batch by batch."""
    rows = (
        frame.lazy()
        .with_row_index("seq")
        .select("seq", "type", "data__orderId", "data__amount", ts=pl.col("time").dt.timestamp("us"))
    )
    left = rows.filter(pl.col("type") == TYPES[0]).with_columns(
        bucket=pl.concat_list([pl.col("ts") // HOUR + k for k in (-1, 0, 1)])
    )
    right = rows.filter(pl.col("type") == TYPES[3]).with_columns(bucket=pl.col("ts") // HOUR)
    pairs = left.explode("bucket").join(right, on=["data__orderId", "bucket"])
    near = pairs.filter((pl.col("ts") - pl.col("ts_right")).abs() <= HOUR)
    identity = pl.concat_str(pl.lit("hot/sink/"), "seq", pl.lit("-"), "seq_right")
    wanted = near.select(identity.alias("id"), "data__orderId", "data__amount_right")
    return sum(map(len, wanted.collect_batches(chunk_size=65_536, maintain_order=False)))


def hot_by_hand_in_sql(frame: pl.DataFrame) -> int:
    """Count the pairs in DuckDB, with the same buckets, batch by batch."""
    connection = duckdb.connect()
    connection.register("log", frame)
    query = f"""
        WITH rows AS (
            SELECT type, data__orderId AS k, data__amount AS a, epoch_us(time) AS ts, row_number() OVER () AS seq
            FROM log
        )
        SELECT 'hot/sink/' || l.seq || '-' || r.seq AS id, l.k, r.a FROM (SELECT *, unnest([-1, 0, 1]) + ts // {HOUR} AS b FROM rows WHERE type = '{TYPES[0]}') l
        JOIN (SELECT *, ts // {HOUR} AS b FROM rows WHERE type = '{TYPES[3]}') r ON l.k = r.k AND l.b = r.b
        WHERE abs(l.ts - r.ts) <= {HOUR}
    """
    return sum(batch.num_rows for batch in connection.sql(query).to_arrow_reader(65_536))
