"""Slow, obvious twins of the fast code: plain Python that says the rule once more, word for word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy


@dataclass(frozen=True)
class ReferenceBatch:
    """Events `first` up to, not including, `stop`; times in nanoseconds."""

    first: int
    stop: int
    left_ns: int
    reason: str


def batches(
    arrivals: Sequence[int], policy: BatchPolicy, sizes: Sequence[int] | None = None
) -> list[ReferenceBatch]:
    """Cut arrivals into batches, event by event; the last one leaves at its deadline."""
    out: list[ReferenceBatch] = []
    first = 0
    while first < len(arrivals):
        deadline = arrivals[first] + policy.flush_interval_ns
        left, reason, stop, held = deadline, "age", first, 0
        while stop < len(arrivals) and (stop == first or arrivals[stop] < deadline):
            held += sizes[stop] if sizes else 0
            stop += 1
            if policy.flush_interval_ns == 0:
                break
            if stop - first == policy.max_batch_size:
                left, reason = arrivals[stop - 1], "size"
                break
            if policy.max_batch_bytes is not None and held >= policy.max_batch_bytes:
                left, reason = arrivals[stop - 1], "bytes"
                break
        out.append(ReferenceBatch(first, stop, left, reason))
        first = stop
    return out


@dataclass
class ReferenceRequest:
    """A request on its way; `state` says where it is."""

    index: int
    events: list[int]
    released_ns: int
    tokens: int
    asked_ns: int | None = None
    starts_ns: list[int] = field(default_factory=list)
    finished_ns: int = -1
    outcome: str = ""
    state: str = "coming"  # queued, in line, running, backing off, finished
    until_ns: int = -1  # end of the call or of the backoff

    def finish(self, now: int, outcome: str) -> None:
        self.state, self.finished_ns, self.outcome = "finished", now, outcome


def requests(
    arrived: Sequence[ReferenceBatch], types: Sequence[str], policy: BatchPolicy, throttle: ThrottlePolicy
) -> list[ReferenceRequest]:
    """Group each batch by type in the order of first appearance."""
    out: list[ReferenceRequest] = []
    for batch in arrived:
        groups: dict[str, list[int]] = {}
        for event in range(batch.first, batch.stop):
            groups.setdefault(types[event] if policy.group_by else "", []).append(event)
        for events in groups.values():
            out.append(ReferenceRequest(len(out), events, batch.left_ns, throttle.tokens_of(len(events))))
    return out


def ready_ns(taken: Sequence[tuple[int, int]], tokens: int, now: int, limit: RateLimit | None) -> int:
    """Return the first instant, now or later, at which a limit grants a weight.

    `taken` holds what was granted so far as (instant, weight); time begins at zero.
    """
    if limit is None:
        return now
    if limit.kind == "token_bucket":
        full = 0
        for instant, weight in taken:
            full = max(full, instant) + limit.cost_ns(weight)
        held = limit.cost_ns(limit.burst or 0)
        return max(now, full - max(held - limit.cost_ns(tokens), 0))
    if limit.kind == "sliding_window":
        moments = [now, *(instant + limit.per_ns for instant, _ in taken)]
        return min(
            moment
            for moment in moments
            if moment >= now
            and tokens + sum(weight for instant, weight in taken if instant > moment - limit.per_ns)
            <= limit.max_requests
        )
    window = (now - limit.origin_ns) // limit.per_ns
    used = sum(w for instant, w in taken if (instant - limit.origin_ns) // limit.per_ns == window)
    return now if used + tokens <= limit.max_requests else limit.origin_ns + (window + 1) * limit.per_ns


def grants(asked: Sequence[tuple[int, int]], limit: RateLimit | None) -> list[int]:
    """Return when each (instant, weight) of one operation is granted, first come, first served."""
    taken: list[tuple[int, int]] = []
    last = 0
    for instant, tokens in asked:
        last = ready_ns(taken, tokens, max(instant, last), limit)
        taken.append((last, tokens))
    return [instant for instant, _ in taken]


def deliver(todo: list[ReferenceRequest], limit: RateLimit | None, policy: DeliveryPolicy) -> None:
    """Take the requests of one operation through queue, slots, tokens, calls and retries.

    The clock jumps from one instant at which something may happen to the next, and at each one
    everything that may happen does, in the order that `DeliveryPolicy` states.
    """
    line: list[ReferenceRequest] = []  # those that wait for tokens
    taken: list[tuple[int, int]] = []
    slots = policy.max_in_flight or len(todo)
    now = min((request.released_ns for request in todo), default=0)
    while any(request.state != "finished" for request in todo):
        _expire(todo, line, now, policy)
        while _go_on(todo, line, taken, now, slots, limit, policy):
            pass
        now = min([i for i in _instants(todo, line, taken, limit, policy) if i > now], default=now)


def latencies(arrivals: Sequence[int], done: Sequence[ReferenceRequest]) -> list[int | None]:
    """Return each event's time from arrival to the end of its request; None if not delivered."""
    out: list[int | None] = [None] * len(arrivals)
    for request in done:
        for event in request.events:
            if request.outcome == "delivered":
                out[event] = request.finished_ns - arrivals[event]
    return out


def _deadline(request: ReferenceRequest, policy: DeliveryPolicy) -> int:
    timeout = policy.delivery_timeout_ns
    return 1 << 62 if timeout is None else request.released_ns + timeout


def _instants(
    todo: list[ReferenceRequest],
    line: list[ReferenceRequest],
    taken: list[tuple[int, int]],
    limit: RateLimit | None,
    policy: DeliveryPolicy,
) -> list[int]:
    """Return every instant at which something may happen next."""
    out = []
    for request in todo:
        if request.state == "coming":
            out.append(request.released_ns)
        elif request.state != "finished":
            out.append(_deadline(request, policy))
        if request.state in ("running", "backing off"):
            out.append(request.until_ns)
    if line:
        last = taken[-1][0] if taken else 0
        out.append(ready_ns(taken, line[0].tokens, last, limit))
    return out


def _expire(
    todo: list[ReferenceRequest], line: list[ReferenceRequest], now: int, policy: DeliveryPolicy
) -> None:
    for request in todo:
        if request.state not in ("coming", "finished") and _deadline(request, policy) <= now:
            request.finish(now, "timeout")
            if request in line:
                line.remove(request)


def _go_on(
    todo: list[ReferenceRequest],
    line: list[ReferenceRequest],
    taken: list[tuple[int, int]],
    now: int,
    slots: int,
    limit: RateLimit | None,
    policy: DeliveryPolicy,
) -> bool:
    """Let the first thing happen that may happen now; return whether there was one."""
    for request in todo:
        if request.state == "running" and request.until_ns <= now:
            _end_call(request, now, policy)
            return True
    due = [request for request in todo if request.state == "backing off" and request.until_ns <= now]
    if due:
        retry = min(due, key=lambda request: (request.until_ns, request.index))
        retry.state = "in line"
        line.append(retry)
        return True
    for request in todo:
        if request.state == "coming" and request.released_ns <= now:
            request.state = "queued"
            return True
    busy = [r for r in todo if r.state in ("in line", "running", "backing off")]
    queued = [r for r in todo if r.state == "queued"]
    head_is_asking = any(not request.starts_ns for request in line)
    if queued and not head_is_asking and len(busy) < slots:
        queued[0].state, queued[0].asked_ns = "in line", now
        line.append(queued[0])
        return True
    if line and ready_ns(taken, line[0].tokens, now, limit) <= now:
        request = line.pop(0)
        taken.append((now, request.tokens))
        attempt = len(request.starts_ns)
        request.starts_ns.append(now)
        request.state = "running"
        request.until_ns = now + policy.service.duration_ns(request.index, attempt, len(request.events))
        return True
    return False


def _end_call(request: ReferenceRequest, now: int, policy: DeliveryPolicy) -> None:
    attempts = len(request.starts_ns)
    if not policy.service.fails(request.index, attempts - 1):
        request.finish(now, "delivered")
    elif attempts == policy.retry.max_attempts:
        request.finish(now, "failed")
    elif now + policy.retry.backoff_ns(request.index, attempts) >= _deadline(request, policy):
        request.finish(now, "timeout")
    else:
        request.state = "backing off"
        request.until_ns = now + policy.retry.backoff_ns(request.index, attempts)
