"""A process that publishes without end and says what was acknowledged: `python -m tests.soak.publishing URL RUN`.

Half of the events go through the queue, the other half at once; each event that the service has
acknowledged, and no other, is a line of the output.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from itertools import count

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.event import Event
from evanalytics.publisher import EventPublisher
from evanalytics.service.client import PublishResult
from evanalytics.service.http import HttpEventServiceClient
from tests.service.served import event

PATIENT = Retry(max_attempts=1_000, base="5ms", max_delay="50ms")
POLICY = BatchPolicy(max_batch_size=20, flush_interval="5ms")


class TellingClient(HttpEventServiceClient):
    """A client that says which events are kept, as soon as it knows."""

    async def publish_events(self, events: Iterable[Event]) -> PublishResult:
        batch = list(events)
        result = await super().publish_events(batch)
        sys.stdout.write("".join(f"{one.id}\n" for one in batch))
        sys.stdout.flush()
        return result


async def main(url: str, run: str) -> None:
    client = TellingClient(url, retry=Retry(max_attempts=1), timeout="2s")
    async with client, EventPublisher(client, POLICY, delivery=DeliveryPolicy(retry=PATIENT)) as publisher:
        for number in count():
            queued = [event(f"{run}-{number}-q{i}", type=f"t{i % 3}", data={"n": i}) for i in range(10)]
            for one in queued:
                await publisher.queue_event(one)
            await publisher.publish_events_now([event(f"{run}-{number}-n{i}") for i in range(10)])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
