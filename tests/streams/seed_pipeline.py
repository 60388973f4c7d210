"""The order analytics of the seed document: the graph, and the same by hand in polars and in SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl

import evanalytics as ev

TYPES = ("order.created", "order.updated", "order.completed", "payment.processed")
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
WIDTHS = (MINUTE, HOUR, DAY)


def order_analytics(sink: Callable[[pl.DataFrame], Any] = len) -> ev.StreamProcessor:
    """Return the pipeline: orders and payments, joined within an hour; orders counted per window and key."""
    processor = ev.StreamProcessor("order-analytics")
    events = processor.add_source("event-source", types=TYPES)
    kinds = {
        "orders": ev.filter({"type": {"$regex": r"^order\."}}),
        "payments": ev.filter({"type": "payment.processed"}),
    }
    split = events.connect_to(processor.add_node("event-filter", ev.FilterNode(kinds)))
    order = {
        "order_id": "data.orderId",
        "customer_id": "data.customerId",
        "amount": "data.total",
        "status": "data.status",
    }
    payment = {
        "payment_id": "data.id",
        "order_id": "data.orderId",
        "amount": "data.amount",
        "status": "data.status",
    }
    orders = split.connect_to(processor.add_node("order-transformer", ev.TransformNode(order)), "orders")
    payments = split.connect_to(
        processor.add_node("payment-transformer", ev.TransformNode(payment)), "payments"
    )
    pair = {
        "order_id": ev.left("order_id"), "customer_id": ev.left("customer_id"), "order_amount": ev.left("amount"),
        "payment_amount": ev.right("amount"), "order_status": ev.left("status"), "payment_status": ev.right("status"),
        "time_difference": ev.right("ts") - ev.left("ts"),
    }  # fmt: skip
    join = ev.JoinNode(left_key="order_id", right_key="order_id", join_window="1 hour", select=pair)
    joined = processor.add_node("order-payment-join", join)
    orders.connect_to(joined, "left")
    payments.connect_to(joined, "right")
    windows = [ev.TumblingWindow(width) for width in ("1 minute", "1 hour", "1 day")]
    metrics = ev.AggregatorNode(
        windows=windows, keys=["all", "status", "customer_id"], aggregator=ev.WindowedCounter()
    )
    counter = orders.connect_to(processor.add_node("order-metrics", metrics))
    joined.connect_to(processor.add_node("joined-data-sink", ev.SinkNode(sink, batch_size=100)))
    counter.connect_to(processor.add_node("metrics-sink", ev.SinkNode(sink, batch_size=50)))
    return processor


def by_hand_in_polars(path: str) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Return the nine tables of counts and the pairs, as one who knows polars well would write it."""
    columns = ["data__orderId", "data__customerId", "data__id", "data__status", "data__total", "data__amount"]
    ts = pl.col("time").dt.timestamp("us").alias("ts")
    scan = pl.scan_parquet(path, row_index_name="seq").filter(pl.col("type").is_in(TYPES))
    rows = scan.select("seq", "type", ts, *columns).collect()
    rows = rows.with_columns(now=pl.col("ts").cum_max() - HOUR).lazy()
    orders = rows.filter(pl.col("type").str.starts_with("order.")).select(
        "seq", "ts", "now", order_id="data__orderId", customer_id="data__customerId", amount="data__total",
        status="data__status",
    ).collect()  # fmt: skip
    payments = rows.filter(pl.col("type") == "payment.processed").select(
        "seq", "ts", "now", payment_id="data__id", order_id="data__orderId", amount="data__amount",
        status="data__status",
    ).collect()  # fmt: skip
    counts = []
    for width in WIDTHS:
        bucket = pl.col("ts") // width
        in_time = orders.lazy().filter(pl.col("now") < (bucket + 1) * width)
        keys: tuple[list[str], ...] = ([], ["status"], ["customer_id"])
        groups = [in_time.group_by(bucket.alias("bucket"), *key).agg(count=pl.len()) for key in keys]
        counts += [group.collect() for group in groups]
    left = orders.lazy().filter(pl.col("order_id").is_not_null()).with_columns(h=pl.col("order_id").hash())
    right = payments.lazy().filter(pl.col("order_id").is_not_null()).with_columns(h=pl.col("order_id").hash())
    apart = pl.col("ts_right") - pl.col("ts")
    later = pl.when(pl.col("seq") > pl.col("seq_right")).then("now").otherwise("now_right")
    pairs = left.join(right, on="h", how="inner").filter(
        apart.abs() <= HOUR,
        pl.min_horizontal("ts", "ts_right") + HOUR >= later,
        pl.col("order_id") == pl.col("order_id_right"),
    ).select(
        "seq", "seq_right", "order_id", "customer_id", "amount", "amount_right", "status", "status_right", apart=apart
    ).collect()  # fmt: skip
    return counts, pairs


def by_hand_in_sql(path: str) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Return the same in DuckDB's SQL, as one who knows it well would write it."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    names = ", ".join(f"'{name}'" for name in TYPES)
    connection.execute(
        f"""
        CREATE TEMP TABLE events AS
        SELECT *, max(ts) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - {HOUR} AS now
        FROM (
            SELECT file_row_number AS seq, type, epoch_us(time) AS ts, data__orderId, data__customerId, data__id,
                   data__status, data__total, data__amount
            FROM read_parquet($path, file_row_number = true)
        )
        WHERE type IN ({names})
        """,
        {"path": path},
    )
    connection.execute(
        """
        CREATE TEMP TABLE orders AS
        SELECT seq, ts, now, data__orderId AS order_id, data__customerId AS customer_id, data__total AS amount,
               data__status AS status
        FROM events WHERE starts_with(type, 'order.')
        """
    )
    query = """
        SELECT ts // {width} AS bucket{key}, count(*) AS count FROM orders
        WHERE now < (ts // {width} + 1) * {width} GROUP BY ALL
    """
    situations = [(width, key) for width in WIDTHS for key in ("", ", status", ", customer_id")]
    counts = [connection.sql(query.format(width=width, key=key)).pl() for width, key in situations]
    pairs = connection.sql(
        f"""
        SELECT l.seq, r.seq AS seq_right, l.order_id, customer_id, l.amount, data__amount AS amount_right, status,
               data__status AS status_right, r.ts - l.ts AS apart
        FROM orders l JOIN (SELECT * FROM events WHERE type = 'payment.processed') r ON order_id = data__orderId
        WHERE abs(r.ts - l.ts) <= {HOUR}
          AND least(l.ts, r.ts) + {HOUR} >= CASE WHEN l.seq > r.seq THEN l.now ELSE r.now END
        """
    ).pl()
    connection.close()
    return counts, pairs
