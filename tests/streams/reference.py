"""Streams said slowly and obviously: plain Python, row by row in the order of arrival."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = -(2**60)


@dataclass
class Wm:
    """The watermark of each row (by seq) of a log for some sources, and by key."""

    lateness_us: int
    policy: str
    of_seq: dict[int, int] = field(default_factory=dict)


def source_watermark(
    rows: Iterable[Row], takes: Callable[[Row], bool], lateness_us: int, max_jump_us: int | None = None
) -> dict[int, int]:
    """Return the watermark of a source at every row of the log, its own or not."""
    highest, before, out = NEVER, None, {}
    for row in sorted(rows, key=lambda row: row["seq"]):
        if takes(row):
            believed = row["ts"]
            if max_jump_us is not None and before is not None:
                believed = min(believed, before + max_jump_us)
            highest, before = max(highest, believed - lateness_us), row["ts"]
        out[row["seq"]] = highest
    return out


def now_of(
    rows: list[Row], wms: list[dict[int, int]], policy: str, lateness: int, key: tuple[str, ...]
) -> list[int]:
    """Return the watermark at each of a node's rows (in the order of arrival)."""
    if policy == "stream":
        return [min(wm[row["seq"]] for wm in wms) for row in rows]
    highest: dict[tuple[Any, ...], int] = {}
    out = []
    for row in rows:
        group = tuple(row[column] for column in key)
        highest[group] = max(highest.get(group, NEVER), row["ts"])
        out.append(highest[group] - lateness)
    return out


def windows_at(ts: int, kind: tuple[Any, ...]) -> list[tuple[int, int]]:
    """Return the windows, as (start, end), that hold an instant; kind: ("tumbling", width, tz) and so on."""
    if kind[0] == "tumbling" and kind[2] is None:
        start = ts // kind[1] * kind[1]
        return [(start, start + kind[1])]
    if kind[0] == "tumbling":
        days, zone = kind[1] // 86_400_000_000, ZoneInfo(kind[2])
        local = (EPOCH + timedelta(microseconds=ts)).astimezone(zone).date()
        number = (local - EPOCH.date()).days // days * days
        bounds = [
            (datetime(1970, 1, 1, tzinfo=zone) + timedelta(days=number + further)).astimezone(UTC)
            for further in (0, days)
        ]
        return [tuple((bound - EPOCH) // timedelta(microseconds=1) for bound in bounds)]  # type: ignore[list-item]
    _, width, hop = kind
    last = ts // hop
    return [(k * hop, k * hop + width) for k in range(last - width // hop + 1, last + 1)]


def aggregate(
    rows: list[Row], now: Callable[[tuple[str, ...]], list[int | None]], kinds: list[tuple[Any, ...]],
    keys: list[tuple[str, ...]], figures: Callable[[list[Row]], tuple[Any, ...]],
) -> tuple[dict[tuple[Any, ...], tuple[Any, ...]], list[tuple[Any, ...]]]:  # fmt: skip
    """Return the figures by (kind number, key number, start, end, key values), and who was late for what."""
    out: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    late: list[tuple[Any, ...]] = []
    for i, kind in enumerate(kinds):
        for j, key in enumerate(keys):
            marks = now(key)
            held: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
            sessions: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
            for row, mark in zip(rows, marks, strict=True):
                values = tuple(row[column] for column in key)
                if kind[0] == "session":
                    if mark is not None and row["ts"] + kind[1] <= mark:
                        late.append((row["seq"], i, j, 1))
                    else:
                        sessions[values].append(row)
                    continue
                missed = 0
                for start, end in windows_at(row["ts"], kind):
                    if mark is not None and mark >= end:
                        missed += 1
                    else:
                        held[(start, end, *values)].append(row)
                if missed:
                    late.append((row["seq"], i, j, missed))
            for values, members in sessions.items():
                for session in split_sessions(members, kind[1]):
                    first, last = session[0]["ts"], session[-1]["ts"]
                    held[(first, last + kind[1], *values)] = session
            for place, members in held.items():
                out[(i, j, *place)] = figures(members)
    return out, late


def split_sessions(rows: list[Row], gap: int) -> list[list[Row]]:
    sessions: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (row["ts"], row["seq"])):
        if sessions and row["ts"] - sessions[-1][-1]["ts"] < gap:
            sessions[-1].append(row)
        else:
            sessions.append([row])
    return sessions


def join(
    left: list[Row], right: list[Row], left_now: list[int], right_now: list[int],
    left_key: tuple[str, ...], right_key: tuple[str, ...], window: int,
) -> tuple[set[tuple[int, int]], dict[str, dict[str, set[int]]]]:  # fmt: skip
    """Return the pairs of seqs, and for each side who matched, was alone, had a null key, came late."""
    pairs = set()
    for one, one_now in zip(left, left_now, strict=True):
        for other, other_now in zip(right, right_now, strict=True):
            values = [one[c] for c in left_key], [other[c] for c in right_key]
            if None in values[0] or values[0] != values[1] or abs(one["ts"] - other["ts"]) > window:
                continue
            arrival = one_now if one["seq"] > other["seq"] else other_now
            if min(one["ts"], other["ts"]) + window >= arrival:
                pairs.add((one["seq"], other["seq"]))
    fates = {}
    for side, rows, marks, key, at in (
        ("left", left, left_now, left_key, 0),
        ("right", right, right_now, right_key, 1),
    ):
        matched = {pair[at] for pair in pairs}
        fate: dict[str, set[int]] = {"matched": matched, "unmatched": set(), "null key": set(), "late": set()}
        for row, mark in zip(rows, marks, strict=True):
            if any(row[c] is None for c in key):
                fate["null key"].add(row["seq"])
            elif row["ts"] + window < mark:
                fate["late"].add(row["seq"])
            elif row["seq"] not in matched:
                fate["unmatched"].add(row["seq"])
        fates[side] = fate
    return pairs, fates


def dedupe(
    rows: list[Row], now: list[int], key: tuple[str, ...], within: int | None
) -> tuple[list[Row], list[Row]]:
    """Return what passes and what was there already."""
    known: dict[tuple[Any, ...], int] = {}
    passed, again = [], []
    for row, mark in zip(rows, now, strict=True):
        group = tuple(row[c] for c in key)
        if None in group:
            passed.append(row)
            continue
        is_known = group in known and (within is None or known[group] + within >= mark)
        (again if is_known else passed).append(row)
        known[group] = max(known.get(group, NEVER), row["ts"])
    return passed, again
