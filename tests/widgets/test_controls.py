import pytest
from hypothesis import given
from hypothesis import strategies as st

from evanalytics.widgets.controls import Slider, Tally, log_stops, stand_at


def test_a_slider_starts_at_its_first_stop() -> None:
    assert Slider("size", stops=[1, 2, 5]).value == 1


@pytest.mark.parametrize(("wanted", "stop"), [(4, 5), (3, 2), (-1, 1), (99, 5)])
def test_a_value_between_stops_moves_to_the_nearest(wanted: float, stop: float) -> None:
    slider = Slider("size", stops=[1, 2, 5])

    slider.value = wanted

    assert slider.value == stop


@pytest.mark.parametrize(("value", "beside"), [(1, [2]), (2, [1, 5]), (5, [2])])
def test_a_slider_steps_to_the_stops_beside_it(value: float, beside: list[float]) -> None:
    assert Slider("size", stops=[1, 2, 5], value=value).neighbours == beside


def test_every_stop_has_a_text() -> None:
    slider = Slider("wait", stops=[0.5, 1_000], unit="ms", text="{:,.1f}".format)

    assert slider.texts == ["0.5", "1,000.0"]


@given(st.floats(1e-3, 1e6), st.floats(1, 1e6))
def test_logarithmic_stops_rise_within_their_bounds(low: float, ratio: float) -> None:
    stops = log_stops(low, low * ratio)

    assert stops == sorted(set(stops))
    assert all(low <= stop <= low * ratio for stop in stops)


def test_all_names_of_a_tally_are_ticked_at_first() -> None:
    assert Tally("types", names=["a", "b"], counts=[1, 2], selectable=True).checked == [0, 1]


def test_a_tally_takes_names_as_they_are() -> None:
    assert Tally("types", names=["<b>a</b>"], counts=[1]).names == ["<b>a</b>"]


@pytest.mark.parametrize(
    ("text", "expected"), [(None, ["1", "1,234,568", "2,000,000"]), (str, ["1.0", "1234567.8", "2000000.0"])]
)
def test_a_stop_that_is_put_in_is_written_as_the_others(text, expected):
    options = {} if text is None else {"text": text}
    slider = Slider("bytes", stops=[1, 2_000_000], **options)

    stand_at(slider, 1_234_567.8)

    assert (slider.value, slider.texts) == (1_234_567.8, expected)
