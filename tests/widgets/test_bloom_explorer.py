"""The Bloom explorer: what its sliders do to its figures and sentences, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from evanalytics.bloom.dedupe import dedupe_cost, dedupe_costs
from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.plan import FilterPlan
from evanalytics.bloom.sizing import shape_for
from evanalytics.exceptions import BloomError
from evanalytics.logs.log import EventLog
from evanalytics.widgets.bloom_controls import LOADS, capacity_for
from evanalytics.widgets.bloom_explorer import BloomExplorer

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DIFFERENT, TWICE = 900, 100


def log() -> EventLog:
    """A thousand events in half a day, a hundred of them for the second time."""
    ids = [f"order-{number}" for number in [*range(DIFFERENT), *range(TWICE)]]
    half_a_day_us = 43_200_000_000
    times = [
        BEGIN + timedelta(microseconds=half_a_day_us * place // (len(ids) - 1)) for place in range(len(ids))
    ]
    return EventLog.from_frame(pl.DataFrame({"id": ids, "type": "paid", "source": "shop", "time": times}))


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVANALYTICS_STRICT_WIDGETS", "1")


@pytest.fixture
def explorer() -> Iterator[BloomExplorer]:
    made = BloomExplorer(log())
    yield made
    made.close()


def trace(explorer: BloomExplorer, name: str, place: int = 0) -> object:
    return [found for found in explorer.figure.data if found.name == name][place]


def test_it_begins_with_the_least_capacity_that_holds_the_ids(explorer: BloomExplorer) -> None:
    assert explorer.plan == FilterPlan(capacity=1_000, error_rate=0.01, load=1.0)


@pytest.mark.parametrize(("ids", "capacity"), [(3, 1_000), (1_001, 1_500), (10**9, 10_000_000)])
def test_the_capacity_holds_the_ids_as_far_as_the_slider_reaches(ids: int, capacity: int) -> None:
    assert capacity_for(ids) == capacity


def test_each_slider_sets_its_own_number(explorer: BloomExplorer) -> None:
    knobs = explorer.knobs
    knobs.capacity.value, knobs.error_rate.value, knobs.load.value = 20_000, 0.1, 150

    assert explorer.plan == FilterPlan(capacity=20_000, error_rate=0.001, load=1.5)


def test_the_curve_is_the_formula_of_the_shape(explorer: BloomExplorer) -> None:
    explorer.knobs.capacity.value = 50_000
    shape = shape_for(0.01, 50_000)

    assert list(trace(explorer, "formula").y) == pytest.approx(
        [shape.error_rate(load * 50_000) for load in LOADS], rel=1e-4
    )


def test_a_real_filter_is_measured_at_each_load_and_its_bits_lie_in_the_interval(
    explorer: BloomExplorer,
) -> None:
    explorer.turn(capacity=20_000)
    frame = explorer.measure()

    assert frame["load"].to_list() == list(LOADS)
    assert frame["own_bits"].is_between(frame["low"], frame["high"]).all()
    assert list(trace(explorer, "measured").y) == pytest.approx(frame["rate"].to_list(), rel=1e-4)


def test_moving_the_load_measures_nothing_anew(explorer: BloomExplorer) -> None:
    frame = explorer.measure()

    explorer.knobs.load.value = 200

    assert explorer.measured is frame
    assert explorer.now is not None
    assert explorer.now["items"] == 2_000


def test_another_filter_forgets_what_was_measured(explorer: BloomExplorer) -> None:
    explorer.measure()

    explorer.knobs.error_rate.value = 5

    assert explorer.measured.is_empty()
    assert explorer.now is None
    assert list(trace(explorer, "measured").x) == []


def test_a_filling_stops_when_another_filter_is_wanted(explorer: BloomExplorer) -> None:
    explorer.turn(capacity=10_000_000)
    filling = threading.Thread(target=explorer.measure)
    filling.start()
    explorer.turn(capacity=1_000)
    filling.join()

    assert explorer.measure()["items"].max() == 3_000


def test_the_ids_of_the_log_are_asked_for(explorer: BloomExplorer) -> None:
    assert explorer.measure()["given_probes"].unique().to_list() == [DIFFERENT]


def test_the_price_is_that_of_the_own_bits_in_front_of_the_log(explorer: BloomExplorer) -> None:
    explorer.measure()
    assert explorer.now is not None

    cost = explorer.cost

    assert cost == dedupe_cost(explorer.traffic, explorer.now["own_bits"])
    assert cost.false_drops == pytest.approx(0.01 * 2 * DIFFERENT, rel=0.2)
    assert cost.lookups == pytest.approx(cost.false_drops + 2 * TWICE)


def test_until_it_is_measured_the_price_is_that_of_the_formula(explorer: BloomExplorer) -> None:
    explorer.turn(error_rate=0.1)

    assert explorer.cost.error_rate == explorer.plan.formula


def test_the_ring_stands_on_the_curve_of_costs(explorer: BloomExplorer) -> None:
    explorer.turn(error_rate=0.05, load=1.5)
    ring = trace(explorer, "now", 1)
    curve = dedupe_costs(explorer.traffic, capacity=1_000, held=1_500, sizes=[explorer.plan.shape.bytes]).row(
        0, named=True
    )

    assert list(ring.y) == pytest.approx([curve["false_drops"], curve["lookups"]], rel=1e-4)


def test_sentences_tell_filter_promise_and_price(explorer: BloomExplorer) -> None:
    explorer.measure()
    text = explorer.told

    assert "1.34 kB: 42 blocks of 32 bytes, 10.8 bits an id (the classic optimum is 9.6)" in text
    assert "asked for 900 ids of your log" in text
    assert "Your log: 2,000 events a day, 200 of them with an id that came before" in text


def test_memory_and_time_are_measured_beside_exact_ways(explorer: BloomExplorer) -> None:
    explorer.compare(2_000)

    assert explorer.comparison["way"].to_list() == ["Bloom filter", "Python set", "semi join"]
    assert sum(len(bars.x) for bars in explorer.others.data if bars.type == "bar") == 9


def test_the_button_measures_at_the_capacity_in_a_thread(explorer: BloomExplorer) -> None:
    explorer.measure()
    explorer.turn(capacity=3_000)

    explorer.race_button.click()
    assert explorer.task is not None
    explorer.task.join()

    assert explorer.comparison["ids"].to_list() == [3_000] * 3
    assert not explorer.race_button.disabled


def test_moving_only_the_load_keeps_what_was_measured(explorer: BloomExplorer) -> None:
    explorer._later.join()
    explorer.compare(2_000)

    explorer.turn(load=1.5)
    explorer._later.join()

    assert explorer.comparison["ids"].to_list() == [2_000] * 3


def test_reset_puts_the_sliders_back(explorer: BloomExplorer) -> None:
    begin = explorer.plan
    explorer.turn(capacity=70_000, error_rate=0.2, load=2)

    explorer.reset_button.click()

    assert explorer.plan == begin == explorer.knobs.plan()


def test_what_other_ways_take_follows_a_slider_a_moment_later(explorer: BloomExplorer) -> None:
    explorer._later.join()
    ring = next(found for found in explorer.others.data if found.name == "now")
    before = list(ring.x)

    explorer.knobs.error_rate.value = 10
    at_once = list(ring.x)
    explorer._later.join()

    assert (before, at_once, list(ring.x)) == ([0.01], [0.01], [0.1])


def test_measuring_now_draws_what_would_have_followed(explorer: BloomExplorer) -> None:
    explorer._later.join()
    explorer.knobs.error_rate.value = 10

    explorer.measure()

    assert list(next(found for found in explorer.others.data if found.name == "now").x) == [0.1]


def test_turning_draws_once(explorer: BloomExplorer) -> None:
    drawn = []
    original = type(explorer)._board
    explorer._board = lambda: drawn.append(1) or original(explorer)  # type: ignore[method-assign]

    explorer.turn(capacity=70_000, error_rate=0.2, load=2)

    assert len(drawn) == 1


@pytest.mark.parametrize("error_rate", [1e-6, 0.3], ids=["least", "most"])
@pytest.mark.parametrize("capacity", [1_000, 10_000_000], ids=["small", "large"])
def test_the_ends_of_the_sliders_can_be_drawn(capacity: int, error_rate: float) -> None:
    explorer = BloomExplorer()

    explorer.turn(capacity=capacity, error_rate=error_rate, load=3)

    assert (explorer.plan.capacity, explorer.plan.error_rate) == (capacity, error_rate)
    assert explorer.notice.text == ""
    explorer.close()


def test_ids_alone_are_taken_for_those_of_a_day() -> None:
    explorer = BloomExplorer(ids=pl.Series(["a", "b", "a"]))

    assert explorer.traffic.per_day(explorer.traffic.events) == 3
    assert "Your ids: 3 events a day, 1 of them" in explorer.told
    explorer.close()


def test_without_a_log_the_price_is_that_of_a_million_new_ids_a_day() -> None:
    explorer = BloomExplorer()

    assert explorer.cost.false_drops == pytest.approx(10_000, rel=0.01)
    explorer.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"log": log(), "ids": random_ids(1, seed=1)}, "needs a log or ids, got both"),
        ({"ids": pl.Series([1, 2])}, "this index holds String, got Int64"),
        ({"ids": pl.Series(["a", None])}, "null in 1 rows"),
        ({"ids": pl.Series([], dtype=pl.String)}, "there are none to count"),
        ({"log": log().between(end=BEGIN)}, "there are none to count"),
    ],
    ids=["both", "numbers", "null", "no ids", "empty log"],
)
def test_what_has_no_ids_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(BloomError, match=message):
        BloomExplorer(**given)  # type: ignore[arg-type]


def test_no_trace_is_longer_than_a_browser_likes(explorer: BloomExplorer) -> None:
    explorer.measure()

    assert max(len(found.x) for found in explorer.figure.data) <= 2_000
