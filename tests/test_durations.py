"""Durations as text."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.durations import format_duration, parse_duration
from evanalytics.exceptions import DurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("500ms", 0.5),
        ("1 hour", 3600),
        ("1h30m", 5400),
        ("2 days, 1 min", 172860),
        ("0.25 s", 0.25),
        ("10us", 1e-5),
        ("0s", 0),
    ],
)
def test_text_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=50_000)))
def test_formatted_durations_read_back_the_same(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        7,
        1.5,
        None,
        "",
        "5",
        "s",
        "5 parsecs",
        "-5s",
        "1h-30m",
        timedelta(seconds=-1),
        "0.0000001s",
        "99999 weeks",
    ],
)
def test_what_is_no_duration_is_refused_by_name(value: object) -> None:
    with pytest.raises(DurationError, match=r"^flush_interval: "):
        parse_duration(value, name="flush_interval")


def test_zero_is_refused_where_it_makes_no_sense() -> None:
    with pytest.raises(DurationError, match="must be more than zero"):
        parse_duration("0s", allow_zero=False)
