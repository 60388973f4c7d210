"""A Bloom filter filled part by part on Spark has the bits of one that is filled here."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import BloomError

pytestmark = pytest.mark.spark

TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("error_rate", [0.01, 0.0001])
def test_parts_joined_have_the_bits_of_the_whole(spark: Any, error_rate: float) -> None:
    ids = pl.Series("id", [f"order-{number % 700}" for number in range(1_000)])
    others = (pl.lit(value).alias(name) for name, value in (("type", "t"), ("source", "s"), ("time", TIME)))
    log = ev.EventLog.from_frame(pl.select(ids, *others))
    rows = log.frame("spark", spark=spark)
    parted = rows.to_native().repartition(5)

    found = ev.index_on_spark(parted, error_rate=error_rate, capacity=2_000)

    here = ev.BloomFilterIndex(error_rate=error_rate, capacity=2_000)
    here.add_many(ids)
    assert found == here
    assert ev.index_on_spark(rows, error_rate=error_rate, capacity=2_000, parts=1) == here


def test_null_ids_are_refused(spark: Any) -> None:
    from evanalytics.logs.spark import SparkEngine

    rows = SparkEngine(spark).load(pl.DataFrame({"id": ["a", None]}))

    with pytest.raises(BloomError, match="null in 1 rows"):
        ev.index_on_spark(rows, capacity=10)
