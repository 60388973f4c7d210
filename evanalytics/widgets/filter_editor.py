"""A filter, composed from what a log holds or written as a document, and what it does to the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets
import polars as pl

from evanalytics.filters.compose import Condition, Joined, compose, decompose, fitted
from evanalytics.filters.explain import Explanation
from evanalytics.filters.export import to_python
from evanalytics.filters.facets import events_over_time, facets
from evanalytics.filters.filter import Filter
from evanalytics.filters.filter import filter as read_filter
from evanalytics.filters.preview import Count, first_matches, quick_count
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import TYPE
from evanalytics.plots.filters import editor_board, waterfall_figure
from evanalytics.plots.panel import Board
from evanalytics.widgets.arrow_keys import ArrowKeys
from evanalytics.widgets.background import Later, StatusLine, Task
from evanalytics.widgets.base import Notice, guarded, labelled_button, on_change, replace_children
from evanalytics.widgets.figure_box import FigureBox
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.files import files_html
from evanalytics.widgets.filter_details import count_text, matches_html, sql_html, trees_html
from evanalytics.widgets.filter_rows import ConditionRow, TypeTicks
from evanalytics.widgets.filter_values import Facet, beginning

_IDLE_S = 0.8  # the explanation follows once nothing has changed for so long
_MOST_EVENTS_BY_COLUMNS, _MOST_EVENTS_ONE_BY_ONE = 5_000_000, 200_000
_FIGURE_PX, _PARTS, _MATCHES = 540, 300, 10
_NOTHING = pl.DataFrame(
    schema=dict.fromkeys(("condition", "ran"), pl.String)
    | dict.fromkeys(("rows_in", "rows_out"), pl.Int64)
    | {"ms": pl.Float64}
)
_JOINED = [("all of these", "all"), ("any of these", "any")]
_HINT = (
    "The same filter as a document in MongoDB's style. It counts once you leave the field (Tab); "
    "a mistake is told below, and the last filter stays."
)
_MORE = "This filter says more than conditions can show. Edit the document, or add conditions anew."
_NONE = "No conditions: every event matches.<br>Add one, or write a document."


class FilterEditor(ipywidgets.VBox):  # type: ignore[misc]
    """A filter to compose and to edit, with what it does to a log.

    Types of events are ticked. Conditions offer what else the log holds: values with their counts, numbers
    from quantile to quantile, text by an operator. The document beside them says the same; either follows
    the other. The number of matches follows at once; pictures, trees, SQL and the first matches follow when
    nothing has changed for a moment (up to five million events, or 200,000 where a condition needs the events
    themselves; beyond, there is a button).

    Attributes:
        joined: Whether all must hold, or any: "all" or "any".
        types: The ticks of event types; while all are ticked, the type is not asked for.
        add: The button that adds a condition.
        document: The filter as JSON text; set its `value`.
        facets: What the log holds, by path: rows of `facets`.
        count: How many events match, as far as columns tell.
        explanation: What the pictures show; None until the first one is there.
        figure: What each condition leaves over, a plotly `FigureWidget`.
        tabs: First matches, trees and rules, SQL, and the filter to take along.
        task: What was last begun by the button; its `join` waits for it.
        notice: What is wrong with what was asked; its `text` is empty while all is well.
        late_notice: Likewise of what follows in the background.
    """

    def __init__(self, log: EventLog, *, filter: Filter | dict[str, Any] | None = None) -> None:
        """Look at what the log holds, and show a filter; by default one that every event matches.

        Raises:
            FilterError: The filter document cannot be read.
        """
        super().__init__()
        self._lock = threading.RLock()  # callbacks may run in another thread while a cell runs
        self._is_setting = False
        self._log, self._total = log, len(log)
        self.facets = _facets_of(log)
        self._begin = self._filter = read_filter(filter or {})
        self.count = Count(self._total, True)
        self.explanation: Explanation | None = None
        self.task: Task | None = None
        self._build()
        self._listen()
        self.filter = self._begin

    @property
    def filter(self) -> Filter:
        """The filter that is shown; set it to a filter or a document."""
        return self._filter

    @filter.setter
    def filter(self, condition: Filter | dict[str, Any]) -> None:
        with self._lock:
            chosen = read_filter(condition)
            self._show(chosen)
            self._show_rows(chosen)
            self._write(chosen)

    @property
    def matches(self) -> EventLog:
        """The log of the events that match."""
        return self._log.where(self._filter)

    def show_explanation(self) -> None:
        """Draw the pictures and write the tabs for the filter that is shown, now."""
        self._later.cancel()
        chosen = self._filter
        began = time.perf_counter()
        found = chosen.explain(self._log)
        first = first_matches(chosen, self._log, _MATCHES)
        spent_ms = 1e3 * (time.perf_counter() - began)
        with self._lock:
            if chosen is not self._filter:
                return  # another one follows
            self.explanation = found
            matches = self._total if found.matches is None else found.matches
            self.count = Count(matches, True)
            self._tell(f"explained in {spent_ms:,.0f} ms")
            pages = (
                matches_html(first, matches),
                trees_html(chosen, found),
                sql_html(found),
                _files_of(chosen),
            )
            for page, text in zip(self.tabs.children, pages, strict=True):
                page.value = text

    def close(self) -> None:
        """Stop what goes on in the background, and remove the view."""
        self._later.cancel()
        self._later.join()
        super().close()

    def _build(self) -> None:
        self.notice = Notice()
        self.late_notice = Notice()
        self._later = Later(self._follow, self.late_notice)
        self.joined = ipywidgets.Dropdown(options=_JOINED, description="match")
        self.add = labelled_button("Add condition", "Add a condition")
        self.reset = labelled_button("Reset", "Back to the filter with which it began")
        self.explain = labelled_button("Explain", "Say what each condition does and costs")
        actions = ipywidgets.HBox([self.joined, self.add, self.reset, self.explain]).add_class("ev-actions")
        self.types = TypeTicks(self.facets[TYPE]).add_class("ev-condition")
        self._conditions = ipywidgets.VBox()
        self._status = StatusLine()
        self.document = ipywidgets.Textarea(
            description="filter document (JSON)", continuous_update=False, rows=9
        )
        hint = ipywidgets.HTML(f"<p class='ev-hint'>{_HINT}</p>")
        form = ipywidgets.VBox([actions, self.types, self._conditions]).add_class("ev-conditions")
        text = ipywidgets.VBox([self.document, hint]).add_class("ev-document")
        board = self._board()
        self.figure = BoardFigure(waterfall_figure(board, height=_FIGURE_PX), board)
        self.tabs = ipywidgets.Tab([ipywidgets.HTML() for _ in range(4)], selected_index=0)
        self.tabs.titles = ("First matches", "Tree and rules", "SQL", "Take along")
        self.tabs.children[3].add_class("ev-export")
        columns = ipywidgets.HBox([form, text]).add_class("ev-columns")
        self.children = [
            columns, self.notice, self.late_notice, self._status, FigureBox(self.figure), self.tabs,
            ArrowKeys(),
        ]  # fmt: skip
        self.add_class("ev-app").add_class("ev")

    def _listen(self) -> None:
        on_change(self.joined, lambda _: self._compose(), self.notice)
        on_change(self.types, lambda _: self._compose(), self.notice, name="checked")
        on_change(self.document, self._read_document, self.notice)
        self._on_press(self.add, self._add)
        self._on_press(self.reset, self._reset)
        self._on_press(self.explain, self._start)

    def _on_press(self, button: ipywidgets.Button, action: Any) -> None:
        run = guarded(action, self.notice)
        button.on_click(lambda _button: run())

    @property
    def rows(self) -> tuple[ConditionRow, ...]:
        """The conditions that are shown; none while the filter says more than such can."""
        return tuple(row for row in self._conditions.children if isinstance(row, ConditionRow))

    def _add(self) -> None:
        """Add a condition on the first path that has none."""
        with self._lock:
            taken = {row.path.value for row in self.rows} | ({TYPE} if self.types.is_offered else set())
            path = next((path for path in self.facets if path not in taken), next(iter(self.facets)))
            replace_children(self._conditions, [*self.rows, self._row(beginning(self.facets[path]))])
            self.types.show(True)
            self._compose()

    def _remove(self, row: ConditionRow) -> None:
        with self._lock:
            replace_children(self._conditions, [other for other in self.rows if other is not row])
            self._compose()

    def _compose(self) -> None:
        """Follow the conditions."""
        with self._lock:
            is_beyond = len(self.rows) < len(self._conditions.children)
            if not self._is_setting and not is_beyond:
                asked = self.types.joined_with([row.condition for row in self.rows])
                chosen = compose(asked, self.joined.value)
                self._show(chosen)
                self._write(chosen)

    def _read_document(self, text: str) -> None:
        """Follow the document; if it cannot be read, the last filter stays."""
        with self._lock:
            if not self._is_setting:
                chosen = Filter.from_json(text)
                self._show(chosen)
                self._show_rows(chosen)

    def _reset(self) -> None:
        self.filter = self._begin

    def _show(self, chosen: Filter) -> None:
        """Count the matches; if that cannot be done, nothing changes."""
        began = time.perf_counter()
        self.count = quick_count(chosen, self._log)
        self._filter = chosen
        self._tell(f"counted in {1e3 * (time.perf_counter() - began):,.0f} ms")
        self._later.ask(_IDLE_S)

    def _tell(self, remark: str) -> None:
        """Draw and say how many events match."""
        self.figure.board = self._board(f"{self._total:,} events · {remark}")
        self._status.say(count_text(self.count, self._total))

    def _board(self, remark: str = "") -> Board:
        found = self.explanation
        tables = (_NOTHING, _NOTHING) if found is None else (found.original, found.optimized)
        is_empty = not any(table.height for table in tables) and not self._filter.paths
        return editor_board(
            *tables,
            matches=self.count.events,
            total=self._total,
            remark=remark,
            message=_NONE if is_empty else "",
        )

    def _write(self, chosen: Filter) -> None:
        with self._quiet():
            self.document.value = chosen.to_json(indent=2)

    def _show_rows(self, chosen: Filter) -> None:
        """Show the filter as conditions, if such can say it."""
        parts = _shown_as(chosen, self.facets)
        self.types.show(parts is not None)
        with self._quiet():
            if parts is None:
                self.types.take([])
                note = ipywidgets.HTML(f"<p class='ev-hint'>{_MORE}</p>")
                replace_children(self._conditions, [note])
                return
            conditions, self.joined.value = parts
            replace_children(
                self._conditions, [self._row(condition) for condition in self.types.take(conditions)]
            )

    def _row(self, condition: Condition) -> ConditionRow:
        return ConditionRow(
            self.facets, condition, changed=self._compose, removed=self._remove, notice=self.notice
        )

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Let controls be set without following each of them."""
        before, self._is_setting = self._is_setting, True
        try:
            yield
        finally:
            self._is_setting = before

    def _follow(self) -> None:
        """Explain what is shown, unless that takes too long to be done unasked."""
        most = _MOST_EVENTS_BY_COLUMNS if self.count.is_exact else _MOST_EVENTS_ONE_BY_ONE
        if self._total <= most:
            self.show_explanation()
        else:
            self.tabs.children[3].value = _files_of(self._filter)

    def _start(self) -> None:
        """Explain in a thread, the button disabled, and say how long it has been going on."""
        self.task = Task(
            "Explaining",
            self.show_explanation,
            self.explain,
            status=self._status,
            notice=self.late_notice,
        )
        self.task.start()


def _facets_of(log: EventLog) -> dict[str, Facet]:
    """Return what the log holds by path; of instants the counts are those over time."""
    found: dict[str, Facet] = {row["path"]: row for row in facets(log).iter_rows(named=True)}
    for path, facet in found.items():
        if facet["kind"] == "instant" and facet["quantiles"]:
            start_us, end_us = int(facet["quantiles"][0]), int(facet["quantiles"][-1]) + 1
            counts = events_over_time(log, start_us, end_us, _PARTS)
            found[path] = {**facet, "counts": counts}
    return found


def _files_of(chosen: Filter) -> str:
    files = {"filter.json": chosen.to_json(indent=2), "filter.py": to_python(chosen)}
    return f"<div class='ev-page'>{files_html(files)}</div>"


def _shown_as(chosen: Filter, known: Mapping[str, Facet]) -> tuple[list[Condition], Joined] | None:
    """Return a filter as conditions that rows can show; None if they cannot."""
    parts = decompose(chosen)
    if parts is None:
        return None
    rows = [
        fitted(part, known[part.path]["kind"], known[part.path]["dtype"]) if part.path in known else None
        for part in parts[0]
    ]
    shown = [row for row in rows if row is not None]
    return (shown, parts[1]) if len(shown) == len(rows) else None
