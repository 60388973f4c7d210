"""The tuner's controls: sliders, choices, buttons; and how its numbers are written."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, get_args

import ipywidgets

from evanalytics.durations import duration_us, format_duration
from evanalytics.throttling.policy import LimitKind
from evanalytics.tuning.constraints import format_ns, metric_name
from evanalytics.tuning.explore import LatencyGoal
from evanalytics.tuning.export import to_python
from evanalytics.tuning.retune import rate_of
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.what_if import PRESETS
from evanalytics.widgets.arrow_keys import ArrowKeys
from evanalytics.widgets.base import labelled_button, written
from evanalytics.widgets.controls import Slider, log_stops, stand_at
from evanalytics.widgets.files import files_html

AS_IT_WAS = "as it was"
_NO_BOUND = 1_000.0  # stands for "any number in flight"


class Knobs(ipywidgets.VBox):  # type: ignore[misc]
    """The four sliders and the choice of the limiter.

    Attributes:
        size: Max batch size, in events.
        interval: Flush interval, in seconds.
        rate: Rate limit, in requests per second, or in events where these pay the tokens.
        in_flight: Max in flight, in requests.
        limiter: How the limit counts, or "none".
    """

    def __init__(self) -> None:
        """Build the controls; `show` puts them where settings are."""
        self.size = Slider("max batch size", stops=_whole(1, 10_000), unit="events")
        self.interval = Slider("flush interval", stops=log_stops(0.01, 1_000), unit="s")
        self.rate = Slider("rate limit", stops=log_stops(0.1, 10_000), unit="requests/s")
        self.in_flight = Slider("max in flight", stops=_whole(1, 300), unit="requests")
        kinds = [(kind.replace("_", " "), kind) for kind in get_args(LimitKind)]
        self.limiter = ipywidgets.Dropdown(options=[*kinds, ("none", "none")], description="limiter")
        super().__init__([self.size, self.interval, self.rate, self.in_flight])
        self.add_class("ev-knobs")

    def show(self, settings: Settings) -> None:
        """Put every control where the settings are."""
        per_second, limiter = rate_of(settings)
        stand_at(self.size, settings.batch.max_batch_size)
        stand_at(self.interval, duration_us(settings.batch.flush_interval) / 1e6)
        stand_at(self.in_flight, settings.delivery.max_in_flight or _NO_BOUND)
        if limiter != "none":
            stand_at(self.rate, float(f"{per_second:.6g}"))
        self.rate.unit = f"{settings.throttle.tokens_per}s/s"
        self.limiter.value = limiter
        self.rate.disabled = limiter == "none"

    @property
    def sliders(self) -> tuple[Slider, ...]:
        """The four sliders."""
        return self.size, self.interval, self.rate, self.in_flight


class Actions(ipywidgets.HBox):  # type: ignore[misc]
    """What can be chosen and pressed.

    Attributes:
        traffic: Which traffic: as it was, or one of the presets.
        goal: What to keep to, such as "p99 <= 2s".
        recommend: Looks for the settings with the fewest requests that keep to it.
        map: Measures 120 settings.
        pin: Keeps what is shown to compare with; pressed again, lets it go.
        reset: Puts everything back.
        export: Shows the settings as JSON and as Python.
    """

    def __init__(self, limiter: ipywidgets.Dropdown, goal: str) -> None:
        """Build the controls; the limiter's choice goes first."""
        self.traffic = ipywidgets.Dropdown(options=[AS_IT_WAS, *PRESETS], description="traffic")
        self.goal = ipywidgets.Text(value=goal, description="keep to", continuous_update=False)
        self.recommend = labelled_button("Recommend", "Look for the fewest requests that keep to the goal")
        self.map = labelled_button("Map settings", "Measure 120 batch sizes and flush intervals")
        self.pin = labelled_button("Pin", "Keep what is shown to compare with")
        self.reset = labelled_button("Reset", "Put everything back to where it began")
        self.export = labelled_button("Export", "Show these settings as JSON and as Python")
        buttons = [self.recommend, self.map, self.pin, self.reset, self.export]
        super().__init__([limiter, self.traffic, self.goal, *buttons, ArrowKeys()])
        self.add_class("ev-actions")


def settings_text(settings: Settings) -> str:
    """Return where the knobs are, in a few words."""
    batch = settings.batch
    return (
        f"{batch.max_batch_size:,} events · {format_duration(batch.flush_interval)} · {limits_text(settings)}"
    )


def limits_text(settings: Settings) -> str:
    """Return how fast and how many at once, in a few words."""
    per_second, limiter = rate_of(settings)
    slots = settings.delivery.max_in_flight
    tokens = " events" if settings.throttle.tokens_per == "event" else ""
    rate = "no limit" if limiter == "none" else f"{written(per_second)}{tokens}/s"
    return f"{rate} · {'any number' if slots is None else slots} in flight"


def metrics_table(rows: Mapping[str, tuple[Settings, Mapping[str, Any]]], goal: LatencyGoal) -> str:
    """Return settings and their metrics as an HTML table, one row for each name."""
    heads = ("", "settings", "requests", "per event", *map(metric_name, goal.beside), "handed back")
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    body = "".join(_row(name, settings, numbers, goal) for name, (settings, numbers) in rows.items())
    return f"<table class='ev-figures'><tr>{head}</tr>{body}</table>"


def export_html(settings: Settings) -> str:
    """Return the settings as JSON and as Python, to be read, copied or saved."""
    return files_html({"settings.json": settings.to_json(), "settings.py": to_python(settings)})


def _row(name: str, settings: Settings, numbers: Mapping[str, Any], goal: LatencyGoal) -> str:
    cells = [
        f"<td>{settings_text(settings)}</td>",
        f"<td>{numbers['requests']:,}</td>",
        f"<td>{numbers['requests'] / numbers['events']:.3f}</td>",
        *(_latency(column, numbers[column], goal) for column in goal.beside),
        f"<td>{numbers['handed_back']:,}</td>",
    ]
    return f"<tr><th scope='row'>{html.escape(name)}</th>{''.join(cells)}</tr>"


def _latency(column: str, value: int | None, goal: LatencyGoal) -> str:
    misses = column == goal.column and goal.is_missed_by(value)
    return f"<td{' class=ev-misses' if misses else ''}>{format_ns(value)}</td>"


def _whole(low: int, high: int) -> list[float]:
    return sorted({float(round(stop)) for stop in log_stops(low, high)})
