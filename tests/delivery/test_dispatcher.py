from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.processor import BatchProcessor
from evanalytics.clock import ManualClock, settle
from evanalytics.delivery.dispatcher import Dispatcher
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.exceptions import ClosedError, DeliveryError, ThrottleError
from evanalytics.throttling.manager import ThrottleManager
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

MS = 1_000_000


@dataclass(frozen=True)
class Note:
    id: str
    type: str = "paid"


def notes(ids, type="paid"):
    return [Note(id, type) for id in ids]


class Rig:
    """A dispatcher on a clock moved by hand, before a service that takes 10 ms and fails when told."""

    def __init__(self, *, throttle=None, group_by="type", retry_if=None, **policy):
        self.clock = ManualClock()
        self.sent = []
        self.records = []
        self.failures = {}
        options = {} if retry_if is None else {"retry_if": retry_if}
        self.dispatcher = Dispatcher(
            self.send,
            DeliveryPolicy(**policy),
            throttle=ThrottleManager(throttle or ThrottlePolicy(), clock=self.clock),
            group_by=group_by,
            clock=self.clock,
            on_request=self.records.append,
            **options,
        )

    async def send(self, events):
        ids = "".join(event.id for event in events)
        self.sent.append((self.clock.monotonic_ns() // MS, ids))
        await self.clock.sleep_until_ns(self.clock.monotonic_ns() + 10 * MS)
        if self.failures.get(ids, 0) > 0:
            self.failures[ids] -= 1
            raise OSError("no route")
        return [event.id.upper() for event in events]


def test_batch_becomes_one_request_per_type_in_order_of_first_appearance():
    async def main():
        rig = Rig()
        rig.dispatcher.dispatch([Note("a", "paid"), Note("b", "viewed"), Note("c", "paid")])
        await settle()
        return rig.sent

    assert asyncio.run(main()) == [(0, "ac"), (0, "b")]


def test_without_grouping_a_batch_is_one_request():
    async def main():
        rig = Rig(group_by=None)
        rig.dispatcher.dispatch([Note("a", "paid"), Note("b", "viewed")])
        await settle()
        return rig.sent

    assert asyncio.run(main()) == [(0, "ab")]


def test_results_come_back_in_the_order_of_the_events():
    async def main():
        rig = Rig()
        outcome = rig.dispatcher.dispatch([Note("a", "paid"), Note("b", "viewed"), Note("c", "paid")])
        await rig.clock.advance("1s")
        return await outcome

    assert asyncio.run(main()) == ["A", "B", "C"]


def test_batch_of_nothing_sends_nothing():
    async def main():
        rig = Rig()
        return await rig.dispatcher.dispatch([]), rig.sent

    assert asyncio.run(main()) == ([], [])


def test_no_more_requests_are_in_flight_than_there_are_slots():
    async def main():
        rig = Rig(max_in_flight=2)
        for id in "abc":
            rig.dispatcher.dispatch(notes(id))
        await rig.clock.advance("1s")
        return rig.sent

    assert asyncio.run(main()) == [(0, "a"), (0, "b"), (10, "c")]


def test_tokens_are_asked_for_only_with_a_slot():
    async def main():
        rig = Rig(throttle=ThrottlePolicy(RateLimit(1, "15ms")), max_in_flight=1)
        for id in "abc":
            rig.dispatcher.dispatch(notes(id))
        await rig.clock.advance("1s")
        return rig.sent, [record.asked_ns // MS for record in rig.records]

    assert asyncio.run(main()) == ([(0, "a"), (15, "b"), (30, "c")], [0, 10, 25])


def test_request_costs_a_token_per_event_if_the_policy_says_so():
    async def main():
        rig = Rig(throttle=ThrottlePolicy(RateLimit(3, "15ms"), tokens_per="event"))
        rig.dispatcher.dispatch(notes("ab"))
        rig.dispatcher.dispatch(notes("cd"))
        await rig.clock.advance("1s")
        return rig.sent

    assert asyncio.run(main()) == [(0, "ab"), (15, "cd")]


def test_request_that_could_never_be_paid_for_is_refused_and_nothing_sent():
    async def main():
        rig = Rig(throttle=ThrottlePolicy(RateLimit(3, "15ms"), tokens_per="event"))
        with pytest.raises(ThrottleError, match="publish: 4 tokens at once can never be had"):
            rig.dispatcher.dispatch([Note("z", "viewed"), *notes("abcd")])
        await settle()
        return rig.sent

    assert asyncio.run(main()) == []


def test_operations_never_wait_for_each_other():
    async def main():
        rig = Rig(max_in_flight=1)
        rig.dispatcher.dispatch(notes("a"))
        query = rig.dispatcher.call("query", lambda: rig.send(notes("q")))
        await rig.clock.advance("1s")
        return rig.sent, await query

    assert asyncio.run(main()) == ([(0, "a"), (0, "q")], ["Q"])


def test_failed_request_is_tried_again_after_growing_waits():
    async def main():
        rig = Rig(retry=Retry(base="5ms", jitter=0))
        rig.failures["a"] = 2
        outcome = rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("1s")
        return rig.sent, await outcome

    assert asyncio.run(main()) == ([(0, "a"), (15, "a"), (35, "a")], ["A"])


def test_retry_keeps_its_slot():
    async def main():
        rig = Rig(max_in_flight=1, retry=Retry(base="5ms", jitter=0))
        rig.failures["a"] = 1
        rig.dispatcher.dispatch(notes("a"))
        rig.dispatcher.dispatch(notes("b"))
        await rig.clock.advance("1s")
        return rig.sent

    assert asyncio.run(main()) == [(0, "a"), (15, "a"), (25, "b")]


def test_retry_pays_its_tokens_again():
    async def main():
        rig = Rig(throttle=ThrottlePolicy(RateLimit(1, "40ms")), retry=Retry(base="5ms", jitter=0))
        rig.failures["a"] = 1
        rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("1s")
        return rig.sent

    assert asyncio.run(main()) == [(0, "a"), (40, "a")]


def test_retry_due_at_the_instant_of_a_release_goes_before_it():
    async def main():
        rig = Rig(throttle=ThrottlePolicy(RateLimit(1, "15ms")), retry=Retry(base="5ms", jitter=0))

        async def release_at_15_ms():
            await rig.clock.sleep_until_ns(15 * MS)
            rig.dispatcher.dispatch(notes("b"))  # this timer was set before the retry's

        later = asyncio.create_task(release_at_15_ms())
        await settle()
        rig.failures["a"] = 1
        rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("1s")
        await later
        return rig.sent

    assert asyncio.run(main()) == [(0, "a"), (15, "a"), (30, "b")]


def test_request_is_handed_back_after_its_last_attempt():
    async def main():
        rig = Rig(retry=Retry(max_attempts=2, base="5ms", jitter=0))
        rig.failures["ab"] = 9
        outcome = rig.dispatcher.dispatch(notes("ab"))
        await rig.clock.advance("1s")
        return await outcome

    errors = asyncio.run(main())

    assert [(error.reason, error.attempts) for error in errors] == [("failed", 2), ("failed", 2)]
    assert isinstance(errors[0].__cause__, OSError)


def test_error_that_is_not_worth_a_retry_is_handed_back_at_once():
    async def main():
        rig = Rig(retry_if=lambda error: not isinstance(error, OSError))
        rig.failures["a"] = 1
        outcome = rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("1s")
        return (await outcome)[0].attempts

    assert asyncio.run(main()) == 1


def test_retry_if_that_raises_loses_nothing():
    async def main():
        rig = Rig(retry_if=lambda error: error.status == 503)
        rig.failures["a"] = 1
        outcome = rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("1s")
        return (await outcome)[0]

    error = asyncio.run(main())

    assert (error.reason, type(error.__cause__)) == ("failed", AttributeError)


def test_other_requests_of_a_batch_are_delivered_beside_a_failed_one():
    async def main():
        rig = Rig(retry=Retry(max_attempts=1))
        rig.failures["a"] = 1
        outcome = rig.dispatcher.dispatch([Note("a", "paid"), Note("b", "viewed")])
        await rig.clock.advance("1s")
        return await outcome

    failed, delivered = asyncio.run(main())

    assert (failed.reason, delivered) == ("failed", "B")


def test_running_call_is_cut_at_the_delivery_timeout():
    async def main():
        rig = Rig(delivery_timeout="7ms")
        outcome = rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("7ms")
        return (await outcome)[0].reason, rig.records[0].finished_ns // MS

    assert asyncio.run(main()) == ("timeout", 7)


def test_call_that_would_end_at_the_very_timeout_is_cut():
    async def main():
        rig = Rig(delivery_timeout="10ms")
        outcome = rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("10ms")
        return (await outcome)[0].reason

    assert asyncio.run(main()) == "timeout"


def test_waiting_request_is_handed_back_at_the_timeout_and_never_sent():
    async def main():
        rig = Rig(max_in_flight=1, delivery_timeout="17ms")
        rig.dispatcher.dispatch(notes("a"))
        rig.dispatcher.dispatch(notes("b"))
        third = rig.dispatcher.dispatch(notes("c"))
        await rig.clock.advance("1s")
        return rig.sent, (await third)[0].attempts, rig.records[-1].finished_ns // MS

    assert asyncio.run(main()) == ([(0, "a"), (10, "b")], 0, 17)


def test_request_that_times_out_in_line_spends_no_tokens():
    async def main():
        rig = Rig(throttle=ThrottlePolicy(RateLimit(1, "40ms")), delivery_timeout="30ms")
        rig.dispatcher.dispatch(notes("a"))
        rig.dispatcher.dispatch(notes("b"))
        await rig.clock.advance("35ms")
        rig.dispatcher.dispatch(notes("c"))
        await rig.clock.advance("1s")
        return rig.sent

    assert asyncio.run(main()) == [(0, "a"), (40, "c")]


def test_backoff_that_would_end_after_the_timeout_is_not_waited_for():
    async def main():
        rig = Rig(delivery_timeout="20ms", retry=Retry(base="10ms", jitter=0))
        rig.failures["a"] = 9
        outcome = rig.dispatcher.dispatch(notes("a"))
        await rig.clock.advance("10ms")
        return (await outcome)[0].reason, rig.records[0].finished_ns // MS

    assert asyncio.run(main()) == ("timeout", 10)


def test_cancelled_caller_withdraws_what_is_not_finished():
    async def main():
        rig = Rig(max_in_flight=1)
        outcome = rig.dispatcher.dispatch([Note("a", "paid"), Note("b", "viewed")])
        other = rig.dispatcher.dispatch(notes("c"))
        await rig.clock.advance("5ms")
        outcome.cancel()
        await rig.clock.advance("1s")
        return rig.sent, await other

    assert asyncio.run(main()) == ([(0, "a"), (5, "c")], ["C"])


def test_call_that_is_cancelled_inside_is_handed_back():
    async def main():
        async def leaky():
            raise asyncio.CancelledError

        await Rig().dispatcher.call("query", leaky)

    with pytest.raises(DeliveryError, match=r"query request 0 .* \(failed\)"):
        asyncio.run(main())


def test_close_waits_for_what_is_on_its_way_and_refuses_more():
    async def main():
        rig = Rig()
        outcome = rig.dispatcher.dispatch(notes("a"))
        closing = asyncio.create_task(rig.dispatcher.close())
        await rig.clock.advance("1s")
        await closing
        with pytest.raises(ClosedError, match="the batch was not accepted"):
            rig.dispatcher.dispatch(notes("b"))
        return await outcome

    assert asyncio.run(main()) == ["A"]


def test_close_with_a_timeout_returns_in_time_and_hands_back_the_rest():
    async def main():
        rig = Rig(max_in_flight=1)
        outcomes = [rig.dispatcher.dispatch(notes(id)) for id in "abc"]
        closing = asyncio.create_task(rig.dispatcher.close("15ms"))
        await rig.clock.advance("15ms")
        await closing
        (first,), *rest = [await outcome for outcome in outcomes]
        return rig.sent, first, [(error.reason, error.attempts) for (error,) in rest]

    assert asyncio.run(main()) == ([(0, "a"), (10, "b")], "A", [("closed", 1), ("closed", 0)])


def test_processor_closing_in_time_hands_back_exactly_what_was_not_delivered():
    async def main():
        rig, dead = Rig(max_in_flight=1), []
        processor = BatchProcessor(
            BatchPolicy(max_batch_size=4),
            rig.dispatcher.dispatch,
            clock=rig.clock,
            dead_letter=lambda events, error: dead.append(("".join(e.id for e in events), error.reason)),
            on_close=rig.dispatcher.close,
        )
        await processor.add_many([Note("a", "paid"), Note("b", "viewed"), Note("c", "paid")])
        closing = asyncio.create_task(processor.close("15ms"))
        await rig.clock.advance("15ms")
        await closing
        return rig.sent, dead, processor.held

    assert asyncio.run(main()) == ([(0, "ac"), (10, "b")], [("b", "closed")], 0)


def test_record_tells_the_way_of_a_request():
    async def main():
        rig = Rig(retry=Retry(base="5ms", jitter=0))
        rig.failures["ab"] = 1
        await rig.clock.advance("3ms")
        rig.dispatcher.dispatch(notes("ab"))
        await rig.clock.advance("1s")
        return rig.records[0]

    record = asyncio.run(main())

    assert (record.operation, record.index, record.events, record.outcome) == ("publish", 0, 2, "delivered")
    assert record.starts_ns == (3 * MS, 18 * MS)
    assert record.ends_ns == (13 * MS, 28 * MS)
    assert (record.released_ns, record.finished_ns) == (3 * MS, 28 * MS)
