"""Every error that evanalytics raises on purpose; each is also the builtin that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

DeliveryReason = Literal["failed", "timeout", "closed"]
"""Why a request was given up."""


class EvAnalyticsError(Exception):
    """Base of all errors raised on purpose: catch this to catch them all."""


class DurationError(EvAnalyticsError, ValueError):
    """A duration that cannot be read, or one outside the range that makes sense."""


class EventError(EvAnalyticsError, ValueError):
    """An event whose attributes break the rules of `Event` or of CloudEvents 1.0."""


class LogNotFoundError(EvAnalyticsError, FileNotFoundError):
    """A path, glob or folder that leads to no event log."""


class LogReadError(EvAnalyticsError, ValueError):
    """A log that cannot be read as a whole: wrong format, damaged, or past a limit."""


class ColumnError(EvAnalyticsError, ValueError):
    """A column or payload path that the log does not have, or cannot have."""


class EngineError(EvAnalyticsError, RuntimeError):
    """An engine that is not installed, not reachable, or not what was asked for."""


class PayloadUnavailableError(EvAnalyticsError, LookupError):
    """The payload's exact JSON text is wanted where it cannot be had."""


class SampleError(EvAnalyticsError, ValueError):
    """A sample log that cannot be made as asked, or whose answers cannot be read."""


class FilterError(EvAnalyticsError, ValueError):
    """A filter that cannot be read; says at which key, what was found and what would do."""


class BloomError(EvAnalyticsError, ValueError):
    """A Bloom filter that cannot be made, asked, joined or read; or ids that it cannot hold."""


class CapacityWarning(UserWarning):
    """A Bloom filter holds more ids than it was made for, so that its error rate rises."""


class PolicyError(EvAnalyticsError, ValueError):
    """A batching, throttling or delivery policy that contradicts itself."""


class BatchError(EvAnalyticsError, RuntimeError):
    """Events that a batch processor accepted and could not have processed.

    Attributes:
        events: The events handed back, in the order of their batches; each exactly once.
    """

    def __init__(self, message: str, events: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.events = list(events)


class ThrottleError(EvAnalyticsError, ValueError):
    """More tokens were asked for than a limit can ever grant, or fewer than one."""


class ThrottleTimeoutError(EvAnalyticsError, TimeoutError):
    """The tokens asked for were not there before the caller's deadline."""


class DeliveryError(EvAnalyticsError, RuntimeError):
    """A request was given up; its events are handed back.

    Attributes:
        reason: "failed" (no attempt succeeded), "timeout" (its deadline came) or "closed".
        attempts: How many attempts were started; the last one's error is the `__cause__`.
    """

    def __init__(self, message: str, *, reason: DeliveryReason, attempts: int) -> None:
        super().__init__(message)
        self.reason: DeliveryReason = reason
        self.attempts = attempts


class SimulationError(EvAnalyticsError, ValueError):
    """Arrivals that cannot be simulated, or a simulation that has no such answer."""


class TuningError(EvAnalyticsError, ValueError):
    """A grid, a constraint or measured calls that make no sense, or that nothing meets."""


class ServiceError(EvAnalyticsError, RuntimeError):
    """The event service could not do what was asked of it."""


class ServiceLockedError(ServiceError):
    """The service's file is open in another process."""


class QueryError(ServiceError, ValueError):
    """A question that the event service cannot answer, for it makes no sense."""


class ServiceAccessError(ServiceError):
    """The event service wants an API key, and got none or a wrong one."""


class ServiceUnavailableError(ServiceError):
    """The event service could not be reached, did not answer in time, or has too much to do.

    Attributes:
        retry_after_s: How many seconds it asks to be left alone, if it does.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CatalogError(EvAnalyticsError, RuntimeError):
    """A catalog of logs that is damaged, or that no longer fits the files it speaks of."""


class ReplayError(EvAnalyticsError, ValueError):
    """A replay was asked for a speed, a place or an order that makes no sense."""


class StreamError(EvAnalyticsError, ValueError):
    """A stream graph that makes no sense, or a question that it cannot answer; names the node."""


class ReportError(EvAnalyticsError, OSError):
    """A report that cannot be written where it was wanted."""


class ClosedError(EvAnalyticsError, RuntimeError):
    """Something was asked of an object that has been closed."""
