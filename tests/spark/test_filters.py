"""Filters on Spark say what the predicate says, what columns cannot decide included."""

from typing import Any

import polars as pl
import pytest

import evanalytics as ev
from tests.filters.logs_of import by_predicate, log_of
from tests.filters.random_filters import Randoms

pytestmark = pytest.mark.spark

EVENTS, FILTERS = 60, 20


def by_spark(condition: ev.Filter, log: ev.EventLog, spark: Any) -> list[int]:
    rows = ev.matching(log, condition, engine="spark", spark=spark).select("seq").to_native().toArrow()
    return sorted(rows["seq"].to_pylist())


@pytest.mark.parametrize("seed", [100, 101])
def test_spark_says_what_the_predicate_says(spark: Any, tmp_path: Any, seed: int) -> None:
    randoms = Randoms(seed, wild=seed % 2 == 0)
    events = [randoms.event(number) for number in range(EVENTS)]
    log = log_of(events, tmp_path)

    for condition in [ev.filter(randoms.filter()) for _ in range(FILTERS)]:
        assert by_spark(condition, log, spark) == by_predicate(condition, events), condition


def test_a_residual_is_decided_where_the_rows_lie(spark: Any, tmp_path: Any) -> None:
    path = tmp_path / "shop.parquet"
    ev.write_sample(path, events=2_000, progress=False)
    log = ev.read_log(path, progress=False)
    condition = ev.filter({"data.total": {"$gt": 50, "$mod": [2, 0]}, "type": "order.created"})
    assert condition.compile(log.schema).residual is not None

    found = by_spark(condition, log, spark)

    assert 0 < len(found) < 2_000
    assert found == sorted(log.where(condition).lazy.select("seq").collect()["seq"].to_list())


def test_a_log_read_from_its_files_is_the_log(spark: Any, tmp_path: Any) -> None:
    for number in range(2):
        ev.write_sample(tmp_path / f"{number}.parquet", events=500, seed=number + 1, progress=False)
    log = ev.read_log(tmp_path, progress=False)
    assert log.plain is not None

    rows = pl.DataFrame(log.frame("spark", spark=spark).to_native().toArrow())

    assert rows.sort("seq").equals(log.lazy.collect().sort("seq"))
