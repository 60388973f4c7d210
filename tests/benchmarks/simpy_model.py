"""Batching, throttling and delivery as SimPy processes: an independent judge, and a peer to race.

Nothing of our arithmetic is used: tokens are things in a container that come back after a while,
slots and the place at the head of the queue are resources, and every request is a process.
Time is whole nanoseconds. What chance decides is asked of the policies' own records.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import simpy

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

Steps = Generator[simpy.Event, Any, None]


class SimpyModel:
    """One operation with its batcher, its tokens, its slots and its service."""

    def __init__(
        self,
        arrivals_ns: Sequence[int],
        types: Sequence[Any],
        batch: BatchPolicy,
        throttle: ThrottlePolicy,
        delivery: DeliveryPolicy,
    ) -> None:
        self.env = simpy.Environment()
        self.arrivals_ns = arrivals_ns
        self.types = types
        self.batch = batch
        self.throttle = throttle
        self.delivery = delivery
        self.open: list[int] = []
        self.opened = 0  # batches so far, by which a timer knows whether its batch is still open
        self.deadline = 0
        self.requests = 0
        self.head = simpy.Resource(self.env)
        self.slots = simpy.Resource(self.env, delivery.max_in_flight or len(arrivals_ns) or 1)
        self.tokens: Tokens = _tokens(self.env, throttle.limit_of("publish"))
        self.latency_ns: list[int | None] = [None] * len(arrivals_ns)

    def run(self) -> list[int | None]:
        """Return each event's latency in nanoseconds; None if its request failed."""
        self.env.process(self._arrive())
        self.env.run()
        return self.latency_ns

    def _arrive(self) -> Steps:
        for event, arrival in enumerate(self.arrivals_ns):
            if arrival > self.env.now:
                yield self.env.timeout(arrival - self.env.now)
            if self.open and arrival >= self.deadline:
                self._leave()
            if not self.open:
                self.deadline = arrival + self.batch.flush_interval_ns
                self.opened += 1
                self.env.process(self._leave_at_deadline(self.opened))
            self.open.append(event)
            if len(self.open) == self.batch.max_batch_size and arrival < self.deadline:
                self._leave()

    def _leave_at_deadline(self, number: int) -> Steps:
        yield self.env.timeout(self.batch.flush_interval_ns)
        if self.open and self.opened == number:
            self._leave()

    def _leave(self) -> None:
        groups: dict[Any, list[int]] = {}
        for event in self.open:
            groups.setdefault(self.types[event] if self.batch.group_by else None, []).append(event)
        self.open = []
        for events in groups.values():
            self.env.process(self._send(self.requests, events))
            self.requests += 1

    def _send(self, request: int, events: list[int]) -> Steps:
        service, retry = self.delivery.service, self.delivery.retry
        cost = self.throttle.tokens_of(len(events))
        with self.head.request() as head:
            yield head
            slot = self.slots.request()
            yield slot
            yield from self.tokens.take(cost)
        with slot:
            for attempt in range(retry.max_attempts):
                if attempt:
                    yield self.env.timeout(retry.backoff_ns(request, attempt))
                    yield from self.tokens.take(cost)
                yield self.env.timeout(service.duration_ns(request, attempt, len(events)))
                if not service.fails(request, attempt):
                    for event in events:
                        self.latency_ns[event] = self.env.now - self.arrivals_ns[event]
                    return


class Unlimited:
    """Tokens without end."""

    def take(self, tokens: int) -> Steps:
        """Go on at once."""
        yield from ()


class ReturnedTokens:
    """A sliding window: each token is one of N things that come back `per` after they were taken."""

    def __init__(self, env: simpy.Environment, limit: RateLimit) -> None:
        self.env = env
        self.per_ns = limit.per_ns
        self.free = simpy.Container(env, init=limit.max_requests)

    def take(self, tokens: int) -> Steps:
        """Wait for so many; `Container` serves strictly in the order of asking."""
        yield self.free.get(tokens)
        self.env.timeout(self.per_ns).callbacks.append(lambda event: self.free.put(tokens))


class RefilledTokens:
    """A token bucket: while it is not full a token drops into it at every tick."""

    def __init__(self, env: simpy.Environment, limit: RateLimit) -> None:
        assert limit.per_ns % limit.max_requests == 0, "ticks need whole nanoseconds"
        self.env = env
        self.tick_ns = limit.per_ns // limit.max_requests
        self.bucket = simpy.Container(env, capacity=limit.burst, init=limit.burst)
        self.is_filling = False

    def take(self, tokens: int) -> Steps:
        """Wait for so many."""
        yield self.bucket.get(tokens)
        if not self.is_filling:
            self.is_filling = True
            self.env.process(self._fill())

    def _fill(self) -> Steps:
        while self.bucket.level < self.bucket.capacity:
            yield self.env.timeout(self.tick_ns)
            self.bucket.put(1)
        self.is_filling = False


class ResetTokens:
    """A fixed window: at each border there are N tokens again, whatever was left."""

    def __init__(self, env: simpy.Environment, limit: RateLimit) -> None:
        self.env = env
        self.limit = limit
        self.left = simpy.Container(env, capacity=limit.max_requests, init=limit.max_requests)
        self.will_reset = False

    def take(self, tokens: int) -> Steps:
        """Wait for so many."""
        yield self.left.get(tokens)
        if not self.will_reset:
            self.will_reset = True
            since = (self.env.now - self.limit.origin_ns) % self.limit.per_ns
            self.env.timeout(self.limit.per_ns - since).callbacks.append(self._reset)

    def _reset(self, event: simpy.Event) -> None:
        self.will_reset = False
        self.left.put(self.left.capacity - self.left.level)


Tokens = Unlimited | ReturnedTokens | RefilledTokens | ResetTokens


def _tokens(env: simpy.Environment, limit: RateLimit | None) -> Tokens:
    kinds = {"sliding_window": ReturnedTokens, "token_bucket": RefilledTokens, "fixed_window": ResetTokens}
    return Unlimited() if limit is None else kinds[limit.kind](env, limit)
