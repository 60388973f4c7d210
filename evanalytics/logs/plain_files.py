"""Parquet files whose columns are a log's as they lie: every engine can read them for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evanalytics.logs.connection import quote_name
from evanalytics.logs.schema import ENVELOPE, SEQ, TIME, TS


@dataclass(frozen=True, slots=True)
class PlainFiles:
    """Files that hold a log without anything to be made fit first.

    Attributes:
        files: The path of each, and the `seq` of its first row.
        columns: The log's columns but `seq` and `ts`, each with the files' column that holds it.
    """

    files: tuple[tuple[str, int], ...]
    columns: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The log's columns, in their order."""
        return [*ENVELOPE, *(name for name in self.columns if name not in ENVELOPE)]

    def sql(self) -> str:
        """Return a DuckDB query for the log's rows."""
        columns = [f"{quote_name(column)} AS {quote_name(name)}" for name, column in self.columns.items()]
        time = quote_name(self.columns[TIME])
        parts = []
        for path, start in self.files:
            quoted = path.replace("'", "''")
            number = f"file_row_number + {start} AS {SEQ}, epoch_us({time}) AS {TS}"
            scan = f"read_parquet('{quoted}', file_row_number = true, hive_partitioning = false)"
            parts.append(f"SELECT {number}, {', '.join(columns)} FROM {scan}")
        return f"SELECT {', '.join(map(quote_name, self.names))} FROM ({' UNION ALL '.join(parts)})"
