"""The sample log as text: one JSON object a line, or CSV with the payload as JSON in one column.

Expressions put the text together, for nothing in a sample needs escaping. A field without a
value is left out, as most producers do; the mobile app writes two of them as `null`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

_FIELDS = (
    ("data__id", ',"id":"{}"'),
    ("data__customerId", ',"customerId":"{}"'),
    ("data__status", ',"status":"{}"'),
    ("data__total", ',"total":{}'),
    ("data__amount", ',"amount":{}'),
    ("data__currency", ',"currency":"{}"'),
    ("data__items", ',"items":{}'),
    ("data__coupon", ',"coupon":"{}"'),
    ("data__method", ',"method":"{}"'),
    ("data__reason", ',"reason":"{}"'),
    ("data__shipping__method", ',"shipping":{{"method":"{}"'),
    ("data__shipping__country", ',"country":"{}"'),
)
_NULL_IN_APP = {"data__customerId": ',"customerId":null', "data__coupon": ',"coupon":null'}


def json_lines(frames: Iterable[pl.DataFrame]) -> Iterator[str]:
    """Yield one JSON object a line: id, type, source, time and data."""
    line = pl.format(
        '{{"id":"{id}","type":"{type}","source":"{source}","time":"{}","data":{}}}', _time(), _data()
    )
    for frame in frames:
        yield frame.select(line).write_csv(include_header=False, quote_style="never")


def csv_rows(frames: Iterable[pl.DataFrame]) -> Iterator[str]:
    """Yield a header and rows of id, type, source, time and data, the last as JSON text."""
    for number, frame in enumerate(frames):
        table = frame.select("id", "type", "source", _time(), _data().alias("data"))
        yield table.write_csv(include_header=number == 0)


def _time() -> pl.Expr:
    return pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")


def _data() -> pl.Expr:
    start = pl.format('{{"orderId":"{data__orderId}"')
    end = pl.when(pl.col("data__shipping__method").is_null()).then(pl.lit("}")).otherwise(pl.lit("}}"))
    return pl.concat_str(start, *(_field(column, pattern) for column, pattern in _FIELDS), end)


def _field(column: str, pattern: str) -> pl.Expr:
    null_in_app = pl.lit(_NULL_IN_APP.get(column, ""))
    absent = pl.when(pl.col("source") == "mobile-app").then(null_in_app).otherwise(pl.lit(""))
    return pl.coalesce(pl.format(pattern, pl.col(column)), absent)
