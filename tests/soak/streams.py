"""Kills a process that runs a stream with checkpoints, again and again, and looks what is lost."""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

import evanalytics as ev
from tests.streams.order_stream import live_pipeline, log_of, order_events

_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_SINKS = ("joined", "metrics")


@dataclass(frozen=True)
class Report:
    """What became of the rows of all rounds.

    Attributes:
        kills: How often the process was killed.
        rounds: How often it came to its end, and was looked at.
        rows: Rows that the sinks had to get.
        lost: Of these, how many they did not get.
        doubled: Rows that the idempotent store behind the sinks holds beyond these.
        changed: Rows that say something else than those of a replay, or came with two contents.
    """

    kills: int = 0
    rounds: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0


def kills(folder: Path, *, count: int, events: int, seed: int) -> Report:
    """Kill a run `count` times at random moments, and compare what arrived with a replay."""
    draw, killed, rounds = random.Random(seed), 0, []
    while killed < count or not rounds:
        place = folder / f"round{len(rounds)}"
        place.mkdir()
        while not _run(place, events, draw.expovariate(1.2) if killed < count else None):
            killed += 1
        rounds.append(_look(place, events))
    sums = {name: sum(getattr(r, name) for r in rounds) for name in ("rows", "lost", "doubled", "changed")}
    return Report(kills=killed, rounds=len(rounds), **sums)


def main(arguments: list[str]) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak streams")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="evanalytics-soak-") as folder:
        report = kills(Path(folder), count=options.kills, events=options.events, seed=options.seed)
    print(report, f"{time.perf_counter() - begin:,.0f} s")
    sys.exit(1 if report.lost or report.doubled or report.changed else 0)


def _run(place: Path, events: int, kill_after_s: float | None) -> bool:
    """Start the process; return whether it came to its end before it was killed."""
    command = [sys.executable, "-m", "tests.soak.streams", str(place), str(events)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "running"
        try:
            child.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return False
        assert child.returncode == 0
        return True


def _look(place: Path, events: int) -> Report:
    """Compare what the store holds with what a replay gives to the sinks."""
    want: dict[str, ev.Event] = {}

    def remember(kind: str) -> Callable[[pl.DataFrame], None]:
        return lambda batch: want.update((event.id, event) for event in _events(kind, batch))

    processor = live_pipeline(*(remember(kind) for kind in _SINKS))
    processor.run(log_of(order_events(events)), engine="polars", sinks=True)
    got = {event.id: event for event in asyncio.run(_stored(place))}
    return Report(
        rounds=1,
        rows=len(want),
        lost=len(want.keys() - got.keys()),
        doubled=len(got.keys() - want.keys()),
        changed=sum(got[key] != want[key] for key in want.keys() & got.keys())
        + sum(int(path.read_text()) for path in place.glob("*.conflicts")),
    )


async def _stored(place: Path) -> list[ev.Event]:
    async with ev.EmbeddedEventService(place / "sink.duckdb") as service:
        found: list[ev.Event] = []
        while page := await service.query_events(limit=10_000, after_id=found[-1].id if found else None):
            found += page
        assert len(found) == service.event_count
        return found


def _events(kind: str, batch: pl.DataFrame) -> list[ev.Event]:
    """Return the rows of a sink as events under their derived ids."""
    return [
        ev.Event(
            id=row["id"],
            type=kind,
            source="soak",
            time=_TIME,
            data={name: None if value is None else str(value) for name, value in row.items()},
        )
        for row in batch.rows(named=True)
    ]


async def _child(place: Path, events: int) -> None:
    """Run the pipeline into an event service, with a checkpoint after each small micro-batch."""
    async with ev.EmbeddedEventService(place / "sink.duckdb") as service:

        def sink(kind: str) -> Callable[[pl.DataFrame], object]:
            async def publish(batch: pl.DataFrame) -> None:
                result = await service.publish_events(_events(kind, batch))
                if result.conflicts:
                    (place / f"{time.time_ns()}.conflicts").write_text(str(result.conflicts))

            return publish

        processor = live_pipeline(*(sink(kind) for kind in _SINKS))
        run = await processor.start(
            log_of(order_events(events)),
            micro_batch=ev.BatchPolicy(max_batch_size=100, flush_interval="1h"),
            checkpoint=place / "checkpoint.duckdb",
            checkpoint_interval="0s",
            handle_signals=True,
        )
        print("running", flush=True)
        await run.wait()


if __name__ == "__main__":
    asyncio.run(_child(Path(sys.argv[1]), int(sys.argv[2])))
