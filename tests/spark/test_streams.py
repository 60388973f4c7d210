"""Graphs on Spark bring what the slow reference brings, for random graphs and logs."""

import random
from typing import Any

import pytest

import evanalytics as ev
from evanalytics.logs import spark as engine
from evanalytics.logs.synthetic.writing import read_answers
from tests.agreement.test_streams import by_seqs, check, found
from tests.streams.random_graphs import pipeline, random_case, random_log
from tests.streams.seed_pipeline import order_analytics

pytestmark = pytest.mark.spark


@pytest.mark.parametrize("seed", range(6))
def test_spark_says_what_the_reference_says(spark: Any, seed: int) -> None:
    draw = random.Random(seed)
    case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))

    check(case, log, spark, heavy=seed % 3 == 0)


def test_blocks_of_the_running_watermark_make_no_difference(
    spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BLOCK", 7)
    draw = random.Random(1_001)
    case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, 60))
    result = pipeline(case, heavy=False).run(log, spark=spark)
    plain = pipeline(case, heavy=False).run(log, engine="polars")

    assert found(case, result, heavy=False)["counts"] == found(case, plain, heavy=False)["counts"]
    assert by_seqs(found(case, result, heavy=False)["pairs"]) == by_seqs(
        found(case, plain, heavy=False)["pairs"]
    )


def test_the_order_analytics_bring_the_known_answers(spark: Any, tmp_path: Any) -> None:
    path = tmp_path / "shop.parquet"
    ev.write_sample(path, events=5_000, progress=False)
    log, answers = ev.read_log(path, progress=False), read_answers(path)
    handed: list[int] = []

    result = order_analytics(lambda rows: handed.append(len(rows))).run(
        log, spark=spark, keep=False, sinks=True
    )

    here = order_analytics().run(log, engine="polars")
    assert result.engine == "spark"
    assert result.count("event-source", "read") == answers.events
    assert result.counts.sort("node", "part", "what").equals(here.counts.sort("node", "part", "what"))
    assert sum(handed) == sum(result.count(sink, "in") for sink in ("joined-data-sink", "metrics-sink"))
