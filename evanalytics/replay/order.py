"""The two orders in which a log can be replayed, each as frames from any position on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import polars as pl

from evanalytics.logs.log import EventLog, LogSchema
from evanalytics.logs.schema import SEQ, TS

DUE = "due"
"""Microseconds since the epoch: the instant of the log at which an event is to be handed out."""

ROWS = 16_384
"""Events that are read at a time."""
_LONG_AGO = -(2**63)


class ReplayOrder(Protocol):
    """An order of a log's events; positions count from 0 in that order."""

    def position_at(self, instant_us: int) -> int:
        """Return the position of the first event that is due at an instant, or later."""
        ...

    def frames(self, position: int) -> Iterator[pl.DataFrame]:
        """Yield the events from a position on: attributes, payload as JSON text, and `due`."""
        ...


class LogOrder:
    """As the events arrived: one that came late is due at once, with the one before it.

    An event is due at the latest time up to it. Nothing but one frame is held; finding a
    position reads the columns `seq` and `ts` up to there.
    """

    def __init__(self, log: EventLog, *, rows: int = ROWS) -> None:
        """Take the log, and how many events to read at a time."""
        self._log = log
        self._rows = rows

    def position_at(self, instant_us: int) -> int:
        """Return the position of the first event that is due at an instant, or later."""
        position = 0
        for _, due in self._due():
            position += (index := int(np.searchsorted(due, instant_us)))
            if index < len(due):
                break
        return position

    def frames(self, position: int) -> Iterator[pl.DataFrame]:
        """Yield the events from a position on, in `seq` order."""
        first, latest = self._before(position)
        for frame in self._log.where(_Where(nw.col(SEQ) >= first)).batches(self._rows, payload=True):
            due = np.maximum.accumulate(np.maximum(frame[TS].to_numpy(), latest))
            latest = due[-1] if len(due) else latest
            yield frame.with_columns(pl.Series(DUE, due))

    def _before(self, position: int) -> tuple[int, int]:
        """Return the `seq` of the event at a position, and the latest time before it."""
        if position == 0:
            return 0, _LONG_AGO
        passed, latest, last = 0, _LONG_AGO, -1
        for seqs, due in self._due():
            index = position - passed
            if index < len(seqs):
                return int(seqs[index]), int(due[index - 1]) if index else latest
            passed, latest, last = passed + len(seqs), int(due[-1]), int(seqs[-1])
        return last + 1, latest

    def _due(self) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        latest = _LONG_AGO
        for frame in self._log.lazy.select(SEQ, TS).collect_batches(chunk_size=self._rows):
            if len(frame):
                due = np.maximum.accumulate(np.maximum(frame[TS].to_numpy(), latest))
                latest = due[-1]
                yield frame[SEQ].to_numpy(), due


class TimeOrder:
    """By time, and by arrival where times are equal.

    Held are 16 bytes an event, and those events that arrived before others which are due earlier.
    """

    def __init__(self, log: EventLog, *, rows: int = ROWS) -> None:
        """Take the log, and how many events to read at a time; sort its times."""
        self._log = log
        self._rows = rows
        index = log.lazy.select(SEQ, TS).sort(TS, SEQ).collect()
        self._seqs, self._times = index[SEQ].to_numpy(), index[TS].to_numpy()

    def position_at(self, instant_us: int) -> int:
        """Return the position of the first event that is due at an instant, or later."""
        return int(np.searchsorted(self._times, instant_us))

    def frames(self, position: int) -> Iterator[pl.DataFrame]:
        """Yield the events from a position on, sorted by `ts` and `seq`."""
        if position >= len(self._seqs):
            return
        ts, seq = int(self._times[position]), int(self._seqs[position])
        is_left = (nw.col(TS) > ts) | ((nw.col(TS) == ts) & (nw.col(SEQ) >= seq))
        arriving = self._log.where(_Where(is_left)).batches(self._rows, payload=True)
        held, reached = list[pl.DataFrame](), -1
        while position < len(self._seqs):
            # A growing step keeps a log in no order at all from being searched through at every one.
            step = max(self._rows, sum(map(len, held)) // 4)
            wanted = self._seqs[position : position + step]
            while reached < wanted.max():
                held.append(next(arriving))
                reached = int(held[-1][SEQ][-1]) if len(held[-1]) else reached
            waiting = pl.concat(held)
            is_due = pl.Series(np.isin(waiting[SEQ].to_numpy(), wanted))
            yield from (
                waiting.filter(is_due)
                .sort(TS, SEQ)
                .with_columns(pl.col(TS).alias(DUE))
                .iter_slices(self._rows)
            )
            held = [waiting.filter(~is_due)]
            position += step


@dataclass(frozen=True, slots=True)
class _Where:
    """A condition as `EventLog.where` takes it."""

    expression: nw.Expr

    def compile(self, schema: LogSchema) -> nw.Expr:
        return self.expression
