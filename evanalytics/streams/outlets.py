"""All sinks of a live run, each with its own line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import polars as pl

from evanalytics.delivery.lane import RequestRecord
from evanalytics.exceptions import BatchError
from evanalytics.streams.graph import Graph
from evanalytics.streams.graph_state import Outputs, visible
from evanalytics.streams.live_options import LiveOptions
from evanalytics.streams.metrics import RunMetrics
from evanalytics.streams.nodes import SinkNode
from evanalytics.streams.sink_line import SinkLine
from evanalytics.streams.upstream import first_input, window_keys


class Outlets:
    """Gives each sink the rows of the port that it is connected to."""

    def __init__(
        self,
        graph: Graph,
        options: LiveOptions,
        metrics: RunMetrics,
        on_failure: Callable[[Exception], object],
    ) -> None:
        """Make a line for each sink of a graph; `on_failure` is told when one fails for good."""
        self._graph, self._options, self._metrics, self._on_failure = graph, options, metrics, on_failure
        self._lines = {
            name: self._line(name, node) for name, node in graph.nodes.items() if isinstance(node, SinkNode)
        }

    @property
    def held(self) -> list[tuple[str, int]]:
        """How many rows each sink has not acknowledged."""
        return [(name, line.held) for name, line in self._lines.items()]

    @property
    def unacknowledged(self) -> dict[str, list[pl.DataFrame]]:
        """By sink, the rows of which some are not acknowledged, as they were added."""
        return {name: line.unacknowledged for name, line in self._lines.items()}

    async def deliver(self, outputs: Outputs) -> int:
        """Put rows into the lines, and return how many; waits while a line is full."""
        rows = 0
        for name, line in self._lines.items():
            frame = visible(outputs[first_input(self._graph, name)])
            rows += len(frame)
            await line.add(frame)
        return rows

    async def deliver_again(self, pending: Mapping[str, list[pl.DataFrame]]) -> None:
        """Put rows into the lines that were unacknowledged at a checkpoint."""
        for name, frames in pending.items():
            for frame in frames:
                await self._lines[name].add(frame)

    async def flush(self) -> None:
        """Return once everything is acknowledged, or has failed."""
        for line in self._lines.values():
            await line.flush()

    async def close(self) -> None:
        """Cut what is under way."""
        for line in self._lines.values():
            with suppress(BatchError):
                await line.close("0s")

    def _line(self, name: str, node: SinkNode) -> SinkLine:
        def note(record: RequestRecord) -> None:
            self._metrics.requested(name, len(record.starts_ns), record.finished_ns - record.released_ns)

        return SinkLine(
            node,
            f"{self._graph.name}/{name}",
            window_keys(self._graph, first_input(self._graph, name)) or (),
            clock=self._options.clock,
            delivery=self._options.delivery,
            throttle=self._options.throttle,
            on_failure=self._on_failure,
            on_request=note,
        )
