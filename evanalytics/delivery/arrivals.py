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
        frame = log.lazy.select(SEQ, TS, TYPE).collect()
        if not frame[SEQ].is_sorted():
            frame = frame.sort(SEQ)
        times = frame[TS].to_numpy()
        start = int(times.min()) if len(times) else 0
        sizes = _payload_sizes(log) if with_sizes else None
        return _in_order(times - start, "us", frame[TYPE], frame[SEQ].to_numpy(), sizes=sizes, start_us=start)

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
        return _in_order(ticks, unit, names, np.arange(len(ticks)), sizes=given_sizes, start_us=0)

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


def _in_order(
    ticks: Int64Array,
    unit: str,
    types: pl.Series,
    seq: Int64Array,
    *,
    sizes: Int64Array | None,
    start_us: int,
) -> Arrivals:
    if len(ticks) and int(ticks.max()) > LONGEST_LOG_NS // _NS_PER[unit]:
        raise SimulationError(
            f"times: the last one, {int(ticks.max())} {unit}, is over 73 years after the start"
        )
    names = types.unique(maintain_order=True)
    codes = types.cast(pl.Enum(names)).to_physical().cast(pl.Int32).to_numpy(writable=True)
    time_ns = ticks * _NS_PER[unit]
    if np.any(time_ns[1:] < time_ns[:-1]):
        order = np.argsort(time_ns, kind="stable")
        time_ns, codes, seq = time_ns[order], codes[order], seq[order]
        sizes = None if sizes is None else sizes[order]
    return Arrivals(time_ns, codes, tuple(names), seq, sizes, start_us)


def _payload_sizes(log: EventLog) -> Int64Array:
    length = pl.col(PAYLOAD).str.len_bytes().fill_null(0).cast(pl.Int64)
    parts = [frame.select(SEQ, length) for frame in log.batches(payload=True)]
    sizes = pl.concat([pl.DataFrame(schema={SEQ: pl.Int64, PAYLOAD: pl.Int64}), *parts])
    return sizes.sort(SEQ)[PAYLOAD].to_numpy(writable=True)
