from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evanalytics.clock import ManualClock, settle
from evanalytics.exceptions import ThrottleError, ThrottleTimeoutError
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from tests import reference
from tests.strategies import MS, rate_limits


class Rig:
    """A manager on a clock moved by hand; it notes when each caller got its tokens."""

    def __init__(self, limit, **operations):
        self.clock = ManualClock()
        self.manager = ThrottleManager(ThrottlePolicy(limit, operations=operations), clock=self.clock)
        self.granted = {}

    def ask(self, name, tokens=1, operation="query", deadline_ns=None):
        return asyncio.create_task(self._ask(name, tokens, operation, deadline_ns))

    async def _ask(self, name, tokens, operation, deadline_ns):
        await self.manager.acquire(operation, tokens, deadline_ns=deadline_ns)
        self.granted[name] = self.clock.monotonic_ns() / MS


def granted(limit, *weights, until="1s"):
    """Return when callers that all ask at once, with these weights, get their tokens, in ms."""

    async def main():
        rig = Rig(limit)
        for name, tokens in enumerate(weights):
            rig.ask(name, tokens)
        await rig.clock.advance(until)
        return list(rig.granted.values())

    return asyncio.run(main())


def test_sliding_window_lets_as_many_go_as_it_holds_and_the_next_after_its_length():
    assert granted(RateLimit(2, "100ms"), 1, 1, 1, 1, 1) == [0, 0, 100, 100, 200]


def test_token_bucket_starts_full_and_then_keeps_the_rate():
    limit = RateLimit(10, "100ms", kind="token_bucket", burst=2)

    assert granted(limit, 1, 1, 1, 1) == [0, 0, 10, 20]


def test_token_bucket_rounds_costs_up_to_whole_nanoseconds():
    limit = RateLimit(3, "100ms", kind="token_bucket", burst=1)

    assert granted(limit, 1, 1, 1) == [0, 33.333334, 66.666668]


def test_weight_above_the_burst_waits_for_a_full_bucket_and_leaves_a_debt():
    limit = RateLimit(10, "100ms", kind="token_bucket", burst=2)

    assert granted(limit, 1, 5, 1) == [0, 10, 50]


def test_fixed_window_grants_at_the_first_instant_of_the_next_window():
    limit = RateLimit(2, "100ms", kind="fixed_window", origin="30ms")

    assert granted(limit, 1, 1, 1, 1, 1) == [0, 0, 30, 30, 130]


def test_weight_that_does_not_fit_goes_into_the_next_window_whole():
    limit = RateLimit(3, "100ms", kind="fixed_window")

    assert granted(limit, 2, 2, 1) == [0, 100, 100]


def test_no_limit_never_waits():
    assert granted(None, 1, 10, 100) == [0, 0, 0]


def test_operations_share_no_tokens():
    async def main():
        rig = Rig(RateLimit(1, "100ms"))
        rig.ask("query")
        rig.ask("publish", operation="publish")
        await settle()
        return rig.granted

    assert asyncio.run(main()) == {"query": 0, "publish": 0}


def test_heavy_waiter_is_served_in_its_turn_under_a_stream_of_light_ones():
    async def main():
        rig = Rig(RateLimit(100, "1s", kind="token_bucket", burst=5))
        for _ in range(5):
            rig.ask("light")
        await settle()
        rig.ask("heavy", 5)
        for number in range(100):
            rig.ask(number)
            await rig.clock.advance("5ms")
        return rig.granted["heavy"], rig.granted[0]

    assert asyncio.run(main()) == (50, 60)


def test_newcomer_does_not_overtake_a_waiter_whom_its_tokens_would_not_delay():
    async def main():
        rig = Rig(RateLimit(3, "100ms"))
        for name, tokens in (("first", 2), ("heavy", 2), ("light", 1)):
            rig.ask(name, tokens)
        await settle()
        return rig.granted, rig.manager.try_acquire("query")

    assert asyncio.run(main()) == ({"first": 0}, False)


def test_cancelling_the_first_waiter_moves_the_others_up():
    async def main():
        rig = Rig(RateLimit(10, "1s", kind="token_bucket", burst=1))
        rig.ask("running")
        waiters = [rig.ask(name) for name in "abc"]
        await rig.clock.advance("50ms")
        waiters[0].cancel()
        await rig.clock.advance("1s")
        return rig.granted

    assert asyncio.run(main()) == {"running": 0, "b": 100, "c": 200}


def test_cancelling_a_heavy_waiter_lets_a_light_one_go_at_once():
    async def main():
        rig = Rig(RateLimit(3, "100ms"))
        rig.ask("first", 2)
        heavy = rig.ask("heavy", 3)
        rig.ask("light")
        await rig.clock.advance("10ms")
        heavy.cancel()
        await rig.clock.advance("100ms")
        return rig.granted

    assert asyncio.run(main()) == {"first": 0, "light": 10}


def test_waiter_cancelled_between_its_turn_and_going_on_spends_nothing():
    async def main():
        rig = Rig(RateLimit(2, "100ms"))
        rig.ask("full", 2)

        async def go_on_and_cancel_the_next():
            await rig.manager.acquire("query")
            second.cancel()  # it is its turn already, but it has not gone on

        first = asyncio.create_task(go_on_and_cancel_the_next())
        second = rig.ask("second")
        rig.ask("third")
        await rig.clock.advance("150ms")
        await first
        return rig.granted, rig.manager.statistics("query").tokens

    assert asyncio.run(main()) == ({"full": 0, "third": 100}, 4)


def test_all_waiters_cancelled_leave_no_timer_and_an_empty_line():
    async def main():
        rig = Rig(RateLimit(1, "100ms"))
        await rig.ask("running")
        waiters = [rig.ask(name) for name in "abc"]
        await settle()
        for waiter in waiters:
            waiter.cancel()
        await settle()
        return rig.clock.next_deadline_ns(), rig.manager.statistics("query").waiting

    assert asyncio.run(main()) == (None, 0)


def test_one_timer_serves_a_whole_line():
    async def main():
        rig = Rig(RateLimit(1, "100ms"))
        for name in range(50):
            rig.ask(name)
        await settle()
        return len(asyncio.all_tasks()), len(rig.clock._timers)

    assert asyncio.run(main()) == (50, 1)


def test_tokens_can_be_tried_for():
    async def main():
        rig = Rig(RateLimit(2, "100ms"))
        return [rig.manager.try_acquire("query") for _ in range(3)]

    assert asyncio.run(main()) == [True, True, False]


def test_context_manager_takes_its_tokens_on_entry():
    async def main():
        rig = Rig(RateLimit(3, "100ms"))
        async with rig.manager.throttle("query", 2):
            return rig.manager.statistics("query").tokens

    assert asyncio.run(main()) == 2


@pytest.mark.parametrize("kind", ["sliding_window", "fixed_window"])
def test_more_tokens_than_a_window_holds_are_refused_and_never_hang(kind):
    async def main():
        await Rig(RateLimit(5, "1s", kind=kind)).manager.acquire("query", 6)

    with pytest.raises(ThrottleError, match=r"query: 6 tokens at once can never be had .* at most 5"):
        asyncio.run(main())


def test_more_tokens_than_the_burst_are_refused_if_the_limit_says_so():
    async def main():
        limit = RateLimit(5, "1s", kind="token_bucket", over_burst="refuse")
        await Rig(limit).manager.acquire("query", 6)

    with pytest.raises(ThrottleError, match="at most 5 at a time"):
        asyncio.run(main())


@pytest.mark.parametrize("tokens", [0, -1, 1.5])
def test_what_is_no_number_of_tokens_is_refused(tokens):
    async def main():
        await Rig(None).manager.acquire("query", tokens)

    with pytest.raises(ThrottleError, match="needs a whole number of tokens, 1 or more"):
        asyncio.run(main())


def test_waiter_gives_up_at_its_deadline_and_spends_nothing():
    async def main():
        rig = Rig(RateLimit(1, "100ms"))
        rig.ask("running")
        late = rig.ask("late", deadline_ns=60 * MS)
        rig.ask("next")
        await rig.clock.advance("60ms")
        gave_up = isinstance(late.exception(), ThrottleTimeoutError)
        await rig.clock.advance("1s")
        return gave_up, rig.granted

    assert asyncio.run(main()) == (True, {"running": 0, "next": 100})


def test_deadline_wins_a_tie_with_the_tokens():
    async def main():
        rig = Rig(RateLimit(1, "100ms"))
        rig.ask("running")
        rig.ask("before")
        late = rig.ask("late", deadline_ns=200 * MS)
        rig.ask("next")
        await rig.clock.advance("200ms")
        return type(late.exception()), rig.granted

    assert asyncio.run(main()) == (ThrottleTimeoutError, {"running": 0, "before": 100, "next": 200})


def test_statistics_count_who_waited_and_who_gave_up():
    async def main():
        rig = Rig(RateLimit(1, "100ms"))
        waiters = [rig.ask(name) for name in "abcd"]
        await rig.clock.advance("150ms")
        waiters[2].cancel()
        await settle()
        return rig.manager.statistics("query")

    found = asyncio.run(main())

    assert (found.granted, found.tokens, found.waited, found.waited_ns) == (2, 2, 1, 100 * MS)
    assert (found.longest_wait_ns, found.given_up, found.waiting) == (100 * MS, 1, 1)


def test_statistics_of_an_operation_never_used_are_zero():
    assert Rig(None).manager.statistics("query").granted == 0


CALLERS = st.tuples(
    st.sampled_from([0, 0, MS, 2 * MS, 7 * MS, MS // 4]),
    st.integers(1, 4),
    st.sampled_from([None, None, 499_979, 1_499_977, 2_500_019]),  # never at the instant of a grant
)


def expected_grants(limit, callers):
    """First come, first served, by the oracle; a caller that loses patience only frees its place."""
    taken, out, last = [], [], 0
    for asked, tokens, patience in callers:
        start = reference.ready_ns(taken, tokens, max(asked, last), limit)
        leaves = start if patience is None else asked + patience
        if leaves < start:
            out.append(None)
            last = max(last, leaves)
        else:
            out.append(start)
            taken.append((start, tokens))
            last = start
    return out


async def live_grants(limit, callers):
    rig, tasks = Rig(limit), []

    async def call(name, tokens, patience):
        task = rig.ask(name, tokens)
        if patience is not None:
            rig.clock.call_at_ns(rig.clock.monotonic_ns() + patience, task.cancel)
        await asyncio.wait({task})

    for name, (asked, tokens, patience) in enumerate(callers):
        await rig.clock.advance_to_ns(asked)
        tasks.append(asyncio.create_task(call(name, tokens, patience)))
    await rig.clock.advance("10s")
    return [round(rig.granted[name] * MS) if name in rig.granted else None for name in range(len(callers))]


@settings(max_examples=300, deadline=None)
@given(rate_limits(), st.lists(CALLERS, max_size=20))
def test_grants_equal_the_oracle_with_weights_and_cancelled_callers(limit, gaps):
    callers, now = [], 0
    for gap, tokens, patience in gaps:
        now += gap
        callers.append((now, min(tokens, limit.max_tokens or tokens), patience))

    assert asyncio.run(live_grants(limit, callers)) == expected_grants(limit, callers)
