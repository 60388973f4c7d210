"""Rows on their way out: derived ids, and batches handed to a sink's function."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Sequence

import polars as pl

from evanalytics.logs.schema import ID, SEQ
from evanalytics.streams.columns import KEY, LATE_FOR, LATE_KEY, LEFT_SEQ, MISSED, RIGHT_SEQ, START, WINDOW
from evanalytics.streams.nodes import SinkNode


def with_ids(rows: pl.DataFrame, prefix: str, keys: Sequence[str] = ()) -> pl.DataFrame:
    """Return rows with a column `id` in front that is the same at every replay.

    A window's id says the window and the key, a pair's the positions of its two events in the log,
    any other row's the position of its event. An event keeps its own; one that came late for several
    windows is as many rows, so theirs say the window and the key as well.

    Args:
        rows: As a sink gets them.
        prefix: The names of processor and sink.
        keys: The key columns of windows.
    """
    if ID in rows.columns:
        return rows.with_columns(pl.concat_str(_late(pl.col(ID)))) if MISSED in rows.columns else rows
    return rows.select(pl.concat_str([pl.lit(f"{prefix}/"), *_identity(rows, keys)]).alias(ID), pl.all())


class SinkFeed:
    """Cuts rows into a sink's batches and calls its function, one batch at a time, in order.

    A coroutine function runs on an event loop in a thread of its own, so that a replay can be asked
    for where a loop is running already, as in a notebook.
    """

    def __init__(self, prefix: str, node: SinkNode, keys: Sequence[str] = ()) -> None:
        """Begin with nothing held; `prefix` and `keys` are for `with_ids`."""
        self._prefix, self._keys = prefix, keys
        self._node = node
        self._held: list[pl.DataFrame] = []
        self._rows = 0
        self._loop: _LoopThread | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows; whatever fills batches leaves."""
        self._held.append(with_ids(rows, self._prefix, self._keys))
        self._rows += len(rows)
        size = self._node.batch_size
        if self._rows >= size:
            frame = pl.concat(self._held)
            full = len(frame) // size * size
            for start in range(0, full, size):
                self._call(frame.slice(start, size))
            self._held, self._rows = [frame.slice(full)], len(frame) - full

    def finish(self) -> None:
        """Send what is left."""
        if self._rows:
            self._call(pl.concat(self._held))
        self._held, self._rows = [], 0

    def close(self) -> None:
        """End the event loop and its thread, if there are any."""
        if self._loop is not None:
            self._loop.stop()

    def _call(self, batch: pl.DataFrame) -> None:
        answer = self._node.process_batch(batch)
        if inspect.isawaitable(answer):
            self._loop = self._loop or _LoopThread()
            self._loop.wait_for(answer)


class _LoopThread:
    """An event loop that runs in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def wait_for(self, awaitable: Awaitable[object]) -> None:
        async def run() -> None:
            await awaitable

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _identity(rows: pl.DataFrame, keys: Sequence[str]) -> list[pl.Expr]:
    slash = pl.lit("/")
    if START in rows.columns:
        start = pl.col(START).dt.to_string("iso:strict")
        values = [slash, pl.struct(list(keys)).struct.json_encode()] if keys else []
        return [pl.col(WINDOW), slash, start, slash, pl.col(KEY), *values]
    if LEFT_SEQ in rows.columns:
        sides = [pl.col(c).cast(pl.String).fill_null("") for c in (LEFT_SEQ, RIGHT_SEQ)]
        return [sides[0], pl.lit("-"), sides[1]]
    seq = pl.col(SEQ).cast(pl.String)
    return _late(seq) if MISSED in rows.columns else [seq]


def _late(event: pl.Expr) -> list[pl.Expr]:
    return [event, pl.lit("/"), pl.col(LATE_FOR), pl.lit("/"), pl.col(LATE_KEY)]
