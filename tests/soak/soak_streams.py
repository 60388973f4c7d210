"""Kills a process that runs a stream with checkpoints, again and again, and looks what is lost."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

import evanalytics as ev
from tests.soak.outcome import Outcome
from tests.streams.order_stream import live_pipeline, log_of, order_events

_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_SINKS = ("joined", "metrics")


def run(*, kills: int, seed: int, events: int = 20_000) -> Iterator[Outcome]:
    """Yield what is left after so many kills of a process that runs a stream with checkpoints."""
    with tempfile.TemporaryDirectory(prefix="evanalytics-soak-") as folder:
        yield kill_stream(Path(folder), kills=kills, events=events, seed=seed)


def kill_stream(folder: Path, *, kills: int, events: int, seed: int) -> Outcome:
    """Kill a run at random moments until it comes to its end, again and again; compare with a replay."""
    draw, killed, unopened, looks = random.Random(seed), 0, 0, list[tuple[int, int, int, int]]()
    while (killed < kills and not unopened) or not looks:
        place = folder / f"round{len(looks)}"
        place.mkdir()
        outcome = _live(place, events, draw.expovariate(1.2))
        while outcome == "killed":
            killed += 1
            outcome = _live(place, events, draw.expovariate(1.2) if killed < kills else None)
        unopened += outcome == "not opened"
        looks.append(_look(place, events))
    wanted, kept, lost, doubled = (sum(numbers) for numbers in zip(*looks, strict=True))
    return Outcome(
        what="stream killed",
        kills=killed,
        acknowledged=wanted,
        kept=kept,
        lost=lost,
        doubled=doubled,
        unopened=unopened,
    )


def _live(place: Path, events: int, for_s: float | None) -> str:
    """Let the process run for a while; return "killed", "finished" or "not opened"."""
    command = [sys.executable, "-m", "tests.soak.soak_streams", str(place), str(events)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        if child.stdout.readline().strip() != "running":
            return "not opened"
        try:
            return "finished" if child.wait(for_s) == 0 else "not opened"
        except subprocess.TimeoutExpired:
            child.kill()
            return "killed"


def _look(place: Path, events: int) -> tuple[int, int, int, int]:
    """Return how many rows the sinks had to get, are kept, are lost, and are doubled or changed."""
    want: dict[str, ev.Event] = {}

    def remember(kind: str) -> Callable[[pl.DataFrame], None]:
        return lambda batch: want.update((event.id, event) for event in _events(kind, batch))

    processor = live_pipeline(*(remember(kind) for kind in _SINKS))
    processor.run(log_of(order_events(events)), engine="polars", sinks=True)
    got = {event.id: event for event in asyncio.run(_stored(place))}
    changed = sum(got[key] != want[key] for key in want.keys() & got.keys())
    changed += sum(int(path.read_text()) for path in place.glob("*.conflicts"))
    return len(want), len(got), len(want.keys() - got.keys()), len(got.keys() - want.keys()) + changed


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
