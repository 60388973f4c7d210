"""Kills the process that publishes over HTTP, or the one that serves, and looks what is left."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evanalytics.exceptions import ServiceError
from evanalytics.service import EmbeddedEventService
from tests.service.served import in_another_process
from tests.soak.outcome import Outcome

ROOT = Path(__file__).parents[2]
LONGEST_LIFE_S = 0.4


def run(*, kills: int, seed: int) -> Iterator[Outcome]:
    """Yield what is left after so many kills of the publisher, and of the server."""
    yield kill_publisher(kills=kills, seed=seed)
    yield kill_server(kills=kills, seed=seed)


def kill_publisher(*, kills: int, seed: int) -> Outcome:
    """Kill the publishing process again and again; the server goes on."""
    chance = random.Random(seed)
    acknowledged: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.duckdb")
        with in_another_process(path) as (_, url):
            for number in range(kills):
                said = Path(folder, f"said-{number}")
                with publishing(url, f"p{number}", said):
                    let_live(said, chance)
                acknowledged.update(lines_of(said))
        return outcome("publisher killed", kills, acknowledged, [stored(path)])


def kill_server(*, kills: int, seed: int) -> Outcome:
    """Kill the serving process again and again; the publisher goes on with the next one."""
    chance = random.Random(seed)
    looks = list[list[str] | None]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path, said, port = Path(folder, "events.duckdb"), Path(folder, "said"), 0
        for _ in range(kills):
            with in_another_process(path, port=port) as (_, url):
                if not port:
                    stack.enter_context(publishing(url, "s", said))
                    port = int(url.rpartition(":")[2])
                let_live(said, chance)
            looks.append(stored(path))
        stack.close()
        return outcome("server killed", kills, Counter(lines_of(said)), looks)


@contextmanager
def publishing(url: str, run: str, said: Path) -> Iterator[None]:
    """Run the publishing process, which writes to a file what is acknowledged; it is killed at the end."""
    command = [sys.executable, "-m", "tests.soak.publishing", url, run]
    with said.open("wb") as output, subprocess.Popen(command, stdout=output, cwd=ROOT) as process:
        try:
            yield
        finally:
            process.kill()


def let_live(said: Path, chance: random.Random) -> None:
    """Return a random time after the publisher has next been told that something is kept."""
    size = said.stat().st_size
    while said.stat().st_size == size:
        time.sleep(0.002)
    time.sleep(chance.random() * LONGEST_LIFE_S)


def lines_of(said: Path) -> list[str]:
    """Return what was said in whole lines."""
    return said.read_text().rpartition("\n")[0].split()


def stored(path: Path) -> list[str] | None:
    """Return the ids that a file holds, in order of arrival; None if it cannot be opened."""

    async def ids() -> list[str]:
        async with EmbeddedEventService(path) as service:
            return [one async for frame in service.export_frames() for one in frame["id"]]

    try:
        return asyncio.run(ids())
    except ServiceError:
        return None


def outcome(what: str, kills: int, acknowledged: Counter[str], looks: list[list[str] | None]) -> Outcome:
    """Hold what was acknowledged against what is there."""
    kept = Counter(looks[-1] or [])
    return Outcome(
        what=what,
        kills=kills,
        acknowledged=len(acknowledged),
        kept=len(kept),
        lost=sum(one not in kept for one in acknowledged),
        doubled=sum(times > 1 for times in kept.values()),
        unopened=sum(look is None for look in looks),
    )
