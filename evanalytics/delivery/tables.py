"""Tables of what a simulation found, made from its columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evanalytics.delivery.sending import NEVER, OUTCOMES, Released, Sent

Int64Array = NDArray[np.int64]

CAUSES = ("batching", "slot", "tokens", "backoff", "service")
"""What an event's time goes into, in this order; together they are its latency."""


def request_table(released: Released, sent: Sent) -> pl.DataFrame:
    """Return one row per request: what it carried, what became of it, what it waited for.

    Columns: request, events, tokens (spent, at all attempts), release_ns, start_ns (its first attempt;
    null if none), finish_ns, attempts, outcome, slot_ns, tokens_ns, backoff_ns, service_ns. The last
    four add up to the time from release to finish. While a request stands behind others it waits for
    what the first of them waits for: a slot, or tokens.
    """
    release, first_start = released.release_ns, _first_start(sent)
    asked = np.where(sent.asked_ns == NEVER, sent.finish_ns, sent.asked_ns)
    slot_ns = _waited_for_slot(release, asked, np.where(first_start == NEVER, sent.finish_ns, first_start))
    backoff_ns = sent.finish_ns - asked - sent.in_line_ns - sent.in_service_ns
    return pl.DataFrame(
        {
            "request": np.arange(len(released), dtype=np.int32),
            "events": released.events,
            "tokens": released.all_tokens * sent.attempts,
            "release_ns": release,
            "start_ns": pl.Series(first_start).replace(NEVER, None),
            "finish_ns": sent.finish_ns,
            "attempts": sent.attempts,
            "outcome": named(sent.outcome, OUTCOMES),
            "slot_ns": slot_ns,
            "tokens_ns": asked - release - slot_ns + sent.in_line_ns,
            "backoff_ns": backoff_ns,
            "service_ns": sent.in_service_ns,
        }
    )


def queue_table(arrival_ns: Int64Array, released: Released, sent: Sent, points: int) -> pl.DataFrame:
    """Return how many events are in which state at evenly spaced instants."""
    end = int(sent.finish_ns.max()) if len(sent.finish_ns) else 0
    at = np.arange(1, points + 1) * (end // points + 1)
    events, first_start = released.events, _first_start(sent)
    begun = np.where(first_start == NEVER, sent.finish_ns, first_start)
    arrived = np.searchsorted(arrival_ns, at, side="right")
    left, started, done = (
        _total_by(at, when, events) for when in (released.release_ns, begun, sent.finish_ns)
    )
    made = sent.start_ns != NEVER
    request = np.repeat(np.arange(len(released)), np.diff(sent.first_attempt, append=len(sent.start_ns)))
    tokens = _total_by(at, sent.start_ns[made], released.all_tokens[request[made]])
    return pl.DataFrame(
        {
            "at_ns": at,
            "in_batch": arrived - left,
            "waiting": left - started,
            "in_flight": started - done,
            "tokens": np.diff(tokens, prepend=0),
        }
    )


def named(codes: NDArray[np.integer], names: Sequence[str]) -> pl.Series:
    """Return names by their place in a list, as an Enum; a place below zero is null."""
    places = pl.Series(codes, dtype=pl.Int64)
    return pl.Series(names, dtype=pl.Enum(names)).gather(places.set(places < 0, None))


def _first_start(sent: Sent) -> Int64Array:
    return sent.start_ns[sent.first_attempt]


def _waited_for_slot(release: Int64Array, asked: Int64Array, left: Int64Array) -> Int64Array:
    """Return how much of the time between release and asking the head of the queue had no slot.

    A request is head from `begin` on, when it is released and the one before has left; until it asks
    the queue waits for a slot, and then, until it leaves, for tokens. So the time without a
    slot, counted up to any instant, is known from the heads before it.
    """
    if len(release) == 0:
        return release
    begin = np.maximum(release, np.concatenate(([0], left[:-1])))
    until = np.cumsum(asked - begin)
    head = np.searchsorted(begin, release, side="right") - 1
    before = until[head] - np.maximum(asked[head] - release, 0)
    return np.where(head < 0, until, until - np.where(head < 0, 0, before))


def _total_by(at: Int64Array, when: Int64Array, what: NDArray[np.integer]) -> Int64Array:
    """Return the total of what has happened by each instant."""
    order = np.argsort(when, kind="stable")
    totals = np.concatenate(([0], np.cumsum(what[order], dtype=np.int64)))
    return totals[np.searchsorted(when[order], at, side="right")]
