from datetime import timedelta

import plotly.graph_objects as go
import plotly.io as pio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.plots.theme import (
    COLORS,
    INK,
    OTHER_COLOR,
    TEMPLATE,
    color_of,
    duration_axis,
    duration_text,
    label,
    shorten,
)

LIGHT, DARK = "#FFFFFF", "#111111"
"""The backgrounds of JupyterLab's two themes."""


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_is_readable_on_both_themes() -> None:
    assert contrast(INK, LIGHT) > 4.5
    assert contrast(INK, DARK) > 4.1


@pytest.mark.parametrize("color", [*COLORS, OTHER_COLOR])
def test_colours_stand_out_from_both_themes(color: str) -> None:
    assert contrast(color, LIGHT) > 2.2
    assert contrast(color, DARK) > 3


def test_the_template_is_registered_and_clear() -> None:
    layout = pio.templates[TEMPLATE].layout

    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert go.Figure(layout={"template": TEMPLATE}).layout.template.layout.font.color == INK


@given(st.text(max_size=200), st.integers(3, 60))
def test_names_become_one_printable_line_of_limited_length(text: str, limit: int) -> None:
    shown = shorten(text, limit)

    assert shown.isprintable()
    assert 0 < len(shown) <= max(limit, len("(blank)"))


@given(st.text(max_size=200))
def test_labels_hold_no_markup(text: str) -> None:
    shown = label(text)

    assert not set("<>$") & set(shown)


def test_a_very_long_name_keeps_both_ends() -> None:
    assert shorten("order." + "x" * 10_000 + ".created", 15) == "order.x…created"


def test_line_breaks_and_direction_marks_show_as_dots() -> None:
    assert shorten("a\nb\u202ec") == "a·b·c"


def test_a_blank_name_is_said_to_be_blank() -> None:
    assert shorten("  ") == shorten("") == "(blank)"


def test_entities_of_a_log_stay_text() -> None:
    assert label("&lt;") == "&amp;lt;"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=7), "7 d"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(microseconds=5), "5 µs"),
        (timedelta(0), "0 µs"),
    ],
)
def test_durations_are_written_in_the_largest_unit_that_fits(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


def test_a_wide_axis_of_durations_has_few_ticks() -> None:
    axis = duration_axis(1e-3, 86_400, most_ticks=7)

    assert axis["ticktext"] == ["1 ms", "1 s", "1 min", "1 h", "1 d"]
    assert axis["tickvals"] == [1e-3, 1, 60, 3_600, 86_400]


def test_a_narrow_axis_of_durations_has_more_of_them() -> None:
    assert duration_axis(1, 600)["ticktext"] == ["1 s", "10 s", "1 min", "10 min"]


def test_types_past_the_colours_are_grey() -> None:
    assert color_of(0) == COLORS[0]
    assert color_of(None) == color_of(len(COLORS)) == OTHER_COLOR
