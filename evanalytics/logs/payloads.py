"""The payload of events as JSON text, found again by `seq`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from evanalytics.exceptions import PayloadUnavailableError
from evanalytics.logs.connection import connect, quote_name
from evanalytics.logs.schema import PAYLOAD, SEQ


class Payloads(Protocol):
    """Where the payload of a log's events can be had as JSON text."""

    def attach(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Add the column `data` (String, JSON text) to frames that are in `seq` order."""
        ...


class ReadAgain:
    """The exact text, by reading the files once more; they must not have changed.

    Args:
        read: Yields the payload of every good event, in `seq` order, as Series of String.
        files: The files, whose sizes and times of change are compared.
    """

    def __init__(self, read: Callable[[], Iterator[pl.Series]], files: Iterable[Path]) -> None:
        """Remember the files as they are now."""
        self._read = read
        self._seen = {path: _stamp(path) for path in files}

    def attach(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Add the payload's text to frames that are in `seq` order."""
        for path, stamp in self._seen.items():
            if _stamp(path) != stamp:
                raise PayloadUnavailableError(
                    f"{path}: the file has changed since it was read; read the log again"
                )
        texts, reached = self._numbered(), 0
        held: list[pl.DataFrame] = []
        for batch in batches:
            if not len(batch):
                yield batch.with_columns(pl.lit(None, pl.String).alias(PAYLOAD))
                continue
            last = int(batch[SEQ][-1])
            held = [part for part in held if part[SEQ][-1] >= batch[SEQ][0]]
            while reached <= last:
                part = next(texts)
                reached = int(part[SEQ][-1]) + 1
                held.append(part)
            yield batch.join(pl.concat(held), on=SEQ, how="left", maintain_order="left")

    def _numbered(self) -> Iterator[pl.DataFrame]:
        start = 0
        for texts in self._read():
            if not len(texts):
                continue
            numbers = pl.int_range(start, start + len(texts), eager=True)
            yield pl.DataFrame({SEQ: numbers, PAYLOAD: texts})
            start += len(texts)


class FromColumns:
    """The payload rebuilt from typed columns: a null is taken as a missing key."""

    def __init__(self, columns: Mapping[str, tuple[str, ...]]) -> None:
        """Take each column's keys below the payload."""
        self._columns = dict(columns)

    def attach(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Add the payload's text to frames."""
        sql = _object_sql(self._columns)
        with connect() as connection:
            for batch in batches:
                connection.register("batch", batch)
                text = f"CAST(json_merge_patch('{{}}', {sql}) AS VARCHAR)"
                query = f"SELECT seq, {text} AS data FROM batch ORDER BY seq"
                texts = connection.sql(query).pl() if self._columns else _empty(batch)
                yield batch.join(texts, on=SEQ, how="left", maintain_order="left")


def _empty(batch: pl.DataFrame) -> pl.DataFrame:
    return batch.select(SEQ, pl.lit("{}").alias(PAYLOAD))


def _object_sql(columns: Mapping[str, tuple[str, ...]]) -> str:
    """Return SQL that builds one JSON object from columns, nested by their keys."""
    tree: dict[str, Any] = {}
    for column, keys in columns.items():
        node = tree
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = column
    return _node_sql(tree)


def _node_sql(node: dict[str, Any]) -> str:
    parts = []
    for key, value in node.items():
        inner = _node_sql(value) if isinstance(value, dict) else quote_name(value)
        parts += ["'" + key.replace("'", "''") + "'", inner]
    return f"json_object({', '.join(parts)})"


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise PayloadUnavailableError(
            f"{path}: the file is gone; its payloads cannot be read again"
        ) from error
    return stat.st_size, stat.st_mtime_ns
