"""A timeline's stretch, and where a step by keyboard leads."""

from __future__ import annotations

import pytest

from evanalytics.widgets.timeline import Stretch, Timeline

BEGIN, END = 5_000_000, 5_000_000 + 9_999_999


def timeline(value: Stretch) -> Timeline:
    made = Timeline("Events", start_us=BEGIN, end_us=END, counts=[1, 2])
    made.value = value
    return made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((BEGIN + 30_000, END), [(BEGIN + 20_000, END), (BEGIN + 40_000, END)]),
        ((BEGIN, BEGIN + 5_000_000), [(BEGIN, BEGIN + 4_990_000), (BEGIN, BEGIN + 5_009_999)]),
        ((BEGIN, END - 10_000), [(BEGIN, BEGIN + 9_979_999), (BEGIN, END)]),
    ],
)
def test_the_end_that_moved_steps_a_thousandth_on_or_back(value: Stretch, expected: list[Stretch]) -> None:
    assert timeline(value).steps_since((BEGIN, END)) == expected


def test_a_brush_is_followed_by_no_step() -> None:
    assert timeline((BEGIN + 10, END - 10)).steps_since((BEGIN, END)) == []


def test_a_stretch_is_kept_within_the_bounds_and_in_order() -> None:
    assert timeline((END + 1, BEGIN - 1)).value == (BEGIN, END)
