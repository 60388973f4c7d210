"""The tuner: what its controls do to its figures, without a browser."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.exceptions import PolicyError, TuningError
from evanalytics.logs.log import EventLog
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.explore import latency_goal
from evanalytics.tuning.metrics import COLUMNS, measure
from evanalytics.tuning.recommend import Recommendation, recommend
from evanalytics.tuning.retune import Retuned, Retuner
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.stretch import arrivals_between
from evanalytics.widgets.tuner import Tuner
from evanalytics.widgets.tuner_controls import metrics_table, settings_text

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def log(events: int = 2_000) -> EventLog:
    offsets_ms = np.sort(np.random.default_rng(5).integers(0, 600_000, events)).tolist()
    return EventLog.from_frame(
        pl.DataFrame(
            {
                "id": [str(number) for number in range(events)],
                "type": [("paid", "shipped")[number % 2] for number in range(events)],
                "source": ["shop"] * events,
                "time": [BEGIN + timedelta(milliseconds=offset) for offset in offsets_ms],
            }
        )
    )


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVANALYTICS_STRICT_WIDGETS", "1")


@pytest.fixture
def tuner() -> Iterator[Tuner]:
    made = Tuner(log())
    yield made
    made.close()


def bars(tuner: Tuner) -> int:
    return sum(sum(trace.y) for trace in tuner.figure.data if trace.type == "bar")


def curve(tuner: Tuner, name: str) -> list[float]:
    return list(next(trace.x for trace in tuner.figure.data if trace.name == name))


def settings_at(tuner: Tuner, interval_s: float) -> Settings:
    return tuner.settings.turned(flush_interval=timedelta(microseconds=round(interval_s * 1e6)))


def refuse(*_arguments: Any) -> Retuned:
    raise TuningError("far away")


def test_the_figures_show_what_measuring_tells(tuner: Tuner) -> None:
    expected = measure(log(), tuner.settings).to_dict()

    assert tuner.metrics == expected
    assert bars(tuner) == expected["batches"]


def test_each_slider_sets_its_own_policy(tuner: Tuner) -> None:
    knobs = tuner.knobs
    knobs.size.value, knobs.interval.value, knobs.rate.value, knobs.in_flight.value = 7, 0.5, 20, 3

    settings = tuner.settings

    assert (settings.batch.max_batch_size, settings.batch.flush_interval) == (7, timedelta(seconds=0.5))
    assert settings.throttle.limit_of("publish") == RateLimit(20, "1s")
    assert settings.delivery.max_in_flight == 3


def test_a_batch_size_of_one_sends_each_event_alone(tuner: Tuner) -> None:
    tuner.knobs.size.value = 1

    assert bars(tuner) == 2_000
    assert tuner.metrics["requests"] == 2_000


def test_sliders_leave_alone_what_they_cannot_say() -> None:
    limit = RateLimit(7, "1m", kind="token_bucket", burst=3)
    tuner = Tuner(log(), settings=Settings(throttle=ThrottlePolicy(limit)))

    tuner.knobs.size.value = 10

    assert tuner.settings.throttle.limit_of("publish") == limit
    tuner.close()


def test_without_a_limiter_the_rate_cannot_be_moved(tuner: Tuner) -> None:
    tuner.knobs.limiter.value = "none"

    assert tuner.settings.throttle.limit_of("publish") is None
    assert tuner.knobs.rate.disabled


def test_a_pinned_curve_stays_while_sliders_move(tuner: Tuner) -> None:
    before = curve(tuner, "now")
    tuner.actions.pin.click()

    tuner.knobs.interval.value = 20

    assert curve(tuner, "pinned") == before
    assert curve(tuner, "now") != before


def test_pinning_again_lets_go(tuner: Tuner) -> None:
    tuner.actions.pin.click()
    tuner.actions.pin.click()

    assert curve(tuner, "pinned") == []


def test_a_stretch_is_measured_as_a_log_of_its_own(tuner: Tuner) -> None:
    start_us, end_us = tuner.timeline.start_us, tuner.timeline.end_us
    middle = (start_us + end_us) // 2
    tuner.timeline.value = (start_us, middle)

    part = log().between(end=BEGIN + timedelta(microseconds=middle - int(BEGIN.timestamp() * 1e6)))

    assert tuner.metrics == measure(part, tuner.settings).to_dict()


def test_where_a_slider_stood_and_steps_next_is_worked_out_already(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    knob = tuner.knobs.interval
    low, middle, high, far = knob.stops[20:24]
    expected = {stop: measure(log(), settings_at(tuner, stop)).to_dict() for stop in (low, middle, high)}
    knob.value = middle
    tuner._ahead.join()

    monkeypatch.setattr(Retuner, "retune", refuse)

    for stop in (high, middle, low):
        knob.value = stop
        assert tuner.metrics == expected[stop]
    with pytest.raises(TuningError, match="far away"):
        knob.value = far


def test_where_an_end_of_the_timeline_steps_next_is_worked_out_already(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeline = tuner.timeline
    length = timeline.end_us - timeline.start_us
    ends = [timeline.start_us + round(length * part) for part in (0.799, 0.8, 0.801)]
    arrivals = Arrivals.of_log(log())
    parts = [arrivals_between(arrivals, timeline.start_us, end) for end in ends]
    expected = [measure(part, tuner.settings).to_dict() for part in parts]
    timeline.value = (timeline.start_us, ends[1])
    tuner._ahead.join()

    monkeypatch.setattr(Retuner, "retune", refuse)

    for end, metrics in zip(ends, expected, strict=True):
        timeline.value = (timeline.start_us, end)
        assert tuner.metrics == metrics


def test_what_was_worked_out_for_one_stretch_is_not_shown_for_another(tuner: Tuner) -> None:
    timeline, knob = tuner.timeline, tuner.knobs.interval
    knob.value = knob.stops[20]
    tuner._ahead.join()
    timeline.value = (timeline.start_us, (timeline.start_us + timeline.end_us) // 2)
    knob.value = knob.stops[21]

    assert tuner.metrics["events"] < len(log())


def test_settings_that_nobody_asked_for_are_refused_silently(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner.knobs.interval.value = 0.5
    monkeypatch.setattr(Retuner, "retune", refuse)
    tuner._ahead.join()

    assert tuner.notice.text == ""


def test_an_empty_stretch_is_refused_and_nothing_changes(tuner: Tuner) -> None:
    before = tuner.metrics
    end = tuner.timeline.end_us

    with pytest.raises(TuningError, match="no events in this stretch"):
        tuner.timeline.value = (end, end)

    assert "no events in this stretch" in tuner.notice.text
    assert tuner.metrics == before


@pytest.mark.parametrize("traffic", ["flash sale", "retry storm", "slow consumer"])
def test_a_bad_day_is_worse_and_leaves_the_settings_alone(tuner: Tuner, traffic: str) -> None:
    before, settings = tuner.metrics, tuner.settings
    tuner.actions.traffic.value = traffic

    assert tuner.settings == settings
    assert (tuner.metrics["events"], tuner.metrics["attempts"], tuner.metrics["max_ns"]) > (
        before["events"], before["attempts"], before["max_ns"],
    )  # fmt: skip


def test_the_recommendation_sets_the_sliders_and_keeps_to_the_goal(tuner: Tuner) -> None:
    found = tuner.recommend("p99 <= 1500ms")

    assert tuner.metrics["p99_ns"] <= 1_500_000_000  # type: ignore[operator]
    assert tuner.metrics["requests"] == found.metrics["requests"]
    assert tuner.knobs.interval.value == tuner.settings.batch.flush_interval / timedelta(seconds=1)


def test_recommending_on_a_bad_day_does_not_keep_its_service(tuner: Tuner) -> None:
    service = tuner.settings.delivery.service
    tuner.actions.traffic.value = "slow consumer"

    tuner.recommend()

    assert tuner.settings.delivery.service == service


def test_the_button_recommends_in_a_thread_and_is_free_again(tuner: Tuner) -> None:
    tuner.actions.recommend.click()
    tuner.task.join()

    assert tuner.details.recommendation is not None
    assert not tuner.actions.recommend.disabled


def test_a_goal_that_cannot_be_read_is_a_sentence(tuner: Tuner) -> None:
    with pytest.raises(TuningError):
        tuner.actions.goal.value = "fast please"

    assert "cannot be read" in tuner.notice.text


def test_the_details_draw_waits_map_and_front(tuner: Tuner) -> None:
    tuner.show_details()
    traces = {trace.name: trace for trace in tuner.details.figure.data}

    assert len(traces["settings"].z) == 10
    assert max(traces["batching"].y) > 0
    assert len(traces["front"].x) > 3


def test_a_click_on_the_map_sets_both_sliders(tuner: Tuner) -> None:
    tuner.show_details()

    tuner.choose(SimpleNamespace(point_inds=[[3, 4]]))

    assert (tuner.knobs.size.value, tuner.knobs.interval.value) == (10, 1)


def test_reset_puts_everything_back(tuner: Tuner) -> None:
    settings, metrics = tuner.settings, tuner.metrics
    tuner.knobs.size.value, tuner.knobs.limiter.value = 3, "fixed_window"
    tuner.actions.traffic.value, tuner.actions.goal.value = "flash sale", "p99 <= 1s"
    tuner.timeline.value = (tuner.timeline.start_us, tuner.timeline.start_us + 10**8)
    tuner.actions.pin.click()

    tuner.actions.reset.click()

    assert (tuner.settings, tuner.metrics) == (settings, metrics)
    assert tuner.actions.goal.value == "p99 <= 2s"
    assert curve(tuner, "pinned") == []


def test_reset_brings_back_the_service_as_well() -> None:
    tuner = Tuner(log())
    metrics = tuner.metrics
    tuner.settings = Settings(delivery=DeliveryPolicy(service=ServiceModel(fixed="9s")))
    assert tuner.metrics != metrics

    tuner.actions.reset.click()

    assert tuner.metrics == metrics
    tuner.close()


@pytest.mark.parametrize("moved", ["stretch", "service", "slots"])
def test_a_recommendation_for_what_is_shown_no_longer_is_dropped(
    tuner: Tuner, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    moves = {
        "stretch": (tuner.timeline, (tuner.timeline.start_us, tuner.timeline.start_us + 10**8)),
        "service": (tuner.actions.traffic, "slow consumer"),
        "slots": (tuner.knobs.in_flight, 3),
    }

    def recommend_while_somebody_moves_a_control(*arguments: Any, **options: Any) -> Recommendation:
        found = recommend(*arguments, **options)
        control, moves_to = moves[moved]
        control.value = moves_to
        return found

    monkeypatch.setattr("evanalytics.widgets.tuner.recommend", recommend_while_somebody_moves_a_control)
    batch = tuner.settings.batch

    with pytest.raises(TuningError, match="changed meanwhile"):
        tuner.recommend()

    assert tuner.details.recommendation is None
    assert tuner.settings.batch == batch


def test_refused_settings_leave_everything_as_it_was() -> None:
    per_event = Settings(throttle=ThrottlePolicy(RateLimit(100, "1s"), tokens_per="event"))
    tuner = Tuner(log(), settings=per_event)

    with pytest.raises(PolicyError):
        tuner.knobs.rate.value = 1

    assert tuner.settings == per_event
    assert tuner.notice.text
    tuner.close()


def test_export_shows_json_and_python(tuner: Tuner) -> None:
    tuner.actions.export.click()

    assert "settings.json" in tuner.export.value
    assert "ev.BatchPolicy(" in tuner.export.value


def test_no_trace_is_longer_than_a_browser_likes(tuner: Tuner) -> None:
    tuner.show_details()
    traces = [*tuner.figure.data, *tuner.details.figure.data]

    assert max(len(trace.x or trace.y) for trace in traces) <= 2_000


def test_a_log_without_events_is_refused() -> None:
    with pytest.raises(TuningError, match="no events"):
        Tuner(log().between(end=BEGIN))


def test_settings_are_written_in_a_few_words() -> None:
    assert settings_text(Settings()) == "100 events · 5s · no limit · 8 in flight"


@pytest.mark.parametrize(("goal", "missed"), [("p50 <= 1s", []), ("p99.9 <= 50s", ["60 s"])])
def test_the_table_marks_the_latency_of_the_goal_alone(goal: str, missed: list[str]) -> None:
    numbers = dict.fromkeys(COLUMNS, 1) | {"p99_ns": 4_000_000_000, "p99_9_ns": 60_000_000_000}

    table = metrics_table({"now": (Settings(), numbers)}, latency_goal(goal))

    assert re.findall("<td class=ev-misses>(.*?)</td>", table) == missed


def test_the_rate_is_in_what_pays_the_tokens() -> None:
    limit = RateLimit(100, "1s", kind="token_bucket")
    tuner = Tuner(log(), settings=Settings(throttle=ThrottlePolicy(limit, tokens_per="event")))

    assert tuner.knobs.rate.unit == "events/s"
    assert "100 events/s" in settings_text(tuner.settings)
    tuner.settings = Settings(throttle=ThrottlePolicy(limit))
    assert tuner.knobs.rate.unit == "requests/s"
    assert "100/s" in settings_text(tuner.settings)
    tuner.close()
