"""A log cut into micro-batches anywhere brings what a replay of the whole brings, row for row."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.streams import join_state, joining
from evanalytics.streams.graph import Port
from evanalytics.streams.graph_state import GraphState, visible
from evanalytics.streams.state import from_bytes, to_bytes
from tests.streams.random_graphs import pipeline, random_case, random_log

SEEDS = int(os.environ.get("EVANALYTICS_SEEDS", "40"))
"""500 are run by `EVANALYTICS_SEEDS=500 pytest tests/agreement/test_live_streams.py`."""
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
    processors: tuple[ev.StreamProcessor, ...],
    log: ev.EventLog,
    draw: random.Random,
    *,
    restarts: bool,
    close: bool,
) -> tuple[dict[Port, pl.DataFrame], GraphState]:
    """Return all rows of all ports after a run in micro-batches.

    With restarts, each piece is taken by a new state, which continues from what the last one saved.
    """
    state = GraphState(processors[0].graph, log.schema)
    found: dict[Port, list[pl.DataFrame]] = {}
    for piece in pieces(log, draw):
        if restarts:
            state = restarted(state, draw.choice(processors), log)
        for port, frame in state.push(piece).items():
            found.setdefault(port, []).append(visible(frame))
    for port, frame in state.close().items() if close else ():
        found.setdefault(port, []).append(visible(frame))
    return {port: pl.concat(frames) for port, frames in found.items()}, state


def restarted(state: GraphState, processor: ev.StreamProcessor, log: ev.EventLog) -> GraphState:
    saved = {place: to_bytes(frame) for place, frame in state.dump().items()}
    other = GraphState(processor.graph, log.schema)
    other.load({place: from_bytes(data) for place, data in saved.items()})
    other.counts.load(state.counts.rows())
    return other


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    first = [c for c in ORDER if c in frame.columns]
    return frame.sort([*first, *(c for c in frame.columns if c not in first)], nulls_last=True)


def check(seed: int, *, restarts: bool = False, close: bool = True) -> None:
    draw = random.Random(seed)
    case, log = random_case(draw), ev.EventLog.from_frame(random_log(draw, draw.choice((1, 3, 40, 80))))
    processors = [pipeline(case, heavy=seed % 3 == 0, parallelism=n) for n in (1, 3)]
    result = processors[0].run(log, engine="polars", close=close)
    chosen = tuple(processors) if restarts else (processors[seed % 2],)
    rows, state = live(chosen, log, draw, restarts=restarts, close=close)
    for port, frame in rows.items():
        want = result.results(port.node, port.output)
        assert ordered(frame).equals(ordered(want.select(frame.columns))), f"seed {seed}: {port}: {case}"
    if not close:
        return  # what still waits in a join is in none of the fates yet
    counts = [
        frame.filter(pl.col("rows") > 0).sort("node", "part", "what")
        for frame in (state.counts.frame(), result.counts)
    ]
    assert counts[0].equals(counts[1]), f"seed {seed}: {case}"


@pytest.mark.parametrize("block", range(BLOCKS))
def test_micro_batches_say_what_a_replay_says(block: int) -> None:
    for seed in range(block * SEEDS // BLOCKS, (block + 1) * SEEDS // BLOCKS):
        check(seed)


@pytest.mark.parametrize("block", range(2))
def test_windows_that_are_closed_so_far_are_those_of_a_replay_that_is_left_open(block: int) -> None:
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        check(20_000 + seed, close=False)


@pytest.mark.parametrize("block", range(2))
def test_restart_from_any_checkpoint_changes_nothing(block: int) -> None:
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        check(10_000 + seed, restarts=True)


def test_hot_keys_that_are_joined_by_time_as_well_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_HOT", -1)
    monkeypatch.setattr(join_state, "_FEW", 0)
    for seed in range(30_000, 30_006):
        check(seed)
