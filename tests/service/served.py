"""Services over HTTP for tests: in this process, in its loop behind a real port, or in another process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from evanalytics.delivery.policy import Retry
from evanalytics.event import Event
from evanalytics.service.embedded import EmbeddedEventService
from evanalytics.service.http import HttpEventServiceClient
from evanalytics.service.server import event_app

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT_ONCE = Retry(max_attempts=5, base="1ms", max_delay="2ms")
URL = "http://127.0.0.1"


def event(event_id: object, **attributes: Any) -> Event:
    """Return an event of that id."""
    return Event(**{"id": str(event_id), "type": "order", "source": "shop", "time": NOON} | attributes)


def client_of(app: ASGIApp, api_key: str | None = None, **options: Any) -> HttpEventServiceClient:
    """Return a client of an application in this process, without a network."""
    options = {"retry": AT_ONCE, "timeout": "10m"} | options
    return HttpEventServiceClient(URL, api_key, transport=httpx.ASGITransport(app), **options)


@asynccontextmanager
async def in_process(**options: Any) -> AsyncIterator[HttpEventServiceClient]:
    """Give a client of a service in memory that is served in this process."""
    async with EmbeddedEventService() as service, client_of(event_app(service, **options)) as client:
        yield client


@asynccontextmanager
async def at_port(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application at a free port, by this loop; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@contextmanager
def in_another_process(
    path: Path, *, port: int = 0, key: str | None = None, arguments: tuple[str, ...] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `evanalytics serve`; gives the process and its URL once it listens."""
    environment = {name: value for name, value in os.environ.items() if name != "EVANALYTICS_API_KEY"}
    if key is not None:
        environment["EVANALYTICS_API_KEY"] = key
    command = [sys.executable, "-m", "evanalytics.cli", "serve", "--db", str(path), "--port", str(port)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()
