"""Batching and throttling of a log, driven by sliders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import ipywidgets

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import EvAnalyticsError, TuningError
from evanalytics.logs.log import EventLog
from evanalytics.plots.panel import Board
from evanalytics.plots.tuner_boards import live_figure
from evanalytics.tuning.explore import constraints_of, latency_goal
from evanalytics.tuning.recommend import Recommendation, recommend
from evanalytics.tuning.retune import Limiter, Retuned, with_rate
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.warm_up import warm_up
from evanalytics.widgets.background import Later, StatusLine, Task
from evanalytics.widgets.base import Notice, guarded, on_change
from evanalytics.widgets.controls import Slider
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.timeline import Stretch, Timeline
from evanalytics.widgets.tuner_controls import (
    AS_IT_WAS,
    Actions,
    Knobs,
    export_html,
    metrics_table,
)
from evanalytics.widgets.tuner_details import Details, Situation, cell_of
from evanalytics.widgets.tuner_traffic import Traffic

_AHEAD_S = 0.15  # the next step is tried once all has been still for so long: not during a drag
_IDLE_S = 1.2  # details follow after so long
_MOST_EVENTS_TO_LOOK_AHEAD = 20_000_000
_MOST_EVENTS_TO_FOLLOW, _MOST_EVENTS_TO_MAP = 2_000_000, 400_000
_START = with_rate(Settings(), 50, "sliding_window")


class Tuner(ipywidgets.VBox):  # type: ignore[misc]
    """What batch size, flush interval, rate limit and slots do to a log, at once.

    The two upper pictures follow the sliders; the others follow when these have been still for a
    moment (up to two million events; beyond, and for the map of settings, there is a button). Drag over
    the timeline to look at a burst alone, as if nothing had been waiting before it. A click on the map
    sets the sliders.

    Attributes:
        knobs: The sliders (`size`, `interval`, `rate`, `in_flight`) and `limiter`; set their `value`.
        actions: The choices `traffic` and `goal`, and the buttons.
        timeline: The stretch that is looked at; set its `value` to (start, end) in microseconds.
        figure: The two pictures that follow the sliders, a plotly `FigureWidget`.
        details: The other five; its `figure` is the second `FigureWidget`, its `recommendation` the
            latest one for the traffic that is shown.
        export: The settings as JSON and as Python, once they were asked for; an HTML widget.
        task: What was last begun by a button; its `join` waits for it.
        notice: What went wrong, if anything did; its `text` is empty while all is well.
    """

    def __init__(self, log: EventLog, *, settings: Settings | None = None, goal: str = "p99 <= 2s") -> None:
        """Read the log's arrivals and show what the settings do to them.

        Args:
            log: Whose events.
            settings: Where to begin; a service model in them stands for the real service. By default
                100 events, 5 s, 50 requests/s, 8 in flight, 20 ms a call.
            goal: What to keep to.

        Raises:
            TuningError: The log is empty, or the goal cannot be read.
        """
        super().__init__()
        threading.Thread(target=warm_up, daemon=True).start()
        self._lock = threading.RLock()  # callbacks may run in another thread while a cell runs
        self._is_setting = False
        self._begin = self._settings = settings or _START
        self._begin_goal = goal
        self._goal = latency_goal(goal)
        self._traffic = Traffic(Arrivals.of_log(log), self._settings)
        self._pinned: tuple[Settings, Retuned] | None = None
        self.task: Task | None = None
        self._build(goal)
        self._listen()
        self._later.ask(0)

    @property
    def settings(self) -> Settings:
        """What the sliders say, for `simulate` and for the live classes."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        with self._lock:
            self._traffic.change(self.actions.traffic.value, settings)
            self._traffic.cut(*self.timeline.value)
            self.details.recommendation = None  # it was made for the service before
            self._set(settings)

    @property
    def metrics(self) -> dict[str, int | None]:
        """The numbers of what is shown, by the names of `sweep`'s columns."""
        return self._shown.metrics.to_dict()

    def recommend(self, goal: str | None = None) -> Recommendation:
        """Set the sliders to the fewest requests that keep to the goal, and return what was found.

        Raises:
            TuningError: The goal cannot be read, nothing keeps to it, or the traffic, the stretch or a
                limit changed meanwhile.
        """
        if goal is not None:
            self.actions.goal.value = goal
        situation = self._situation()
        wanted = constraints_of(self.actions.goal.value)
        found = recommend(situation.arrivals, "requests", wanted, base=situation.settings, progress=False)
        with self._lock:
            if not situation.is_like(self._situation()):
                raise TuningError("recommend: traffic, stretch or limits changed meanwhile; ask again")
            self.details.recommendation = found
            self._set(Settings(found.settings.batch, found.settings.throttle, self._settings.delivery))
        self._status.say(str(found))
        return found

    def show_details(self, *, with_map: bool = True) -> None:
        """Draw the lower pictures for what the upper ones show."""
        self._later.cancel()
        self.details.show(self._situation(), with_map=with_map)

    def choose(self, points: Any) -> None:
        """Follow a click on the map; `points` is what plotly tells of it."""
        if points.point_inds:
            row, column = points.point_inds[0]
            size, interval_us = cell_of(self.details.grid, row, column)
            interval = timedelta(microseconds=interval_us)
            self._set(self._settings.turned(max_batch_size=size, flush_interval=interval))

    def close(self) -> None:
        """Stop what goes on in the background, and remove the view."""
        for later in (self._ahead, self._later):
            later.cancel()
            later.join()
        super().close()

    def _build(self, goal: str) -> None:
        traffic = self._traffic
        self.notice = Notice()
        self._ahead = Later(lambda: self._next(), self.notice)
        self._later = Later(self._follow, self.notice)
        self.timeline = Timeline(
            "Events over time", start_us=traffic.start_us, end_us=traffic.end_us, counts=traffic.counts()
        )
        self.knobs = Knobs()
        self.actions = Actions(self.knobs.limiter, goal)
        self.knobs.show(self._settings)
        self._table, self._status, self.export = ipywidgets.HTML(), StatusLine(), ipywidgets.HTML()
        self.export.add_class("ev-export").add_class("ev")
        board = self._measure()
        self.figure = BoardFigure(live_figure(board), board)
        self._write()
        self.details = Details()
        self.children = [
            self.timeline, self.knobs, self.actions, self.notice, self._status, self._table, self.figure,
            self.export, self.details.figure,
        ]  # fmt: skip
        self.add_class("ev-app")

    def _listen(self) -> None:
        knobs, actions = self.knobs, self.actions
        for slider in knobs.sliders:
            on_change(slider, partial(self._turn, slider), self.notice)
        on_change(knobs.limiter, self._limit, self.notice)
        on_change(actions.traffic, self._change_traffic, self.notice)
        on_change(actions.goal, self._change_goal, self.notice)
        on_change(self.timeline, self._change_stretch, self.notice)
        self._on_press(actions.recommend, partial(self._start, actions.recommend, self.recommend))
        self._on_press(actions.map, partial(self._start, actions.map, self.show_details))
        self._on_press(actions.pin, self._pin)
        self._on_press(actions.reset, self._reset)
        self._on_press(actions.export, self._toggle_export)
        click = guarded(self.choose, self.notice)
        self.details.cells.on_click(lambda _trace, points, _state: click(points))

    def _on_press(self, button: ipywidgets.Button, action: Callable[[], object]) -> None:
        run = guarded(action, self.notice)
        button.on_click(lambda _button: run())

    def _turn(self, slider: Slider, value: float) -> None:
        """Follow a slider."""
        with self._lock:
            if not self._is_setting:
                self._redraw(self._turned(slider, value))
                self._look_ahead(partial(self._try_steps, slider))

    def _turned(self, slider: Slider, value: float) -> Settings:
        """Return the settings with a slider at another value."""
        knobs, settings = self.knobs, self._settings
        if slider is knobs.size:
            return settings.turned(max_batch_size=int(value))
        if slider is knobs.interval:
            return settings.turned(flush_interval=_seconds(value))
        if slider is knobs.in_flight:
            return settings.turned(max_in_flight=int(value))
        return with_rate(settings, value, knobs.limiter.value)

    def _look_ahead(self, work: Callable[[], None]) -> None:
        """Try in a moment what is likely to be asked for next, and nobody has asked for yet."""
        if len(self._traffic.arrivals) <= _MOST_EVENTS_TO_LOOK_AHEAD:
            self._next = work
            self._ahead.ask(_AHEAD_S)

    def _try_steps(self, slider: Slider) -> None:
        for value in slider.neighbours:
            with suppress(EvAnalyticsError):
                self._traffic.prepare(self._turned(slider, value), self._traffic.stretch)

    def _try_stretches(self, before: Stretch) -> None:
        for stretch in self.timeline.steps_since(before):
            with suppress(EvAnalyticsError):
                self._traffic.prepare(self._settings, stretch)

    def _limit(self, limiter: Limiter) -> None:
        """Follow the choice of the kind of limit."""
        with self._lock:
            if not self._is_setting:
                self._redraw(with_rate(self._settings, self.knobs.rate.value, limiter))
                self.knobs.rate.disabled = limiter == "none"

    def _set(self, settings: Settings) -> None:
        """Put the controls where the settings are, and redraw once."""
        with self._lock:
            with self._quiet():
                self.knobs.show(settings)
            self._redraw(settings)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Let controls be set without drawing anything for each of them."""
        self._is_setting = True
        try:
            yield
        finally:
            self._is_setting = False

    def _change_traffic(self, name: str) -> None:
        with self._lock:
            self._traffic.change(name, self._settings)
            self._change_stretch(self.timeline.value)
            self.timeline.counts = self._traffic.counts()

    def _change_stretch(self, stretch: Stretch) -> None:
        with self._lock:
            before = self._traffic.stretch
            self._traffic.cut(*stretch)
            self.details.recommendation = None
            self._redraw()
            self._look_ahead(partial(self._try_stretches, before))

    def _change_goal(self, goal: str) -> None:
        with self._lock:
            self._goal = latency_goal(goal)
            self._redraw()

    def _pin(self) -> None:
        with self._lock:
            self._pinned = (self._settings, self._shown) if self._pinned is None else None
            self.actions.pin.description = "Pin" if self._pinned is None else "Unpin"
            self._redraw()

    def _reset(self) -> None:
        with self._lock:
            self._pinned = None
            self.actions.pin.description = "Pin"
            self._status.say("")
            with self._quiet():
                self.actions.traffic.value, self.actions.goal.value = AS_IT_WAS, self._begin_goal
                self.timeline.reset()
            self.settings = self._begin

    def _toggle_export(self) -> None:
        is_shown = bool(self.export.value)
        self.export.value = "" if is_shown else export_html(self._settings)

    def _start(self, button: ipywidgets.Button, action: Callable[[], object]) -> None:
        """Do something in a thread, its button disabled, and say how long it has been going on."""
        self.task = Task(button.tooltip, action, button, status=self._status, notice=self.notice)
        self.task.start()

    def _redraw(self, settings: Settings | None = None) -> None:
        """Show settings, by default those that are shown already; if they are refused, nothing changes."""
        if self._is_setting:
            return
        before, self._settings = self._settings, settings or self._settings
        try:
            board = self._measure()
        except EvAnalyticsError:
            self._settings = before
            raise
        self.figure.board = board
        self._write()
        self._later.ask(_IDLE_S)

    def _measure(self) -> Board:
        """Return the upper pictures of what the controls say."""
        pinned = None if self._pinned is None else self._pinned[1]
        self._shown, board = self._traffic.draw(self._settings, pinned, self._goal.most_s)
        return board

    def _write(self) -> None:
        """Write down what is shown; after the pictures, which people wait for."""
        rows = {"now": (self._settings, self.metrics)}
        if self._pinned is not None:
            rows["pinned"] = (self._pinned[0], self._pinned[1].metrics.to_dict())
        self._table.value = metrics_table(rows, self._goal)
        if self.export.value:
            self.export.value = export_html(self._settings)

    def _situation(self) -> Situation:
        with self._lock:
            row = {**self._settings.knobs(), **self.metrics}
            return Situation(self._traffic.arrivals, self._traffic.effective(self._settings), row, self._goal)

    def _follow(self) -> None:
        events = len(self._traffic.arrivals)
        if events <= _MOST_EVENTS_TO_FOLLOW:
            self.show_details(with_map=events <= _MOST_EVENTS_TO_MAP)


def _seconds(value: float) -> timedelta:
    return timedelta(microseconds=round(value * 1e6))
