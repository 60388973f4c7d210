"""How requests are sent, retried and given up, stated once for the dispatcher and the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.draws import BACKOFF, FRACTION_BITS, draw
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.durations import Duration, duration_ns
from evanalytics.exceptions import PolicyError
from evanalytics.records import Record, duration, number, whole_number
from evanalytics.throttling.policy import ThrottlePolicy

__all__ = ["DeliveryPolicy", "Retry", "ServiceModel", "check_fit"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Retry(Record):
    """What happens after a failed attempt: wait, longer each time, and try again.

    Attempts count from 0. Before attempt k (k = 1, 2, ...) the wait is d minus a random part of
    d of at most `jitter`, where d = min(base * factor**(k - 1), max_delay); it is never below
    1 ns. The random part is a hash of (seed, request, attempt), so a simulation knows it too.

    Attributes:
        max_attempts: Attempts in all, the first included; 1 means that nothing is retried.
        base: The wait before the first retry, before jitter.
        factor: By how much each wait exceeds the one before; 1 to 100.
        max_delay: The longest wait; at most 24 h.
        jitter: The share of a wait that is random; 0: none, 1: anything down to nothing.
        seed: Of the jitter; 0 to 2**53.

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> retry = Retry(max_attempts=4, base="100ms", factor=2, jitter=0)
        >>> [retry.backoff_ns(request=7, attempt=k) // 1_000_000 for k in (1, 2, 3)]
        [100, 200, 400]
    """

    max_attempts: int
    base: timedelta
    factor: float
    max_delay: timedelta
    jitter: float
    seed: int

    def __init__(
        self,
        *,
        max_attempts: int = 5,
        base: Duration = "100ms",
        factor: float = 2.0,
        max_delay: Duration = "30s",
        jitter: float = 0.5,
        seed: int = 0,
    ) -> None:
        self._fill(
            max_attempts=whole_number(max_attempts, "Retry.max_attempts", most=1_000),
            base=duration(base, "Retry.base", most="24h"),
            factor=number(factor, "Retry.factor", least=1, most=100),
            max_delay=duration(max_delay, "Retry.max_delay", most="24h"),
            jitter=number(jitter, "Retry.jitter", least=0, most=1),
            seed=whole_number(seed, "Retry.seed", least=0),
        )

    @property
    def delays_ns(self) -> tuple[int, ...]:
        """The waits before attempts 1, 2, ... without jitter, in nanoseconds."""
        return _delays_ns(self)

    @property
    def jitter_parts(self) -> int:
        """The jitter in parts of 2**16, a whole number."""
        return round(self.jitter * (1 << FRACTION_BITS))

    def backoff_ns(self, request: int, attempt: int) -> int:
        """Return the wait before an attempt (1 is the first retry) of a request, in nanoseconds.

        In integers: d - ((d * jitter_parts >> 16) * u >> 16), at least 1, where d is
        `delays_ns[attempt - 1]` and u the upper 16 bits of the draw from the BACKOFF stream.
        """
        delay = self.delays_ns[attempt - 1]
        share = draw(self.seed, BACKOFF, request, attempt) >> (64 - FRACTION_BITS)
        spread = delay * self.jitter_parts >> FRACTION_BITS
        return max(delay - (spread * int(share) >> FRACTION_BITS), 1)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class DeliveryPolicy(Record):
    """How the requests of an operation are sent: in which order, how many at once, how long tried.

    Each operation has one FIFO, its own slots and its own tokens; operations never wait for each
    other. A request is released when its batch leaves. The head of the FIFO takes a slot, then
    asks for tokens, then starts; only then is the next one head. A finished request gives its
    slot back.

    A failed attempt keeps its slot, waits its backoff, then asks for tokens again, in one line
    with the head: first come, first served, and at one instant retries before the head, among
    retries the earlier due, then the lower request index. After the last attempt the request is
    handed back.

    With `delivery_timeout`, a request's deadline is its release plus that time, half-open:
    nothing starts at the deadline or later. Whatever is not finished then is handed back at that
    instant, before anything else that happens then: it leaves the FIFO, or the line for tokens
    (spending none), or its running call is cut. After a failure whose backoff would end at the deadline
    or later, the request is handed back at once.

    Attributes:
        max_in_flight: Slots of an operation; None means any number.
        max_queue: The most events held (open batch, waiting, in flight) before a live `add` waits;
            None means no bound. A simulation lets the queue grow and shows how long it became.
        retry: What happens after a failed attempt.
        delivery_timeout: The longest time from release to the end; None means that only the number
            of attempts bounds it.
        service: How long calls take and how often they fail, in a simulation; live calls ignore it.

    Raises:
        PolicyError: A field makes no sense; the message names it.

    Example:
        >>> policy = DeliveryPolicy(max_in_flight=4, retry=Retry(max_attempts=3))
        >>> DeliveryPolicy.from_json(policy.to_json()) == policy
        True
    """

    max_in_flight: int | None
    max_queue: int | None
    retry: Retry
    delivery_timeout: timedelta | None
    service: ServiceModel

    def __init__(
        self,
        *,
        max_in_flight: int | None = 8,
        max_queue: int | None = 100_000,
        retry: Retry | None = None,
        delivery_timeout: Duration | None = None,
        service: ServiceModel | None = None,
    ) -> None:
        if not isinstance(retry, Retry | None):
            raise PolicyError(f"DeliveryPolicy.retry: needs a Retry, got {retry!r}")
        if not isinstance(service, ServiceModel | None):
            raise PolicyError(f"DeliveryPolicy.service: needs a ServiceModel, got {service!r}")
        if max_in_flight is not None:
            max_in_flight = whole_number(max_in_flight, "DeliveryPolicy.max_in_flight")
        if max_queue is not None:
            max_queue = whole_number(max_queue, "DeliveryPolicy.max_queue")
        if delivery_timeout is not None:
            name = "DeliveryPolicy.delivery_timeout"
            delivery_timeout = duration(delivery_timeout, name, allow_zero=False)
        self._fill(
            max_in_flight=max_in_flight,
            max_queue=max_queue,
            retry=retry or Retry(),
            delivery_timeout=delivery_timeout,
            service=service or ServiceModel(),
        )

    @property
    def delivery_timeout_ns(self) -> int | None:
        """The delivery timeout in nanoseconds."""
        return None if self.delivery_timeout is None else duration_ns(self.delivery_timeout)

    @classmethod
    def _read_field(cls, name: str, value: Any) -> Any:
        if name == "retry" and value is not None:
            return Retry.from_dict(value)
        if name == "service" and value is not None:
            return ServiceModel.from_dict(value)
        return value


def check_fit(batch: BatchPolicy, throttle: ThrottlePolicy, operation: str = "publish") -> None:
    """Refuse policies under which a batch could ask for more tokens than its limit ever grants.

    Raises:
        PolicyError: `tokens_per="event"`, and batches may be larger than the limit's window.
    """
    limit = throttle.limit_of(operation)
    most = None if limit is None else limit.max_tokens
    needed = throttle.tokens_of(batch.max_batch_size)
    if most is not None and needed > most:
        raise PolicyError(
            f"BatchPolicy.max_batch_size: a request of {needed} events costs {needed} tokens, and {limit!r} "
            f"for {operation!r} never grants more than {most} at once; use max_batch_size={most}, "
            "tokens_per='request', or a token_bucket"
        )


@lru_cache(maxsize=256)
def _delays_ns(retry: Retry) -> tuple[int, ...]:
    longest = duration_ns(retry.max_delay)
    delays = [min(duration_ns(retry.base), longest)]
    for _ in range(retry.max_attempts - 2):
        delays.append(min(int(delays[-1] * retry.factor), longest))
    return tuple(delays[: retry.max_attempts - 1])
