"""The columns of an event log: their names, their dtypes, and how payload paths name theirs."""

from __future__ import annotations

from types import MappingProxyType

import polars as pl

SEQ, ID, TYPE, SOURCE, TIME, TS = "seq", "id", "type", "source", "time", "ts"
SUBJECT = "subject"
PAYLOAD = "data"
PREFIX = "data__"
EXTENSION = "ext"

ENVELOPE = MappingProxyType(
    {
        SEQ: pl.Int64(),
        ID: pl.String(),
        TYPE: pl.String(),
        SOURCE: pl.String(),
        TIME: pl.Datetime("us", "UTC"),
        TS: pl.Int64(),
    }
)
"""The columns every log has; `ts` is `time` as microseconds since 1970-01-01T00:00:00Z."""


def column_of(path: str) -> str:
    """Return the column that holds a dotted path.

    Example:
        >>> column_of("data.customer.id"), column_of("type")
        ('data__customer__id', 'type')
    """
    return path.replace(".", "__")
