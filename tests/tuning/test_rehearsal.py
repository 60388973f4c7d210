"""The live classes in front of a modelled service do what the simulation says."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.clock import Clock, ManualClock, SystemClock
from evanalytics.delivery.policy import DeliveryPolicy, Retry, ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.delivery.simulation import Simulation
from evanalytics.event import Event
from evanalytics.exceptions import TuningError
from evanalytics.logs.log import EventLog
from evanalytics.replay import Replay
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.export import to_python
from evanalytics.tuning.rehearsal import Rehearsal, rehearsal_speed, rehearse
from evanalytics.tuning.settings import Settings

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def log(events: int = 60) -> EventLog:
    offsets_ms = [(number * 37) % 700 + 400 * (number // 20) for number in range(events)]
    times = [BEGIN + timedelta(milliseconds=offset) for offset in offsets_ms]
    names = [("paid", "shipped", "paid")[number % 3] for number in range(events)]
    ids = [str(number) for number in range(events)]
    return EventLog.from_frame(pl.DataFrame({"id": ids, "type": names, "source": "shop", "time": times}))


def both(settings: Settings) -> tuple[Rehearsal, Simulation]:
    async def run() -> Rehearsal:
        clock = ManualClock()
        return await rehearse(Replay(log(), order="time", clock=clock), settings, clock=clock)

    return asyncio.run(run()), simulate(log(), settings.batch, settings.throttle, settings.delivery)


@pytest.mark.parametrize(
    "delivery",
    [
        DeliveryPolicy(max_in_flight=2, service=ServiceModel(distribution="exponential", spread="30ms")),
        DeliveryPolicy(retry=Retry(max_attempts=2), service=ServiceModel(failure_rate=0.5)),
    ],
    ids=["scatter", "failures"],
)
def test_on_a_clock_moved_by_hand_live_equals_simulated(delivery: DeliveryPolicy) -> None:
    settings = Settings(
        BatchPolicy(max_batch_size=5, flush_interval="80ms"), ThrottlePolicy(RateLimit(20, "1s")), delivery
    )

    live, simulated = both(settings)

    assert live.latency_ns.equals(simulated.latency_ns)
    assert [batch.size for batch in live.batches] == simulated.batches["size"].to_list()


def test_equal_runs_differ_by_nothing() -> None:
    live, simulated = both(Settings(BatchPolicy(max_batch_size=5, flush_interval="80ms")))

    table = live.beside(simulated)

    assert table["difference"].to_list() == [0.0] * len(table)


def test_both_curves_end_at_one() -> None:
    live, simulated = both(Settings())

    assert live.curves(simulated).group_by("run").agg(pl.col("share").max())["share"].to_list() == [1.0, 1.0]


def test_batches_bounded_by_bytes_are_refused() -> None:
    clock = ManualClock()
    settings = Settings(BatchPolicy(max_batch_bytes=10))

    with pytest.raises(TuningError, match="leave it out"):
        asyncio.run(rehearse(Replay(log(), clock=clock), settings, clock=clock))


def test_a_flush_interval_takes_a_tenth_of_a_second_of_the_wall() -> None:
    assert rehearsal_speed(Settings(BatchPolicy(flush_interval="5s"))) == 50
    assert rehearsal_speed(Settings(BatchPolicy(flush_interval="10ms"))) == 0.1


async def broken() -> AsyncIterator[Event]:
    yield Event(id="1", type="paid", source="shop", time=BEGIN)
    raise ConnectionError("the source broke off")


@pytest.mark.parametrize("clock", [ManualClock(), SystemClock()], ids=["by hand", "system"])
def test_a_source_that_breaks_off_leaves_no_task_behind(clock: Clock) -> None:
    slow = Settings(BatchPolicy(max_batch_size=1), delivery=DeliveryPolicy(service=ServiceModel(fixed="1h")))

    async def run() -> int:
        with pytest.raises(ConnectionError):
            await rehearse(broken(), slow, clock=clock)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize("passes", [1, 20, 100, 300])
def test_a_rehearsal_that_is_cancelled_leaves_no_task_behind(passes: int) -> None:
    slow = Settings(
        BatchPolicy(max_batch_size=1),
        delivery=DeliveryPolicy(max_in_flight=2, service=ServiceModel(fixed="1h")),
    )

    async def run() -> int:
        clock = ManualClock()
        rehearsing = asyncio.ensure_future(rehearse(Replay(log(), clock=clock), slow, clock=clock))
        for _ in range(passes):
            await asyncio.sleep(0)
        rehearsing.cancel()
        await asyncio.wait([rehearsing])
        assert rehearsing.cancelled()
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


def test_exported_python_runs_with_batches_bounded_by_bytes() -> None:
    made: dict[str, Any] = {}
    exec(to_python(Settings(BatchPolicy(max_batch_bytes=1_000))), made)
    sent: list[int] = []

    async def send(events: list[Event]) -> None:
        sent.append(len(events))

    async def events() -> AsyncIterator[Event]:
        for number in range(20):
            yield Event(id=str(number), type="paid", source="shop", time=BEGIN)

    made["send"] = send
    asyncio.run(made["run"](events()))

    assert sum(sent) == 20
    assert len(sent) > 1


def test_exported_python_makes_the_same_policies() -> None:
    settings = Settings(
        BatchPolicy(max_batch_size=7),
        ThrottlePolicy(operations={"publish": RateLimit(3, "10s", kind="token_bucket")}),
        DeliveryPolicy(service=ServiceModel(fixed="3ms")),
    )
    made: dict[str, object] = {}

    exec(to_python(settings), made)

    assert Settings(made["batch"], made["throttle"], made["delivery"]) == settings  # type: ignore[arg-type]
