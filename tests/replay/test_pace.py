from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.clock import ManualClock
from evanalytics.exceptions import ReplayError
from evanalytics.replay.pace import Pace

SPEEDS = st.floats(min_value=1e-6, max_value=1e9)


@given(st.integers(0, 10**17), st.integers(0, 10**12), SPEEDS)
def test_an_instant_is_reached_at_its_deadline_and_not_before(begin: int, gap: int, speed: float) -> None:
    clock = ManualClock()
    pace = Pace(clock, speed)
    pace.begin(begin)
    deadline = pace.deadline_ns(begin + gap)

    asyncio.run(clock.advance_to_ns(deadline - 1))
    assert gap == 0 or pace.reached_us() < begin + gap
    asyncio.run(clock.advance_to_ns(deadline))
    assert pace.reached_us() >= begin + gap


def test_a_break_moves_deadlines_by_its_length() -> None:
    clock = ManualClock()
    pace = Pace(clock, 1.0)
    pace.begin(0)
    asyncio.run(clock.advance("2s"))
    pace.pause()
    asyncio.run(clock.advance("5s"))
    pace.resume()

    assert pace.reached_us() == 2_000_000
    assert pace.deadline_ns(3_000_000) == 8_000_000_000


def test_another_speed_counts_from_now() -> None:
    clock = ManualClock()
    pace = Pace(clock, 1.0)
    pace.begin(0)
    asyncio.run(clock.advance("2s"))
    pace.set_speed(4.0)

    assert pace.deadline_ns(6_000_000) == 3_000_000_000


def test_another_speed_during_a_break_counts_from_its_end() -> None:
    clock = ManualClock()
    pace = Pace(clock, 1.0)
    pace.begin(0)
    asyncio.run(clock.advance("2s"))
    pace.pause()
    pace.set_speed(0.5)
    asyncio.run(clock.advance("5s"))
    pace.resume()

    assert pace.deadline_ns(3_000_000) == 9_000_000_000


def test_time_begins_anew_after_full_speed() -> None:
    clock = ManualClock()
    pace = Pace(clock, None)
    asyncio.run(clock.advance("5s"))
    pace.set_speed(1.0)
    pace.begin(7_000_000)

    assert pace.deadline_ns(8_000_000) == 6_000_000_000


@pytest.mark.parametrize("speed", [0, -1.0, math.inf, math.nan])
def test_a_speed_is_a_number_above_zero(speed: float) -> None:
    with pytest.raises(ReplayError, match="speed: a number above zero, or None for as fast as possible"):
        Pace(ManualClock(), speed)
    with pytest.raises(ReplayError, match="speed: a number above zero"):
        Pace(ManualClock(), 1.0).set_speed(speed)
