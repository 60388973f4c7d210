"""Settings as Python that runs them live."""

from __future__ import annotations

from evanalytics.tuning.settings import Settings

_PROGRAM = """\
import evanalytics as ev

batch = {batch}
throttle = {throttle}
delivery = {delivery}


async def send(events):
    ...  # your call, with the events of one request


async def run(events):
    dispatcher = ev.Dispatcher(
        send, delivery, throttle=ev.ThrottleManager(throttle), group_by=batch.group_by
    )
    async with ev.BatchProcessor(
        batch, dispatcher.dispatch, max_held=delivery.max_queue, on_close=dispatcher.close{size_of}
    ) as processor:
        async for event in events:
            await processor.add(event)
"""
_SIZE_OF = ",\n        size_of=lambda event: len(event.to_json()),  # its bytes, as your call counts them"
_RECORDS = ("BatchPolicy", "ThrottlePolicy", "RateLimit", "DeliveryPolicy", "Retry", "ServiceModel")


def to_python(settings: Settings) -> str:
    """Return a Python program that batches, throttles and delivers by these settings.

    Example:
        >>> print(to_python(Settings()).splitlines()[2])
        batch = ev.BatchPolicy()
    """
    records = {"batch": settings.batch, "throttle": settings.throttle, "delivery": settings.delivery}
    sources = {name: _prefixed(repr(record)) for name, record in records.items()}
    counts_bytes = settings.batch.max_batch_bytes is not None
    return _PROGRAM.format(**sources, size_of=_SIZE_OF if counts_bytes else "")


def _prefixed(source: str) -> str:
    for name in _RECORDS:
        source = source.replace(f"{name}(", f"ev.{name}(")
    return source
