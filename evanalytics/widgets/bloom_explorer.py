"""A Bloom filter under three sliders: what it promises, what it does, what it costs in front of a log."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import polars as pl

from evanalytics.bloom.accuracy import bits_per_id
from evanalytics.bloom.columns import refuse_unfit
from evanalytics.bloom.comparison import COMPARISON_SCHEMA, compare_with_exact
from evanalytics.bloom.dedupe import DedupeCost, IdTraffic, dedupe_cost, dedupe_costs
from evanalytics.bloom.filling import Filled, fill_step_by_step, filling_frame, formula_frame
from evanalytics.bloom.measurement import random_ids
from evanalytics.bloom.plan import FilterPlan
from evanalytics.exceptions import BloomError
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import ID, TS
from evanalytics.plots.bloom_boards import live_board, live_figure, others_board, others_figure
from evanalytics.plots.panel import Board
from evanalytics.widgets.background import Later, StatusLine, Task
from evanalytics.widgets.base import Notice, guarded, on_change
from evanalytics.widgets.bloom_controls import (
    LOADS,
    FilterKnobs,
    capacity_for,
    dedupe_text,
    filter_text,
    paragraphs,
    rate_text,
)
from evanalytics.widgets.figure_box import FigureBox
from evanalytics.widgets.figures import BoardFigure

_IDLE_S, _REDRAW_S = 0.8, 0.3
_MOST_GIVEN = 100_000  # ids of a log that a filter is asked for at each step
_MOST_RACED_AT_ONCE, _MOST_RACED = 100_000, 2_000_000
_MADE_UP = IdTraffic(events=1_000_000, ids=1_000_000, span_s=86_400)
_BITS = np.geomspace(2, 40, 30)
_RATES = [10 ** (-place / 4) for place in range(2, 25)]


class BloomExplorer(ipywidgets.VBox):  # type: ignore[misc]
    """How large a Bloom filter must be, whether it keeps its promise, and what it costs on a log.

    The two upper pictures, of formulas and costs, follow the sliders. Once these have been still for a
    moment the lower ones follow, and a real filter of that size is filled and asked for ids that it does not
    hold, at each load up to three times its capacity; the points appear as they are measured. What memory
    and time an exact set and a semi join take is measured with up to 100,000 ids, and at the slider's
    capacity, up to two million, on a button.

    Attributes:
        knobs: The sliders (`capacity`, `error_rate` in percent, `load` in percent); set their `value`.
        traffic: How many ids come in the log, and how many come again.
        measured: What has been measured of the filter that is shown; one row per load.
        comparison: The filter beside a set and a semi join, as `compare_with_exact` returns it.
        figure: The two pictures that follow the sliders, a plotly `FigureWidget`.
        others: Memory, time and bits an id of other ways, the second one.
        race_button: Measures memory and time at the slider's capacity.
        task: What was last begun by the button; its `join` waits for it.
        notice: What went wrong, if anything did; its `text` is empty while all is well.
    """

    def __init__(self, log: EventLog | None = None, *, ids: pl.Series | None = None) -> None:
        """Count the ids of a log, and show a filter that would hold them.

        Args:
            log: Whose ids and instants.
            ids: Ids instead of a log, String; they are taken for a day's. Without either the
                price is that of a million new ids a day.

        Raises:
            BloomError: Both were given, or there are no ids, or they are no text, or null.
        """
        super().__init__()
        self._whose, self.traffic, self._given = _ids_of(log, ids)
        self._start = FilterPlan(capacity=capacity_for(self.traffic.ids), error_rate=0.01)
        self._lock = threading.RLock()  # callbacks may run in another thread while a cell runs
        self._filling = threading.Lock()
        self._is_setting = False
        self._curves = bits_per_id(_RATES)
        self._plan = self._start
        self._forget()
        self.comparison = pl.DataFrame(schema=COMPARISON_SCHEMA)
        self.task: Task | None = None
        self.knobs = FilterKnobs(self._start)
        self._build()
        self._later.ask(0)

    @property
    def plan(self) -> FilterPlan:
        """The filter that is shown."""
        return self._plan

    @property
    def now(self) -> dict[str, Any] | None:
        """What was measured at the load that is shown; None as long as nothing was."""
        found = self.measured.filter((pl.col("load") - self._plan.load).abs() < 1e-9)
        return found.row(0, named=True) if found.height else None

    @property
    def cost(self) -> DedupeCost:
        """What the filter costs in front of the log: by its own bits, or by formula until it is filled."""
        now = self.now
        return dedupe_cost(self.traffic, self._plan.formula if now is None else now["own_bits"])

    @property
    def told(self) -> str:
        """What is said of the filter, its promise and its price, as HTML."""
        return str(self._told.value)

    def turn(
        self, *, capacity: int | None = None, error_rate: float | None = None, load: float | None = None
    ) -> None:
        """Move sliders, each to its nearest stop; rates and loads are shares, not percent."""
        plan = self._plan
        wanted = FilterPlan(
            capacity=capacity or plan.capacity,
            error_rate=error_rate or plan.error_rate,
            load=load or plan.load,
        )
        with self._lock:
            self._is_setting = True
            try:
                self.knobs.show(wanted)
            finally:
                self._is_setting = False
            self._redraw()
            self._show_others()

    def measure(self) -> pl.DataFrame:
        """Fill a real filter now, instead of a moment later, and return what was measured."""
        self._later.cancel()
        self._show_others()
        self._fill()
        return self.measured

    def compare(self, ids: int | None = None) -> pl.DataFrame:
        """Measure memory and time beside a set and a semi join, with so many ids or the slider's capacity."""
        plan = self._plan
        count = min(ids or plan.capacity, _MOST_RACED)
        present = random_ids(count, seed=1)
        asked = pl.concat([present.head(count // 2), random_ids(count - count // 2, seed=2)])
        found = compare_with_exact(present, asked, error_rate=plan.error_rate)
        with self._lock:
            self.comparison, self._raced = found, (plan.capacity, plan.error_rate)
            self._show_others()
        return found

    def close(self) -> None:
        """Stop what goes on in the background, and remove the view."""
        self._later.cancel()
        self._forget()
        self._later.join()
        super().close()

    def _build(self) -> None:
        self.notice, self._told, self._status = Notice(), ipywidgets.HTML(), StatusLine()
        self._later = Later(self._follow, self.notice)
        self.race_button = ipywidgets.Button(
            description="Measure time and memory", tooltip="Measuring time and memory at this capacity"
        ).add_class("ev-button")
        self.reset_button = ipywidgets.Button(
            description="Reset", tooltip="Put the sliders back to where they began"
        ).add_class("ev-button")
        live, others = self._board(), self._others_board()
        self.figure = BoardFigure(live_figure(live), live)
        self.others = BoardFigure(others_figure(others), others)
        self._raced = (0, 0.0)  # with which capacity and error rate
        self._tell()
        buttons = ipywidgets.HBox([self.race_button, self.reset_button]).add_class("ev-actions")
        self.children = [
            self.knobs, self.notice, self._told, FigureBox(self.figure), buttons, self._status,
            FigureBox(self.others),
        ]  # fmt: skip
        self.add_class("ev-app")
        for slider in (self.knobs.capacity, self.knobs.error_rate, self.knobs.load):
            on_change(slider, lambda _value: self._redraw(), self.notice)
        race, reset = guarded(self._start_race, self.notice), guarded(self._reset, self.notice)
        self.race_button.on_click(lambda _button: race())
        self.reset_button.on_click(lambda _button: reset())

    def _redraw(self) -> None:
        """Show what the sliders say."""
        with self._lock:
            if self._is_setting:
                return
            before, self._plan = self._plan, self.knobs.plan()
            if before.shape != self._plan.shape:
                self._forget()
            self.figure.board = self._board()
            self._tell()
            self._later.ask(_IDLE_S)

    def _board(self) -> Board:
        began = time.perf_counter()
        plan, cost = self._plan, self.cost
        sizes = sorted({max(32, int(plan.capacity * bits / 8)) for bits in _BITS})
        board = partial(
            live_board,
            formula=formula_frame(plan.shape, plan.capacity, LOADS),
            measured=self.measured,
            promise=plan.error_rate,
            load=plan.load,
            costs=dedupe_costs(self.traffic, capacity=plan.capacity, held=plan.held, sizes=sizes),
            cost={"bytes": plan.shape.bytes, "false_drops": cost.false_drops, "lookups": cost.lookups},
        )
        spent_ms = 1e3 * (time.perf_counter() - began)
        return board(remark=f"{plan.held:,} of {plan.capacity:,} ids · {spent_ms:.0f} ms")

    def _others_board(self) -> Board:
        plan = self._plan
        return others_board(self._curves, self.comparison, promise=plan.error_rate, bits=plan.bits_per_id)

    def _show_others(self) -> None:
        with self._lock:
            self.others.board = self._others_board()

    def _tell(self) -> None:
        self._told.value = paragraphs(
            {
                "The filter": filter_text(self._plan),
                "Its promise": rate_text(self._plan, self.now),
                "Dedupe": dedupe_text(self._plan, self.traffic, self.cost, self._whose),
            }
        )

    def _forget(self) -> None:
        """Begin anew with what is measured; a filling that is under way stops soon."""
        self.measured = filling_frame([])
        self._steps: list[Filled] = []

    def _follow(self) -> None:
        self._show_others()
        self._fill()
        plan = self._plan
        if len(self._steps) == len(LOADS) and self._raced != (plan.capacity, plan.error_rate):
            self.compare(min(plan.capacity, _MOST_RACED_AT_ONCE))

    def _fill(self) -> None:
        """Fill a filter of the shape that is shown, unless that was done, and draw what is measured."""
        with self._filling:
            with self._lock:
                plan, steps, drawn_at = self._plan, self._steps, time.monotonic()
            if len(steps) == len(LOADS):
                return
            steps.clear()
            for step in fill_step_by_step(plan.shape, plan.capacity, loads=LOADS, given=self._given):
                if steps is not self._steps:
                    return  # the sliders mean another filter by now
                if step is not None:
                    steps.append(step)
                if step is not None and (len(steps) == len(LOADS) or time.monotonic() - drawn_at > _REDRAW_S):
                    self._show(steps)
                    drawn_at = time.monotonic()

    def _show(self, steps: list[Filled]) -> None:
        with self._lock:
            if steps is self._steps:
                self.measured = filling_frame(steps)
                self.figure.board = self._board()
                self._tell()

    def _start_race(self) -> None:
        self.task = Task(
            self.race_button.tooltip, self.compare, self.race_button, status=self._status, notice=self.notice
        )
        self.task.start()

    def _reset(self) -> None:
        plan = self._start
        self.turn(capacity=plan.capacity, error_rate=plan.error_rate, load=plan.load)


def _ids_of(log: EventLog | None, ids: pl.Series | None) -> tuple[str, IdTraffic, pl.Series | None]:
    """Return whose ids they are, how they come, and some of them to ask for."""
    if log is not None and ids is not None:
        raise BloomError("BloomExplorer: needs a log or ids, got both")
    if log is None and ids is None:
        return "A made-up log", _MADE_UP, None
    if ids is not None:
        refuse_unfit(ids, pl.String)
        whose, traffic = "Your ids", IdTraffic.of(ids)
    else:
        assert log is not None
        frame = log.lazy.select(ID, TS).collect()
        ids, whose, traffic = frame[ID], "Your log", IdTraffic.of(frame[ID], frame[TS])
    return whose, traffic, ids.unique(maintain_order=True).head(_MOST_GIVEN)
