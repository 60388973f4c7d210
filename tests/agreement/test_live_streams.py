"""A log cut into micro-batches anywhere brings what a replay of the whole brings, row for row."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.streams.graph import Port
from evanalytics.streams.graph_state import GraphState, visible
from tests.streams.random_graphs import pipeline, random_case, random_log

SEEDS = int(os.environ.get("EVANALYTICS_SEEDS", "60"))
BLOCKS = 6
ORDER = ("window", "key", "start", "seq", "left_seq", "right_seq", "late_for_window", "late_for_key")


def pieces(log: ev.EventLog, draw: random.Random) -> Iterator[ev.EventLog]:
    """Yield a log cut at random places, empty pieces among them."""
    frame = log.lazy.collect().sort("seq")
    cuts = sorted(draw.randint(0, len(frame)) for _ in range(draw.choice((0, 1, 3, 20))))
    for start, end in zip([0, *cuts], [*cuts, len(frame)], strict=True):
        yield ev.EventLog(
            frame.slice(start, end - start).lazy(),
            schema=log.schema,
            report=log.report,
            payloads=log._payloads,
        )


def live(
    processor: ev.StreamProcessor, log: ev.EventLog, draw: random.Random
) -> tuple[dict[Port, pl.DataFrame], GraphState]:
    """Return all rows of all ports after a run in micro-batches, in the order of a replay."""
    state = GraphState(processor.graph, log.schema)
    found: dict[Port, list[pl.DataFrame]] = {}
    for piece in pieces(log, draw):
        for port, frame in state.push(piece).items():
            found.setdefault(port, []).append(visible(frame))
    for port, frame in state.close().items():
        found.setdefault(port, []).append(visible(frame))
    return {port: pl.concat(frames) for port, frames in found.items()}, state


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    first = [c for c in ORDER if c in frame.columns]
    return frame.sort([*first, *(c for c in frame.columns if c not in first)], nulls_last=True)


def check(processor: ev.StreamProcessor, log: ev.EventLog, draw: random.Random) -> None:
    result = processor.run(log, engine="polars")
    rows, state = live(processor, log, draw)

    for port, frame in rows.items():
        want = result.results(port.node, port.output)
        assert ordered(frame).equals(ordered(want.select(frame.columns))), port
    counts = [
        c.filter(pl.col("rows") > 0).sort("node", "part", "what")
        for c in (state.counts.frame(), result.counts)
    ]
    assert counts[0].equals(counts[1])


@pytest.mark.parametrize("block", range(BLOCKS))
def test_micro_batches_say_what_a_replay_says(block: int) -> None:
    for seed in range(block * SEEDS // BLOCKS, (block + 1) * SEEDS // BLOCKS):
        draw = random.Random(seed)
        case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))
        processor = pipeline(case, heavy=seed % 3 == 0, parallelism=(1, 3)[seed % 2])
        try:
            check(processor, log, draw)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {case}") from error
