"""Checkpoints: offset, memory and unacknowledged rows of a run, in one DuckDB file, all or nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from evanalytics.exceptions import StreamError
from evanalytics.streams.checks import Columns
from evanalytics.streams.feeds import Offset
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.graph_state import Memory
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode, JoinNode
from evanalytics.streams.nodes import SourceNode
from evanalytics.streams.state import from_bytes, to_bytes

if TYPE_CHECKING:
    import duckdb

_VERSION = 2
_TABLES = """
    CREATE TABLE stream_checkpoint (
        version INTEGER, graph VARCHAR, position BIGINT, last_id VARCHAR, finished BOOLEAN
    );
    CREATE TABLE memory (node VARCHAR, part VARCHAR, name VARCHAR, data BLOB);
    CREATE TABLE pending (sink VARCHAR, place INTEGER, data BLOB);
    CREATE TABLE counted (node VARCHAR, part VARCHAR, what VARCHAR, rows BIGINT)"""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stood: if it goes on from here, it brings what it would have brought.

    Attributes:
        offset: How far the source had been read.
        memory: What the nodes remembered, as `GraphState.dump` returns it.
        pending: By sink, the rows that it had not acknowledged.
        counts: What had become of the rows.
        finished: Whether the source had ended and every window was closed.
    """

    offset: Offset
    memory: Memory
    pending: dict[str, list[pl.DataFrame]]
    counts: list[tuple[str, str, str, int]] = field(default_factory=list)
    finished: bool = False


class CheckpointFile:
    """One DuckDB file that holds the last checkpoint of one graph.

    Calls block, and may come from any thread. A checkpoint is written in one transaction: whoever
    is killed in between finds the one before it.
    """

    def __init__(self, path: str | os.PathLike[str], graph: str) -> None:
        """Open the file, or make it; `graph` is the fingerprint of the graph whose checkpoints it holds.

        Raises:
            StreamError: It is open elsewhere, is something else, or belongs to another graph.
        """
        self._path, self._graph = Path(path), graph
        self._turn = threading.Lock()
        self._connection = _connect(self._path)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint."""
        offset = checkpoint.offset
        memory = [[*place, to_bytes(frame)] for place, frame in checkpoint.memory.items()]
        pending = [
            [sink, place, to_bytes(frame)]
            for sink, frames in checkpoint.pending.items()
            for place, frame in enumerate(frames)
        ]
        head = [_VERSION, self._graph, offset.position, offset.last_id, checkpoint.finished]
        with self._turn:
            self._connection.begin()
            try:
                for table in ("stream_checkpoint", "memory", "pending", "counted"):
                    self._connection.execute(f"DELETE FROM {table}")
                self._insert("stream_checkpoint", [head])
                self._insert("memory", memory)
                self._insert("pending", pending)
                self._insert("counted", checkpoint.counts)
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                raise

    def load(self) -> Checkpoint | None:
        """Return the checkpoint; None if there is none yet."""
        with self._turn:
            heads = self._rows("SELECT position, last_id, finished FROM stream_checkpoint")
            if not heads:
                return None
            memory = self._rows("SELECT node, part, name, data FROM memory")
            pending = self._rows("SELECT sink, data FROM pending ORDER BY sink, place")
            counts = self._rows("SELECT node, part, what, rows FROM counted")
        position, last_id, finished = heads[0]
        rows: dict[str, list[pl.DataFrame]] = {}
        for sink, data in pending:
            rows.setdefault(sink, []).append(from_bytes(data))
        frames = {(node, part, name): from_bytes(data) for node, part, name, data in memory}
        return Checkpoint(Offset(position, last_id), frames, rows, counts, finished)

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._connection.close()

    def _prepare(self) -> None:
        tables = [name for (name,) in self._rows("SELECT table_name FROM duckdb_tables()")]
        if not tables:
            self._connection.begin()
            self._connection.execute(_TABLES)
            self._connection.commit()
        elif "stream_checkpoint" not in tables:
            raise StreamError(
                f"checkpoint: {self._path} is a DuckDB file of another kind; choose another path"
            )
        for version, graph in self._rows("SELECT version, graph FROM stream_checkpoint"):
            if version != _VERSION:
                raise StreamError(
                    f"checkpoint: {self._path} is of version {version}, this evanalytics knows {_VERSION}"
                )
            if graph != self._graph:
                raise StreamError(
                    f"checkpoint: {self._path} belongs to another graph (nodes, keys, windows or the columns "
                    "that nodes remember differ); go on with that one, or begin anew with another path"
                )

    def _insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        for row in rows:
            self._connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def _rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        return self._connection.execute(query).fetchall()


def fingerprint(graph: Graph, columns: Callable[[Port], Columns]) -> str:
    """Return what of a graph the memory of its nodes depends on, as text.

    Expressions and filters are not in it: whoever changes these goes on with another meaning. The
    columns that a node remembers are, for rows with other ones do not go together with those.

    Args:
        graph: The graph.
        columns: Takes a port, returns the columns that its rows carry, with dtypes.
    """
    lines = [f"{edge.port} -> {edge.node}.{edge.input}" for edge in graph.edges]
    for name, node in graph.nodes.items():
        inputs = [columns(ports[0]) for ports in graph.inputs(name).values()]
        told: tuple[object, ...] = ()
        if isinstance(node, SourceNode):
            told = (node.types, node.watermark)
        elif isinstance(node, DedupeNode):
            told = (node.key, node.within, _only(node.key, inputs[0]))
        elif isinstance(node, JoinNode):
            told = (node.left_key, node.right_key, node.join_window, node.output_complete, *inputs)
        elif isinstance(node, AggregatorNode):
            used = (*node.key_columns, *node.read_columns)
            told = (node.windows, node.keys, node.aggregator, _only(used, inputs[0]))
        lines.append(f"{name}: {node.kind} {told}")
    return "\n".join([graph.name, *lines])


def _only(names: Iterable[str], columns: Columns) -> Columns:
    return {name: columns[name] for name in names}


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    try:
        return duckdb.connect(str(path), config={"autoinstall_known_extensions": "false"})
    except duckdb.Error as error:
        text = str(error).partition("\n")[0]
        raise StreamError(f"checkpoint: {path} cannot be opened: {text}") from error
