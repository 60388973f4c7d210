"""How fast requests may start, stated once for the live manager and for the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

from evanalytics.durations import Duration, duration_ns
from evanalytics.exceptions import PolicyError
from evanalytics.records import Record, duration, one_of, whole_number

LimitKind = Literal["sliding_window", "token_bucket", "fixed_window"]
OverBurst = Literal["debt", "refuse"]
TokensPer = Literal["request", "event"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class RateLimit(Record):
    """At most so many tokens per time, counted in one of three ways.

    All arithmetic is in whole nanoseconds. N is `max_requests`; a weight w is w unit tokens
    taken at one instant; waiters are served strictly in the order in which they asked.

    - **sliding_window** (the default): unit token r may be taken at `taken[r - N] + per` at the
      earliest. So any half-open span of length `per` holds at most N, which is the literal
      reading of "N requests per second". A weight above N is refused with an error.
    - **token_bucket**: starts full and holds `burst` tokens. A weight costs
      `cost(w) = ceil(w * per / N)` ns. With F the instant at which the bucket is full again,
      w is granted at `F - max(cost(burst) - cost(w), 0)` at the earliest, and then
      `F = max(F, start) + cost(w)`. A weight above `burst` is granted once the bucket is full and
      leaves it in debt, so that it never starves and the long-run rate holds
      (`over_burst="debt"`), or is refused with an error (`over_burst="refuse"`).
      A bucket of 200 per second with burst 200 lets up to 400 into one second: a full bucket
      and what flows in meanwhile.
    - **fixed_window**: windows `[origin + k * per, origin + (k + 1) * per)` hold N tokens each.
      A weight goes into one window whole: into the current one if it still fits, else into the
      next at its first instant. Two windows' worth may so pass within a moment around a border.
      A weight above N is refused with an error.

    Attributes:
        max_requests: N; at least 1.
        per: The time N stands for; from 1 us to 366 days.
        kind: How the limit counts.
        burst: What a token bucket holds; None means N. Other kinds have none.
        origin: Where the grid of fixed windows begins, counted from the start of the log
            (simulated) or from the moment the manager was made (live); from 0 to below `per`.
        over_burst: What a token bucket does with a weight above `burst`.

    Raises:
        PolicyError: A field makes no sense, alone or beside the others; the message names it.

    Example:
        >>> RateLimit(200, "1s")
        RateLimit(max_requests=200, per='1s')
        >>> RateLimit(3, "1s", kind="token_bucket").cost_ns(1)
        333333334
    """

    max_requests: int
    per: timedelta
    kind: LimitKind
    burst: int | None
    origin: timedelta
    over_burst: OverBurst

    def __init__(
        self,
        max_requests: int,
        per: Duration,
        *,
        kind: LimitKind = "sliding_window",
        burst: int | None = None,
        origin: Duration = timedelta(0),
        over_burst: OverBurst = "debt",
    ) -> None:
        self._fill(
            max_requests=whole_number(max_requests, "RateLimit.max_requests", most=2**31),
            per=duration(per, "RateLimit.per", allow_zero=False),
            kind=one_of(kind, "RateLimit.kind", ("sliding_window", "token_bucket", "fixed_window")),
            burst=_burst_of(kind, burst, max_requests),
            origin=duration(origin, "RateLimit.origin"),
            over_burst=one_of(over_burst, "RateLimit.over_burst", ("debt", "refuse")),
        )
        if self.origin >= self.per:
            raise PolicyError(f"RateLimit.origin: needs less than per ({per!r}), got {origin!r}")
        if self.origin and kind != "fixed_window":
            raise PolicyError(f"RateLimit.origin: only a fixed_window has one, kind is {kind!r}")

    @property
    def per_ns(self) -> int:
        """The time that `max_requests` stands for, in nanoseconds."""
        return duration_ns(self.per)

    @property
    def origin_ns(self) -> int:
        """The offset of the fixed windows' grid, in nanoseconds."""
        return duration_ns(self.origin)

    @property
    def max_tokens(self) -> int | None:
        """The most tokens that one request may ask for; None means any number."""
        if self.kind == "token_bucket":
            return self.burst if self.over_burst == "refuse" else None
        return self.max_requests

    def cost_ns(self, tokens: int) -> int:
        """Return the time in which so many tokens flow in, in nanoseconds, rounded up."""
        return -(-tokens * self.per_ns // self.max_requests)

    def slack_ns(self, tokens: int) -> int:
        """Return how long before the bucket is full so many tokens are there, in nanoseconds."""
        return max(self.cost_ns(self.burst or self.max_requests) - self.cost_ns(tokens), 0)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ThrottlePolicy(Record):
    """Which limit holds for which operation, and what a request costs.

    Operations never share tokens: each one named in `operations` has its own limit, or none, and each
    other one has `default` to itself. Within an operation the order is first come, first
    served, whatever the weights.

    Attributes:
        default: The limit of every operation that is not named; None means no limit.
        operations: Limits by operation, such as "publish" and "query"; None means no limit.
        tokens_per: What a dispatched request costs: "request": one token; "event": one per event.

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> policy = ThrottlePolicy(RateLimit(100, "1s"), operations={"publish": RateLimit(200, "1s")})
        >>> policy.limit_of("publish"), policy.limit_of("query")
        (RateLimit(max_requests=200, per='1s'), RateLimit(max_requests=100, per='1s'))
    """

    default: RateLimit | None
    operations: Mapping[str, RateLimit | None]
    tokens_per: TokensPer

    def __init__(
        self,
        default: RateLimit | None = None,
        *,
        operations: Mapping[str, RateLimit | None] = MappingProxyType({}),
        tokens_per: TokensPer = "request",
    ) -> None:
        if not isinstance(default, RateLimit | None):
            raise PolicyError(f"ThrottlePolicy.default: needs a RateLimit or None, got {default!r}")
        if not isinstance(operations, Mapping):
            raise PolicyError(f"ThrottlePolicy.operations: needs limits by operation, got {operations!r}")
        for operation, limit in operations.items():
            if not isinstance(limit, RateLimit | None):
                raise PolicyError(
                    f"ThrottlePolicy.operations[{operation!r}]: needs a RateLimit or None, got {limit!r}"
                )
        self._fill(
            default=default,
            operations=MappingProxyType(dict(operations)),
            tokens_per=one_of(tokens_per, "ThrottlePolicy.tokens_per", ("request", "event")),
        )

    def limit_of(self, operation: str) -> RateLimit | None:
        """Return the limit that holds for an operation; None means no limit."""
        return self.operations.get(operation, self.default)

    def tokens_of(self, events: int) -> int:
        """Return what a request with so many events costs, in tokens."""
        return events if self.tokens_per == "event" else 1

    def __hash__(self) -> int:
        return hash((self.default, frozenset(self.operations.items()), self.tokens_per))

    @classmethod
    def _read_field(cls, name: str, value: Any) -> Any:
        if name == "default":
            return _limit_of(value)
        if name == "operations" and isinstance(value, Mapping):
            return {operation: _limit_of(limit) for operation, limit in value.items()}
        return value


def _limit_of(document: Any) -> RateLimit | None:
    return None if document is None else RateLimit.from_dict(document)


def _burst_of(kind: str, burst: int | None, max_requests: int) -> int | None:
    if kind != "token_bucket":
        if burst is not None:
            raise PolicyError(f"RateLimit.burst: only a token_bucket has one, kind is {kind!r}")
        return None
    return max_requests if burst is None else whole_number(burst, "RateLimit.burst", most=2**31)
