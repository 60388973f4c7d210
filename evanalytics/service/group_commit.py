"""Publishes that come in while another is being written share the next transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future

import polars as pl

from evanalytics.event import Event
from evanalytics.service.client import PublishResult
from evanalytics.service.rows import frame_of_events
from evanalytics.service.store import EventStore

_MOST_EVENTS = 50_000
"""A transaction takes no further publish once it has so many: the first one does not wait for ever."""

_Publish = tuple[list[Event], "Future[PublishResult]"]


class GroupCommit:
    """Writes to a store in one thread; whatever waits when its turn comes goes into one commit.

    A commit costs about the same for one event as for a thousand, so many small publishes at once
    are as quick as one large. Each keeps its own result, and is told only after the commit. An
    event that cannot be written fails its own publish and no other; a commit that fails, all of its.
    """

    def __init__(self, store: EventStore, writer: Executor) -> None:
        """Write to a store in an executor of one thread."""
        self._store = store
        self._writer = writer
        self._waiting: deque[_Publish] = deque()

    def publish(self, events: list[Event]) -> Future[PublishResult]:
        """Return a future of what becomes of the events; cancelled before its turn, nothing is written."""
        outcome: Future[PublishResult] = Future()
        self._waiting.append((events, outcome))
        self._writer.submit(self._write)
        return outcome

    def _write(self) -> None:
        """Write what is waiting, if an earlier turn has not done so already."""
        parts, outcomes = list[pl.DataFrame](), list["Future[PublishResult]"]()
        for events, outcome in self._turn():
            try:
                parts.append(frame_of_events(events))
                outcomes.append(outcome)
            except Exception as error:  # noqa: BLE001 - it is this publish that fails, and nothing else
                outcome.set_exception(error)
        if not parts:
            return
        try:
            results = self._store.append_each(parts)
        except BaseException as error:  # noqa: BLE001 - whatever it is, everybody who waits is told
            for outcome in outcomes:
                outcome.set_exception(error)
        else:
            for outcome, result in zip(outcomes, results, strict=True):
                outcome.set_result(result)

    def _turn(self) -> Iterator[_Publish]:
        taken = 0
        while self._waiting and taken < _MOST_EVENTS:
            events, outcome = self._waiting.popleft()
            if outcome.set_running_or_notify_cancel():
                taken += len(events)
                yield events, outcome
