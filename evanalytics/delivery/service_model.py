"""How long calls take and how often they fail: what a simulation has in place of a service."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal

from evanalytics.delivery.draws import FAILURE, FRACTION_BITS, SERVICE, draw
from evanalytics.durations import Duration, duration_ns
from evanalytics.exceptions import PolicyError
from evanalytics.records import Record, duration, number, one_of, whole_number

Distribution = Literal["constant", "uniform", "exponential", "lognormal", "empirical"]

QUANTILE_BITS = 12
"""A distribution is a table of 2**12 + 1 quantiles; what lies between two is drawn uniformly."""

_LONGEST_NS = 1 << 46  # 19.5 h; times a 16-bit fraction it still fits into 64 bits


@dataclass(frozen=True, slots=True, init=False, repr=False)
class ServiceModel(Record):
    """How long a call takes and how often it fails: what a simulation has in place of a service.

    An attempt takes `fixed + per_event * events + extra`. The extra time follows
    `distribution` and is drawn by a hash of (seed, request, attempt): two settings that are
    compared meet the same luck, request by request. An attempt that fails takes as long.

    Every distribution is a table of 4,097 quantiles in whole nanoseconds, made once, and a draw
    picks a place in it with integers; so no executor's floats decide anything. The highest
    quantile of the two unbounded ones is set so that the table's mean is the true mean.

    Attributes:
        fixed: Time per call.
        per_event: Time per event in the call.
        distribution: Of the extra time: "constant" (none), "uniform" (0 to `spread`),
            "exponential" (mean `spread`), "lognormal" (median `spread`, shape `sigma`) or
            "empirical" (the given `quantiles`).
        spread: The scale of the extra time; at most 1 h.
        sigma: The shape of a lognormal: the standard deviation of the logarithm; up to 3.
        quantiles: Of an empirical extra time: at least two, in ascending order, at evenly
            spaced probabilities from 0 to 1; straight lines between them.
        failure_rate: The share of attempts that fail, each for itself; 0 to 1.
        seed: Of the draws; 0 to 2**53.

    Raises:
        PolicyError: A field makes no sense, alone or beside the others; the message names it.

    Example:
        >>> model = ServiceModel(fixed="20ms", per_event="50us")
        >>> model.duration_ns(request=0, attempt=0, events=100)
        25000000
    """

    fixed: timedelta
    per_event: timedelta
    distribution: Distribution
    spread: timedelta
    sigma: float
    quantiles: tuple[timedelta, ...]
    failure_rate: float
    seed: int

    def __init__(
        self,
        *,
        fixed: Duration = "20ms",
        per_event: Duration = "0s",
        distribution: Distribution = "constant",
        spread: Duration = "0s",
        sigma: float = 1.0,
        quantiles: Sequence[Duration] = (),
        failure_rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        kinds = ("constant", "uniform", "exponential", "lognormal", "empirical")
        self._fill(
            fixed=duration(fixed, "ServiceModel.fixed", most="24h"),
            per_event=duration(per_event, "ServiceModel.per_event", most="1h"),
            distribution=one_of(distribution, "ServiceModel.distribution", kinds),
            spread=duration(spread, "ServiceModel.spread", most="1h"),
            sigma=number(sigma, "ServiceModel.sigma", least=0, most=3),
            quantiles=_quantiles(distribution, quantiles),
            failure_rate=number(failure_rate, "ServiceModel.failure_rate", least=0, most=1),
            seed=whole_number(seed, "ServiceModel.seed", least=0),
        )
        if self.spread and distribution in ("constant", "empirical"):
            raise PolicyError(f"ServiceModel.spread: a {distribution} extra time has none, got {spread!r}")
        if distribution == "lognormal" and self.extra_table_ns[-1] >= _LONGEST_NS:
            raise PolicyError(
                f"ServiceModel.sigma: {sigma} with spread {spread!r} makes times over 19 h; lower either"
            )

    @property
    def fixed_ns(self) -> int:
        """The time per call in nanoseconds."""
        return duration_ns(self.fixed)

    @property
    def per_event_ns(self) -> int:
        """The time per event in nanoseconds."""
        return duration_ns(self.per_event)

    @property
    def extra_table_ns(self) -> tuple[int, ...]:
        """The 4,097 quantiles of the extra time, in nanoseconds, ascending."""
        return _extra_table_ns(self)

    @property
    def failure_threshold(self) -> int:
        """An attempt fails if the upper 53 bits of its draw are below this number."""
        return round(self.failure_rate * (1 << 53))

    def duration_ns(self, request: int, attempt: int, events: int) -> int:
        """Return how long an attempt takes, in nanoseconds.

        In integers: the upper 12 bits of the draw from the SERVICE stream are a place in
        `extra_table_ns`, the 16 bits below them the part of the way to the next place.
        """
        bits = int(draw(self.seed, SERVICE, request, attempt)) >> (64 - QUANTILE_BITS - FRACTION_BITS)
        place, share = bits >> FRACTION_BITS, bits & ((1 << FRACTION_BITS) - 1)
        low, high = self.extra_table_ns[place : place + 2]
        extra = low + ((high - low) * share >> FRACTION_BITS)
        return self.fixed_ns + self.per_event_ns * events + extra

    def fails(self, request: int, attempt: int) -> bool:
        """Return whether an attempt fails."""
        return int(draw(self.seed, FAILURE, request, attempt)) >> 11 < self.failure_threshold

    @classmethod
    def _read_field(cls, name: str, value: Any) -> Any:
        return tuple(value) if name == "quantiles" and isinstance(value, list) else value


def _quantiles(distribution: str, given: Sequence[Duration]) -> tuple[timedelta, ...]:
    name = "ServiceModel.quantiles"
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise PolicyError(f"{name}: needs a list of durations, got {given!r}")
    if distribution != "empirical":
        if given:
            raise PolicyError(f"{name}: only an empirical extra time has them, not {distribution!r}")
        return ()
    values = tuple(duration(value, name, most="1h") for value in given)
    if len(values) < 2 or list(values) != sorted(values):
        raise PolicyError(f"{name}: needs at least two, in ascending order, got {list(given)!r}")
    return values


@lru_cache(maxsize=256)
def _extra_table_ns(model: ServiceModel) -> tuple[int, ...]:
    cells = 1 << QUANTILE_BITS
    spread = duration_ns(model.spread)
    if model.distribution == "empirical":
        knots = [duration_ns(value) for value in model.quantiles]
        return tuple(_between(knots, place, cells) for place in range(cells + 1))
    if model.distribution == "exponential":
        table = [-spread * math.log1p(-place / cells) for place in range(cells)]
        return _close(table, mean=spread)
    if model.distribution == "lognormal":
        normal = NormalDist()
        places = [0.5, *range(1, cells)]  # the lowest quantile, 0, stands half a cell up
        table = [spread * math.exp(model.sigma * normal.inv_cdf(place / cells)) for place in places]
        return _close(table, mean=spread * math.exp(model.sigma**2 / 2))
    return tuple(spread * place // cells for place in range(cells + 1))  # uniform; all 0 if constant


def _between(knots: list[int], place: int, cells: int) -> int:
    """Return the value at place / cells of the way along evenly spaced knots."""
    whole, rest = divmod(place * (len(knots) - 1), cells)
    if not rest:
        return knots[whole]
    return knots[whole] + (knots[whole + 1] - knots[whole]) * rest // cells


def _close(table: list[float], *, mean: float) -> tuple[int, ...]:
    """Return a table without its last quantile in whole numbers, with the one that gives the mean."""
    # cells are trapezoids: mean = (t[0]/2 + t[1] + ... + t[n-1] + t[n]/2) / n
    last = 2 * (mean * len(table) - sum(table) + table[0] / 2)
    return tuple(round(value) for value in [*table, max(last, table[-1])])
