"""Every error that evanalytics raises on purpose; each is also the builtin that fits."""

from __future__ import annotations


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


class PayloadUnavailableError(EvAnalyticsError, LookupError):
    """The payload's exact JSON text is wanted where it cannot be had."""


class PolicyError(EvAnalyticsError, ValueError):
    """A batching, throttling or delivery policy that contradicts itself."""


class ServiceError(EvAnalyticsError, RuntimeError):
    """The event service could not do what was asked of it."""


class ServiceLockedError(ServiceError):
    """The service's file is open in another process."""


class ClosedError(EvAnalyticsError, RuntimeError):
    """Something was asked of an object that has been closed."""
