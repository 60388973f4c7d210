"""The nine counts of the seed's pipeline as a bytewax dataflow, run in this process.

Bytewax has no join within an interval; so it does less than the pipeline that it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

WIDTHS = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
LATENESS = timedelta(hours=1)


def count_orders(events: Iterable[dict[str, Any]]) -> int:
    """Return how many windows there are, after counting orders by all, status and customer.

    Args:
        events: Dicts with `type`, `time` (aware), `status`, `customer_id`.
    """
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.operators import windowing as win
    from bytewax.testing import TestingSink, TestingSource, run_main

    out: list[Any] = []
    flow = Dataflow("orders")
    stream = op.input("in", flow, TestingSource(list(events), batch_size=1_000))
    orders = op.filter("orders", stream, lambda event: event["type"].startswith("order."))
    clock = win.EventClock(lambda event: event["time"], wait_for_system_duration=LATENESS)
    keys = {
        "all": lambda event: "all",
        "status": lambda event: event["status"] or "",
        "customer": lambda event: event["customer_id"] or "",
    }
    for width in WIDTHS:
        for name, key in keys.items():
            windower = win.TumblingWindower(length=width, align_to=datetime(1970, 1, 1, tzinfo=UTC))
            step = f"{name}-{width.total_seconds():.0f}"
            counted = win.count_window(step, orders, clock, windower, key)
            op.output(f"out-{step}", counted.down, TestingSink(out))
    run_main(flow)
    return len(out)
