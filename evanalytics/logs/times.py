"""What a log's time column means: ISO 8601 text or epoch numbers, recognised and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import polars as pl

TimeKind = Literal["text", "s", "ms", "us", "ns", "datetime"]

_US_PER = {"s": 1_000_000, "ms": 1_000, "us": 1}
_LEAST = {"s": 10**8, "ms": 10**11, "us": 10**14, "ns": 10**17}  # 1973-03-03 in each unit
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_NUMBER = r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$"
_DATED = r"^\d{4}-\d{2}-\d{2}"
_ZONED = r"\d\d:\d\d.*(Z|z|[+-]\d{2}(:?\d{2})?)$"
_USUAL = ("%Y-%m-%dT%H:%M:%S.%6fZ", "%Y-%m-%dT%H:%M:%S.%3fZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S")
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


def times_us(values: pl.Series, form: TimeForm) -> pl.Series:
    """Return times as microseconds since the epoch (Int64); null where a value is no time.

    A fraction finer than a microsecond is cut off. Numbers outside the years 1973 to 5138 of
    the recognised unit are null: they were written in another unit.
    """
    if form.kind == "text" and not values.dtype.is_temporal():
        return _iso_us(values.cast(pl.String))
    return values.to_frame().select(time_us(pl.col(values.name), values.dtype, form)).to_series()


def time_us(column: pl.Expr, dtype: pl.DataType, form: TimeForm) -> pl.Expr:
    """Return the same as `times_us`, as an expression; for typed times and epoch numbers only."""
    if dtype == pl.Date:
        return column.cast(pl.Datetime("us")).cast(pl.Int64)
    return column.dt.timestamp("us") if dtype.is_temporal() else _epoch_us(column, dtype, form.kind)


def _iso_us(texts: pl.Series) -> pl.Series:
    """Read ISO 8601: 'T' or a blank between date and time, any fraction, Z, an offset or none.

    What most logs write is tried first, each form only on what the ones before it left over:
    the fixed-width forms cost 0.03 us a value, the general one 50 times that.
    """
    out = _parsed(texts, _USUAL[0])
    for form in _USUAL[1:]:
        out = _fill(out, texts, partial(_parsed, form=form))
    return _fill(out, texts, _any_iso_us)


def _fill(found: pl.Series, texts: pl.Series, parse: Callable[[pl.Series], pl.Series]) -> pl.Series:
    left = (found.is_null() & texts.is_not_null()).arg_true()
    return found.scatter(left, parse(texts.gather(left))) if len(left) else found


def _parsed(texts: pl.Series, form: str) -> pl.Series:
    return texts.str.to_datetime(form, time_unit="us", strict=False, cache=False).dt.timestamp("us")


def _any_iso_us(texts: pl.Series) -> pl.Series:
    plain = texts.str.strip_chars().str.replace(" ", "T", literal=True).str.replace(_FRACTION, ".$1")
    zoned = (
        plain.str.replace("[zZ]$", "+0000")
        .str.replace(r"([+-]\d\d):?(\d\d)$", "$1$2")
        .str.replace(r"(T.*[+-]\d\d)$", "${1}00")
    )
    return pl.select(
        pl.coalesce(
            _parsed(zoned, "%Y-%m-%dT%H:%M:%S%.f%z"),
            _parsed(zoned, "%Y-%m-%dT%H:%M%z"),
            _parsed(plain, "%Y-%m-%dT%H:%M:%S%.f"),
            _parsed(plain, "%Y-%m-%dT%H:%M"),
            plain.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.timestamp("us"),
        )
    ).to_series()


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
