"""Nodes that decide row by row, live: filters and transforms, planned once where columns tell it all."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.filters.filter import Filter
from evanalytics.logs.engines import Frame
from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.streams import staging
from evanalytics.streams.counts import Counts
from evanalytics.streams.nodes import (
    OUT,
    UNMATCHED,
    FilterNode,
    PythonColumn,
    TransformColumn,
    TransformNode,
)
from evanalytics.streams.plan import ENGINE, Plan, lazy
from evanalytics.streams.state import Frames


class FilterStep:
    """A filter node: its conditions are columns of an expression wherever columns decide them."""

    def __init__(self, node: FilterNode, schema: LogSchema, nothing: EventLog) -> None:
        """Compile the conditions for events of a schema; `nothing` is a log of it without events."""
        self._conditions = {name: ready(wanted, schema) for name, wanted in node.filters.items()}
        self.needs_payload = any(isinstance(wanted, Filter) for wanted in self._conditions.values())
        self._plan = Plan(lambda rows: [self._flags(rows, nothing)])

    def push(self, name: str, frame: pl.DataFrame, log: EventLog, counts: Counts) -> Frames:
        """Return the rows of each output, and count them."""
        if self.needs_payload:
            marks = ENGINE.collect(self._flags(lazy(frame), log))
        else:
            (marks,) = self._plan.run(frame)
        rest, out = pl.repeat(True, len(frame), eager=True), {}
        for output in self._conditions:
            met = marks[output]
            out[output] = frame.filter(met)
            counts.add(name, output, first=int((met & rest).sum()), rows=len(out[output]))
            rest = rest & ~met
        out[UNMATCHED] = frame.filter(rest)
        counts.add(name, "", **{"in": len(frame), UNMATCHED: len(out[UNMATCHED])})
        return out

    def _flags(self, frame: Frame, log: EventLog) -> Frame:
        """Return a boolean column for each output but the last."""
        for output, wanted in self._conditions.items():
            frame = staging.condition(wanted, f"__met_{output}", frame, log, ENGINE)
        return frame.select(**{output: nw.col(f"__met_{output}") for output in self._conditions})


class TransformStep:
    """A transform node."""

    def __init__(self, node: TransformNode, schema: LogSchema, nothing: EventLog) -> None:
        """Compile the columns for events of a schema; `nothing` is a log of it without events."""
        columns = {name: _column(column, schema) for name, column in node.columns.items()}
        self._node = TransformNode(columns)
        self.needs_payload = any(isinstance(column, Filter) for column in columns.values())
        self._is_slow = any(isinstance(column, PythonColumn) for column in columns.values())
        self._plan = Plan(lambda rows: [staging.transformed(self._node, rows, nothing, ENGINE)])

    def push(self, frame: pl.DataFrame, log: EventLog) -> Frames:
        """Return the new columns."""
        if self.needs_payload or self._is_slow:
            return {OUT: ENGINE.collect(staging.transformed(self._node, lazy(frame), log, ENGINE))}
        return {OUT: self._plan.run(frame)[0]}


def ready(wanted: Filter | nw.Expr, schema: LogSchema) -> Filter | nw.Expr:
    """Return a condition as an expression, if columns decide it; else as it is."""
    if isinstance(wanted, nw.Expr):
        return wanted
    split = wanted.compile(schema)
    if split.residual is not None:
        return wanted
    return nw.lit(True) if split.expression is None else split.expression


def _column(column: TransformColumn, schema: LogSchema) -> TransformColumn:
    if not isinstance(column, Filter):
        return column
    condition = ready(column, schema)
    return nw.coalesce(condition, nw.lit(False)) if isinstance(condition, nw.Expr) else condition
