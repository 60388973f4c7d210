"""Compile before anyone waits for it."""

from __future__ import annotations

from itertools import product

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.delivery.simulate import simulate
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy
from evanalytics.tuning.metrics import measure
from evanalytics.tuning.settings import Settings


def warm_up() -> None:
    """Run every kernel once on next to nothing, so that the first slider need not wait.

    It takes seconds when machine code has to be made, and a moment when it is on disk already. Run it
    in a thread while something else is shown: `threading.Thread(target=warm_up).start()`.
    """
    arrivals = Arrivals.of_times([0, 1, 2], types=["a", "b", "a"], sizes=[1, 1, 1])
    batches = (BatchPolicy(), BatchPolicy(group_by=None), BatchPolicy(max_batch_bytes=2))
    services = (
        ServiceModel(),
        ServiceModel(distribution="uniform", spread="1ms"),
        ServiceModel(failure_rate=0.5),
    )
    throttle = ThrottlePolicy(RateLimit(100, "1s"), tokens_per="event")
    for batch, service in product(batches, services):
        settings = Settings(batch, throttle, DeliveryPolicy(max_in_flight=1, service=service))
        measure(arrivals, settings)
        _ = simulate(arrivals, settings.batch, settings.throttle, settings.delivery).latency_ns
