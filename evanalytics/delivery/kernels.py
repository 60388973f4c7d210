"""Sending as loops; load it inside functions only, for it loads numba.

The rules are those of `BatchPolicy`, `RateLimit` and `DeliveryPolicy`. A limit comes as five arrays,
made by `evanalytics.delivery.sending._limit_arrays`: its `rule`, a token bucket's `costs` and `slacks` by
weight, and two that change: the `state`, and the `ring` of the instants at which a sliding window's
last N unit tokens were taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evanalytics.compiled import Index, kernel, step

FAR_NS = 2**62

# places in a limit's rule, and its kinds
KIND, MOST, PER, ORIGIN = 0, 1, 2, 3
SLIDING_WINDOW, TOKEN_BUCKET, FIXED_WINDOW = 1, 2, 3

# places in a limit's state
LINE = 0  # nobody is served before this instant, for whoever came first blocks the line
NEXT = 1  # where in the ring the next unit token goes
FULL = 2  # when the bucket is full again
BORDER = 3  # where the newest window ends from which tokens were taken
USED = 4  # how many were taken from it
SLOT = 5  # where in a ring of slots the next one to become free is

DELIVERED, FAILED, TIMEOUT = 0, 1, 2


@kernel
def send_once(
    leave_ns: Any,
    batch_of: Any,
    events_of: Any,
    tokens_of: Any,
    fixed_ns: int,
    per_event_ns: int,
    extra_ns: Any,
    free_ns: Any,
    is_fifo: bool,
    rule: Any,
    state: Any,
    ring: Any,
    costs: Any,
    slacks: Any,
    asked_ns: Any,
    start_ns: Any,
    finish_ns: Any,
) -> None:
    """Send requests, after those of earlier calls with the same state; none fails or times out.

    `free_ns` says when each slot is free, all 0 at the start, and is empty where there is no bound on
    what is in flight. It is a ring if all calls take equally long, for then they end in the order in
    which they start, and else a heap. `tokens_of` is empty where each request costs one token,
    `extra_ns` where no call takes extra time, `asked_ns` and `start_ns` where they are not wanted.
    """
    head_left, slots, slot = state[LINE], len(free_ns), Index(state[SLOT])
    for request in range(Index(len(finish_ns))):
        asked = max(leave_ns[Index(batch_of[request])], head_left)
        if slots > 0:
            asked = max(asked, free_ns[slot])
        tokens = tokens_of[request] if len(tokens_of) > 0 else 1
        start = _granted_at(rule, state, ring, slacks, asked, tokens)
        _take(rule, state, ring, costs, start, tokens)
        finish = start + fixed_ns + per_event_ns * events_of[request]
        if len(extra_ns) > 0:
            finish += extra_ns[request]
        if slots > 0 and is_fifo:
            free_ns[slot] = finish
            slot = Index(_place(slot + Index(1), Index(slots)))
        elif slots > 0:
            _replace_least(free_ns, slots, finish)
        if len(start_ns) > 0:
            asked_ns[request] = asked
            start_ns[request] = start
        finish_ns[request] = finish
        head_left = start
    state[SLOT] = slot


@kernel
def send_with_retries(
    release_ns: Any,
    deadline_ns: Any,
    tokens_of: Any,
    attempts: Any,
    service_ns: Any,
    backoff_ns: Any,
    is_last_good: Any,
    slots: int,
    rule: Any,
    state: Any,
    ring: Any,
    costs: Any,
    slacks: Any,
    ends: Any,
    backing_off: Any,
    due_ns: Any,
    asked_ns: Any,
    start_ns: Any,
    finish_ns: Any,
    tries: Any,
    outcome: Any,
    in_line_ns: Any,
    in_service_ns: Any,
) -> None:
    """Send requests whose attempts may fail and which may time out.

    Request r has the attempts `attempts[r]` up to `attempts[r + 1]` at most; they take `service_ns`,
    after a wait of `backoff_ns`, and fail all but the last, which is good or not.

    What happens is worked off by the instants at which someone asks for tokens: the next retry or
    the head, the retry if both ask at once. A taken slot belongs to a request on `ends`, the heap
    of those whose end is known, or on `backing_off`. The head gets a slot at the least of these
    ends, for a retry that is yet to come ends later than it comes. `tries` and the two sums of
    waiting start at 0, `asked_ns` by request and `start_ns` by attempt at -1.
    """
    requests, head, head_left, ending, waiting, one = len(release_ns), 0, 0, 0, 0, Index(1)
    while head < requests or waiting > 0:
        asked = FAR_NS
        is_full = slots > 0 and ending + waiting >= slots
        if head < requests and not (is_full and ending == 0):
            asked = max(release_ns[Index(head)], head_left)
            if is_full:
                asked = max(asked, finish_ns[Index(ends[0])])
        is_head = waiting == 0 or due_ns[Index(backing_off[0])] > asked
        if is_head:
            request = Index(head)
            head += 1
            if asked >= deadline_ns[request]:
                head_left = deadline_ns[request]
                finish_ns[request] = head_left
                outcome[request] = TIMEOUT
                continue
            asked_ns[request] = asked
            if is_full:
                ending = _pop(ends, ending, finish_ns)
        else:
            request = Index(backing_off[0])
            asked = due_ns[request]
            waiting = _pop(backing_off, waiting, due_ns)

        tokens = tokens_of[request]
        start = _granted_at(rule, state, ring, slacks, max(asked, state[LINE]), tokens)
        end = min(start, deadline_ns[request])
        in_line_ns[request] += end - asked
        if is_head:
            head_left = end
        if start >= deadline_ns[request]:
            state[LINE] = max(state[LINE], end)
            outcome[request] = TIMEOUT
        else:
            _take(rule, state, ring, costs, start, tokens)
            attempt = Index(attempts[request] + tries[request])
            start_ns[attempt] = start
            tries[request] += 1
            end = min(start + service_ns[attempt], deadline_ns[request])
            in_service_ns[request] += end - start
            if end == deadline_ns[request]:
                outcome[request] = TIMEOUT
            elif attempt + one == attempts[request + one]:
                outcome[request] = DELIVERED if is_last_good[request] else FAILED
            elif end + backoff_ns[attempt + one] >= deadline_ns[request]:
                outcome[request] = TIMEOUT
            else:
                due_ns[request] = end + backoff_ns[attempt + one]
                waiting = _push(backing_off, waiting, request, due_ns)
                continue
        finish_ns[request] = end
        if slots > 0:
            ending = _push(ends, ending, request, finish_ns)


@step
def _granted_at(rule: Any, state: Any, ring: Any, slacks: Any, asked: Any, tokens: Any) -> Any:
    """Return when tokens are granted to the next one in line, who asks no earlier than `LINE`; take none."""
    if rule[KIND] == SLIDING_WINDOW:
        oldest = _place(state[NEXT] + tokens - 1, len(ring))
        return max(asked, ring[Index(oldest)] + rule[PER])
    if rule[KIND] == TOKEN_BUCKET:
        return max(asked, state[FULL] - slacks[Index(tokens)])
    if rule[KIND] == FIXED_WINDOW and asked < state[BORDER] and state[USED] + tokens > rule[MOST]:
        return state[BORDER]
    return asked


@step
def _take(rule: Any, state: Any, ring: Any, costs: Any, start: Any, tokens: Any) -> None:
    """Take tokens at the instant at which they are granted."""
    state[LINE] = start
    if rule[KIND] == SLIDING_WINDOW:
        for _ in range(tokens):
            ring[Index(state[NEXT])] = start
            state[NEXT] = _place(state[NEXT] + 1, len(ring))
    elif rule[KIND] == TOKEN_BUCKET:
        state[FULL] = max(state[FULL], start) + costs[Index(tokens)]
    elif rule[KIND] == FIXED_WINDOW:
        if start >= state[BORDER]:
            window = (start - rule[ORIGIN]) // rule[PER]
            state[BORDER] = rule[ORIGIN] + (window + 1) * rule[PER]
            state[USED] = 0
        state[USED] += tokens


@step
def _place(index: Any, length: Any) -> Any:
    """Return the place in a ring of an index that has gone round at most once."""
    return index - length if index >= length else index


@step
def _replace_least(heap: Any, size: Any, value: Any) -> None:
    """Replace the least value of a heap by another one."""
    place, one, end = Index(0), Index(1), Index(size)
    while place + place + one < end:
        child = place + place + one
        if child + one < end and heap[child + one] < heap[child]:
            child += one
        if heap[child] >= value:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = value


@step
def _push(heap: Any, size: Any, request: Any, instant: Any) -> Any:
    """Put a request on a heap whose first has the earliest instant, then the lowest index."""
    place, one = Index(size), Index(1)
    while place > Index(0):
        parent = (place - one) >> one
        if not _is_before(request, heap[parent], instant):
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = request
    return size + 1


@step
def _pop(heap: Any, size: Any, instant: Any) -> Any:
    """Take the first request off such a heap."""
    place, one, end = Index(0), Index(1), Index(size - 1)
    last = heap[end]
    while place + place + one < end:
        child = place + place + one
        if child + one < end and _is_before(heap[child + one], heap[child], instant):
            child += one
        if not _is_before(heap[child], last, instant):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = last
    return size - 1


@step
def _is_before(one: Any, other: Any, instant: Any) -> Any:
    at, by = instant[Index(one)], instant[Index(other)]
    return at < by or (at == by and one < other)


_ONE = np.uint64(1)
_STEP = np.uint64(0x9E37_79B9_7F4A_7C15)
_FIRST = np.uint64(0xBF58_476D_1CE4_E5B9)
_SECOND = np.uint64(0x94D0_49BB_1331_11EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


@kernel
def draw_all(stream: Any, requests: Any, attempts: Any, bits: Any) -> None:
    """Fill in the draw for each attempt of each request, as `evanalytics.delivery.draws` defines it."""
    for place in range(len(bits)):
        bits[place] = _absorb(_absorb(stream, requests[place]), attempts[place])


@step
def _absorb(state: Any, value: Any) -> Any:
    bits = state + _STEP * (value + _ONE)
    bits = (bits ^ (bits >> _SHIFTS[0])) * _FIRST
    bits = (bits ^ (bits >> _SHIFTS[1])) * _SECOND
    return bits ^ (bits >> _SHIFTS[2])
