"""Settings swept by source on Spark: the same table as here."""

from typing import Any

import pytest

import evanalytics as ev

pytestmark = pytest.mark.spark


def test_spark_brings_the_table_of_this_machine(spark: Any, tmp_path: Any) -> None:
    path = tmp_path / "shop.parquet"
    ev.write_sample(path, events=3_000, progress=False)
    log = ev.read_log(path, progress=False)
    grid = ev.Grid(max_batch_size=[1, 20], flush_interval=["100ms", "5s"], max_in_flight=[1, 4])

    found = ev.sweep_by_source(log, grid, spark=spark)

    assert found.equals(ev.sweep_by_source(log, grid, progress=False))
    assert found["events"].to_list() == [3_000] * 8
