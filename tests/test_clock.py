from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from evanalytics.clock import ManualClock, ScaledClock, SystemClock, settle, wait_all

MS = 1_000_000


def test_manual_clock_stands_still_until_it_is_moved():
    async def main():
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        await clock.advance("90s")
        return clock.monotonic_ns(), clock.now()

    assert asyncio.run(main()) == (90_000 * MS, datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC))


def test_timers_fire_in_the_order_of_their_deadlines_and_then_of_their_setting():
    async def main():
        clock, fired = ManualClock(), []
        for name, at in (("c", 2), ("a", 1), ("d", 2), ("b", 1)):
            clock.call_at_ns(at, lambda name=name: fired.append((name, clock.monotonic_ns())))
        await clock.advance_to_ns(9)
        return fired

    assert asyncio.run(main()) == [("a", 1), ("b", 1), ("c", 2), ("d", 2)]


def test_timer_that_is_cancelled_never_fires():
    async def main():
        clock, fired = ManualClock(), []
        clock.call_at_ns(1, lambda: fired.append(1)).cancel()
        await clock.advance_to_ns(9)
        return fired, clock.next_deadline_ns()

    assert asyncio.run(main()) == ([], None)


def test_timer_whose_deadline_is_past_fires_soon_but_not_at_once():
    async def main():
        clock, fired = ManualClock(), []
        clock.call_at_ns(0, lambda: fired.append(1))
        before = list(fired)
        await settle()
        return before, fired

    assert asyncio.run(main()) == ([], [1])


def test_sleepers_wake_at_exactly_their_own_deadline():
    async def main():
        clock, woken = ManualClock(), []

        async def sleep(ms):
            await clock.sleep_until_ns(ms * MS)
            woken.append(clock.monotonic_ns() // MS)

        tasks = [asyncio.create_task(sleep(ms)) for ms in (30, 10, 20)]
        await clock.advance("25ms")
        tasks[0].cancel()
        await settle()
        return woken, clock.next_deadline_ns()

    assert asyncio.run(main()) == ([10, 20], None)


@pytest.mark.parametrize("clock", [SystemClock(), ScaledClock(50)], ids=["system", "scaled"])
def test_timer_of_a_running_clock_never_fires_early(clock):
    async def main():
        deadlines = [clock.monotonic_ns() + step * MS // 7 for step in range(20)]
        fired = []
        for deadline in deadlines:
            clock.call_at_ns(
                deadline, lambda deadline=deadline: fired.append(clock.monotonic_ns() - deadline)
            )
        while len(fired) < len(deadlines):
            await clock.sleep(0.001)
        return fired

    assert min(asyncio.run(main())) >= 0


@pytest.mark.parametrize("speed", [0.3, 3, 1e4])
def test_scaled_clock_passes_its_deadlines_on_to_its_base(speed):
    async def main():
        base = ManualClock()
        clock = ScaledClock(speed, base=base)
        late = []
        for deadline in (1, 7, 12_345, 10**9 + 1):
            clock.call_at_ns(deadline, lambda deadline=deadline: late.append(clock.monotonic_ns() - deadline))
        await base.advance("10s")
        return late

    assert all(0 <= late < speed for late in asyncio.run(main()))


def test_speed_of_zero_is_refused():
    with pytest.raises(ValueError, match="speed: must be above zero"):
        ScaledClock(0)


def test_waiting_for_all_ends_at_its_timeout_and_cancels_none():
    async def main():
        clock = ManualClock()
        future = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(wait_all([future], clock=clock, timeout="5ms"))
        await clock.advance("4ms")
        early = waiting.done()
        await clock.advance("1ms")
        await waiting
        return early, future.done()

    assert asyncio.run(main()) == (False, False)


def test_waiting_for_all_ends_with_the_last_and_leaves_no_timer():
    async def main():
        clock = ManualClock()
        futures = [asyncio.get_running_loop().create_future() for _ in range(2)]
        waiting = asyncio.create_task(wait_all(futures, clock=clock, timeout="5ms"))
        await settle()
        for future in futures:
            future.set_result(None)
        await waiting
        return clock.next_deadline_ns()

    assert asyncio.run(main()) is None
