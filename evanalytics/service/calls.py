"""Calls to a served event service: the key, the time they may take, and when they are tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, TypeVar

import httpx

from evanalytics.clock import Clock, wait_all
from evanalytics.delivery.policy import Retry
from evanalytics.durations import Duration, duration_ns, format_duration, parse_duration
from evanalytics.exceptions import ClosedError, ServiceError, ServiceUnavailableError
from evanalytics.service.api_key import ApiKey
from evanalytics.service.wire import JSON, LOOPBACK, error_of

T = TypeVar("T")

_LONGEST_SILENCE = timedelta(seconds=30)
"""Of a subscription, whose server tells something every 10 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that can be made as often as needed."""

    method: str
    path: str
    content: bytes = b""
    media_type: str = JSON
    params: tuple[tuple[str, str], ...] = ()


class HttpCalls:
    """Makes calls over kept connections.

    No error of the transport is chained to ours: its traceback holds frames in whose local names
    the key stands, and a notebook that shows local names would show it.
    """

    def __init__(
        self,
        base_url: str,
        key: ApiKey | None,
        *,
        timeout: Duration,
        retry: Retry,
        max_retry_after: Duration,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Connect when first needed."""
        self.base_url = _checked(base_url)
        self.clock = clock
        self._timeout = parse_duration(timeout, name="timeout")
        self._retry = retry
        self._max_retry_after_ns = duration_ns(parse_duration(max_retry_after, name="max_retry_after"))
        self._number = count()
        self._is_closed = False
        self._client = httpx.AsyncClient(
            base_url=self.base_url,
            auth=None if key is None else _Bearer(key),
            timeout=None,  # a call's time is kept here, on the clock
            transport=transport,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=self.base_url.host not in LOOPBACK,  # no proxy leads to this machine
        )

    async def send(self, call: Call) -> bytes:
        """Return the body of the answer, after as many attempts as it takes and the policy allows.

        Raises:
            ServiceUnavailableError: No attempt was answered, or the service asks for too long a rest.
            EvAnalyticsError: What the service answered.
        """
        for attempt in count(1):
            answer = await self.attempt(call)
            if isinstance(answer, httpx.Response):
                return answer.content
            wait_ns = self.wait_ns(attempt, answer)
            if wait_ns is None:
                raise answer
            await self.clock.sleep_until_ns(self.clock.monotonic_ns() + wait_ns)
        raise AssertionError  # count() never ends

    def wait_ns(self, attempt: int, error: Exception) -> int | None:
        """Return how long to wait after a failed attempt; None if there is no point in another."""
        if not isinstance(error, ServiceUnavailableError) or attempt >= self._retry.max_attempts:
            return None
        asked_ns = int((error.retry_after_s or 0) * 1e9)
        if asked_ns > self._max_retry_after_ns:
            return None
        return max(asked_ns, self._retry.backoff_ns(next(self._number), attempt))

    async def attempt(self, call: Call, *, stream: bool = False) -> httpx.Response | Exception:
        """Return the answer of the service, or the error that it is; with `stream`, the body unread."""
        if self._is_closed:
            raise ClosedError(f"the client of {self.base_url} is closed")
        request = self._client.build_request(
            call.method,
            call.path,
            content=call.content,
            params=call.params or None,
            headers={"Content-Type": call.media_type},
        )
        answer = await self._in_time(self._client.send(request, stream=stream), "answer", self._timeout)
        if isinstance(answer, Exception) or answer.status_code == 200:
            return answer
        try:
            told = await self._in_time(answer.aread(), "end of an answer", self._timeout)
        finally:
            await answer.aclose()
        return told if isinstance(told, Exception) else _error_of(answer, self.clock.now())

    async def in_silence(self, work: Awaitable[T]) -> T | ServiceUnavailableError:
        """Return what comes next of an answer without end, or the error that it is if nothing does."""
        return await self._in_time(work, "sign of life", max(self._timeout, _LONGEST_SILENCE))

    async def _in_time(
        self, work: Awaitable[T], what: str, timeout: timedelta
    ) -> T | ServiceUnavailableError:
        """Return the result of work with the network, or the error that it fails or takes too long."""
        task = asyncio.ensure_future(work)
        try:
            await wait_all([task], clock=self.clock, timeout=timeout)
            if not task.done():
                return ServiceUnavailableError(
                    f"{self.base_url}: no {what} within {format_duration(timeout)}"
                )
            error = task.exception()
        finally:
            await ended(task)
        if isinstance(error, httpx.RequestError | httpx.StreamError):
            return ServiceUnavailableError(f"{self.base_url}: {type(error).__name__}: {error}")
        if error is not None:
            raise error
        return task.result()

    async def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        await self._client.aclose()


class _Bearer(httpx.Auth):
    """Puts the key on a request at the last moment."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._key.header()
        yield request


async def ended(task: asyncio.Future[Any]) -> None:
    """Cancel a task, unless it is done, and wait until it is."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ServiceError(f"base_url: {error}; needs one such as http://127.0.0.1:8787") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ServiceError(f"base_url: needs one such as http://127.0.0.1:8787, got {base_url!r}")
    if url.userinfo or url.query:
        raise ServiceError("base_url: holds a password or a query; the key goes into api_key")
    return url


def _error_of(answer: httpx.Response, now: datetime) -> Exception:
    told = answer.headers.get("retry-after")
    retry_after_s = None if told is None else _seconds(told, answer.headers.get("date"), now)
    return error_of(answer.status_code, answer.content, answer.headers, retry_after_s=retry_after_s)


def _seconds(retry_after: str, date: str | None, now: datetime) -> float | None:
    """Return the seconds that a header `Retry-After` means, by the server's own clock if it tells it."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        return max((until - (parsedate_to_datetime(date) if date else now)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
