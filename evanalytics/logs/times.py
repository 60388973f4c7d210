"""What a log's time column means: ISO 8601 text or epoch numbers, recognised and reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

TimeKind = Literal["text", "s", "ms", "us", "ns", "datetime"]

_US_PER = {"s": 1_000_000, "ms": 1_000, "us": 1}
_LEAST = {"s": 10**8, "ms": 10**11, "us": 10**14, "ns": 10**17}  # 1973-03-03 in each unit
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_NUMBER = r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$"
_DATED = r"^\d{4}-\d{2}-\d{2}"
_ZONED = r"\d\d:\d\d.*(Z|z|[+-]\d{2}(:?\d{2})?)$"
_FRACTION = r"\.(\d{6})\d*"


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How the times of a log are written.

    Attributes:
        kind: "text" (ISO 8601), the unit of an epoch number, or "datetime" (typed in the file).
        zoned: Whether every text said its zone; text without one is taken as UTC.
    """

    kind: TimeKind
    zoned: bool = True

    def describe(self) -> str:
        """Return the sentence for the report."""
        if self.kind == "text":
            zone = "" if self.zoned else "; times without a zone are taken as UTC"
            return f"time: ISO 8601 text{zone}"
        if self.kind == "datetime":
            return "time: typed in the file" + ("" if self.zoned else " without a zone, taken as UTC")
        return f"time: epoch {_NAMES[self.kind]}, judged by the magnitude of the numbers"


def recognise_times(values: pl.Series) -> TimeForm | None:
    """Return how a sample of times is written; None when nothing in it looks like a time.

    Numbers are told apart by magnitude: seconds since 1970 have 9 to 11 digits, milliseconds
    12 to 14, microseconds 15 to 17, nanoseconds more. What most of the values say is taken;
    the others are quarantined later, value by value.
    """
    values = values.drop_nulls()
    if values.dtype.is_temporal():
        zone = getattr(values.dtype, "time_zone", None)
        return TimeForm("datetime", zoned=zone is not None)
    texts = values.cast(pl.String)
    numbers = texts.filter(texts.str.contains(_NUMBER)).cast(pl.Float64).abs()
    dated = texts.filter(texts.str.contains(_DATED))
    if len(dated) >= len(numbers):
        if not len(dated):
            return None
        return TimeForm("text", zoned=bool(dated.str.contains(_ZONED).all()))
    typical = numbers.median()
    units = [unit for unit, least in _LEAST.items() if isinstance(typical, float) and typical >= least]
    return TimeForm(units[-1] if units else "s")  # type: ignore[arg-type]


def time_us(column: pl.Expr, dtype: pl.DataType, form: TimeForm) -> pl.Expr:
    """Return times as microseconds since the epoch (Int64); null where a value is no time.

    A fraction finer than a microsecond is cut off. Numbers outside the years 1973 to 5138 of
    the recognised unit are null: they were written in another unit.
    """
    if dtype.is_temporal():
        return column.cast(pl.Datetime("us")).cast(pl.Int64) if dtype == pl.Date else _typed(column)
    if form.kind == "text":
        return _iso_us(column.cast(pl.String))
    return _epoch_us(column, dtype, form.kind)


def _typed(column: pl.Expr) -> pl.Expr:
    return column.dt.timestamp("us")


def _iso_us(text: pl.Expr) -> pl.Expr:
    """Read ISO 8601: 'T' or a blank between date and time, any fraction, Z, an offset or none."""
    strict = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
    rest = pl.when(strict.is_null()).then(text)  # the rare forms cost 100x: only where needed
    loose = rest.str.strip_chars().str.replace(" ", "T", literal=True).str.replace(_FRACTION, ".$1")
    zoned = (
        loose.str.replace("[zZ]$", "+0000")
        .str.replace(r"([+-]\d\d):?(\d\d)$", "$1$2")
        .str.replace(r"(T.*[+-]\d\d)$", "${1}00")
    )
    others = [
        zoned.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False).dt.timestamp("us"),
        zoned.str.to_datetime("%Y-%m-%dT%H:%M%z", time_unit="us", strict=False).dt.timestamp("us"),
        loose.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False).dt.timestamp("us"),
        loose.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False).dt.timestamp("us"),
        loose.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.timestamp("us"),
    ]
    return pl.coalesce(strict.dt.timestamp("us"), *others)


def _epoch_us(column: pl.Expr, dtype: pl.DataType, unit: str) -> pl.Expr:
    if dtype.is_integer():
        whole, fraction = column.cast(pl.Int64, strict=False), pl.lit(0, pl.Int64)
    else:
        text = column.cast(pl.String).str.strip_chars()
        exact = text.str.contains(r"^-?\d+(\.\d+)?$")
        split = pl.when(exact).then(text)
        whole = split.str.extract(r"^(-?\d+)").cast(pl.Int64, strict=False)
        digits = split.str.extract(r"\.(\d{1,9})").fill_null("0").str.pad_end(9, "0")
        per_unit = _US_PER.get(unit, 0)
        fraction = digits.cast(pl.Int64) * per_unit // 1_000_000_000
        scientific = pl.when(text.str.contains(_NUMBER)).then(text.cast(pl.Float64, strict=False))
        fraction = pl.when(exact).then(fraction).otherwise(0)
        whole = pl.coalesce(whole, scientific.round().cast(pl.Int64, strict=False))
        fraction = pl.when(whole < 0).then(-fraction).otherwise(fraction)
    inside = whole.abs().is_between(_LEAST[unit], _LEAST[unit] * 1000, closed="left")
    us = whole // 1_000 if unit == "ns" else whole * _US_PER[unit] + fraction
    return pl.when(inside).then(us)


def without_zone(values: pl.Series) -> bool:
    """Return whether any of these texts is a time without a zone."""
    texts = values.cast(pl.String)
    others = texts.filter(~texts.str.ends_with("Z"))
    return bool((others.str.contains(_DATED) & ~others.str.contains(_ZONED)).any())
