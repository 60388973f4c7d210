"""A filter that fills, step by step."""

from __future__ import annotations

import math

import pytest

from evanalytics.bloom.filling import FILLING_SCHEMA, fill_step_by_step, filling_frame, formula_frame
from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.sizing import shape_for

LOADS = [0.5, 1.0, 1.5, 2.0]


def steps(capacity=20_000, error_rate=0.01, loads=LOADS, **options):
    shape = shape_for(error_rate, capacity)
    return [step for step in fill_step_by_step(shape, capacity, loads=loads, **options) if step]


@pytest.mark.parametrize("error_rate", [0.1, 0.01, 0.0005], ids=["10 %", "1 %", "classic"])
def test_own_bits_lie_in_the_measured_interval_at_every_load_and_past_capacity(error_rate):
    frame = filling_frame(steps(error_rate=error_rate, probes=100_000))

    assert frame["load"].to_list() == LOADS
    assert frame["own_bits"].is_between(frame["low"], frame["high"]).all()


def test_loads_are_shares_of_the_capacity():
    assert filling_frame(steps(capacity=1_001, probes=10))["items"].to_list() == [501, 1_001, 1_502, 2_002]


def test_ids_that_were_given_meet_the_same_bits():
    found = steps(probes=100, given=random_ids(50_000, seed=1))

    assert all(step.given.low <= step.measured.own_bits <= step.given.high for step in found)
    assert all(step.given.own_bits == step.measured.own_bits for step in found)


def test_without_given_ids_none_are_counted():
    frame = filling_frame(steps(probes=10, given=random_ids(0, seed=1)))

    assert frame["given_probes"].to_list() == [0] * len(LOADS)


def test_whoever_waits_can_stop_every_half_million_ids():
    shape = shape_for(0.01, 1_200_000)

    first = list(fill_step_by_step(shape, 1_200_000, loads=[1], probes=10))

    assert [step is None for step in first] == [True, True, True, False]


def test_formula_and_measurement_are_of_the_same_loads():
    shape = shape_for(0.01, 20_000)
    formula = formula_frame(shape, 20_000, LOADS)

    assert formula["formula"].to_list() == pytest.approx(
        filling_frame(steps(probes=10))["formula"].to_list(), rel=1e-3
    )
    assert math.isclose(formula["formula"][1], 0.01, rel_tol=5e-3)


def test_no_steps_are_an_empty_frame_of_the_same_columns():
    assert dict(filling_frame([]).schema) == FILLING_SCHEMA
