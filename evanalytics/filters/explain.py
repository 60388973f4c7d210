"""What each condition of a filter does to a log, and what it costs: as written and as optimized."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.event import Event
from evanalytics.filters.columns import ByColumns, expression_of, split, why_undecided
from evanalytics.filters.documents import document_of
from evanalytics.filters.nodes import Node, conjunction, conjuncts
from evanalytics.filters.optimizer import FilterOptimizer, Step
from evanalytics.filters.predicate import compile_predicate
from evanalytics.filters.statistics import measured_shares
from evanalytics.logs.connection import connect
from evanalytics.logs.log import EventLog, LogSchema, events_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SCHEMA = {
    "condition": pl.String(),
    "ran": pl.String(),
    "rows_in": pl.Int64(),
    "rows_out": pl.Int64(),
    "share": pl.Float64(),
    "ms": pl.Float64(),
    "why": pl.String(),
}
_READ = "(read the events)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a filter did to a log, condition by condition.

    The tables have a row per condition in the order in which they ran: `condition` (as JSON),
    `ran` ("columns" or "events"), `rows_in`, `rows_out`, `share` (rows out per row in), `ms`
    (over columns: of this condition by itself; over events: on the rows that reached it), and
    `why` it did not run over columns.

    Attributes:
        original: The table of the filter as it was written.
        optimized: The table of what `log.where` runs.
        rules: The rules that fired: `rule`, `before`, `after`.
        document: The optimized filter.
        sql: The DuckDB query of what columns decide.
    """

    original: pl.DataFrame
    optimized: pl.DataFrame
    rules: pl.DataFrame
    document: dict[str, Any]
    sql: str

    @property
    def matches(self) -> int | None:
        """The number of events that match; None for a filter without conditions."""
        return int(self.optimized["rows_out"][-1]) if self.optimized.height else None

    def figure(self, *, height: int | None = None) -> go.Figure:
        """Return the tables as a picture: what each condition leaves over."""
        from evanalytics.plots.filters import selectivity_waterfall

        return selectivity_waterfall(self.original, self.optimized, height=height)

    def __str__(self) -> str:
        rules = ", ".join(dict.fromkeys(self.rules["rule"])) or "none"
        blocks = [
            _block("as written", self.original),
            _block("optimized", self.optimized),
            [f"rules: {rules}"],
        ]
        return "\n".join(line for block in blocks for line in block)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def explain(node: Node, log: EventLog) -> Explanation:
    """Run a condition on a log, part by part: as written, then optimized with the log's statistics."""
    guessed = FilterOptimizer(log.schema).optimize(node).node
    shares = measured_shares(conjuncts(guessed), log)
    result = FilterOptimizer(log.schema, selectivity=shares).optimize(node)
    decided, _ = split(result.node, log.schema)
    return Explanation(
        original=_run(_as_written(node, log.schema), log),
        optimized=_run(_as_split(result.node, log.schema), log),
        rules=_rules(result.trace),
        document=document_of(result.node),
        sql=sql_of(expression_of(decided, log.schema), log),
    )


def sql_of(expression: nw.Expr | None, log: EventLog) -> str:
    """Return the DuckDB query of an expression over a table `log` with a log's columns."""
    with connect() as connection:
        connection.register("log", pl.DataFrame(schema=dict(log.schema.columns)))
        frame = nw.from_native(connection.table("log"))
        relation = (frame if expression is None else frame.filter(expression)).to_native()
        return str(relation.sql_query())


@dataclass(frozen=True, slots=True)
class _Plan:
    """Conditions that run over columns, then conditions that run event by event."""

    columns: Sequence[Node]
    events: Sequence[Node]


def _as_written(node: Node, schema: LogSchema) -> _Plan:
    """Keep the order: behind the first condition that needs the events all run on them."""
    parts = conjuncts(node)
    first = next((i for i, part in enumerate(parts) if why_undecided(part, schema)), len(parts))
    return _Plan(parts[:first], parts[first:])


def _as_split(node: Node, schema: LogSchema) -> _Plan:
    decided, left = split(node, schema)
    return _Plan(conjuncts(decided), conjuncts(left))


def _run(plan: _Plan, log: EventLog) -> pl.DataFrame:
    rows = _over_columns(plan.columns, log)
    reached = rows[-1]["rows_out"] if rows else len(log)
    if plan.events:
        rows += _over_events(plan.events, log, conjunction(list(plan.columns)), reached)
    for row in rows:
        row["share"] = row["rows_out"] / row["rows_in"] if row["rows_in"] else None
    return pl.DataFrame(rows, schema=_SCHEMA)


def _over_columns(parts: Sequence[Node], log: EventLog) -> list[dict[str, Any]]:
    rows, reached = [], len(log)
    for number, part in enumerate(parts, start=1):
        count, _ = _timed_count(conjunction(list(parts[:number])), log)
        _, seconds = _timed_count(part, log)
        rows.append(_row(part, "columns", reached, count, seconds))
        reached = count
    return rows


def _timed_count(node: Node, log: EventLog) -> tuple[int, float]:
    begin = time.perf_counter()
    chosen = log.where(ByColumns(node))
    return len(chosen), time.perf_counter() - begin


def _over_events(parts: Sequence[Node], log: EventLog, before: Node, reached: int) -> list[dict[str, Any]]:
    """Run conditions on the events that columns left, frame by frame."""
    predicates = [compile_predicate(part) for part in parts]
    counts, seconds, reading = [0] * len(parts), [0.0] * len(parts), 0.0
    frames = log.where(ByColumns(before)).batches(payload=True)
    begin = time.perf_counter()
    for frame in frames:
        events: Iterable[Event] = list(events_of(frame))
        reading += time.perf_counter() - begin
        for i, predicate in enumerate(predicates):
            begin = time.perf_counter()
            events = list(filter(predicate, events))
            seconds[i] += time.perf_counter() - begin
            counts[i] += len(events)
        begin = time.perf_counter()
    reading += time.perf_counter() - begin
    rows = [_row(None, "events", reached, reached, reading)]
    for part, before_it, count, spent in zip(parts, [reached, *counts], counts, seconds, strict=False):
        rows.append(_row(part, "events", before_it, count, spent, why_undecided(part, log.schema)))
    return rows


def _row(
    part: Node | None, ran: str, rows_in: int, rows_out: int, seconds: float, why: str | None = None
) -> dict[str, Any]:
    text = _READ if part is None else _text(part)
    return {
        "condition": text,
        "ran": ran,
        "rows_in": rows_in,
        "rows_out": rows_out,
        "ms": seconds * 1e3,
        "why": why,
    }


def _rules(trace: Sequence[Step]) -> pl.DataFrame:
    rows = [(step.rule, _text(step.before), _text(step.after)) for step in trace]
    return pl.DataFrame(rows, schema=dict.fromkeys(("rule", "before", "after"), pl.String()), orient="row")


def _text(node: Node) -> str:
    """Return a condition as the inside of its JSON document."""
    return json.dumps(document_of(node), ensure_ascii=False)[1:-1] or "everything"


def _block(title: str, frame: pl.DataFrame) -> list[str]:
    lines = [f"{title}: {frame['ms'].sum():,.1f} ms"]
    for row in frame.iter_rows(named=True):
        why = f"  [{row['why']}]" if row["why"] else ""
        figures = f"{row['rows_in']:>12,} -> {row['rows_out']:>12,}  {row['ms']:>9,.1f} ms  {row['ran']:<8}"
        lines.append(f"  {figures} {row['condition']}{why}")
    return lines
