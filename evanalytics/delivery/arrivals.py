"""What a simulation needs to know of a log: when each event arrived, its type, its size."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from evanalytics.exceptions import SimulationError
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import PAYLOAD, SEQ, TS, TYPE

Int64Array = NDArray[np.int64]

LONGEST_LOG_NS = 2**61
"""A log may span 73 years, so that a simulation's instants, and sums of two, fit into 64 bits."""

_NS_PER = {"ns": 1, "us": 1_000}
_PART_ROWS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Events in the order of their arrival.

    Attributes:
        time_ns: When each event arrived, in nanoseconds since the log's start, never decreasing.
        types: Each event's type, as an index into `type_names`.
        type_names: The types, in the order in which they first appear in the log.
        seq: Each event's position in the log.
        sizes: Each event's size in bytes, where known.
        start_us: The log's start, in microseconds since 1970-01-01T00:00:00Z.
    """

    time_ns: Int64Array
    types: NDArray[np.int32]
    type_names: tuple[str, ...]
    seq: Int64Array
    sizes: Int64Array | None = None
    start_us: int = 0

    def __len__(self) -> int:
        return len(self.time_ns)

    @classmethod
    def of_log(cls, log: EventLog, *, with_sizes: bool = False) -> Arrivals:
        """Return a log's events in the order (ts, seq), counted from the earliest one.

        Args:
            log: The log.
            with_sizes: Whether to read the payloads too: an event's size is the length of its
                payload's JSON text in UTF-8.

        Raises:
            SimulationError: The log spans more than 73 years.
        """
        seq, ticks, codes, names = _columns_of(log)
        start = int(ticks.min()) if len(ticks) else 0
        ticks -= start
        sizes = _payload_sizes(log) if with_sizes else None
        return _in_order(ticks, "us", codes, names, seq, sizes=sizes, start_us=start)

    @classmethod
    def of_rows(cls, rows: pl.DataFrame, *, start_us: int) -> Arrivals:
        """Return the arrivals of some of a log's rows: `seq`, rising, `ts` and `type`.

        Args:
            rows: The rows.
            start_us: From when on time is counted; not after the first of them.

        Raises:
            SimulationError: They span more than 73 years.
        """
        codes, known = np.empty(len(rows), np.int32), dict[str, int]()
        _encode(rows[TYPE], known, codes)
        ticks, seq = rows[TS].to_numpy() - start_us, rows[SEQ].to_numpy()
        return _in_order(ticks, "us", codes, list(known), seq, sizes=None, start_us=start_us)

    @classmethod
    def of_times(
        cls,
        times: ArrayLike,
        *,
        unit: Literal["ns", "us"] = "ns",
        types: Sequence[Any] | None = None,
        sizes: ArrayLike | None = None,
    ) -> Arrivals:
        """Return arrivals at given times; events at one instant keep their order.

        Args:
            times: Whole numbers, zero or more: the time since the log's start, in any order.
            unit: What the times count.
            types: Each event's type; all of one type if left out.
            sizes: Each event's size in bytes.

        Raises:
            SimulationError: A column holds something else, or has another length.

        Example:
            >>> Arrivals.of_times([30, 10, 20], unit="us", types=["b", "a", "b"]).time_ns.tolist()
            [10000, 20000, 30000]
        """
        ticks = whole_numbers(times, "times")
        names = pl.Series("types", ["event"] * len(ticks) if types is None else [*map(str, types)], pl.String)
        given_sizes = None if sizes is None else whole_numbers(sizes, "sizes")
        for name, column in (("types", names), ("sizes", given_sizes)):
            if column is not None:
                check_length(column, name, len(ticks))
        codes, known = np.empty(len(ticks), np.int32), dict[str, int]()
        _encode(names, known, codes)
        seq = np.arange(len(ticks))
        return _in_order(ticks, unit, codes, list(known), seq, sizes=given_sizes, start_us=0)

    def moved(self, time_ns: Int64Array, events: Int64Array) -> Arrivals:
        """Return some of these events, each as often as named in `events`, at new times.

        Events at one instant come in the order in which they are named.
        """
        order = np.argsort(time_ns, kind="stable")
        chosen = events[order]
        return Arrivals(
            time_ns[order],
            self.types[chosen],
            self.type_names,
            self.seq[chosen],
            None if self.sizes is None else self.sizes[chosen],
            self.start_us,
        )


def whole_numbers(values: ArrayLike, name: str, *, least: int = 0, most: int = 2**63 - 1) -> Int64Array:
    """Return a column of whole numbers after checking it.

    Raises:
        SimulationError: It holds something else, or a number outside `least` to `most`.
    """
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        found = f"{array.dtype} in {array.ndim} dimensions"
        raise SimulationError(f"{name}: needs a list of whole numbers, got {found}")
    if int(array.min()) < least:
        raise SimulationError(f"{name}: needs numbers of {least} or more, got {int(array.min())}")
    if int(array.max()) > most:
        raise SimulationError(f"{name}: needs numbers of at most {most}, got {int(array.max())}")
    return array.astype(np.int64)


def check_length(column: Sized, name: str, times: int) -> None:
    """Refuse a column that has not one value for each of so many times.

    Raises:
        SimulationError: It has another number of values.
    """
    if len(column) != times:
        raise SimulationError(f"{name}: needs one for each of the {times} times, got {len(column)}")


def _columns_of(log: EventLog) -> tuple[Int64Array, Int64Array, NDArray[np.int32], list[str]]:
    """Return `seq`, `ts`, the types as numbers and their names, by `seq`: 20 bytes an event."""
    rows, at = len(log), 0
    seq, ts, codes = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int32)
    known: dict[str, int] = {}
    for frame in log.lazy.select(SEQ, TS, TYPE).collect_batches(chunk_size=_PART_ROWS, maintain_order=True):
        here = slice(at, at + len(frame))
        seq[here], ts[here] = frame[SEQ].to_numpy(), frame[TS].to_numpy()
        _encode(frame[TYPE], known, codes[here])
        at += len(frame)
    if np.all(seq[1:] > seq[:-1]):
        return seq, ts, codes, list(known)
    order = np.argsort(seq)
    seq, ts, codes = seq[order], ts[order], codes[order]
    found, first, codes_now = np.unique(codes, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))
    names = [list(known)[code] for code in found[np.argsort(first)]]
    return seq, ts, place[codes_now].astype(np.int32), names


def _encode(types: pl.Series, known: dict[str, int], out: NDArray[np.int32]) -> None:
    """Write each type's number to `out`, new ones numbered on in the order in which they appear."""
    for name in types.unique(maintain_order=True):
        known.setdefault(name, len(known))
    out[:] = types.cast(pl.Enum(list(known))).to_physical().to_numpy()


def _in_order(
    ticks: Int64Array,
    unit: str,
    codes: NDArray[np.int32],
    names: Sequence[str],
    seq: Int64Array,
    *,
    sizes: Int64Array | None,
    start_us: int,
) -> Arrivals:
    """Return arrivals in the order of their time; `ticks` is used up."""
    if len(ticks) and int(ticks.max()) > LONGEST_LOG_NS // _NS_PER[unit]:
        raise SimulationError(
            f"times: the last one, {int(ticks.max())} {unit}, is over 73 years after the start"
        )
    time_ns = np.multiply(ticks, _NS_PER[unit], out=ticks)
    if np.any(time_ns[1:] < time_ns[:-1]):
        gapless = int(seq[-1]) - int(seq[0]) + 1 == len(seq)
        first, seq = int(seq[0]), seq[:0] if gapless else seq  # 50 million events: 0.4 GB less at the peak
        order = np.argsort(time_ns, kind="stable")
        time_ns.sort(kind="stable")
        codes = codes[order]
        sizes = None if sizes is None else sizes[order]
        seq = np.add(order, first, out=order) if gapless else seq[order]
    return Arrivals(time_ns, codes, tuple(names), seq, sizes, start_us)


def _payload_sizes(log: EventLog) -> Int64Array:
    length = pl.col(PAYLOAD).str.len_bytes().fill_null(0).cast(pl.Int64)
    parts = [frame.select(SEQ, length) for frame in log.batches(payload=True)]
    sizes = pl.concat([pl.DataFrame(schema={SEQ: pl.Int64, PAYLOAD: pl.Int64}), *parts])
    return sizes.sort(SEQ)[PAYLOAD].to_numpy(writable=True)
