"""JSON records in columns of text: which are valid, what they hold, and their typed values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from evanalytics.logs.paths import KIND, PathNode, TypedPath, pointer_of

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS = 16_384  # DuckDB's threads share a table batch by batch
_TRAILING_COMMA = r",\s*[}\]]"
_COMMAS = [",}", ",]", " }", " ]", "\t}", "\t]", "\r}", "\r]"]  # one of these is in any match of the above
_MOST_NODES = 300
_SQL_TYPE = {pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.Boolean: "BOOLEAN"}
_EXACT = 2**53


class JsonRecords:
    """JSON records, one per row; all questions are answered by DuckDB's JSON functions.

    DuckDB reads a little more than JSON: NaN and Infinity, which Python's own writer produces
    and which are kept, and trailing commas, which are not.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, records: pa.Array) -> None:
        """Hold records given as an Arrow array of (large) UTF-8 text without nulls."""
        self._connection = connection
        table = pa.table({"position": pa.array(np.arange(len(records))), "record": records})
        batches = table.to_batches(max_chunksize=_BATCH_ROWS)
        self._table = pa.Table.from_batches(batches, schema=table.schema)
        self._records = records

    def invalid(self) -> npt.NDArray[np.int64]:
        """Return the positions of records that are no JSON."""
        found = self._query("SELECT position FROM records WHERE NOT json_valid(record)")[
            "position"
        ].to_numpy()
        texts = pl.Series(self._records)
        suspects = texts.str.contains_any(_COMMAS).arg_true()
        suspects = suspects.filter(texts.gather(suspects).str.contains(_TRAILING_COMMA))
        strict = [i for i in suspects if not _is_json(texts[i])]
        return np.union1d(found, np.array(strict, dtype=np.int64))

    def see_structures(self, into: PathNode) -> npt.NDArray[np.int64]:
        """Add what the records hold to `into`; return the positions of those that are no objects.

        `json_structure` says everything, but costs 2.5x as much as asking whether all is as
        known, so it is asked only where something is new.
        """
        if not self.see_kinds(into):
            self._see(into, "")
        if into.kinds <= {"object"}:
            return np.empty(0, dtype=np.int64)
        rows = self._query("SELECT position FROM records WHERE json_type(record) <> 'OBJECT'")
        into.kinds.intersection_update({"object"})
        return np.sort(rows["position"].to_numpy())

    def _see(self, into: PathNode, where: str) -> None:
        counted = self._query(
            f"SELECT json_structure(record) AS structure, min(position) AS first FROM records {where}"
            " GROUP BY 1 ORDER BY 2"
        )
        for text in counted["structure"]:
            structure = msgspec.json.decode(text)
            if isinstance(structure, dict) or structure == "JSON":
                into.see(structure)
            else:
                into.kinds.add("other")

    def see_first(self, into: PathNode) -> None:
        """Add what some of the records hold, if nothing is known yet and they are JSON."""
        if not into.keys:
            step = max(1, len(self._records) // 2_000)
            self._see(into, f"WHERE position % {step} = 0 AND json_valid(record)")

    def see_nulls(self, nodes: Sequence[tuple[Sequence[str], PathNode]]) -> None:
        """Note which of these paths hold an explicit null in some record."""
        groups = self._query(
            "SELECT json_type(record, ?) AS kinds FROM records WHERE contains(record, 'null') GROUP BY 1",
            [[pointer_of(keys) for keys, _ in nodes]],
        )
        for kinds in groups["kinds"]:
            for (_, node), kind in zip(nodes, kinds, strict=True):
                if kind == "NULL":
                    node.kinds.add("null")

    def see_kinds(self, node: PathNode) -> bool:
        """Add the kinds of the records' values; False if they have a key that `node` does not know."""
        nodes = list(node.walk())
        objects = [(keys, n) for keys, n in nodes if "object" in n.kinds]
        if len(nodes) > _MOST_NODES:
            return False
        groups = self._query(
            "SELECT json_type(record, ?) AS kinds, json_keys(record, ?) AS keys FROM records GROUP BY 1, 2",
            [[pointer_of(keys) for keys, _ in nodes], [pointer_of(keys) for keys, _ in objects]],
        )
        for kinds, keys in groups.rows():
            for (_, known), found in zip(objects, keys, strict=True):
                if not known.keys.keys() >= set(found or ()):
                    return False
            for (_, known), kind in zip(nodes, kinds, strict=True):
                if kind == "OBJECT" and "object" not in known.kinds:
                    return False
                if kind is not None:
                    known.kinds.add(KIND[kind])
        return True

    def kinds(self, keys: Sequence[str]) -> pl.Series:
        """Return DuckDB's name of the JSON type at a path in each record; null where missing."""
        sql = "SELECT position, json_type(record, ?) AS kind FROM records"
        return self._ordered(sql, [pointer_of(keys)])["kind"]

    def without(self, patch: str) -> pl.Series:
        """Return the records as text, less what a merge patch (RFC 7396) of nulls takes out."""
        sql = "SELECT position, CAST(json_merge_patch(record, ?) AS VARCHAR) AS v FROM records"
        return self._ordered(sql, [patch])["v"]

    def texts(self, paths: Iterable[Sequence[str]]) -> pl.DataFrame:
        """Return the values at paths as JSON text: columns v1, v2, ...; null where missing."""
        pointers = [pointer_of(keys) for keys in paths]
        return self._ordered(
            f"SELECT position, {_elements(len(pointers))}"
            " FROM (SELECT position, json_extract(record, ?) AS v FROM records)",
            [pointers],
        )

    def values(
        self, text: Sequence[Sequence[str]], typed: Sequence[TypedPath]
    ) -> tuple[pl.DataFrame, list[str]]:
        """Return the values at paths: `text` ones as v1, v2, ... of String, then the typed columns.

        The second result names the typed paths that hold a number which the column's type
        cannot hold exactly.
        """
        pointers = [pointer_of(keys) for keys in text] + [path.pointer for path in typed]
        if not pointers:
            return pl.DataFrame(), []
        columns = [f"v[{i + 1}] AS v{i + 1}" for i in range(len(text))]
        for number, path in enumerate(typed, len(text) + 1):
            columns += _column_sql(number, path)
        frame = self._ordered(
            f"SELECT position, {', '.join(columns)}"
            " FROM (SELECT position, json_extract_string(record, ?) AS v FROM records)",
            [pointers],
        )
        flags = frame.select(pl.col("^x\\d+$").any())
        lost = {int(name[1:]) for name in flags.columns if flags[name].item()}
        return _named(frame, len(text), typed), [
            p.path for n, p in enumerate(typed, len(text) + 1) if n in lost
        ]

    def _ordered(self, sql: str, parameters: list[Any]) -> pl.DataFrame:
        """Return rows in the records' order; DuckDB keeps it mostly, and sorting is dear."""
        frame = self._query(sql, parameters)
        return frame if frame["position"].is_sorted() else frame.sort("position")

    def _query(self, sql: str, parameters: list[Any] | None = None) -> pl.DataFrame:
        self._connection.register("records", self._table)
        try:
            frame: pl.DataFrame = self._connection.sql(sql, params=parameters).pl()
            return frame
        finally:
            self._connection.unregister("records")


def _elements(count: int) -> str:
    return ", ".join(f"v[{i}] AS v{i}" for i in range(1, count + 1))


def _named(frame: pl.DataFrame, texts: int, typed: Sequence[TypedPath]) -> pl.DataFrame:
    columns = [pl.col(f"v{i}") for i in range(1, texts + 1)]
    columns += [pl.col(f"c{n}").cast(p.dtype).alias(p.column) for n, p in enumerate(typed, texts + 1)]
    return frame.select(columns)


def _column_sql(number: int, path: TypedPath) -> list[str]:
    """Return the value cast to its type and, for numbers, a flag: the type cannot hold it exactly."""
    text = f"v[{number}]"
    target = _SQL_TYPE.get(type(path.dtype))
    if target is None:
        return [f"{text} AS c{number}"]
    value = f"TRY_CAST({text} AS {target})"
    if target == "BIGINT":
        return [f"{value} AS c{number}", f"({text} IS NOT NULL AND {value} IS NULL) AS x{number}"]
    if target == "DOUBLE":
        whole = f"regexp_full_match({text}, '-?[0-9]+')"
        infinite = f"(isinf({value}) AND NOT contains({text}, 'Inf'))"
        inexact = f"CASE WHEN abs({value}) >= {_EXACT} THEN {whole} OR {infinite} ELSE {value} IS NULL END"
        return [f"{value} AS c{number}", f"({text} IS NOT NULL AND {inexact}) AS x{number}"]
    return [f"{value} AS c{number}"]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
