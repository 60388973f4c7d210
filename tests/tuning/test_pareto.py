from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.tuning.pareto import pareto_front

points = st.lists(st.tuples(st.integers(0, 8), st.none() | st.integers(0, 8)), max_size=20)


def front_of(rows):
    table = pl.DataFrame(rows, schema={"requests": pl.Int64, "p99_ns": pl.Int64}, orient="row")
    return pareto_front(table).rows()


def is_beaten(one, by):
    return by[0] <= one[0] and by[1] <= one[1] and by != one


@given(points)
def test_the_front_is_every_point_that_no_other_beats(rows):
    known = {row for row in rows if row[1] is not None}

    assert front_of(rows) == sorted(one for one in known if not any(is_beaten(one, by) for by in known))


def test_any_columns_may_be_weighed():
    table = pl.DataFrame({"cost": [2.0, 1.0], "max_ns": [5, 9], "requests": [1, 2]})

    assert pareto_front(table, cost="cost", latency="max_ns")["requests"].to_list() == [2, 1]
