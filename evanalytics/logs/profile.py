"""The traffic of a log in small frames: rate, gaps, bursts, lateness and the busiest names.

The engine sorts and encodes the log once; from then on a picture of any stretch is a matter
of binary searches and of counting bytes, so that a slider can drive it over millions of events.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evanalytics.logs import time_bins
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import SEQ, SOURCE, TS, TYPE

_MOST_WINDOWS, _FEWEST_WINDOWS = 2**14, 10
_CODES_PER_GAP_BIN = 2
_LEAST_SHARE = 1e-4  # bins of which even a Poisson stream expects less are left out at both ends

Names = tuple[str, ...]
Ints = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TrafficProfile:
    """The arrivals of a log, sorted by time and encoded, ready to be binned.

    `only` and `between` return narrower profiles that share this one's arrays. About 24 bytes
    an event are held in memory, whatever the payloads weigh.

    Attributes:
        types: Every type of the log, the busiest first (ties by name); kept by `only`.
        sources: Every source, likewise.
        start_us: Beginning of the stretch, in microseconds since 1970 (UTC).
        end_us: Its end, exclusive: one microsecond after the last event of the log.

    Example:
        >>> from datetime import UTC, datetime
        >>> frame = pl.DataFrame({"id": ["1", "2"], "type": "order.created", "source": "shop",
        ...     "time": [datetime(2026, 1, 1, 0, 0, s, tzinfo=UTC) for s in (0, 9)]})
        >>> TrafficProfile.of(EventLog.from_frame(frame)).top_types().rows()
        [('order.created', 2)]
    """

    types: Names
    sources: Names
    start_us: int
    end_us: int
    _named: int
    _ts: Ints
    _type_codes: Ints
    _source_codes: Ints
    _late_codes: NDArray[np.uint8]
    _gap_codes: NDArray[np.uint8]
    _series: tuple[Ints, ...]

    @classmethod
    def of(cls, log: EventLog, *, named_types: int = 6) -> TrafficProfile:
        """Return the profile of a whole log.

        Lateness is measured here, in the order of the log and before any selection: how far
        an event's time lies behind the latest time seen so far, as a watermark would see it.

        Args:
            log: The events.
            named_types: How many of the busiest types keep a series of their own in
                `events_over_time`; the rest is drawn as one.
        """
        types, sources = _names(log, TYPE), _names(log, SOURCE)
        codes = [
            pl.col(TYPE).cast(pl.Enum(types)).to_physical(),
            pl.col(SOURCE).cast(pl.Enum(sources)).to_physical(),
        ]
        frame = log.lazy.select(SEQ, TS, *codes).collect().sort(SEQ)
        frame = frame.with_columns(late=pl.col(TS).cum_max() - pl.col(TS)).sort(TS, maintain_order=True)
        ts = frame[TS].to_numpy()
        type_codes = frame[TYPE].to_numpy()
        return cls(
            types=types,
            sources=sources,
            start_us=int(ts[0]) if ts.size else 0,
            end_us=int(ts[-1]) + 1 if ts.size else 0,
            _named=named_types,
            _ts=ts,
            _type_codes=type_codes,
            _source_codes=frame[SOURCE].to_numpy(),
            _late_codes=time_bins.wait_codes(frame["late"].to_numpy()),
            _gap_codes=_gap_codes(ts),
            _series=_series(ts, type_codes, len(types), named_types),
        )

    def __len__(self) -> int:
        """Return how many events the stretch holds."""
        first, last = self._slice()
        return last - first

    def only(self, types: Collection[str]) -> TrafficProfile:
        """Return the profile of these types alone; a name that is not in the log selects nothing."""
        chosen = set(types)
        wanted = np.array([name in chosen for name in self.types], dtype=bool)
        if wanted.all():
            return self
        keep = wanted[self._type_codes]
        ts, type_codes = self._ts[keep], self._type_codes[keep]
        return replace(
            self,
            _ts=ts,
            _type_codes=type_codes,
            _source_codes=self._source_codes[keep],
            _late_codes=self._late_codes[keep],
            _gap_codes=_gap_codes(ts),
            _series=_series(ts, type_codes, len(self.types), self._named),
        )

    def between(self, start_us: int, end_us: int) -> TrafficProfile:
        """Return the profile of the events with start <= time < end."""
        start = max(start_us, self.start_us)
        return replace(self, start_us=start, end_us=max(start, min(end_us, self.end_us)))

    def events_over_time(self, *, max_bins: int = 300) -> pl.DataFrame:
        """Count events per bin of time and type.

        Bins lie on multiples of a readable width (`width`), so the first and the last may
        reach over the stretch; events outside it are not counted. Bins without events are there.

        Returns:
            time: Datetime[us, UTC] (the bin's beginning), width: Duration[us], type: String
            (null: all types past the named ones), events: Int64; sorted by type, then time.
        """
        width = time_bins.readable_width_us(self.end_us - self.start_us, max_bins=max_bins)
        end_us = max(self.end_us, self.start_us + 1)  # an empty stretch is one empty bin
        edges = np.arange(self.start_us // width * width, end_us + width, width)
        inside = np.clip(edges, self.start_us, self.end_us)
        counts = [np.diff(np.searchsorted(ts, inside)) for ts in self._series]
        names = [*self.types[: self._named], None][: len(counts)]
        bins = len(edges) - 1
        return pl.DataFrame(
            {
                "time": pl.Series(np.tile(edges[:-1], len(counts)), dtype=pl.Int64).cast(
                    pl.Datetime("us", "UTC")
                ),
                "width": pl.Series([width] * (bins * len(counts)), dtype=pl.Duration("us")),
                "type": pl.Series([name for name in names for _ in range(bins)], dtype=pl.String),
                "events": pl.Series(np.concatenate(counts) if counts else [], dtype=pl.Int64),
            }
        )

    def counts(self, parts: int) -> NDArray[np.int64]:
        """Return how many events each of so many equal parts of the stretch holds."""
        edges = np.linspace(self.start_us, self.end_us, parts + 1).astype(np.int64)
        return np.diff(np.searchsorted(self._ts, edges))

    def gaps(self) -> pl.DataFrame:
        """Share out the waits between each event and the next over bins of a logarithmic scale.

        Returns:
            from_s, until_s: Float64 (the bin, in seconds; the first row holds the events of
            one and the same instant, 0 to 0), share: Float64 (sums to 1), poisson: Float64
            (what a steady random stream of the same rate would have). Empty below two events.
        """
        first, last = self._slice()
        schema = dict.fromkeys(("from_s", "until_s", "share", "poisson"), pl.Float64)
        if last - first < 2:
            return pl.DataFrame(schema=schema)
        counts = time_bins.count_codes(self._gap_codes[first + 1 : last])
        merged = np.append(counts[0], counts[1:].reshape(-1, _CODES_PER_GAP_BIN).sum(axis=1))
        until = time_bins.code_limits_s()[::_CODES_PER_GAP_BIN]
        begin = np.append([0.0, 1e-6], until[1:-1])
        mean = (int(self._ts[last - 1]) - int(self._ts[first])) / 1e6 / (last - first - 1)
        expected = np.exp(-begin / mean) - np.exp(-until / mean) if mean else np.zeros(len(until))
        share = merged / (last - first - 1)
        used = _used((merged > 0) | (expected > _LEAST_SHARE))
        return pl.DataFrame([begin[used], until[used], share[used], expected[used]], schema=schema)

    def silences(self, limit: int = 5) -> pl.DataFrame:
        """Return the longest stretches without an event, the longest first (ties: the earliest).

        Returns:
            start, end: Datetime[us, UTC] (the event before and the one after), silence: Duration[us].
        """
        first, last = self._slice()
        ts = self._ts[first:last]
        gaps = np.diff(ts)
        longest = np.argsort(-gaps, kind="stable")[:limit]
        longest = longest[gaps[longest] > 0]
        instants = {"start": ts[:-1][longest], "end": ts[1:][longest]}
        frame = pl.DataFrame(instants, schema=dict.fromkeys(instants, pl.Int64))
        frame = frame.cast(pl.Datetime("us", "UTC"))
        return frame.with_columns(silence=pl.col("end") - pl.col("start"))

    def burstiness(self) -> pl.DataFrame:
        """Compare the busiest window with the mean one, for windows of many widths.

        Windows begin at the beginning of the stretch; an incomplete last one is left out.

        Returns:
            window_s: Float64, windows: Int64, mean: Float64 and peak: Int64 (events a window),
            peak_to_mean: Float64, dispersion: Float64 (variance / mean: 0 for a clockwork,
            1 for a Poisson stream, more for bursts). Empty without events.
        """
        first, last = self._slice()
        span = self.end_us - self.start_us
        widths = [
            width
            for width in time_bins.READABLE_WIDTHS_US
            if last > first and _FEWEST_WINDOWS <= span // width <= _MOST_WINDOWS
        ]
        rows = [_window_counts(self._ts, self.start_us, width, span // width) for width in widths]
        windows, mean, peak, variance = np.array(rows, dtype=np.float64).reshape(-1, 4).T
        divisor = np.where(mean > 0, mean, 1.0)  # all events may fall into the incomplete last window
        return pl.DataFrame(
            {
                "window_s": np.array(widths, dtype=np.float64) / 1e6,
                "windows": windows.astype(np.int64),
                "mean": mean,
                "peak": peak.astype(np.int64),
                "peak_to_mean": peak / divisor,
                "dispersion": variance / divisor,
            }
        )

    def lateness(self) -> pl.DataFrame:
        """Return which share of the events was at most so late behind the latest time seen.

        Returns:
            late_s: Float64 (0 first, then rising; a wait counts at its bin's upper limit),
            share: Float64 (0 to 1). The last share is 1. Empty without events.
        """
        first, last = self._slice()
        counts = time_bins.count_codes(self._late_codes[first:last])
        used = _used(counts > 0) if last > first else np.zeros(0, dtype=np.int64)
        share = np.cumsum(counts)[used] / max(last - first, 1)
        return pl.DataFrame({"late_s": time_bins.code_limits_s()[used], "share": share})

    def top_types(self, limit: int = 10) -> pl.DataFrame:
        """Return the busiest types (name: String, events: Int64); a null name is the rest."""
        first, last = self._slice()
        return _top(self._type_codes[first:last], self.types, limit)

    def top_sources(self, limit: int = 10) -> pl.DataFrame:
        """Return the busiest sources (name: String, events: Int64); a null name is the rest."""
        first, last = self._slice()
        return _top(self._source_codes[first:last], self.sources, limit)

    def type_counts(self) -> NDArray[np.int64]:
        """Return how many events each of `types` has, in that order."""
        first, last = self._slice()
        return _count(self._type_codes[first:last], len(self.types))

    @property
    def late_share(self) -> float:
        """Return the share of events whose time lies behind the latest time seen before them."""
        first, last = self._slice()
        return float(np.count_nonzero(self._late_codes[first:last])) / max(last - first, 1)

    def _slice(self) -> tuple[int, int]:
        first, last = np.searchsorted(self._ts, np.array([self.start_us, self.end_us]))
        return int(first), int(last)


def _names(log: EventLog, column: str) -> Names:
    counts = log.lazy.group_by(column).len().collect()
    return tuple(counts.sort(["len", column], descending=[True, False])[column])


def _window_counts(ts: Ints, start_us: int, width_us: int, windows: int) -> tuple[float, ...]:
    """Return the number of windows, and the mean, peak and variance of the events in them."""
    edges = start_us + width_us * np.arange(windows + 1)
    counts = np.diff(np.searchsorted(ts, edges))
    return windows, counts.mean(), counts.max(), counts.var()


def _used(holds: NDArray[np.bool_]) -> Ints:
    """Return bin 0 and the bins from one before the first to the last of those that hold anything."""
    bins = np.flatnonzero(holds[1:]) + 1
    return np.append(0, np.arange(max(bins[0] - 1, 1), bins[-1] + 1)) if bins.size else np.zeros(1, dtype=int)


def _gap_codes(ts: Ints) -> NDArray[np.uint8]:
    return time_bins.wait_codes(np.diff(ts, prepend=ts[:1]))


def _series(ts: Ints, type_codes: Ints, types: int, named: int) -> tuple[Ints, ...]:
    """Return the sorted times of each named type, then those of all further types."""
    each = [ts[type_codes == code] for code in range(min(named, types))]
    return (*each, ts[type_codes >= named]) if types > named else tuple(each)


def _top(codes: Ints, names: Names, limit: int) -> pl.DataFrame:
    counts = _count(codes, len(names))
    order = np.argsort(-counts, kind="stable")[:limit]
    rows: list[tuple[str | None, int]] = [(names[i], int(counts[i])) for i in order if counts[i]]
    rest = int(counts.sum()) - sum(count for _, count in rows)
    if rest:
        rows.append((None, rest))
    return pl.DataFrame(rows, schema={"name": pl.String, "events": pl.Int64}, orient="row")


def _count(codes: Ints, names: int) -> NDArray[np.int64]:
    return np.bincount(codes, minlength=names).astype(np.int64)
