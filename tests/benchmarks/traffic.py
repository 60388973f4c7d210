"""Traffic for benchmarks and long tests: bursty, of several types, the same at every run."""

from __future__ import annotations

import numpy as np

from evanalytics.delivery.arrivals import Arrivals

TYPES = ("order.created", "payment.taken", "order.shipped", "stock.changed", "mail.sent", "page.viewed")


def bursty_traffic(events: int, *, per_second: int = 1_000, seed: int = 7) -> Arrivals:
    """Return arrivals whose rate swings threefold, with bursts, ties and six types of unequal weight."""
    random = np.random.default_rng(seed)
    wave = 1 + 0.5 * np.sin(np.arange(events) / events * 40)
    gaps = random.exponential(1e9 / per_second, events) * wave
    gaps[random.random(events) < 0.3] /= 10
    time_us = np.cumsum(gaps).astype(np.int64) // 1_000  # whole microseconds, as in a log
    weights = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    types = random.choice(len(TYPES), events, p=weights).astype(np.int32)
    return Arrivals(time_us * 1_000, types, TYPES, np.arange(events))
