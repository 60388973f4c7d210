"""A setting: the three policies that are tuned together; and grids of settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType
from typing import Any

import polars as pl

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy
from evanalytics.durations import duration_us
from evanalytics.exceptions import PolicyError, TuningError
from evanalytics.records import Record
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

KNOBS = MappingProxyType(
    {
        "max_batch_size": "max_batch_size",
        "flush_interval": "flush_interval_us",
        "max_requests": "max_requests",
        "burst": "burst",
        "max_in_flight": "max_in_flight",
    }
)
"""What can be turned, and the column that shows it."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Settings(Record):
    """The policies under which events are batched, throttled and delivered.

    They go to JSON and back, so that what is tuned here is what runs live.

    Raises:
        PolicyError: One of them is something else.

    Example:
        >>> settings = Settings(batch=BatchPolicy(max_batch_size=50))
        >>> Settings.from_json(settings.to_json()) == settings
        True
    """

    batch: BatchPolicy
    throttle: ThrottlePolicy
    delivery: DeliveryPolicy

    def __init__(
        self,
        batch: BatchPolicy | None = None,
        throttle: ThrottlePolicy | None = None,
        delivery: DeliveryPolicy | None = None,
    ) -> None:
        self._fill(
            batch=_record(batch, BatchPolicy),
            throttle=_record(throttle, ThrottlePolicy),
            delivery=_record(delivery, DeliveryPolicy),
        )

    def turned(self, *, operation: str = "publish", **knobs: Any) -> Settings:
        """Return these settings with some knobs at other values.

        A token bucket that holds as many tokens as flow in per `per` goes on doing so when
        `max_requests` is turned, unless `burst` is turned too.

        Args:
            operation: Whose limit `max_requests` and `burst` belong to.
            knobs: New values, by the names in `KNOBS`.

        Raises:
            PolicyError: A value makes no sense.
            TuningError: There is no such knob, or no limit to turn.

        Example:
            >>> Settings().turned(max_batch_size=7, flush_interval="1s").batch.max_batch_size
            7
        """
        for name in knobs:
            if name not in KNOBS:
                raise TuningError(f"{name}: there is no such knob; there are {', '.join(KNOBS)}")
        batch = _some(knobs, "max_batch_size", "flush_interval")
        limit, delivery = _some(knobs, "max_requests", "burst"), _some(knobs, "max_in_flight")
        return Settings(
            replace(self.batch, **batch) if batch else self.batch,
            self._with_limit(operation, limit) if limit else self.throttle,
            replace(self.delivery, **delivery) if delivery else self.delivery,
        )

    def knobs(self, operation: str = "publish") -> dict[str, int | None]:
        """Return where the knobs are, by their columns."""
        limit = self.throttle.limit_of(operation)
        return {
            "max_batch_size": self.batch.max_batch_size,
            "flush_interval_us": duration_us(self.batch.flush_interval),
            "max_requests": limit.max_requests if limit else None,
            "burst": limit.burst if limit else None,
            "max_in_flight": self.delivery.max_in_flight,
        }

    def _with_limit(self, operation: str, changes: Mapping[str, Any]) -> ThrottlePolicy:
        limit = self.throttle.limit_of(operation)
        if limit is None:
            raise TuningError(
                f"{', '.join(changes)}: {operation!r} has no limit to turn; "
                "start from Settings(throttle=ThrottlePolicy(RateLimit(100, '1s')))"
            )
        if limit.burst == limit.max_requests:
            changes = {"burst": changes.get("max_requests", limit.burst), **changes}
        turned: RateLimit = replace(limit, **changes)
        return replace(self.throttle, operations={**self.throttle.operations, operation: turned})

    @classmethod
    def _read_field(cls, name: str, value: Any) -> Any:
        kinds: dict[str, type[Record]] = {
            "batch": BatchPolicy,
            "throttle": ThrottlePolicy,
            "delivery": DeliveryPolicy,
        }
        return kinds[name].from_dict(value)


class Grid(Sequence[Settings]):
    """Every combination of the given values of some knobs, the first knob turning slowest.

    Args:
        base: Where the other knobs stay.
        operation: Whose limit `max_requests` and `burst` belong to.
        knobs: The values to try, by the names in `KNOBS`.

    Raises:
        TuningError: There is no such knob, or a knob has no values.

    Example:
        >>> grid = Grid(max_batch_size=[1, 10, 100], flush_interval=["100ms", "1s"])
        >>> len(grid), grid[-1].batch.max_batch_size
        (6, 100)
    """

    def __init__(
        self, base: Settings | None = None, *, operation: str = "publish", **knobs: Sequence[Any]
    ) -> None:
        for name, values in knobs.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or len(values) == 0:
                raise TuningError(f"Grid.{name}: needs a list of values to try, got {values!r}")
        self.base = base or Settings()
        self.operation = operation
        self.values = MappingProxyType({name: tuple(values) for name, values in knobs.items()})
        turns = (dict(zip(self.values, turn, strict=True)) for turn in product(*self.values.values()))
        self._settings = [self.base.turned(operation=operation, **turn) for turn in turns]

    def __len__(self) -> int:
        return len(self._settings)

    def __getitem__(self, index: Any) -> Any:
        return self._settings[index]

    def __iter__(self) -> Iterator[Settings]:
        return iter(self._settings)

    def __repr__(self) -> str:
        sizes = " x ".join(f"{len(values)} {name}" for name, values in self.values.items())
        return f"<Grid of {len(self)} settings: {sizes}>"


def knob_table(settings: Sequence[Settings], operation: str = "publish") -> pl.DataFrame:
    """Return where the knobs of some settings are: one row each, columns as in `KNOBS`."""
    rows = [one.knobs(operation) for one in settings]
    return pl.DataFrame(rows, schema=dict.fromkeys(KNOBS.values(), pl.Int64), orient="row")


def spread_out(least: int, most: int, count: int) -> list[int]:
    """Return about so many whole numbers between two, evenly spaced on a logarithmic scale.

    Those in between are rounded to three digits.

    Example:
        >>> spread_out(1, 5000, 7)
        [1, 4, 17, 71, 292, 1210, 5000]
    """
    ratio = most / least
    between = (_three_digits(least * ratio ** (step / (count - 1))) for step in range(1, count - 1))
    return sorted({least, most, *(number for number in between if least < number < most)})


def _three_digits(number: float) -> int:
    return round(float(f"{number:.3g}"))


def _some(knobs: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: knobs[name] for name in names if name in knobs}


def _record(given: Any, kind: type[Any]) -> Any:
    if not isinstance(given, kind | None):
        raise PolicyError(f"Settings: needs a {kind.__name__}, got {given!r}")
    return kind() if given is None else given
