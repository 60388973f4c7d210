"""What every request passes: the API key, and a line in the log."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evanalytics.clock import Clock
from evanalytics.service.api_key import SETTING, ApiKey
from evanalytics.service.wire import HEALTH, JSON, LOOPBACK, error_body

_log = logging.getLogger("evanalytics.service")


class Guard:
    """Lets in who has the key, and logs method, path, status and time; never a header or a body.

    Without a key only programs of this machine are let in. A page in a browser can reach the port as
    well: under a name of its own site that leads here, which `Host` tells; or under this machine's name,
    and then the browser tells the page's site in `Origin` or `Sec-Fetch-Site`.
    """

    def __init__(self, app: ASGIApp, api_key: ApiKey | None, clock: Clock) -> None:
        """Stand before an application."""
        self._app = app
        self._key = api_key
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin_ns, status = self._clock.monotonic_ns(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        refusal = self._refusal(scope)
        try:
            if refusal is None:
                await self._app(scope, receive, noting)
            else:
                await _refuse(noting, refusal)
        finally:
            self._log(scope, status, (self._clock.monotonic_ns() - begin_ns) / 1e6)

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        headers = dict(scope["headers"])
        if scope["path"] == HEALTH:
            return None
        if self._key is None:
            if _name_of(headers.get(b"host", b"").decode("latin-1")) not in LOOPBACK:
                return f"without {SETTING} this server answers only requests to localhost or 127.0.0.1"
            if b"origin" in headers or headers.get(b"sec-fetch-site", b"none") != b"none":
                return f"without {SETTING} this server answers no page in a browser"
            return None
        given = headers.get(b"authorization")
        if given is None:
            return f"an API key is needed: set {SETTING}, or send it as Authorization: Bearer ..."
        if self._key.opens(given):
            return None
        return f"the API key is wrong: {SETTING} must be what it is where the server was started"

    def _log(self, scope: Scope, status: int, took_ms: float) -> None:
        level = logging.DEBUG if status < 400 else logging.WARNING
        if _log.isEnabledFor(level):
            fields = {"method": scope["method"], "path": scope["path"], "status": status, "took_ms": took_ms}
            _log.log(level, "%s %s %d %.1f ms", *fields.values(), extra=fields)


def _name_of(host: str) -> str:
    """Return the name in a header `Host`, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


async def _refuse(send: Send, sentence: str) -> None:
    headers = [(b"content-type", JSON.encode()), (b"www-authenticate", b"Bearer")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": error_body("ServiceAccessError", sentence)})
