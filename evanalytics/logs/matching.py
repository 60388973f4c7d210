"""The events that a filter matches as a frame of an engine: what columns decide, and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.engine_choice import engine_of
from evanalytics.logs.engines import Frame, FrameEngine, FrameFunction
from evanalytics.logs.log import Compilable, Engine, EventLog, LogSchema, Split, events_of
from evanalytics.logs.schema import SEQ


@runtime_checkable
class RunsFunctions(Protocol):
    """An engine that carries a function to where the rows lie."""

    def mapped(self, frame: Frame, function: FrameFunction, columns: dict[str, str]) -> Frame:
        """Return what a function makes of the rows, some thousand at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Ready:
    """A condition that is compiled already."""

    split: Split

    def compile(self, schema: LogSchema) -> Split:
        """Return it."""
        return self.split


def matching(
    log: EventLog, condition: Compilable, *, engine: Engine = "polars", spark: Any = None
) -> nw.LazyFrame[Any]:
    """Return the events that a filter matches as a narwhals frame on an engine, with all columns of the log.

    Args:
        log: The log.
        condition: A filter; what columns cannot tell of it is decided on the rows that they leave.
        engine: "polars", "duckdb" or "spark".
        spark: For "spark": a SparkSession, or the address of a Spark Connect server.

    Raises:
        EngineError: There is no such engine, or no Spark session.
        PayloadUnavailableError: A path has no column, and the payload is only in columns.
    """
    compiled = condition.compile(log.schema)
    split = Split(compiled) if isinstance(compiled, nw.Expr) else compiled
    chosen = engine_of(engine, spark=spark)
    log.keep_alive(chosen)
    frame = chosen.scan(log.lazy, log.plain)
    if split.expression is not None:
        frame = frame.filter(split.expression)
    if split.residual is None:
        return frame
    return frame.join(matching_seqs(log, split, chosen), on=SEQ, how="semi")


def matching_seqs(log: EventLog, split: Split, engine: FrameEngine) -> Frame:
    """Return the `seq` of the events that a condition with a residual matches.

    The residual is decided where the rows lie, if the engine can and the payload can be made from
    columns; else here, on the rows that the columns leave.
    """
    attach = log.payload_from_columns
    if attach is None or split.residual is None or not isinstance(engine, RunsFunctions):
        return engine.load(log.where(Ready(split)).lazy.select(SEQ).collect())
    log.refuse_lost(split.reads)
    holds = split.residual

    def decided(frame: pl.DataFrame) -> pl.DataFrame:
        (whole,) = attach([frame])
        kept = [holds(event) for event in events_of(whole)]
        return whole.filter(pl.Series(kept, dtype=pl.Boolean)).select(SEQ)

    frame = engine.scan(log.lazy, log.plain)
    left = frame if split.expression is None else frame.filter(split.expression)
    return engine.mapped(left, decided, {SEQ: "bigint"})
