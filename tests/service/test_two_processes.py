"""What only real processes show: the lock on the file, and what `kill -9` leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evanalytics.exceptions import ServiceLockedError
from evanalytics.service import EmbeddedEventService

HOLD = """
import sys
from evanalytics.service import EmbeddedEventService
service = EmbeddedEventService(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""
TRY = """
import sys
from evanalytics.exceptions import ServiceLockedError
from evanalytics.service import EmbeddedEventService
try:
    EmbeddedEventService(sys.argv[1])
    print("open")
except ServiceLockedError as error:
    print(error)
"""
PUBLISH = """
import asyncio, sys
from datetime import UTC, datetime
from evanalytics.event import Event
from evanalytics.service import EmbeddedEventService

async def main(path, run):
    service = EmbeddedEventService(path)
    for batch in range(1_000_000):
        events = [
            Event(id=f"{run}-{batch}-{i}", type="order", source="shop",
                  time=datetime(2026, 1, 1, tzinfo=UTC), data={"filler": str(i) * 1_000})
            for i in range(50)
        ]
        await service.publish_events(events)
        print(batch, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_file_that_another_process_holds_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    with run(HOLD, str(path)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"

        with pytest.raises(ServiceLockedError) as refused:
            EmbeddedEventService(path)
        holder.communicate("")

    assert str(refused.value) == (
        f"{path} is open in another process (pid {holder.pid}), and DuckDB lets in one at a time: "
        f"close it there (a notebook: shut its kernel down), or share it with `evanalytics serve --db {path}`"
    )


async def test_another_process_is_refused_until_the_service_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"

    async with EmbeddedEventService(path):
        while_open = run(TRY, str(path)).communicate()[0]
    once_closed = run(TRY, str(path)).communicate()[0]

    assert "is open in another process" in while_open
    assert once_closed == "open\n"


async def test_every_acknowledged_event_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    acknowledged = list[str]()
    for number, batches in enumerate((1, 40, 250, 3)):
        with run(PUBLISH, str(path), str(number)) as publisher:
            assert publisher.stdout is not None
            lines = [publisher.stdout.readline() for _ in range(batches)]
            publisher.kill()
            lines += publisher.stdout.readlines()
        acknowledged += [f"{number}-{line.strip()}-" for line in lines if line.endswith("\n")]

    async with EmbeddedEventService(path) as service:
        ids = [one async for frame in service.export_frames() for one in frame["id"]]

    assert {batch + str(i) for batch in acknowledged for i in range(50)} <= set(ids)
    assert len(ids) == len(set(ids))
    assert len(ids) % 50 == 0  # and no batch is there in part
