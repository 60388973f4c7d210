"""Order analytics: the pipeline that benchmarks and long tests run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

import evanalytics as ev

_TYPES = ("order.created", "order.updated", "order.completed", "payment.processed")
_ORDER = {
    "order_id": "data.orderId",
    "customer_id": "data.customerId",
    "amount": "data.total",
    "status": "data.status",
    "time": "time",
    "event": ev.original_event(),
}
_PAYMENT = {
    "payment_id": "data.id",
    "order_id": "data.orderId",
    "amount": "data.amount",
    "status": "data.status",
    "time": "time",
}


def seed_pipeline(
    joined: Callable[[pl.DataFrame], Any], metrics: Callable[[pl.DataFrame], Any], *, parallelism: int = 1
) -> ev.StreamProcessor:
    """Return orders joined with their payments, and counts of orders by minute, hour and day."""
    processor = ev.StreamProcessor("order-analytics")
    source = processor.add_source("event-source", types=_TYPES, parallelism=parallelism)
    conditions = {
        "orders": ev.filter({"type": {"$regex": r"^order\."}}),
        "payments": ev.filter({"type": "payment.processed"}),
    }
    split = source.connect_to(processor.add_node("event-filter", ev.FilterNode(conditions)))
    orders = processor.add_node("order-transformer", ev.TransformNode(_ORDER))
    payments = processor.add_node("payment-transformer", ev.TransformNode(_PAYMENT))
    split.connect_to(orders, "orders")
    split.connect_to(payments, "payments")
    join = processor.add_node("order-payment-join", _join())
    orders.connect_to(join, "left")
    payments.connect_to(join, "right")
    counts = ev.AggregatorNode(
        windows=[ev.TumblingWindow("1 minute"), ev.TumblingWindow("1 hour"), ev.TumblingWindow("1 day")],
        keys=["all", "status", "customer_id"],
        aggregator=ev.WindowedCounter(),
    )
    orders.connect_to(processor.add_node("order-metrics", counts)).connect_to(
        processor.add_node("metrics-sink", ev.SinkNode(metrics, batch_size=50))
    )
    join.connect_to(processor.add_node("joined-data-sink", ev.SinkNode(joined, batch_size=100)))
    return processor


def _join() -> ev.JoinNode:
    return ev.JoinNode(
        left_key="order_id",
        right_key="order_id",
        join_window="1 hour",
        select={
            "order_id": ev.left("order_id"),
            "customer_id": ev.left("customer_id"),
            "order_amount": ev.left("amount"),
            "payment_amount": ev.right("amount"),
            "order_status": ev.left("status"),
            "payment_status": ev.right("status"),
            "order_time": ev.left("time"),
            "payment_time": ev.right("time"),
            "gap": ev.right("ts") - ev.left("ts"),
        },
    )
