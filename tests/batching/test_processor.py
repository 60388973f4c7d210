from __future__ import annotations

import asyncio

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import ManualClock, settle
from evanalytics.exceptions import BatchError, ClosedError, PolicyError

MS = 1_000_000


class Rig:
    """A processor on a clock moved by hand; it notes what left when, and may hold batches back."""

    def __init__(self, *, process=None, **options):
        names = ("max_batch_size", "flush_interval", "max_batch_bytes")
        policy = {name: options.pop(name) for name in names if name in options}
        self.clock = ManualClock()
        self.left = []
        self.records = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.processor = BatchProcessor(
            BatchPolicy(**policy),
            process or self.note,
            clock=self.clock,
            on_batch=self.records.append,
            **options,
        )

    async def note(self, events):
        self.left.append((self.clock.monotonic_ns() // MS, "".join(events)))
        await self.gate.wait()

    @property
    def reasons(self):
        return [record.reason for record in self.records]


def test_batch_leaves_at_the_arrival_that_fills_it():
    async def main():
        rig = Rig(max_batch_size=2, flush_interval="5ms")
        await rig.processor.add("a")
        await rig.clock.advance("3ms")
        await rig.processor.add("b")
        await settle()
        return rig.left, rig.reasons

    assert asyncio.run(main()) == ([(3, "ab")], ["size"])


def test_batch_leaves_once_its_first_event_has_waited_the_interval():
    async def main():
        rig = Rig(flush_interval="5ms")
        await rig.processor.add("a")
        await rig.clock.advance("4ms")
        await rig.processor.add("b")
        await rig.clock.advance("4ms")
        return rig.left, rig.reasons

    assert asyncio.run(main()) == ([(5, "ab")], ["age"])


def test_timer_is_not_restarted_by_later_events():
    async def main():
        rig = Rig(flush_interval="5ms")
        for event in "abcd":
            await rig.processor.add(event)
            await rig.clock.advance("2ms")
        return rig.left

    assert asyncio.run(main()) == [(5, "abc")]


def test_event_at_the_deadline_finds_the_batch_gone_before_the_timer_has_run():
    async def main():
        rig = Rig(max_batch_size=2, flush_interval="5ms")

        async def arrive_at_5_ms():
            await rig.clock.sleep_until_ns(5 * MS)
            await rig.processor.add("b")  # wakes before the batch's timer, which was set later

        late = asyncio.create_task(arrive_at_5_ms())
        await settle()
        await rig.processor.add("a")
        await rig.clock.advance("5ms")
        await late
        return rig.left, rig.reasons, rig.processor.held

    assert asyncio.run(main()) == ([(5, "a")], ["age"], 1)


def test_interval_zero_makes_every_event_a_batch_by_age():
    async def main():
        rig = Rig(max_batch_size=1, flush_interval="0s")
        await rig.processor.add_many("ab")
        await settle()
        return rig.left, rig.reasons

    assert asyncio.run(main()) == ([(0, "a"), (0, "b")], ["age", "age"])


def test_size_one_makes_every_event_a_batch_by_size():
    async def main():
        rig = Rig(max_batch_size=1)
        await rig.processor.add_many("ab")
        await settle()
        return rig.left, rig.reasons

    assert asyncio.run(main()) == ([(0, "a"), (0, "b")], ["size", "size"])


def test_batch_leaves_with_the_event_that_reaches_the_byte_bound():
    async def main():
        rig = Rig(max_batch_bytes=5, size_of=len)
        await rig.processor.add_many(["aa", "bb", "cc", "d"])
        await settle()
        return rig.left, rig.reasons, rig.records[0].bytes

    assert asyncio.run(main()) == ([(0, "aabbcc")], ["bytes"], 6)


def test_size_is_the_reason_when_both_bounds_are_reached():
    async def main():
        rig = Rig(max_batch_size=2, max_batch_bytes=2, size_of=len)
        await rig.processor.add_many("ab")
        return rig.reasons

    assert asyncio.run(main()) == ["size"]


def test_byte_bound_without_sizes_is_refused():
    with pytest.raises(PolicyError, match="needs size_of="):
        BatchProcessor(BatchPolicy(max_batch_bytes=5), print)


def test_flush_sends_at_once_and_never_waits_for_the_interval():
    async def main():
        rig = Rig(flush_interval="1h")
        await rig.processor.add("a")
        await rig.processor.flush()
        return rig.left, rig.reasons

    assert asyncio.run(main()) == ([(0, "a")], ["flush"])


def test_flush_returns_when_all_that_was_accepted_is_processed():
    async def main():
        rig = Rig()
        rig.gate.clear()
        await rig.processor.add("a")
        flushing = asyncio.create_task(rig.processor.flush())
        await settle()
        waited = not flushing.done()
        rig.gate.set()
        await flushing
        return waited, rig.processor.held

    assert asyncio.run(main()) == (True, 0)


def test_flush_of_nothing_sends_nothing():
    async def main():
        rig = Rig()
        await rig.processor.flush()
        return rig.left

    assert asyncio.run(main()) == []


def test_the_timer_of_a_batch_that_went_early_sends_no_other_one_before_its_time():
    async def main():
        rig = Rig(max_batch_size=2, flush_interval="5ms")
        await rig.processor.add_many("ab")
        await rig.clock.advance("2ms")
        await rig.processor.add("c")
        await rig.clock.advance("10ms")
        return rig.left, rig.reasons, rig.clock.next_deadline_ns()

    assert asyncio.run(main()) == ([(0, "ab"), (7, "c")], ["size", "age"], None)


def test_many_batches_that_go_early_leave_one_timer_and_close_leaves_none():
    async def main():
        rig = Rig(max_batch_size=2, flush_interval="5ms")
        await rig.processor.add_many("abcdefgh")
        first = rig.clock.next_deadline_ns()
        await rig.processor.close()
        return first, rig.clock.next_deadline_ns()

    assert asyncio.run(main()) == (5 * MS, None)


def test_close_sends_the_rest_and_refuses_more():
    async def main():
        rig = Rig()
        async with rig.processor as processor:
            await processor.add("a")
        with pytest.raises(ClosedError, match="the event was not accepted"):
            await rig.processor.add("b")
        return rig.left, rig.reasons

    assert asyncio.run(main()) == ([(0, "a")], ["close"])


def test_record_tells_size_and_wait():
    async def main():
        rig = Rig(flush_interval="5ms")
        await rig.clock.advance("1ms")
        await rig.processor.add_many("ab")
        await rig.clock.advance("9ms")
        return rig.records[0]

    record = asyncio.run(main())

    assert (record.number, record.size, record.opened_ns, record.waited_ns) == (0, 2, 1 * MS, 5 * MS)


def test_batches_are_processed_at_once_even_while_others_are():
    async def main():
        rig = Rig(max_batch_size=1)
        rig.gate.clear()
        await rig.processor.add_many("ab")
        await settle()
        return rig.left

    assert asyncio.run(main()) == [(0, "a"), (0, "b")]


def test_add_waits_while_too_many_are_held():
    async def main():
        rig = Rig(max_batch_size=1, max_held=2)
        rig.gate.clear()
        await rig.processor.add_many("ab")
        third = asyncio.create_task(rig.processor.add("c"))
        await settle()
        waited = not third.done()
        rig.gate.set()
        await third
        await settle()
        return waited, [events for _, events in rig.left]

    assert asyncio.run(main()) == (True, ["a", "b", "c"])


def test_callers_waiting_for_room_are_served_first_come_first_served():
    async def main():
        rig = Rig(max_batch_size=1, max_held=1)
        rig.gate.clear()
        callers = [asyncio.create_task(rig.processor.add(event)) for event in "abc"]
        await settle()
        rig.gate.set()
        callers.append(asyncio.create_task(rig.processor.add("d")))
        await asyncio.gather(*callers)
        await settle()
        return [events for _, events in rig.left]

    assert asyncio.run(main()) == ["a", "b", "c", "d"]


def test_caller_cancelled_while_waiting_for_room_lets_the_next_one_in():
    async def main():
        rig = Rig(max_batch_size=1, max_held=1)
        rig.gate.clear()
        callers = [asyncio.create_task(rig.processor.add(event)) for event in "abc"]
        await settle()
        callers[1].cancel()
        rig.gate.set()
        await asyncio.gather(*callers, return_exceptions=True)
        await settle()
        return [events for _, events in rig.left]

    assert asyncio.run(main()) == ["a", "c"]


def test_callers_waiting_for_room_are_refused_by_close():
    async def main():
        rig = Rig(max_batch_size=1, max_held=1)
        rig.gate.clear()
        await rig.processor.add("a")
        waiting = asyncio.create_task(rig.processor.add("b"))
        await settle()
        closing = asyncio.create_task(rig.processor.close())
        with pytest.raises(ClosedError, match="was closed"):
            await waiting
        rig.gate.set()
        await closing
        return rig.left

    assert asyncio.run(main()) == [(0, "a")]


def test_bound_below_the_batch_size_is_refused():
    with pytest.raises(PolicyError, match=r"max_held: needs at least max_batch_size \(100\), got 9"):
        BatchProcessor(BatchPolicy(), print, max_held=9)


def test_result_wanted_is_the_events_own():
    async def shout(events):
        return [event.upper() for event in events]

    async def main():
        rig = Rig(process=shout, max_batch_size=2)
        first = await rig.processor.add_for_result("a")
        second = await rig.processor.add_for_result("b")
        return await first, await second

    assert asyncio.run(main()) == ("A", "B")


def test_one_value_is_the_result_of_every_event():
    async def receipt(events):
        return {"accepted": len(events)}

    async def main():
        rig = Rig(process=receipt, max_batch_size=2)
        first = await rig.processor.add_for_result("a")
        await rig.processor.add("b")
        return await first

    assert asyncio.run(main()) == {"accepted": 2}


def test_exception_among_the_results_fails_only_its_event():
    async def refuse_b(events):
        return [ValueError(event) if event == "b" else event for event in events]

    async def main():
        rig = Rig(process=refuse_b, max_batch_size=2)
        first = await rig.processor.add_for_result("a")
        second = await rig.processor.add_for_result("b")
        with pytest.raises(ValueError, match="b"):
            await second
        return await first

    assert asyncio.run(main()) == "a"


def test_wrong_number_of_results_is_an_error():
    async def one(events):
        return ["only"]

    async def main():
        rig = Rig(process=one, max_batch_size=2)
        first = await rig.processor.add_for_result("a")
        await rig.processor.add("b")
        await first

    with pytest.raises(BatchError, match="1 results were returned for 2 events"):
        asyncio.run(main())


def test_cancelled_caller_does_not_harm_its_batch_mates():
    async def echo(events):
        return events

    async def main():
        rig = Rig(process=echo, max_batch_size=2)
        first = await rig.processor.add_for_result("a")
        caller = asyncio.ensure_future(asyncio.wait_for(first, 60))
        await settle()
        caller.cancel()
        await settle()
        second = await rig.processor.add_for_result("b")
        return first.cancelled(), await second

    assert asyncio.run(main()) == (True, "b")


def test_process_batch_may_alter_the_list_it_is_given():
    async def drain(events):
        events.clear()
        raise OSError("no route")

    async def main():
        dead = []
        rig = Rig(process=drain, dead_letter=lambda events, error: dead.extend(events))
        await rig.processor.add_many("ab")
        await rig.processor.close()
        return dead

    assert asyncio.run(main()) == ["a", "b"]


async def fail(events):
    raise OSError("no route")


def test_failed_events_go_to_the_dead_letter():
    async def main():
        dead = []
        rig = Rig(process=fail, max_batch_size=2, dead_letter=lambda *letter: dead.append(letter))
        await rig.processor.add_many("ab")
        await rig.processor.close()
        return [(events, str(error)) for events, error in dead]

    assert asyncio.run(main()) == [(["a", "b"], "no route")]


def test_failed_events_that_nobody_takes_are_raised_by_close():
    async def main():
        rig = Rig(process=fail, max_batch_size=2)
        await rig.processor.add_many("ab")
        await rig.processor.close()

    with pytest.raises(BatchError, match=r"2 events were not processed \(no route\)") as caught:
        asyncio.run(main())

    assert caught.value.events == ["a", "b"]


def test_failed_events_are_raised_once():
    async def main():
        rig = Rig(process=fail)
        await rig.processor.add("a")
        with pytest.raises(BatchError):
            await rig.processor.flush()
        await rig.processor.close()

    asyncio.run(main())


def test_function_that_fails_before_it_awaits_loses_nothing():
    def broken(events):
        raise TypeError("not even started")

    async def main():
        rig = Rig(process=broken, max_batch_size=1)
        future = await rig.processor.add_for_result("a")
        with pytest.raises(TypeError, match="not even started"):
            await future
        return rig.processor.held

    assert asyncio.run(main()) == 0


def test_close_with_a_timeout_returns_in_time_and_hands_back_the_rest():
    async def main():
        dead = []
        rig = Rig(max_batch_size=1, dead_letter=lambda events, error: dead.extend(events))
        rig.gate.clear()
        await rig.processor.add_many("ab")
        closing = asyncio.create_task(rig.processor.close("3ms"))
        await rig.clock.advance("3ms")
        await closing
        return dead, rig.clock.monotonic_ns() // MS

    assert asyncio.run(main()) == (["a", "b"], 3)


def test_close_with_a_timeout_does_not_wait_for_one_that_ignores_cancellation():
    async def stubborn(events):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if released.is_set():
                    raise

    async def main():
        dead = []
        rig = Rig(process=stubborn, dead_letter=lambda events, error: dead.extend(events))
        await rig.processor.add("a")
        closing = asyncio.create_task(rig.processor.close("3ms"))
        await rig.clock.advance("3ms")
        await closing
        released.set()
        return dead

    released = asyncio.Event()

    assert asyncio.run(main()) == ["a"]
