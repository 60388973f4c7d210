"""Rate limits as running maxima of whole columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evanalytics.throttling.policy import RateLimit

Int64Array = NDArray[np.int64]

_FAR_NS = 2**62


def has_closed_form(limit: RateLimit, tokens: Int64Array) -> bool:
    """Return whether `grant_by_columns` can serve askers with these weights.

    A window with weights has no closed form: a weight waits for all of its tokens, and how long
    depends on the weights before it.
    """
    return limit.kind == "token_bucket" or bool((tokens == 1).all())


def grant_by_columns(asked_ns: Int64Array, tokens: Int64Array, limit: RateLimit) -> Int64Array:
    """Return when each asker of one line is served."""
    if len(asked_ns) == 0:
        return asked_ns
    if limit.kind == "token_bucket":
        costs, slacks = bucket_tables(limit, tokens)
        return _flow_into_bucket(asked_ns, costs[tokens], slacks[tokens])
    if limit.kind == "sliding_window":
        return _every_nth_apart(asked_ns, limit.max_requests, limit.per_ns)
    window = _every_nth_apart((asked_ns - limit.origin_ns) // limit.per_ns, limit.max_requests, 1)
    return np.maximum(asked_ns, limit.origin_ns + window * limit.per_ns)


def bucket_tables(limit: RateLimit, tokens: NDArray[np.integer]) -> tuple[Int64Array, Int64Array]:
    """Return what each weight among `tokens` costs, and its slack, as tables by weight (ns)."""
    weights = np.flatnonzero(np.bincount(tokens))
    costs = np.zeros(weights[-1] + 1, np.int64)
    slacks = np.zeros(weights[-1] + 1, np.int64)
    for weight in weights.tolist():
        costs[weight] = limit.cost_ns(weight)
        slacks[weight] = min(limit.slack_ns(weight), _FAR_NS)
    return costs, slacks


def _flow_into_bucket(asked_ns: Int64Array, cost_ns: Int64Array, slack_ns: Int64Array) -> Int64Array:
    spent = np.cumsum(cost_ns)
    full = spent + np.maximum.accumulate(asked_ns - (spent - cost_ns))
    full_before = np.concatenate(([0], full[:-1]))
    return np.maximum.accumulate(np.maximum(asked_ns, full_before - slack_ns))


def _every_nth_apart(earliest: Int64Array, every: int, apart: int) -> Int64Array:
    """Return the least values, none below `earliest`, of which each is `apart` past the nth before it.

    Such values fall into n sequences that know nothing of each other: each is a running
    maximum, down a column of a table with n columns.
    """
    count = len(earliest)
    width = min(every, count)
    rows = -(-count // width)
    table = np.full(rows * width, earliest[-1], dtype=np.int64)
    table[:count] = earliest
    steps = (np.arange(rows) * apart)[:, None]
    return (np.maximum.accumulate(table.reshape(rows, width) - steps, axis=0) + steps).ravel()[:count]
