"""`StreamProcessor`: build a graph, check it, replay a log through it, or run it on events as they come."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import polars as pl

from evanalytics.batching.policy import BatchPolicy
from evanalytics.clock import Clock, SystemClock
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.durations import Duration
from evanalytics.exceptions import StreamError
from evanalytics.logs.engine_choice import engine_of
from evanalytics.logs.engines import FrameEngine
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.sources import ReadLimits
from evanalytics.streams.batch import BatchReplay
from evanalytics.streams.checks import check
from evanalytics.streams.explain import explain
from evanalytics.streams.feeds import Source
from evanalytics.streams.graph import GraphBuilder
from evanalytics.streams.graph_state import Outputs
from evanalytics.streams.live import LiveRun
from evanalytics.streams.live_options import LiveOptions
from evanalytics.streams.memory_nodes import DedupeNode, JoinNode
from evanalytics.streams.picture import picture_of
from evanalytics.streams.result import StreamResult
from evanalytics.streams.staging import needed_columns
from evanalytics.throttling.manager import ThrottleManager

if TYPE_CHECKING:
    import plotly.graph_objects as go

EngineName = Literal["auto", "polars", "duckdb", "spark"]

_BYTES_A_CELL = 24  # of a staged column, texts and what is made of them on the way included
_LEAST_OF_DUCKDB = 64 * 2**20  # below, its operators cannot even begin
_OF_DUCKDB = 0.6  # of the memory; the rest is for what DuckDB does not count, and for us


class StreamProcessor(GraphBuilder):
    """A graph of sources, filters, transforms, joins, aggregators, dedupes and sinks.

    The graph says what is meant; a replay of a log and a live run give the same rows. Build it with
    `add_source`, `add_node` and `connect_to`, then `run` it over a log.

    Example:
        >>> from evanalytics.streams.aggregators import WindowedCounter
        >>> from evanalytics.streams.memory_nodes import AggregatorNode
        >>> from evanalytics.streams.windows import TumblingWindow
        >>> processor = StreamProcessor("traffic")
        >>> events = processor.add_source("events")
        >>> counts = AggregatorNode(windows=TumblingWindow("1h"), keys=["type"], aggregator=WindowedCounter())
        >>> events.connect_to(processor.add_node("by type", counts))
        <aggregator 'by type'>
        >>> processor.validate()
    """

    _run: LiveRun | None = None
    _is_starting = False

    @property
    def live_run(self) -> LiveRun | None:
        """The run that was started last; None before the first one."""
        return self._run

    def validate(self, log: EventLog | None = None) -> None:
        """Look for all that is wrong with the graph.

        Args:
            log: The log that it will run on. Without one, connections and the names behind transforms
                are checked; with one, every column and dtype.

        Raises:
            StreamError: Names the node, what was found and what would do.
        """
        check(self.graph, None if log is None else log.schema)

    def run(
        self,
        log: EventLog,
        *,
        engine: EngineName = "auto",
        sinks: bool = False,
        keep: bool = True,
        close: bool = True,
        memory_bytes: int | None = None,
        spark: Any = None,
    ) -> StreamResult:
        """Replay a log through the graph as one plan, and return what it brought.

        Args:
            log: The events, in the order in which they arrived (`seq`).
            engine: "polars" (in memory), "duckdb" (larger than memory), "spark" (larger than a machine),
                or "auto": Spark if a session is given; else polars unless the columns that are read,
                and the ids that joins and dedupes remember, would take more than a quarter of the memory.
            sinks: Whether sinks get their rows; by default a replay only computes.
            keep: Whether pairs and windows are kept for `results`. False: those that only sinks take are
                handed on part by part and forgotten, which takes less memory.
            close: Whether the end of the log closes every window and every wait for a partner. False:
                only what the watermark has closed comes out.
            memory_bytes: How much memory there is, if not the machine's: "auto" takes polars up to a
                quarter of it, and DuckDB spills past 60 % of it, for its process takes more than it counts.
            spark: A SparkSession, or the address of a Spark Connect server such as "sc://host:15002".

        Raises:
            StreamError: Something is wrong with the graph.
            EngineError: Spark is asked for, and there is no PySpark or no session.
        """
        schemas = check(self.graph, log.schema)
        chosen = self._engine(log, engine, memory_bytes, spark)
        replay = BatchReplay(self.graph, log, chosen, schemas, keep=keep, close=close)
        replay.run(sinks=sinks)
        return StreamResult(self.graph, log, chosen, replay)

    async def start(
        self,
        source: Source,
        *,
        schema: LogSchema | Mapping[str, Any] | None = None,
        micro_batch: BatchPolicy | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_interval: Duration = "5s",
        delivery: DeliveryPolicy | None = None,
        throttle: ThrottleManager | None = None,
        from_beginning: bool = True,
        quarantine: str | os.PathLike[str] | None = None,
        handle_signals: bool = False,
        clock: Clock | None = None,
        on_output: Callable[[Outputs], object] | None = None,
    ) -> LiveRun:
        """Run the graph on events as they come; returns once it runs.

        Events go through in micro-batches; whatever these are, sinks get the rows of a replay of the
        same events, with the same ids. When the source ends, all windows close. With a checkpoint,
        a run that was stopped or killed is continued by the next `start`: nothing is lost, and
        what a sink gets twice has the same ids.

        Args:
            source: An event service (its client), a log, a `Replay`, an async iterator of events, or a
                function that returns one from a position on.
            schema: The columns of events: of a log, or declared, such as {"data.total": pl.Float64}.
                By default a log's own, or found in the first 10,000 events of a service.
                An event that does not fit is set aside, and counted.
            micro_batch: How many events go through together, and how long the first of them waits; by
                default 10,000 and 100 ms.
            checkpoint: A DuckDB file for checkpoints; made if it is not there. That of a run whose windows
                have closed is finished: if the source has more by now, the run fails and says so.
            checkpoint_interval: The least time from one to the next.
            delivery: Retries and slots of each sink; by default one batch at a time, five attempts. How
                many rows wait for a sink is the sink's to say (four batches), not `max_queue`'s.
            throttle: Grants the sinks' tokens, for "publish".
            from_beginning: Whether a first run on a service begins with its first event; else with the
                next one that is published.
            quarantine: A file for events that do not fit; `read_quarantine` reads it. By default up to
                10,000 are held in memory, and go into checkpoints.
            handle_signals: Whether SIGINT and SIGTERM stop the run, as `stop` does; in the main thread only.
            clock: Where time comes from; the system's by default.
            on_output: Is given the rows of every output of every micro-batch; must not raise.

        Raises:
            StreamError: Something is wrong with the graph, it runs already, or the checkpoint is not its own.
            ColumnError: The schema cannot be had.

        Example:
            >>> async def watch(processor, service):
            ...     async with processor:
            ...         run = await processor.start(service, checkpoint="orders.checkpoint.duckdb")
            ...         await run.wait()
        """
        if self._is_starting or (self._run is not None and self._run.is_running):
            raise StreamError(f"{self.name}: is running already; stop it first")
        options = LiveOptions(
            schema=schema,
            micro_batch=micro_batch or BatchPolicy(max_batch_size=10_000, flush_interval="100ms"),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            checkpoint_interval=checkpoint_interval,
            delivery=delivery or DeliveryPolicy(max_in_flight=1),
            throttle=throttle,
            clock=clock or SystemClock(),
            from_beginning=from_beginning,
            quarantine=None if quarantine is None else Path(quarantine),
            handle_signals=handle_signals,
            on_output=on_output,
        )
        run = LiveRun(self.graph, source, options)
        self._is_starting = True
        try:
            await run.begin()
        finally:
            self._is_starting = False
        self._run = run
        return run

    async def stop(self, timeout: Duration | None = None) -> None:
        """Stop the run that was started: what was read is delivered, the checkpoint saved.

        Raises:
            StreamError: A sink has failed for good, or the timeout has passed; see `run.undelivered`.
        """
        if self._run is not None:
            await self._run.stop(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def explain(self, log: EventLog) -> pl.DataFrame:
        """Return what would run on a log, node by node: columns `node`, `kind`, `reads`, `columns`, `remark`.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        return explain(self.graph, log)

    def figure(self, log: EventLog | None = None) -> go.Figure:
        """Return a picture of the graph; with a log, hovering over a node also tells its columns' dtypes.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        from evanalytics.plots.stream_graph import stream_graph

        schemas = check(self.graph, None if log is None else log.schema)
        picture = picture_of(self.graph, schemas)
        return stream_graph(picture.nodes, picture.edges, picture.losses)

    def _engine(self, log: EventLog, name: EngineName, memory_bytes: int | None, spark: Any) -> FrameEngine:
        if name not in ("auto", "polars", "duckdb", "spark"):
            raise StreamError(f"engine: needs 'auto', 'polars', 'duckdb' or 'spark', got {name!r}")
        if name == "auto" and spark is not None:
            name = "spark"
        elif name == "auto":
            budget = ReadLimits().memory_budget() if memory_bytes is None else memory_bytes // 4
            name = "duckdb" if self._estimated_bytes(log) > budget else "polars"
        limit = None if memory_bytes is None else max(int(memory_bytes * _OF_DUCKDB), _LEAST_OF_DUCKDB)
        return engine_of(name, spark=spark, memory_bytes=limit)

    def _estimated_bytes(self, log: EventLog) -> int:
        """Return about how much memory a replay in memory takes: the columns read, the keys remembered."""
        nodes = self.graph.nodes.values()
        keys = sum(len(node.key) for node in nodes if isinstance(node, DedupeNode))
        keys += sum(len(node.left_key) for node in nodes if isinstance(node, JoinNode))
        return len(log) * (len(needed_columns(self.graph, log)) + keys) * _BYTES_A_CELL
