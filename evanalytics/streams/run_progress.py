"""How far a run has come, and the checkpoints from which the next one goes on."""

from __future__ import annotations

import polars as pl

from evanalytics.durations import duration_ns, parse_duration
from evanalytics.exceptions import StreamError
from evanalytics.logs.log import LogSchema
from evanalytics.streams.checkpoint import Checkpoint, CheckpointFile, fingerprint
from evanalytics.streams.feeds import Offset
from evanalytics.streams.graph import Graph
from evanalytics.streams.graph_state import GraphState, Outputs
from evanalytics.streams.live_options import LiveOptions
from evanalytics.streams.micro_batches import MicroBatch
from evanalytics.streams.quarantine import RefusedEvents

_REFUSED = ("", "refused")
"""Where refused events stand in a checkpoint's memory, beside the nodes."""


class RunProgress:
    """The offset, what nodes remember, what was refused: all that a run knows of the events behind it.

    Calls block; one at a time, from any thread.

    Attributes:
        state: The graph with what its nodes remember.
        refused: Events that do not fit the schema.
        offset: How far the source has been processed; whoever has delivered a micro-batch moves it on.
        is_finished: Whether the source has ended and every window is closed.
    """

    def __init__(self, graph: Graph, schema: LogSchema, options: LiveOptions) -> None:
        """Begin with nothing read.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        self.state = GraphState(graph, schema)
        self.refused = RefusedEvents(options.quarantine)
        self.offset = Offset()
        self.is_finished = False
        self._graph, self._clock, self._path = graph, options.clock, options.checkpoint
        self._interval_ns = duration_ns(
            parse_duration(options.checkpoint_interval, name="checkpoint_interval")
        )
        self._saved_ns = self._clock.monotonic_ns()
        self._file: CheckpointFile | None = None

    def open(self) -> Checkpoint | None:
        """Open the file for checkpoints, if there is to be one, and stand where the last one was made.

        Raises:
            StreamError: The file is open elsewhere, is something else, or belongs to another graph.
        """
        if self._path is None:
            return None
        self._file = CheckpointFile(self._path, fingerprint(self._graph, self.state.carried))
        saved = self._file.load()
        if saved is not None:
            self.state.load(saved.memory)
            self.state.counts.load(saved.counts)
            self.refused.load({k[2]: frame for k, frame in saved.memory.items() if k[:2] == _REFUSED})
            self.offset, self.is_finished = saved.offset, saved.finished
        return saved

    def push(self, batch: MicroBatch) -> Outputs:
        """Let a micro-batch run through the graph; what does not fit the schema is set aside.

        Raises:
            StreamError: The run was finished before, or too many events do not fit the schema.
        """
        if self.is_finished:
            raise StreamError(
                f"{self._graph.name}: was finished behind event {self.offset.position:,} and closed every "
                "window, but its source goes on; begin anew with another checkpoint"
            )
        self.refused.add(batch.refused, self.offset.position)
        return self.state.push(batch.log, batch.read - len(batch.refused))

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is as old as the interval between two."""
        return self._clock.monotonic_ns() - self._saved_ns >= self._interval_ns

    def save(self, pending: dict[str, list[pl.DataFrame]]) -> None:
        """Make a checkpoint, if there is a file for it; `pending` is what sinks have not acknowledged."""
        self._saved_ns = self._clock.monotonic_ns()
        if self._file is not None:
            refused = {(*_REFUSED, name): frame for name, frame in self.refused.dump().items()}
            memory = self.state.dump() | refused
            counts = self.state.counts.rows()
            self._file.save(Checkpoint(self.offset, memory, pending, counts, self.is_finished))

    def close(self) -> None:
        """Let go of the files."""
        self.refused.close()
        if self._file is not None:
            self._file.close()
