"""A graph that runs: events come in, go through in micro-batches, and rows leave through sinks."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from typing import Any, TypeVar

import polars as pl

from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import wait_all
from evanalytics.durations import Duration, duration_ns, parse_duration
from evanalytics.event import Event
from evanalytics.exceptions import BatchError, DeliveryError, EvAnalyticsError, StreamError
from evanalytics.logs.log import EventLog
from evanalytics.logs.typed_events import Refused
from evanalytics.streams.checkpoint import Checkpoint, CheckpointFile
from evanalytics.streams.feeds import Feed, Offset, Source, feed_of, schema_for
from evanalytics.streams.graph import Graph
from evanalytics.streams.graph_state import GraphState, Outputs
from evanalytics.streams.live_options import LiveOptions
from evanalytics.streams.metrics import RunMetrics
from evanalytics.streams.micro_batches import EventBatches, MicroBatch, batches_of_log
from evanalytics.streams.outlets import Outlets
from evanalytics.streams.quarantine import RefusedEvents
from evanalytics.streams.staging import all_types

Result = TypeVar("Result")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
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
        """Take the graph; nothing runs before `begin`."""
        self._graph, self._source, self._options = graph, source, options
        self._clock = options.clock
        self._feed: Feed | None = feed_of(source, all_types(graph), from_beginning=options.from_beginning)
        self._stopping = asyncio.Event()
        self._finish_at_stop = options.checkpoint is None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evanalytics-stream")
        self._offset = Offset()
        self._saved_ns = self._clock.monotonic_ns()
        self._interval_ns = duration_ns(
            parse_duration(options.checkpoint_interval, name="checkpoint_interval")
        )
        self._error: Exception | None = None
        self._is_broken = self._is_over = False
        self._file: CheckpointFile | None = None
        self._is_finished = False
        self._main: asyncio.Task[None] | None = None
        self._batches: BatchProcessor[Event]
        self._quarantine = RefusedEvents(options.quarantine)
        self.metrics = RunMetrics(self._clock.monotonic_ns())
        self._outlets = Outlets(graph, options, self.metrics, self._fail)

    async def begin(self) -> None:
        """Read the checkpoint, if there is one, and start the tasks."""
        try:
            await self._prepare()
        except BaseException:
            self._release()
            raise
        self._main = asyncio.get_running_loop().create_task(self._run(), name="evanalytics-stream")
        if self._options.handle_signals:
            for number in _SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)

    @property
    def is_running(self) -> bool:
        """Whether the run has not ended yet."""
        return self._main is not None and not self._main.done()

    @property
    def counts(self) -> pl.DataFrame:
        """What became of the rows so far, as in `StreamResult.counts`."""
        return self._state.counts.frame()

    @property
    def offset(self) -> Offset:
        """How far the source has been processed."""
        return self._offset

    @property
    def watermarks(self) -> dict[str, int | None]:
        """How far each source has come, in microseconds since 1970; None: it has said nothing."""
        return self._state.watermarks

    @property
    def refused(self) -> Refused:
        """Events that do not fit the schema, with the reasons, unless they go to a file."""
        return self._quarantine.held

    @property
    def refused_count(self) -> int:
        """How many events did not fit the schema."""
        return self._quarantine.count

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
        return self._state.sizes()

    async def wait(self) -> None:
        """Return once the source has ended and all is delivered, or the run was stopped.

        Cancelling it harms only the caller.

        Raises:
            StreamError: A sink has failed for good, or rows were not delivered in time.
        """
        if self._main is None:
            raise StreamError(f"{self._graph.name}: is not running; start it first")
        await asyncio.shield(self._main)

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
            self._error = StreamError(f"{self._graph.name}: was not done within {timeout}")
            self._main.cancel()
            await asyncio.wait([self._main])
        with suppress(asyncio.CancelledError):
            await self._main
        if self._error is not None:
            raise self._error

    # preparation

    async def _prepare(self) -> None:
        options = self._options
        schema = await schema_for(self._source, options.schema, all_types(self._graph))
        self._state = GraphState(self._graph, schema)
        if self._feed is not None:
            self._events = EventBatches(self._state, schema)
        size = options.micro_batch.max_batch_size
        self._batches = BatchProcessor(
            options.micro_batch,
            self._take,
            clock=self._clock,
            max_held=2 * size,
            dead_letter=lambda events, error: self._fail(error),
        )
        saved = await self._open_checkpoint()
        if self._feed is not None:
            begun = await self._feed.begin(None if saved is None else saved.offset)
            self._offset = begun if saved is None else saved.offset
        elif saved is not None:
            self._offset = saved.offset
        self._pending: dict[str, list[pl.DataFrame]] = {} if saved is None else saved.pending
        if saved is None:
            await self._save()

    async def _open_checkpoint(self) -> Checkpoint | None:
        path = self._options.checkpoint
        if path is None:
            return None
        self._file = await self._blocking(CheckpointFile, path, self._graph)
        saved = await self._blocking(self._file.load)
        if saved is not None:
            self._state.load(saved.memory)
            self._state.counts.load(saved.counts)
            self._is_finished = saved.finished
            _LOG.info("continued", extra={"processor": self._graph.name, "position": saved.offset.position})
        return saved

    # the run

    async def _run(self) -> None:
        _LOG.info("started", extra={"processor": self._graph.name, "position": self._offset.position})
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
        ended = self._is_finished or await self._read()
        await self._batches.flush()
        if not self._is_finished and self._error is None and (ended or self._finish_at_stop):
            self._is_broken = True
            await self._deliver(await self._blocking(self._state.close))
            self._is_finished, self._is_broken = True, False
        await self._outlets.flush()
        if not self._is_broken:
            await self._save()

    async def _end(self) -> None:
        """Close everything; whatever happened, nothing is left running."""
        self._is_over = True
        for number in _SIGNALS if self._options.handle_signals else ():
            asyncio.get_running_loop().remove_signal_handler(number)
        with suppress(BatchError):
            await self._batches.close("0s")
        await self._outlets.close()
        self._release()
        _LOG.info("ended", extra={"processor": self._graph.name, "position": self._offset.position})

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
        self._quarantine.close()
        self._thread.shutdown(wait=False)

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
        """Read until the source ends (True), or the run is to stop."""
        if self._feed is None:
            return await self._read_log()
        reading = asyncio.create_task(self._read_events(self._feed), name="evanalytics-stream-reader")
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            return reading.done()
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.wait({reading, stopping})

    async def _read_events(self, feed: Feed) -> None:
        async with aclosing(feed.pages()) as pages:
            async for events in pages:
                await self._batches.add_many(events)

    async def _read_log(self) -> bool:
        assert isinstance(self._source, EventLog)
        size = self._options.micro_batch.max_batch_size
        pieces = batches_of_log(self._source, size, self._offset, self._state)
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
            if self._error is not None or self._is_over:
                raise BatchError("the run has ended before these events were processed")
            await self._process(await self._blocking(self._events.of, events, self._offset))

    async def _process(self, batch: MicroBatch) -> None:
        begin_ns = self._clock.monotonic_ns()
        self._quarantine.add(batch.refused, self._offset.position)
        self._is_broken = True  # what nodes remember and what was delivered differ until both are done
        read = batch.read - len(batch.refused)
        outputs = await self._blocking(self._state.push, batch.log, read)
        rows = await self._deliver(outputs)
        self._offset, self._is_broken = batch.offset, False
        now_ns = self._clock.monotonic_ns()
        self.metrics.processed(now_ns, batch.read, rows)
        self.metrics.took("micro-batch", now_ns - begin_ns)
        if now_ns - self._saved_ns >= self._interval_ns:
            await self._save()

    async def _deliver(self, outputs: Outputs) -> int:
        """Put rows into the sinks' lines; waits while these are full."""
        rows = await self._outlets.deliver(outputs)
        if self._options.on_output is not None:
            self._options.on_output(outputs)
        return rows

    async def _save(self) -> None:
        self._saved_ns = self._clock.monotonic_ns()
        if self._file is not None:
            await self._blocking(self._write, self._file, self._outlets.unacknowledged)

    def _write(self, file: CheckpointFile, pending: dict[str, list[pl.DataFrame]]) -> None:
        counts = self._state.counts.rows()
        file.save(Checkpoint(self._offset, self._state.dump(), pending, counts, self._is_finished))

    async def _blocking(self, call: Callable[..., Result], *args: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)
