"""A stream while it runs: how far each node is, how fast, what waits, what is late or tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import ipywidgets
import polars as pl

from evanalytics.clock import Clock, SystemClock, wait_all
from evanalytics.exceptions import StreamError
from evanalytics.plots.live_run import run_board, run_figure
from evanalytics.plots.panel import Board
from evanalytics.publisher import EventPublisher
from evanalytics.streams.live import LiveRun
from evanalytics.streams.processor import StreamProcessor
from evanalytics.streams.result import StreamResult
from evanalytics.streams.run_history import RunHistory
from evanalytics.widgets.background import sentence
from evanalytics.widgets.base import Notice, guarded, is_strict, labelled_button, told
from evanalytics.widgets.figure_box import FigureBox
from evanalytics.widgets.figures import BoardFigure
from evanalytics.widgets.home_loop import HomeLoop
from evanalytics.widgets.tables import frame_table

_REDRAW_NS = 300_000_000
_PAUSE = 9
"""After a redraw the loop has at least so many times as long for other things."""


class LiveMonitor(ipywidgets.VBox):  # type: ignore[misc]
    """A running processor, looked at three times a second until it ends.

    It only reads what the run counts anyway, in the event loop, and takes at most a tenth of its
    time. When the run fails, a sentence says why, and the pictures show how far it came.

    Attributes:
        begin: The button that starts a run; disabled while one is on, or without a function for it.
        end: The button that stops it; disabled while there is none, and while it is being stopped.
        run: The run that is shown; None before the first one.
        nodes: How far each node is (a polars frame, see `RunHistory.nodes`).
        history: All that is shown, as frames: `rates()`, `queues()`, `latencies()`.
        figure: The pictures, a plotly `FigureWidget`.
        notice: What went wrong, if anything did; its `text` is empty while all is well.

    Example:
        >>> async def watch(processor: StreamProcessor, service: Any) -> LiveMonitor:
        ...     monitor = LiveMonitor(processor, lambda: processor.start(service))
        ...     await monitor.start()  # as the button does
        ...     return monitor
    """

    def __init__(
        self,
        processor: StreamProcessor,
        start: Callable[[], Awaitable[LiveRun]] | None = None,
        *,
        publisher: EventPublisher | None = None,
        beside: StreamResult | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Show the run that is on, if one is.

        Args:
            processor: Whose runs.
            start: Starts a run, for the button; without it there is only the button that stops.
            publisher: What feeds it, to be shown as well.
            beside: A batch replay to compare with, node by node.
            clock: The machine's clock by default.
        """
        self._processor, self._start, self._beside = processor, start, beside
        self._publishing = None if publisher is None else publisher.metrics
        self._clock = clock or SystemClock()
        self._loop = HomeLoop()
        self._following: asyncio.Task[None] | None = None
        self._pressed: asyncio.Task[None] | None = None
        self.run: LiveRun | None = None
        self.notice = Notice()
        self.begin = labelled_button("Start", "Start a run").add_class("ev-primary")
        self.end = labelled_button("Stop", "Stop the run, once all that was read is delivered")
        self._status, self._table = ipywidgets.HTML(), ipywidgets.HTML()
        self.history = self._new_history()
        board = self._board()
        self.figure = BoardFigure(run_figure(board), board)
        bar = ipywidgets.HBox([self.begin, self.end, self._status]).add_class("ev-actions")
        super().__init__([bar, self.notice, FigureBox(self.figure), self._table])
        self.add_class("ev-app").add_class("ev-monitor")
        self._tell("Not started yet", is_on=False)
        self._draw()
        self._on_press(self.begin, self.start)
        self._on_press(self.end, self.stop)
        if processor.live_run is not None and processor.live_run.is_running:
            self._follow(processor.live_run)

    @property
    def nodes(self) -> pl.DataFrame:
        """How far each node is, as far as it is shown."""
        return self.history.nodes()

    async def start(self) -> LiveRun:
        """Start a run, as the button does, and return it.

        Raises:
            StreamError: One is on already, or there is nothing to start it with; and what its start raises.
        """
        if self._start is None:
            raise StreamError("monitor: has nothing to start a run with; give it a function that does")
        self._tell("Starting …", is_on=None)
        try:
            run = await self._start()
        except BaseException:
            self._tell("Not started", is_on=False)
            raise
        self._follow(run)
        return run

    async def stop(self) -> None:
        """Stop the run, as the button does; returns once all is delivered and shown.

        Raises:
            StreamError: The run has failed.
        """
        self._tell("Stopping: what was read is being delivered …", is_on=None)
        try:
            await self._processor.stop()
        finally:
            if self._following is not None:
                await asyncio.wait([self._following])

    def close(self) -> None:
        """Look no more, and take the widget off the page; the run goes on."""
        if self._following is not None:
            self._loop.act(self._following.cancel, self.notice)
        super().close()

    def _follow(self, run: LiveRun) -> None:
        """Show a run from now on."""
        if not self._loop.is_there:
            raise StreamError(
                "monitor: no event loop is running here that could wait; build it in a notebook"
            )
        if self._following is not None:
            self._following.cancel()
        self.run, self.history = run, self._new_history(run)
        self.notice.show("")
        self._tell("Running", is_on=True)
        self._following = self._loop.create_task(self._watch(run))

    async def _watch(self, run: LiveRun) -> None:
        """Look at a run now and then until it ends, and say how it ended."""
        ending = asyncio.ensure_future(run.wait())
        try:
            while not ending.done():
                began_ns = self._clock.monotonic_ns()
                self._look(run)
                took_ns = self._clock.monotonic_ns() - began_ns
                await _wait(ending, max(_REDRAW_NS, _PAUSE * took_ns), self._clock)
            (outcome,) = await asyncio.gather(ending, return_exceptions=True)
            self._look(run)
            self._tell(self._progress("Ended", run), is_on=False)
            if outcome is not None:
                self.notice.show(
                    f"The run has failed: {outcome or 'it was cut'}. What is shown is how far it came."
                )
        except Exception as error:
            self.notice.show(told(error))
            self._tell("No longer looked at", is_on=True)
            if is_strict():
                raise
        finally:
            ending.cancel()

    def _look(self, run: LiveRun) -> None:
        self.history.look()
        self._draw()
        if self.begin.disabled and not self.end.disabled:  # and not being stopped
            self._tell(self._progress("Running", run), is_on=True)

    def _draw(self) -> None:
        self.figure.board = self._board()
        self._table.value = frame_table(_readable(self.nodes), "Nodes")

    def _board(self) -> Board:
        history = self.history
        return run_board(history.nodes(), history.rates(), history.queues(), history.latencies())

    def _new_history(self, run: LiveRun | None = None) -> RunHistory:
        return RunHistory(
            self._processor.graph,
            run,
            publishing=self._publishing,
            beside=None if self._beside is None else self._beside.counts,
            clock=self._clock,
        )

    def _progress(self, said: str, run: LiveRun) -> str:
        refused = run.refused_count
        odd = f", {refused:,} of them did not fit the schema" if refused else ""
        return f"{said}: {run.offset.position:,} events read in {self.history.seconds:.1f} s{odd}."

    def _tell(self, said: str, *, is_on: bool | None) -> None:
        """Say what is going on, and let press what can be pressed; None: it is changing just now."""
        self._status.value = sentence(said, is_busy=is_on is None)
        self.begin.disabled = is_on is not False or self._start is None
        self.end.disabled = is_on is not True

    def _on_press(self, button: ipywidgets.Button, work: Callable[[], Awaitable[object]]) -> None:
        def press() -> None:
            self._pressed = self._loop.create_task(self._do(work))

        run = guarded(lambda: self._loop.act(press, self.notice), self.notice)
        button.on_click(lambda _button: run())

    async def _do(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  whoever has pressed the button is told
            if self._following is None or not self.notice.text:
                self.notice.show(told(error))


async def _wait(ending: asyncio.Future[Any], at_most_ns: int, clock: Clock) -> None:
    await wait_all([ending], clock=clock, timeout=timedelta(microseconds=at_most_ns // 1_000))


def _readable(nodes: pl.DataFrame) -> pl.DataFrame:
    """Return the nodes as a table reads: whole numbers, and nothing where nothing can be."""
    said = {"beside": "batch replay", "rows_per_s": "rows/s"}
    numbers = (pl.col(pl.Int64, pl.Float64).round().cast(pl.Int64).cast(pl.String).fill_null(""),)
    shown = nodes if nodes["beside"].null_count() < nodes.height else nodes.drop("beside")
    return shown.with_columns(*numbers).rename(said, strict=False)
