"""A graph that runs: events come in, go through in micro-batches, and rows leave through sinks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, TypeVar

import polars as pl

from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import wait_all
from evanalytics.durations import Duration
from evanalytics.event import Event
from evanalytics.exceptions import BatchError, DeliveryError, EvAnalyticsError, StreamError
from evanalytics.logs.log import EventLog
from evanalytics.logs.typed_events import Refused
from evanalytics.streams.checks import check
from evanalytics.streams.feeds import Feed, Offset, Source, feed_of, read_until, schema_for
from evanalytics.streams.graph import Graph
from evanalytics.streams.graph_state import Outputs
from evanalytics.streams.live_options import LiveOptions
from evanalytics.streams.metrics import RunMetrics
from evanalytics.streams.micro_batches import EventBatches, MicroBatch, batches_of_log
from evanalytics.streams.outcome import Outcome
from evanalytics.streams.outlets import Outlets
from evanalytics.streams.run_progress import RunProgress
from evanalytics.streams.signals import on_signals
from evanalytics.streams.staging import all_types

Result = TypeVar("Result")
_LOG = logging.getLogger("evanalytics.streams")


class LiveRun:
    """One run of a graph over events as they come; `StreamProcessor.start` begins one.

    What is read and not yet delivered is bounded at every stage, so a slow sink slows the source.
    Each stage belongs to one task, which `stop` ends.

    Attributes:
        metrics: Rates, latencies and retries.
        refused: Events whose payload does not fit the schema, if they go to no file.
    """

    def __init__(self, graph: Graph, source: Source, options: LiveOptions) -> None:
        """Take the graph; nothing runs before `begin`.

        Raises:
            StreamError: Something is wrong with the graph, or the source is nothing that can be read.
        """
        check(graph)
        self._graph, self._source, self._options = graph, source, options
        self._clock = options.clock
        self._feed: Feed | None = feed_of(source, all_types(graph), from_beginning=options.from_beginning)
        self._stopping = asyncio.Event()
        self._finish_at_stop = options.checkpoint is None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evanalytics-stream")
        self._closing = ExitStack()
        self._closing.callback(self._thread.shutdown, wait=False)
        self._error: Exception | None = None
        self._is_broken = self._is_over = False
        self._main: asyncio.Task[None] | None = None
        self._progress: RunProgress
        self._batches: BatchProcessor[Event]
        self.metrics = RunMetrics(self._clock.monotonic_ns())
        self._outlets = Outlets(graph, options, self.metrics, self._fail)

    async def begin(self) -> None:
        """Read the checkpoint, if there is one, and start the tasks."""
        try:
            await self._prepare()
        except BaseException:
            self._closing.close()
            raise
        self._main = asyncio.get_running_loop().create_task(self._run(), name="evanalytics-stream")

    @property
    def is_running(self) -> bool:
        """Whether the run has not ended yet."""
        return self._main is not None and not self._main.done()

    @property
    def counts(self) -> pl.DataFrame:
        """What became of the rows so far, as in `StreamResult.counts`."""
        return self._progress.state.counts.frame()

    @property
    def offset(self) -> Offset:
        """How far the source has been processed."""
        return self._progress.offset

    @property
    def watermarks(self) -> dict[str, int | None]:
        """How far each source has come, in microseconds since 1970; None: it has said nothing."""
        return self._progress.state.watermarks

    @property
    def refused(self) -> Refused:
        """Events that do not fit the schema, with the reasons, unless they go to a file."""
        return self._progress.refused.held

    @property
    def refused_count(self) -> int:
        """How many events did not fit the schema."""
        return self._progress.refused.count

    @property
    def undelivered(self) -> dict[str, pl.DataFrame]:
        """By sink, the rows that it has not acknowledged."""
        held = self._outlets.unacknowledged
        return {name: pl.concat(frames) for name, frames in held.items() if frames}

    def queues(self) -> pl.DataFrame:
        """Return how much is held: columns `queue` (String), `rows` (Int64)."""
        waiting = self._batches.held if self._feed is not None else 0
        rows = [("events", waiting), *self._outlets.held]
        return pl.DataFrame(rows, schema={"queue": pl.String, "rows": pl.Int64}, orient="row")

    def memory(self) -> pl.DataFrame:
        """Return what nodes remember: columns `node`, `part` (String), `rows` (Int64)."""
        return self._progress.state.sizes()

    async def wait(self) -> None:
        """Return once the source has ended and all is delivered, or the run was stopped.

        Cancelling it harms only the caller.

        Raises:
            StreamError: A sink or the source has failed for good, or rows were not delivered in time.
            ClosedError: The event service that it reads was closed.
        """
        if self._main is None:
            raise StreamError(f"{self._graph.name}: is not running; start it first")
        await asyncio.wait([self._main])
        if self._main.cancelled():
            raise self._error or StreamError(f"{self._graph.name}: was cancelled")
        self._main.result()

    async def stop(self, timeout: Duration | None = None, *, finish: bool | None = None) -> None:
        """Read no more, process and deliver what was read, save the checkpoint, and end.

        Args:
            timeout: How long that may take; what is not delivered then is in `undelivered`, and
                in the checkpoint before. None: as long as it takes.
            finish: Whether windows that are open close now, as at the end of a log. By default they do
                unless there is a checkpoint to go on from.

        Raises:
            StreamError: A sink has failed for good, or rows were not delivered in time.
        """
        if self._main is None:
            return
        if finish is not None:
            self._finish_at_stop = finish
        self._stopping.set()
        await wait_all([self._main], clock=self._clock, timeout=timeout)
        if not self._main.done():
            late = StreamError(f"{self._graph.name}: was not done within {timeout}")
            self._error = self._error or late
            self._main.cancel()
        await self.wait()

    # preparation

    async def _prepare(self) -> None:
        options = self._options
        schema = await schema_for(self._source, options.schema, all_types(self._graph))
        self._progress = RunProgress(self._graph, schema, options)
        self._closing.callback(self._progress.close)
        if self._feed is not None:
            self._events = EventBatches(self._progress.state, schema)
        self._batches = BatchProcessor(
            options.micro_batch,
            self._take,
            clock=self._clock,
            max_held=2 * options.micro_batch.max_batch_size,
            dead_letter=lambda events, error: self._fail(error),
        )
        saved = await self._blocking(self._progress.open)
        if self._feed is not None:
            self._progress.offset = await self._feed.begin(None if saved is None else saved.offset)
        self._pending: dict[str, list[pl.DataFrame]] = {} if saved is None else saved.pending
        if saved is None:
            await self._save()
        if options.handle_signals:
            self._closing.enter_context(on_signals(self._stopping.set))

    # the run

    async def _run(self) -> None:
        _LOG.info("started", extra={"processor": self._graph.name, "position": self.offset.position})
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001  whoever waits for the run is told
            self._fail(error)
        finally:
            await self._end()
        if self._error is not None:
            raise self._error

    async def _work(self) -> None:
        await self._outlets.deliver_again(self._pending)
        ended = await self._read()
        await self._batches.flush()
        if not self._progress.is_finished and self._error is None and (ended or self._finish_at_stop):
            self._is_broken = True
            await self._deliver(await self._blocking(self._progress.state.close))
            self._progress.is_finished, self._is_broken = True, False
        await self._outlets.flush()
        if not self._is_broken:
            await self._save()

    async def _end(self) -> None:
        """Close everything; whatever happened, nothing is left running."""
        self._is_over = True
        with suppress(BatchError):
            await self._batches.close("0s")
        await self._outlets.close()
        self._closing.close()
        _LOG.info("ended", extra={"processor": self._graph.name, "position": self.offset.position})

    def _fail(self, error: Exception) -> None:
        """Note the first error, and stop: what was read and is good is still delivered."""
        if self._error is None and not self._is_over:
            known = isinstance(error, EvAnalyticsError) and not isinstance(error, DeliveryError)
            cause = error.__cause__ or error
            self._error = (
                error if known else StreamError(f"{self._graph.name}: {type(cause).__name__}: {cause}")
            )
            self._error.__cause__ = None if known else cause
            _LOG.error("failed", extra={"processor": self._graph.name, "error": type(cause).__name__})
        self._stopping.set()

    async def _read(self) -> bool:
        """Read until the source ends (True), or it fails or the run is to stop."""
        try:
            if self._feed is None:
                return await self._read_log()
            return await read_until(self._stopping, self._feed, self._batches.add_many)
        except Exception as error:  # noqa: BLE001  whoever waits for the run is told
            self._fail(error)
            return False

    async def _read_log(self) -> bool:
        assert isinstance(self._source, EventLog)
        size = self._options.micro_batch.max_batch_size
        pieces = batches_of_log(self._source, size, self._progress.offset, self._progress.state)
        while not self._stopping.is_set():
            piece = await self._blocking(next, pieces, None)
            if piece is None:
                return True
            async with self._turn:
                await self._process(piece)
        return False

    async def _take(self, events: list[Event]) -> None:
        """Process the events of a micro-batch, once those before it are through."""
        async with self._turn:
            if self._is_broken or self._is_over:
                raise BatchError("the run has ended before these events were processed")
            self._is_broken = True  # until it is through, nothing behind it may follow
            await self._process(await self._blocking(self._events.of, events, self._progress.offset))

    async def _process(self, batch: MicroBatch) -> None:
        begin_ns = self._clock.monotonic_ns()
        self._is_broken = True  # what nodes remember and what was delivered differ until both are done
        rows = await self._deliver(await self._blocking(self._progress.push, batch))
        self._progress.offset, self._is_broken = batch.offset, False
        now_ns = self._clock.monotonic_ns()
        self.metrics.processed(now_ns, batch.read, rows)
        self.metrics.took("micro-batch", now_ns - begin_ns)
        if self._progress.is_due:
            await self._save()

    async def _deliver(self, outputs: Outputs) -> int:
        """Put rows into the sinks' lines; waits while these are full."""
        rows = await self._outlets.deliver(outputs)
        if self._options.on_output is not None:
            self._options.on_output(outputs)
        return rows

    async def _save(self) -> None:
        await self._blocking(self._progress.save, self._outlets.unacknowledged)

    async def _blocking(self, call: Callable[..., Result], *args: Any) -> Result:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(self._thread, partial(Outcome.of, call, *args))).get()
