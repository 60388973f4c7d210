"""NDJSON files: a first pass sees what the records hold, a second one reads them typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from evanalytics.logs.envelope import ATTRIBUTES, EnvelopeMap, RawRows
from evanalytics.logs.json_array import split_array
from evanalytics.logs.json_text import JsonRecords
from evanalytics.logs.paths import PathNode, PathPlan, plan_paths
from evanalytics.logs.regular_json import new_nulls, pick, read_regular
from evanalytics.logs.schema import EXTENSION, PAYLOAD
from evanalytics.logs.sources import LineChunk, LogFile, ReadLimits, first_byte, read_lines

if TYPE_CHECKING:
    import duckdb

_NOT_SCALAR = frozenset({"OBJECT", "ARRAY", "BOOLEAN"})
_BLANK = b" \t\r\n"

Numbers = npt.NDArray[np.int64]
_Place = tuple[Path, int]
"""Where a chunk stands: its file, and the number of its first line."""


class JsonLines:
    """The records of NDJSON files, in chunks.

    `survey` must have seen every chunk before `plan` and `rows` are asked: types come from
    the whole log, not from its first rows.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: ReadLimits) -> None:
        """Take the connection whose JSON functions are used."""
        self._connection = connection
        self._limits = limits
        self._refused: dict[_Place, dict[int, str]] = {}
        self._typed: dict[_Place, pl.DataFrame] = {}
        self._regular: set[_Place] = set()
        self._room = limits.memory_budget() // 2
        self.root = PathNode()

    def chunks(self, file: LogFile) -> Iterator[LineChunk]:
        """Yield the file's records: its lines, or the elements of one JSON array."""
        array = split_array(file, limits=self._limits) if first_byte(file) == b"[" else None
        if array is not None:
            yield array
        else:
            yield from read_lines(file, limits=self._limits)

    def survey(self, file: LogFile, chunk: LineChunk) -> None:
        """Note what a chunk's records hold, and which of them cannot be read."""
        place = (file.path, chunk.first_line)
        refused = self._unreadable(chunk)
        kept = _kept(chunk, refused)
        records = JsonRecords(self._connection, _array(chunk, kept))
        records.see_first(self.root)
        if not self._is_regular(place, chunk, kept, records):
            invalid = records.invalid()
            if len(invalid):
                refused |= {int(kept[i]): _why_invalid(chunk.line(int(kept[i]))) for i in invalid}
                kept = _kept(chunk, refused)
                records = JsonRecords(self._connection, _array(chunk, kept))
            if not len(invalid) or not self._is_regular(place, chunk, kept, records):
                refused |= {int(kept[i]): "not a JSON object" for i in records.see_structures(self.root)}
        if refused:
            self._refused[place] = refused

    def _is_regular(self, place: _Place, chunk: LineChunk, kept: Numbers, records: JsonRecords) -> bool:
        """Whether the fast reader can read the chunk; keeps what it read while there is room."""
        if not len(kept):
            return True
        frame = read_regular(chunk, kept, self.root)
        if frame is None:
            return False
        if b"null" in chunk.buffer and (nodes := new_nulls(frame, self.root)):
            records.see_nulls(nodes)
        self._regular.add(place)
        size = int(frame.estimated_size())
        if size <= self._room:
            self._room -= size
            self._typed[place] = frame
        return True

    def plan(self, mapping: EnvelopeMap) -> tuple[PathPlan, PathPlan]:
        """Return the payload's columns, and those of further attributes (extensions)."""
        payload, extensions = PathPlan(), PathPlan()
        own = {tuple(column.split(".")) for name, column in mapping.columns.items() if name != PAYLOAD}
        if PAYLOAD not in mapping.columns:
            plan_paths(self.root, path=PAYLOAD, keys=(), plan=payload, skip=frozenset(own))
            return payload, extensions
        keys = tuple(mapping.columns[PAYLOAD].split("."))
        node = self.root.child(keys)
        if node is not None:
            plan_paths(node, path=PAYLOAD, keys=keys, plan=payload, skip=frozenset(own))
        skip = frozenset({*own, keys, ("specversion",)})
        plan_paths(self.root, path=EXTENSION, keys=(), plan=extensions, skip=skip)
        return payload, extensions

    def rows(
        self, file: LogFile, chunk: LineChunk, mapping: EnvelopeMap, plans: tuple[PathPlan, PathPlan]
    ) -> RawRows:
        """Return a chunk's records, typed. A path whose values do not fit its type leaves its plan."""
        place = (file.path, chunk.first_line)
        kept = _kept(chunk, self._refused.get(place, {}))
        names = [name for name in ATTRIBUTES if name in mapping.columns and name != PAYLOAD]
        keys = {name: mapping.columns[name].split(".") for name in names}
        known = self._typed.pop(place, None)
        if known is None and place in self._regular:
            known = read_regular(chunk, kept, self.root)
        frame = None if known is None else pick(known, keys, [*plans[0].typed, *plans[1].typed])
        odd: dict[int, str] = {}
        if frame is None:
            frame, odd = self._looked_up(JsonRecords(self._connection, _array(chunk, kept)), keys, plans)
        return RawRows(
            frame=frame,
            file=file.name,
            line=kept + chunk.first_line,
            byte=chunk.starts[kept] + chunk.first_byte,
            raw=lambda row: chunk.line(int(kept[row])),
            refused=odd,
        )

    def _looked_up(
        self, records: JsonRecords, keys: dict[str, list[str]], plans: tuple[PathPlan, PathPlan]
    ) -> tuple[pl.DataFrame, dict[int, str]]:
        frame, lost = records.values(list(keys.values()), [*plans[0].typed, *plans[1].typed])
        for plan in plans:
            for path in [typed.path for typed in plan.typed if typed.path in lost]:
                plan.leave_json(path, "numbers that no 64-bit type holds exactly")
        frame = frame.rename({f"v{i}": name for i, name in enumerate(keys, 1)})
        return frame, self._odd_attributes(records, keys)

    def refused(self, file: LogFile, chunk: LineChunk) -> dict[int, str]:
        """Return the lines of a chunk that are no records, with the reason, blank ones left out."""
        found = self._refused.get((file.path, chunk.first_line), {})
        return {line: reason for line, reason in found.items() if reason}

    def documents(self, file: LogFile, chunk: LineChunk) -> pa.Array:
        """Return the chunk's readable records as JSON text."""
        return _array(chunk, _kept(chunk, self._refused.get((file.path, chunk.first_line), {})))

    def why_nothing(self) -> str:
        """Return a sentence for a log in which no record could be read."""
        first = next((r for found in self._refused.values() for r in found.values() if r), None)
        return (
            f"no record could be read; the first one: {first}"
            if first
            else "no record in it, only blank lines"
        )

    def _unreadable(self, chunk: LineChunk) -> dict[int, str]:
        """Return lines that are not even text; a blank line has the empty reason."""
        if chunk.too_long is not None:
            return {0: self._limits.too_long(chunk.too_long)}
        lengths = np.diff(chunk.starts)
        long = np.flatnonzero(lengths > self._limits.max_line_bytes)
        out = {int(i): self._limits.too_long(lengths[i]) for i in long}
        out |= {int(i): "" for i in np.flatnonzero(lengths < 8) if not chunk.line(int(i)).strip(_BLANK)}
        out |= {i: "" for i in _blank_but_long(chunk, lengths) if i not in out}
        if not chunk.buffer.isascii():
            out |= {i: "not UTF-8" for i in _not_utf8(chunk) if i not in out}
        return out

    def _odd_attributes(self, records: JsonRecords, keys: dict[str, list[str]]) -> dict[int, str]:
        odd: dict[int, str] = {}
        for name, path in keys.items():
            node = self.root.child(path)
            if node is None or node.kinds <= {"string", "integer", "number", "null"}:
                continue
            kinds = records.kinds(path)
            for row in kinds.is_in(list(_NOT_SCALAR)).arg_true().to_list():
                odd[row] = f"{name} is not text: {kinds[row].lower()}"
        return odd


def _kept(chunk: LineChunk, refused: dict[int, str]) -> Numbers:
    lines = np.arange(len(chunk.starts) - 1)
    return np.delete(lines, list(refused)) if refused else lines


def _array(chunk: LineChunk, kept: Numbers) -> pa.Array:
    count = len(chunk.starts) - 1
    buffers = [None, pa.py_buffer(np.ascontiguousarray(chunk.starts)), pa.py_buffer(chunk.buffer)]
    lines = pa.LargeStringArray.from_buffers(count, *buffers[1:])
    return lines if len(kept) == count else pc.take(lines, pa.array(kept))


def _not_utf8(chunk: LineChunk) -> Iterator[int]:
    try:
        chunk.buffer.decode()
        return
    except UnicodeDecodeError:
        pass
    for index in range(len(chunk.starts) - 1):
        try:
            chunk.line(index).decode()
        except UnicodeDecodeError:
            yield index


def _blank_but_long(chunk: LineChunk, lengths: Numbers) -> Iterator[int]:
    """Yield lines of 8 bytes and more that hold only white space: they begin with it."""
    begins = np.frombuffer(chunk.buffer, dtype=np.uint8)[chunk.starts[:-1]]
    suspects = np.flatnonzero((lengths >= 8) & np.isin(begins, np.frombuffer(_BLANK, dtype=np.uint8)))
    return (int(i) for i in suspects if not chunk.line(int(i)).strip(_BLANK))


def _why_invalid(line: bytes) -> str:
    if b"\0" in line:
        return "not JSON: a NUL byte"
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at byte {len(error.doc[: error.pos].encode())} of the line"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return "not JSON"
