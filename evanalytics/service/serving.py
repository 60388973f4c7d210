"""`evanalytics serve`: the application under uvicorn, until a signal asks it to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn

from evanalytics.exceptions import ServiceError
from evanalytics.service.api_key import SETTING, ApiKey
from evanalytics.service.embedded import EmbeddedEventService
from evanalytics.service.server import MOST_BODY_BYTES, event_app
from evanalytics.service.wire import LOOPBACK
from evanalytics.throttling.policy import ThrottlePolicy

GRACE_S = 10
"""How long requests may go on after the signal."""


async def serve(
    path: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8787,
    throttle: ThrottlePolicy | None = None,
    max_body_bytes: int = MOST_BODY_BYTES,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the events of a DuckDB file over HTTP until SIGINT or SIGTERM.

    Then it takes no further connection, ends the subscriptions, answers what it has begun (for
    at most 10 s), and lets go of the file. The API key comes from `EVANALYTICS_API_KEY`.

    Args:
        path: The file; it is made where there is none.
        host: The address to listen at; without a key, only one of this machine itself.
        port: The port; 0 takes a free one.
        throttle: The server's own limits for "publish", "query" and "subscribe".
        max_body_bytes: Longer requests are refused.
        say: Takes sentences for whoever started it.

    Raises:
        ServiceError: There is no key and the host is not this machine; the port is taken; or the file
            cannot be opened.
    """
    key = ApiKey.from_environment()
    if key is None and host not in LOOPBACK:
        raise ServiceError(
            f"without an API key this serves only 127.0.0.1, not {host}: set {SETTING}, or leave --host out"
        )
    async with EmbeddedEventService(path) as service:
        app = event_app(service, api_key=key, throttle=throttle, max_body_bytes=max_body_bytes)
        server = _Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                lifespan="on",
            )
        )
        server.on_stop = app.state.feeds.end_all
        with _listening(host, port) as listener:
            say(_greeting(service, *listener.getsockname()[:2], is_open=key is None))
            await server.serve([listener])
    say(f"stopped; {os.fspath(path)} is closed")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket]:
    import socket as sockets

    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    try:
        listener = sockets.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ServiceError(
            f"port {port} of {host} cannot be had ({error.strerror or error}); choose another one by --port"
        ) from error
    with listener:
        yield listener


def _greeting(service: EmbeddedEventService, host: str, port: int, *, is_open: bool) -> str:
    shown = f"[{host}]" if ":" in host else host
    line = f"serving {service.event_count:,} events at http://{shown}:{port}"
    if is_open:
        line += f"\nno {SETTING} is set: everybody on this machine can read and publish, nobody else"
    return line


class _Server(uvicorn.Server):
    """uvicorn, which ends subscriptions first when it stops, and does not raise the signal again.

    Raised again, SIGTERM would end the process before the file is closed.
    """

    on_stop: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {name: signal.signal(name, self.handle_exit) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self.on_stop()
        await super().shutdown(sockets)
