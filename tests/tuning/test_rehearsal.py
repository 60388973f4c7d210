"""The live classes in front of a modelled service do what the simulation says."""

import asyncio
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.clock import ManualClock
from evanalytics.delivery.policy import DeliveryPolicy, Retry, ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.delivery.simulation import Simulation
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


def test_exported_python_makes_the_same_policies() -> None:
    settings = Settings(
        BatchPolicy(max_batch_size=7),
        ThrottlePolicy(operations={"publish": RateLimit(3, "10s", kind="token_bucket")}),
        DeliveryPolicy(service=ServiceModel(fixed="3ms")),
    )
    made: dict[str, object] = {}

    exec(to_python(settings), made)

    assert Settings(made["batch"], made["throttle"], made["delivery"]) == settings  # type: ignore[arg-type]
