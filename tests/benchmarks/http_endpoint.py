"""A small HTTP endpoint that takes events and takes its time: `python -m tests.benchmarks.http_endpoint`."""

from __future__ import annotations

import asyncio
import json
import random

FIXED_S, PER_EVENT_S, SCATTER_S = 0.012, 0.0002, 0.004


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, one after the other."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        events = json.loads(await reader.readexactly(length))
        await asyncio.sleep(FIXED_S + PER_EVENT_S * len(events) + random.expovariate(1 / SCATTER_S))
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()


async def main() -> None:
    """Serve on a free port of localhost, which is printed."""
    server = await asyncio.start_server(_guarded, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await answer(reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())
