"""The traffic of a log, driven by a range of time and a choice of types."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import ipywidgets

from evanalytics.logs.log import EventLog
from evanalytics.logs.profile import TrafficProfile
from evanalytics.plots.panel import Board, board_figure
from evanalytics.plots.theme import COLORS, color_of, shorten
from evanalytics.plots.traffic import details_board, timeline_board
from evanalytics.widgets.background import Later
from evanalytics.widgets.base import Notice, on_change
from evanalytics.widgets.controls import Tally
from evanalytics.widgets.figure_box import FigureBox
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.timeline import Timeline

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LISTED_TYPES, _LISTED_SOURCES = 40, 8
_NAME_LENGTH = 200
_OVERVIEW_PARTS = 300
_TIMELINE_PX, _DETAILS_PX = 310, 280
_DETAILS_AFTER_S = 0.8
_NOTHING_HERE = "No events here.<br>Widen the time range, or tick another type."
_NOTHING_AT_ALL = "This log has no events.<br>The read report says what became of its records."


class TrafficExplorer(ipywidgets.VBox):  # type: ignore[misc]
    """Pictures of a log's traffic: how much, in what bursts, how late, and from whom.

    Drag over the time range to look into a stretch, double-click to see the whole log again.
    Millions of events are fine: they are sorted once, here, and binned anew at each change.
    The timeline and the counts follow at once, the pictures below a moment after the last change.

    Attributes:
        time_range: The stretch that is shown; set its `value` to (start, end) in microseconds.
        types: The choice of types; set its `checked` to places in its `names`.
        sources: The busiest sources of what is shown.
        figure: The events over time, a plotly `FigureWidget`.
        details: Gaps, bursts and lateness, the second `FigureWidget`.
        shown: The profile of what is shown.
        notice: What went wrong, if anything did; its `text` is empty while all is well.
    """

    def __init__(self, log: EventLog) -> None:
        """Sort and encode the log's arrivals, and draw them all."""
        self._whole = self._chosen = self.shown = TrafficProfile.of(log, named_types=len(COLORS))
        self._lock = threading.RLock()  # callbacks may run in another thread while a cell runs
        self.time_range = _timeline(self._whole)
        self.types = _type_tally(self._whole)
        self.sources = Tally("Busiest sources", names=[], counts=[])
        self.notice = Notice()
        self._later = Later(self.refresh, self.notice)
        timeline, details = self._draw_timeline(), _draw_details(self.shown)
        self.figure = BoardFigure(board_figure(timeline, height=_TIMELINE_PX), timeline)
        self.details = BoardFigure(board_figure(details, height=_DETAILS_PX), details)
        self._count()
        side = ipywidgets.VBox([self.types, self.sources]).add_class("ev-side")
        figures = ipywidgets.VBox([FigureBox(self.figure), FigureBox(self.details)]).add_class("ev-main")
        columns = ipywidgets.HBox([side, figures]).add_class("ev-columns")
        super().__init__([self.time_range, self.notice, columns])
        self.add_class("ev-app")
        on_change(self.time_range, self._change_range, self.notice)
        on_change(self.types, self._change_types, self.notice, name="checked")

    def select(
        self,
        *,
        types: Collection[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> None:
        """Show the events of these types with start <= time < end; None leaves a side open.

        All pictures have followed when it returns. Types past the listed ones stand and fall together.
        """
        low = self._whole.start_us if start is None else _us(start)
        high = self._whole.end_us if end is None else _us(end)
        listed = self._whole.types[:_LISTED_TYPES]
        places = [place for place, name in enumerate(listed) if types is None or name in types]
        if len(self.types.names) > len(listed) and (types is None or set(types) - set(listed)):
            places.append(len(listed))
        self.types.checked = places
        self.time_range.value = (low, high)
        self.refresh()

    def refresh(self) -> None:
        """Draw the pictures below the timeline now, instead of a moment later."""
        with self._lock:
            self._later.cancel()
            self.details.board = _draw_details(self.shown)

    def close(self) -> None:
        """Plan nothing more, and take the widget off the page."""
        self._later.cancel()
        super().close()

    def _change_types(self, checked: list[int]) -> None:
        with self._lock:
            chosen = set(checked)
            names = enumerate(self._whole.types)
            self._chosen = self._whole.only([name for at, name in names if min(at, _LISTED_TYPES) in chosen])
            self._redraw()

    def _change_range(self, _value: Any) -> None:
        with self._lock:
            self._redraw()

    def _redraw(self) -> None:
        self.figure.board = self._draw_timeline()
        self._count()
        self._later.ask(_DETAILS_AFTER_S)

    def _draw_timeline(self) -> Board:
        began = time.perf_counter()
        self.shown = self._chosen.between(*self.time_range.value)
        frame = self.shown.events_over_time()
        remark = f"{len(self.shown):,} events · {1e3 * (time.perf_counter() - began):.1f} ms"
        nothing = _NOTHING_HERE if len(self._whole) else _NOTHING_AT_ALL
        return timeline_board(frame, remark=remark, message="" if len(self.shown) else nothing)

    def _count(self) -> None:
        counts = self._whole.between(*self.time_range.value).type_counts().tolist()
        rest = [sum(counts[_LISTED_TYPES:])] if len(counts) > _LISTED_TYPES else []
        self.types.counts = counts[:_LISTED_TYPES] + rest
        busiest = self.shown.top_sources(_LISTED_SOURCES)
        with self.sources.hold_sync():
            self.sources.names = [_listed(name, "all other sources") for name in busiest["name"]]
            self.sources.colors = [color_of(None)] * busiest.height
            self.sources.counts = busiest["events"].to_list()


def _draw_details(shown: TrafficProfile) -> Board:
    began = time.perf_counter()
    frames = {"gaps": shown.gaps(), "burstiness": shown.burstiness(), "lateness": shown.lateness()}
    remark = f"{len(shown):,} events · {1e3 * (time.perf_counter() - began):.1f} ms"
    return details_board(**frames, remark=remark)


def _timeline(whole: TrafficProfile) -> Timeline:
    counts = whole.counts(_OVERVIEW_PARTS)
    return Timeline("Time range", start_us=whole.start_us, end_us=whole.end_us, counts=counts)


def _type_tally(whole: TrafficProfile) -> Tally:
    names = [_listed(name, "") for name in whole.types[:_LISTED_TYPES]]
    if more := len(whole.types) - len(names):
        names.append(f"{more:,} further types")
    colors = [color_of(place) for place in range(len(names))]
    return Tally("Types", names=names, counts=[0] * len(names), colors=colors, selectable=True)


def _listed(name: str | None, rest: str) -> str:
    return rest if name is None else shorten(name, _NAME_LENGTH)


def _us(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
