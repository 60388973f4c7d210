"""Rate limits over a whole log at once: when everyone in a line gets their tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evanalytics.exceptions import PolicyError, SimulationError
from evanalytics.throttling.closed_forms import grant_by_columns, has_closed_form
from evanalytics.throttling.meters import meter_of
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

Int64Array = NDArray[np.int64]

LAST_INSTANT_NS = 2**62
"""No simulation goes on for so long (146 years), so that sums of two instants fit into 64 bits."""


def simulate_throttle(
    asked_ns: Int64Array,
    policy: ThrottlePolicy,
    *,
    operation: str | Sequence[str] = "publish",
    tokens: int | Int64Array = 1,
) -> Int64Array:
    """Return when each asker gets its tokens, first come, first served within an operation.

    Args:
        asked_ns: When each one asks, in nanoseconds since the start of the log, never decreasing.
        policy: Which limit holds for which operation.
        operation: The operation of all askers, or of each.
        tokens: What all askers want, or each; at least 1.

    Raises:
        PolicyError: Someone wants more than the limit ever grants at once, or waits for ages.
        SimulationError: The askers are not in the order of time.

    Example:
        >>> policy = ThrottlePolicy(RateLimit(2, "1s"))
        >>> simulate_throttle(np.zeros(5, dtype=np.int64), policy).tolist()
        [0, 0, 1000000000, 1000000000, 2000000000]
    """
    if np.any(asked_ns[1:] < asked_ns[:-1]):
        raise SimulationError("asked_ns: must never decrease; sort the askers by the time at which they ask")
    wanted = np.full(asked_ns.shape, tokens, dtype=np.int64)
    if isinstance(operation, str):
        return grant_in_line(asked_ns, wanted, policy.limit_of(operation))
    names = np.asarray(operation)
    granted = asked_ns.copy()
    for name in set(operation):
        mine = names == name
        granted[mine] = grant_in_line(asked_ns[mine], wanted[mine], policy.limit_of(name))
    return granted


def grant_in_line(asked_ns: Int64Array, tokens: Int64Array, limit: RateLimit | None) -> Int64Array:
    """Return when each asker of one line is served; without a limit, at once.

    Raises:
        PolicyError: Someone wants more than the limit ever grants at once, or waits for ages.
    """
    if limit is None or len(asked_ns) == 0:
        return asked_ns.copy()
    check_tokens(
        limit,
        least=int(tokens.min()),
        most=int(tokens.max()),
        total=int(tokens.sum()),
        last_ns=int(asked_ns[-1]),
    )
    if has_closed_form(limit, tokens):
        return grant_by_columns(asked_ns, tokens, limit)
    return _grant_in_turn(asked_ns, tokens, limit)


def check_tokens(limit: RateLimit, *, least: int = 1, most: int, total: int, last_ns: int) -> None:
    """Refuse tokens that a limit would never grant, or not within this century.

    Args:
        limit: The limit.
        least: The fewest tokens wanted at once.
        most: The most tokens wanted at once.
        total: The tokens wanted in all.
        last_ns: The last instant at which someone asks.

    Raises:
        PolicyError: It says what would do.
    """
    if least < 1:
        raise PolicyError(f"{limit!r}: needs at least 1 token each, got {least}")
    if limit.max_tokens is not None and most > limit.max_tokens:
        raise PolicyError(
            f"{limit!r}: never grants more than {limit.max_tokens} tokens at once, and {most} are wanted; "
            "ask for fewer at a time, or use a token_bucket that may go into debt"
        )
    if last_ns + 2 * limit.cost_ns(total) + 2 * limit.per_ns >= LAST_INSTANT_NS:
        raise PolicyError(
            f"{limit!r}: {total} tokens would take more than 100 years; raise max_requests or lower per"
        )


def _grant_in_turn(asked_ns: Int64Array, tokens: Int64Array, limit: RateLimit) -> Int64Array:
    meter, granted, now = meter_of(limit, 0), [], 0
    for asked, wanted in zip(asked_ns.tolist(), tokens.tolist(), strict=True):
        now = max(now, asked, meter.ready_ns(wanted))
        meter.take(now, wanted)
        granted.append(now)
    return np.array(granted, dtype=np.int64)
