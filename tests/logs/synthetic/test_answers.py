"""The answers counted during generation against DuckDB's, which knows nothing of the generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from evanalytics.exceptions import SampleError
from evanalytics.logs.synthetic import SampleAnswers, sample_frame
from evanalytics.logs.synthetic.answers import Tally
from evanalytics.logs.synthetic.arrivals import Arrivals, arrivals
from evanalytics.logs.synthetic.columns import details_of
from evanalytics.logs.synthetic.shop import Shop

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def answers() -> SampleAnswers:
    return sample_frame(events=200_000, seed=11)[1]


@pytest.fixture(scope="module")
def log() -> Iterator[duckdb.DuckDBPyConnection]:
    frame = sample_frame(events=200_000, seed=11)[0].with_row_index("seq")
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute("create table log as select *, epoch_us(time) as ts from frame")
        connection.execute("""
            create table first as
            select * from log qualify row_number() over (partition by id order by seq) = 1""")
        connection.execute("""
            create table pair as
            select abs(epoch_us(p.time) - epoch_us(o.time)) as gap, o.id as order_event, p.id as payment_event
            from first o join first p using (data__orderId)
            where o.type = 'order.created' and p.type = 'payment.processed'""")
        yield connection


def rows(log: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return log.sql(query).fetchall()


def test_rows_times_and_customers_are_counted(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    found = rows(log, "select count(*), min(ts), max(ts), count(distinct data__customerId) from log")

    assert found == [(answers.events, answers.start_us, answers.end_us, answers.customers)]


def test_duplicates_are_counted(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    assert rows(log, "select (select count(*) from log) - (select count(*) from first)") == [
        (answers.duplicates,)
    ]


def test_rows_out_of_order_are_counted(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    found = rows(
        log, "select count(*) from (select ts < max(ts) over (order by seq) as late from log) where late"
    )

    assert found == [(answers.out_of_order,)]


def test_events_are_counted_by_type(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    assert dict(rows(log, "select type, count(*) from log group by 1")) == answers.events_by_type


def test_unique_events_are_counted_by_type(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    assert dict(rows(log, "select type, count(*) from first group by 1")) == answers.unique_events_by_type


@pytest.mark.parametrize(
    ("answer", "table", "column"),
    [
        ("total_by_status", "log", "data__total"),
        ("unique_total_by_status", "first", "data__total"),
        ("amount_by_status", "log", "data__amount"),
        ("unique_amount_by_status", "first", "data__amount"),
    ],
)
def test_sums_by_status_are_exact(
    log: duckdb.DuckDBPyConnection, answers: SampleAnswers, answer: str, table: str, column: str
) -> None:
    query = f"select data__status, sum({column}) from {table} where {column} is not null group by 1"

    assert dict(rows(log, query)) == getattr(answers, answer)


def test_pairs_are_counted_by_gap(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    conditions = f"gap <= {HOUR_US} / 6", f"gap <= {HOUR_US}", f"gap = {HOUR_US}", f"gap > {HOUR_US}"
    found = [rows(log, f"select count(*) from pair where {condition}")[0][0] for condition in conditions]

    assert found == [
        answers.pairs_within_10_min,
        answers.pairs_within_1h,
        answers.pairs_at_1h,
        answers.pairs_beyond_1h,
    ]


def test_orders_without_payment_are_counted(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    query = """select count(*) from first where type = 'order.created'
               and id not in (select order_event from pair)"""

    assert rows(log, query) == [(answers.orders_without_payment,)]


def test_payments_without_order_are_counted(log: duckdb.DuckDBPyConnection, answers: SampleAnswers) -> None:
    query = """select count(*) from first where type = 'payment.processed'
               and id not in (select payment_event from pair)"""

    assert rows(log, query) == [(answers.payments_without_order,)]


def test_orders_left_over_by_a_join_within_an_hour(
    log: duckdb.DuckDBPyConnection, answers: SampleAnswers
) -> None:
    query = f"""select count(*) from first where type = 'order.created'
                and id not in (select order_event from pair where gap <= {HOUR_US})"""

    assert rows(log, query) == [(answers.orders_without_payment + answers.pairs_beyond_1h,)]


def test_every_kind_of_answer_occurs(answers: SampleAnswers) -> None:
    counts = answers.duplicates, answers.out_of_order, answers.pairs_at_1h, answers.payments_without_order

    assert min(counts) > 0


def test_answers_do_not_depend_on_batches() -> None:
    shop = Shop(seed=11, orders=10_000, days=3)
    whole, in_one, in_batches = (
        Arrivals.none(),
        Tally(customers=shop.customers),
        Tally(customers=shop.customers),
    )

    for batch in arrivals(shop, events=30_000, groups_per_block=1):
        in_batches.add(batch, details_of(shop, batch))
        whole = whole.then(batch)
    in_one.add(whole, details_of(shop, whole))

    assert in_batches.answers(seed=11, days=3) == in_one.answers(seed=11, days=3)


def test_answers_survive_json(answers: SampleAnswers) -> None:
    assert SampleAnswers.from_json(answers.to_json()) == answers


def test_other_json_is_refused() -> None:
    with pytest.raises(SampleError, match="not the answers of a sample log"):
        SampleAnswers.from_json('{"seed": 7}')
