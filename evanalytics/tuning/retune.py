"""One setting after another on one log, in the small frames that a slider's pictures need."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import polars as pl

from evanalytics.batching.policy import BatchPolicy
from evanalytics.batching.simulate import REASONS, Batches
from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.throttling.policy import LimitKind, RateLimit
from evanalytics.tuning.histogram import Histogram, highest_of
from evanalytics.tuning.metrics import Grouped, Metrics
from evanalytics.tuning.settings import Settings

Limiter = Literal[LimitKind, "none"]
"""A kind of limit, or none at all."""

_SHARES = np.concatenate((np.linspace(0, 0.99, 120), 1 - np.geomspace(0.01, 1e-6, 20), [1.0]))


@dataclass(frozen=True, eq=False)
class Retuned:
    """What a setting does to a log, ready to be drawn.

    Attributes:
        metrics: The numbers.
        latency: The latencies' distribution, at most 141 rows: latency_s, share (of all events, handed-back
            ones included; so without them it does not reach 1).
        sizes: How many batches there are by size. One row per power of two: up_to (the largest
            size that counts here), and batches for each reason to leave: size, age, bytes.
    """

    metrics: Metrics
    latency: pl.DataFrame
    sizes: pl.DataFrame


class Retuner:
    """A log that one setting after another is tried on; what two in a row share is kept.

    Example:
        >>> retuner = Retuner(Arrivals.of_times([0, 1_000_000, 2_000_000]))
        >>> retuner.retune(Settings(BatchPolicy(max_batch_size=2))).sizes.rows()
        [(1, 0, 1, 0), (2, 1, 0, 0)]
    """

    def __init__(self, arrivals: Arrivals, *, operation: str = "publish") -> None:
        """Hold the arrivals; nothing is computed yet."""
        self.arrivals = arrivals
        self._operation = operation
        self._last: tuple[BatchPolicy, Grouped] | None = None

    def retune(self, settings: Settings) -> Retuned:
        """Return what a setting does: 5 to 40 ms for a million events.

        Where the batch policy is that of the call before, so are the batches.

        Raises:
            PolicyError: The policies contradict each other.
            TuningError: There are no events.
        """
        if len(self.arrivals) == 0:
            raise TuningError("retune: there are no events here; choose a longer stretch of the log")
        last = self._last  # read once: another thread may put another one there
        if last is None or last[0] != settings.batch:
            last = self._last = settings.batch, Grouped.of(self.arrivals, settings.batch)
        metrics = last[1].measure(settings.throttle, settings.delivery, self._operation)
        return Retuned(metrics, latency_shares(metrics.latency), batch_sizes(last[1].batches))


def latency_shares(histogram: Histogram) -> pl.DataFrame:
    """Return a histogram as a curve of at most 141 points: latency_s, share of events within it."""
    below = np.cumsum(histogram.counts)
    total = int(below[-1]) + histogram.lost
    ranks = np.unique(np.maximum(np.ceil(_SHARES * below[-1]), 1)).astype(np.int64)
    places = np.unique(np.searchsorted(below, ranks)) if below[-1] else np.zeros(0, np.int64)
    return pl.DataFrame({"latency_s": highest_of(places) / 1e9, "share": below[places] / max(total, 1)})


def batch_sizes(batches: Batches) -> pl.DataFrame:
    """Return how many batches there are by size, up to each power of two, and by reason."""
    counts = np.bincount(batches.sizes * len(REASONS) + batches.reason, minlength=2 * len(REASONS))
    by_size = np.pad(counts, (0, -len(counts) % len(REASONS))).reshape(-1, len(REASONS))
    up_to = 2 ** np.arange(max((len(by_size) - 2).bit_length() + 1, 1))
    begin = np.concatenate(([1], up_to[:-1] + 1))
    summed = np.add.reduceat(by_size, begin, axis=0)
    return pl.DataFrame({"up_to": up_to, **dict(zip(REASONS, summed.T, strict=True))})


def with_rate(
    settings: Settings, per_second: float, limiter: Limiter, *, operation: str = "publish"
) -> Settings:
    """Return the settings with another rate limit for an operation, or with none.

    A rate such as 0.3 becomes 3 in 10 seconds: a limit counts whole requests.

    Args:
        settings: What to start from.
        per_second: Requests per second, taken as the decimal number that it is written as.
        limiter: How the limit counts; "none": no limit.
        operation: Whose limit it is.

    Raises:
        TuningError: There is no such limiter, or the rate is not above zero or, with a limit, endless.

    Example:
        >>> with_rate(Settings(), 0.3, "sliding_window").throttle.limit_of("publish")
        RateLimit(max_requests=3, per='10s')
    """
    if limiter not in (*get_args(LimitKind), "none"):
        raise TuningError(f"limiter: needs one of {', '.join(get_args(LimitKind))} or none, got {limiter!r}")
    is_endless = math.isinf(per_second) and limiter != "none"
    if not per_second > 0 or is_endless:
        raise TuningError(f"per_second: needs a rate above zero and not endless, got {per_second!r}")
    limit = None if limiter == "none" else _limit(per_second, limiter)
    before = settings.throttle
    others = {name: other for name, other in before.operations.items() if name != operation}
    own = {} if limit == before.default else {operation: limit}
    return Settings(settings.batch, replace(before, operations=others | own), settings.delivery)


def rate_of(settings: Settings, *, operation: str = "publish") -> tuple[float, Limiter]:
    """Return an operation's requests per second and its kind of limit; (inf, "none") without one."""
    limit = settings.throttle.limit_of(operation)
    if limit is None:
        return math.inf, "none"
    return limit.max_requests * 1e9 / limit.per_ns, limit.kind


def _limit(per_second: float, kind: LimitKind) -> RateLimit:
    rate = Fraction(f"{per_second:.6g}")
    return RateLimit(rate.numerator, f"{rate.denominator}s", kind=kind)
