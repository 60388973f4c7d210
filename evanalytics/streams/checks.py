"""What is wrong with a graph, said before anything runs: names, columns, dtypes, connections."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import narwhals.stable.v2 as nw
import polars as pl
from narwhals.exceptions import NarwhalsError

from evanalytics.exceptions import StreamError
from evanalytics.filters.filter import Filter
from evanalytics.logs.log import LogSchema
from evanalytics.logs.schema import SEQ, TS, column_of
from evanalytics.streams.aggregators import (
    Aggregate,
    WindowedDistinct,
    WindowedMean,
    WindowedQuantile,
    WindowedSum,
)
from evanalytics.streams.columns import (
    END,
    KEY,
    LATE_FOR,
    LATE_KEY,
    LEFT,
    LEFT_SEQ,
    MISSED,
    RIGHT,
    RIGHT_SEQ,
    START,
    WINDOW,
    side_column,
)
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode, JoinNode
from evanalytics.streams.nodes import (
    DUPLICATE,
    LATE,
    LATE_LEFT,
    LATE_RIGHT,
    OUT,
    FilterNode,
    Node,
    PythonColumn,
    SourceNode,
    TransformNode,
)
from evanalytics.streams.upstream import comes_from, first_input, passes_events

Columns = dict[str, pl.DataType]
"""Column name to dtype; a dtype of `Unknown` where only a log can tell it."""

Schemas = dict[Port, Columns]

_HIDDEN = {SEQ: pl.Int64(), TS: pl.Int64()}
_UTC = pl.Datetime("us", "UTC")
_UNKNOWN = pl.Unknown()


def check(graph: Graph, schema: LogSchema | None = None) -> Schemas:
    """Return the columns of every port of a graph, after looking for all that is wrong with it.

    Args:
        graph: The graph.
        schema: Of the log it will run on. Without one, connections and names behind transforms are
            checked; with one, each column and dtype.

    Raises:
        StreamError: Names the node, what was found and what would do.
    """
    if not graph.sources:
        raise StreamError(f"{graph.name}: has no source; begin with add_source")
    checker = _Checker(graph, schema)
    for name, node in graph.in_order():
        checker.visit(name, node)
    return checker.schemas


class _Checker:
    """Walks the graph and notes the columns of each port."""

    def __init__(self, graph: Graph, schema: LogSchema | None) -> None:
        self._graph = graph
        self._log = schema
        self.schemas: Schemas = {}

    def visit(self, name: str, node: Node) -> None:
        inputs = self._inputs(name)
        if isinstance(node, SourceNode):
            self._put(name, OUT, None if self._log is None else dict(self._log.columns))
        elif isinstance(node, FilterNode):
            self._filter(name, node, inputs[0])
        elif isinstance(node, TransformNode):
            self._transform(name, node, inputs[0])
        elif isinstance(node, JoinNode):
            self._join(name, node, inputs[0], inputs[1])
        elif isinstance(node, AggregatorNode):
            self._aggregate(name, node, inputs[0])
        elif isinstance(node, DedupeNode):
            self._refuse_behind(name, node, (AggregatorNode, JoinNode))
            self._key(name, node.key, inputs[0], "key")
            self._put(name, OUT, inputs[0])
            self._put(name, DUPLICATE, inputs[0])

    def _inputs(self, name: str) -> list[Columns | None]:
        found = []
        for port, ports in self._graph.inputs(name).items():
            if not ports:
                near = "another node with connect_to"
                raise StreamError(f"{name}: input {port!r} is not connected; connect {near}")
            found.append(self.schemas.get(ports[0]))
        return found

    def _put(self, name: str, output: str, columns: Columns | None) -> None:
        if columns is not None:
            self.schemas[Port(name, output)] = columns

    def _feeder(self, name: str, side: int = 0) -> str:
        return list(self._graph.inputs(name).values())[side][0].node

    def _filter(self, name: str, node: FilterNode, columns: Columns | None) -> None:
        for output, condition in node.filters.items():
            where = f"{name}: filter {output!r}"
            if isinstance(condition, Filter):
                self._condition(where, name)
            elif columns is not None:
                dtype = self._dtype(where, condition, columns, self._feeder(name))
                if dtype not in (pl.Boolean(), _UNKNOWN):
                    raise StreamError(f"{where}: needs a condition, this is {dtype}")
        for output in node.outputs:
            self._put(name, output, columns)

    def _condition(self, where: str, name: str) -> None:
        port = first_input(self._graph, name)
        if not passes_events(self._graph, port):
            raise StreamError(
                f"{where}: ev.filter reads events, and {port.node} has made other columns of them; "
                "write an expression such as ev.col('amount') > 10, or filter before it"
            )

    def _transform(self, name: str, node: TransformNode, columns: Columns | None) -> None:
        if comes_from(self._graph, first_input(self._graph, name), (AggregatorNode,)):
            raise StreamError(f"{name}: windows cannot be transformed; shape them in the sink's function")
        kept = (LEFT_SEQ, RIGHT_SEQ)
        out: Columns = {**_HIDDEN, **{c: t for c, t in (columns or {}).items() if c in kept}}
        for column, value in node.columns.items():
            where = f"{name}: column {column!r}"
            if isinstance(value, Filter):
                self._condition(where, name)
                out[column] = pl.Boolean()
            elif isinstance(value, PythonColumn):
                self._require(where, value.reads, columns, self._feeder(name))
                out[column] = _plain(value.dtype)
            elif columns is None:
                out[column] = _UNKNOWN
            else:
                expression = nw.col(column_of(value)) if isinstance(value, str) else value
                out[column] = self._dtype(where, expression, columns, self._feeder(name))
        self._put(name, OUT, out)

    def _join(self, name: str, node: JoinNode, left: Columns | None, right: Columns | None) -> None:
        self._refuse_behind(name, node, (AggregatorNode, JoinNode))
        self._key(name, node.left_key, left, "left_key")
        self._key(name, node.right_key, right, "right_key", side=1)
        if left is not None and right is not None:
            for one, other in zip(node.left_key, node.right_key, strict=True):
                dtypes = left[one], right[other]
                if _UNKNOWN not in dtypes and dtypes[0] != dtypes[1]:
                    raise StreamError(
                        f"{name}: the keys differ in type: left {one!r} is {dtypes[0]}, "
                        f"right {other!r} is {dtypes[1]}; cast one of them in a transform"
                    )
            self._put(name, OUT, self._pairs(name, node, left, right))
        self._put(name, LATE_LEFT, left)
        self._put(name, LATE_RIGHT, right)

    def _pairs(self, name: str, node: JoinNode, left: Columns, right: Columns) -> Columns:
        sides: Columns = {side_column(LEFT, c): t for c, t in left.items()}
        sides |= {side_column(RIGHT, c): t for c, t in right.items()}
        out: Columns = {**_HIDDEN, LEFT_SEQ: pl.Int64(), RIGHT_SEQ: pl.Int64()}
        if node.select is None:
            return out | {c: t for c, t in sides.items() if c.split("__", 1)[1] not in _HIDDEN}
        for column, value in node.select.items():
            out[column] = self._dtype(f"{name}: select {column!r}", value, sides, name)
        return out

    def _aggregate(self, name: str, node: AggregatorNode, columns: Columns | None) -> None:
        self._refuse_behind(name, node, (AggregatorNode,))
        self._require(name, node.key_columns, columns, self._feeder(name), what="key")
        self._require(name, node.read_columns, columns, self._feeder(name), what="column")
        figures: Columns = {figure.name: _UNKNOWN for figure in node.aggregator}
        if columns is not None:
            for key in node.key_columns:
                _check_key(name, key, columns[key])
            for figure in node.aggregator:
                if isinstance(figure, WindowedSum | WindowedMean | WindowedQuantile):
                    dtype = columns[figure.column]
                    if not (dtype.is_numeric() or dtype == _UNKNOWN):
                        raise StreamError(
                            f"{name}: {figure!r} needs numbers, column {figure.column!r} is {dtype}"
                        )
                figures[figure.name] = _figure_dtype(figure, columns)
            keys = {key: columns[key] for key in node.key_columns}
            head: Columns = {WINDOW: pl.String(), START: _UTC, END: _UTC, KEY: pl.String()}
            self._put(name, OUT, {**head, **keys, **figures})
            late: Columns = {LATE_FOR: pl.String(), LATE_KEY: pl.String(), MISSED: pl.Int64()}
            self._put(name, LATE, {**columns, **late})

    def _key(self, name: str, key: Iterable[str], columns: Columns | None, what: str, side: int = 0) -> None:
        self._require(name, key, columns, self._feeder(name, side), what=what)
        for column in key if columns is not None else ():
            _check_key(name, column, columns[column])  # type: ignore[index]

    def _require(
        self, where: str, names: Iterable[str], columns: Columns | None, feeder: str, *, what: str = "column"
    ) -> None:
        for name in names:
            if columns is not None and column_of(name) not in columns:
                raise StreamError(f"{where}: {what} {name!r} {_not_there(column_of(name), columns, feeder)}")

    def _dtype(self, where: str, expression: nw.Expr, columns: Columns, feeder: str) -> pl.DataType:
        """Return what an expression makes of columns, by running it on none."""
        known = {c: pl.Null() if t == _UNKNOWN else t for c, t in columns.items()}
        try:
            frame = nw.from_native(pl.LazyFrame(schema=known)).select(out=expression)
            schema = frame.to_native().collect_schema()
        except (NarwhalsError, pl.exceptions.PolarsError, TypeError) as error:
            if _UNKNOWN in columns.values() and not _is_missing_column(error):
                return _UNKNOWN
            missing = _missing_column(error, columns)
            reason = (
                f"{missing!r} {_not_there(missing, columns, feeder)}"
                if missing
                else str(error).splitlines()[0]
            )
            raise StreamError(f"{where}: {reason}") from error
        return _UNKNOWN if _UNKNOWN in columns.values() else schema["out"]

    def _refuse_behind(self, name: str, node: Node, kinds: tuple[type[Node], ...]) -> None:
        """Refuse a node with a memory where rows do not arrive in the order of the log."""
        for ports in self._graph.inputs(name).values():
            above = comes_from(self._graph, ports[0], kinds)
            if above is not None:
                kind = self._graph.nodes[above].kind
                raise StreamError(
                    f"{name}: a {node.kind} cannot stand behind the {kind} {above}, whose rows do not arrive "
                    "one by one; connect it to what feeds that one"
                )


def _plain(dtype: object) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[return-value]


def _check_key(where: str, name: str, dtype: pl.DataType) -> None:
    if not (dtype in (pl.String(), pl.Boolean(), _UNKNOWN) or dtype.is_integer()):
        raise StreamError(
            f"{where}: key {name!r} is {dtype}; a key is text, a whole number or a boolean: "
            "cast it in a transform"
        )


def _figure_dtype(figure: Aggregate, columns: Columns) -> pl.DataType:
    if not figure.reads or isinstance(figure, WindowedDistinct):
        return pl.Int64()
    if isinstance(figure, WindowedMean | WindowedQuantile):
        return pl.Float64()
    dtype = columns[figure.reads[0]]
    return pl.Int64() if isinstance(figure, WindowedSum) and dtype.is_integer() else dtype


def _is_missing_column(error: Exception) -> bool:
    return isinstance(error, pl.exceptions.ColumnNotFoundError) or "ColumnNotFound" in type(error).__name__


def _missing_column(error: Exception, columns: Mapping[str, object]) -> str | None:
    """Return the name of the column that an engine missed, if that is what its error says."""
    if not _is_missing_column(error):
        return None
    text = str(error)
    quoted = [part for mark in "\"'`" for part in text.split(mark)[1::2]]
    return next((name for name in quoted if name and name not in columns), None)


def _not_there(name: str, columns: Mapping[str, object], feeder: str) -> str:
    shown = [c for c in columns if c not in _HIDDEN]
    listed = ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
    near = difflib.get_close_matches(name, shown, n=1, cutoff=0.5) or _by_ending(name, shown)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"is not a column of {feeder} (it has {listed}){hint}"


def _by_ending(name: str, columns: Iterable[str]) -> list[str]:
    """Return the columns that a name ends with: `order_status` was meant to be `status`."""
    low = name.lower()
    return [column for column in columns if low.endswith(column.lower())]
