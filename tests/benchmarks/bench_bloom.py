"""Bloom filters: adding and asking over a column and per id, beside other libraries and a semi join.

Peers that are not installed are left out (`pip install rbloom fastbloom-rs`).
"""

from __future__ import annotations

import hashlib
import math
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from evanalytics.bloom.bits import compiled_hashes
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.measurement import random_ids
from evanalytics.compiled import IS_COMPILED
from evanalytics.lookup.catalog import LogCatalog
from tests.benchmarks.measure import Row, median_s

COUNT = 4_000_000
ERROR_RATE = 0.01
RUNS = 5
FILES, ROWS = 100, 100_000


def rows() -> Iterator[Row]:
    """Yield one row per benchmark."""
    present, absent = random_ids(COUNT, seed=1), random_ids(COUNT, seed=2)
    asked = pl.concat([present[: COUNT // 2], absent[: COUNT // 2]]).shuffle(seed=3)
    yield from _one_by_one(present, absent)  # before the others' millions of str have scattered new ones
    yield from _adding(present)
    yield from _asking(present, asked)
    yield _memory()
    yield from _catalog()


def filled(ids: pl.Series, error_rate: float = ERROR_RATE) -> BloomFilterIndex:
    """Return an index made for just these ids."""
    index = BloomFilterIndex(error_rate, len(ids))
    index.add_many(ids)
    return index


def _adding(ids: pl.Series) -> Iterator[Row]:
    aims = {"rbloom": "2.5x", "rbloom, savable hash": "8x", "fastbloom-rs": ""}
    for name, peer in _peers().items():
        race = _race(partial(filled, ids), peer, ids.to_list)
        yield _row("bulk add, per id", race, name, aims[name])


def _asking(present: pl.Series, asked: pl.Series) -> Iterator[Row]:
    """Ask for ids of which half are there."""
    ask = partial(filled(present).might_contain_many, asked)
    aims = {"rbloom": "6x", "rbloom, savable hash": "12x", "fastbloom-rs": "5x"}
    for name, peer in _peers().items():
        race = _race(ask, peer(present.to_list()), asked.to_list)
        yield _row("bulk query, per id", race, name, aims[name])
    left, right = asked.to_frame("id"), present.to_frame("id")
    race = _race(ask, lambda _: left.join(right, on="id", how="semi"))
    yield _row("bulk query, per id", race, "polars semi join", "3.5x")
    if IS_COMPILED:
        ours, hashing = _race(ask, lambda _: deque(compiled_hashes(asked), maxlen=0))
        what = f"{ours / hashing:.2f}x hashing ({_ns(hashing / COUNT)})"
        yield Row("bulk query, per id", ours / COUNT, RUNS, what, "at most 2x")
    for error_rate in (0.001, 0.0001):
        other = filled(present, error_rate)
        cost = median_s(partial(other.might_contain_many, asked)) / COUNT
        yield Row(f"bulk query at {error_rate:.2%}, per id", cost, 7, str(other.shape))


def _race(
    ours: Callable[[], object], theirs: Callable[[Any], object], fresh: Callable[[], object] = list
) -> tuple[float, float]:
    """Return the median times of two kinds of work, done by turns so that both see the same machine.

    Theirs gets a list of new str each time, for Python keeps the hash of a str that it has
    seen. Making the list is not counted, though with ids in a column nobody can do without it.
    """
    ours()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        texts = fresh()
        instants = [time.perf_counter()]
        ours()
        instants.append(time.perf_counter())
        theirs(texts)
        instants.append(time.perf_counter())
        times[0].append(instants[1] - instants[0])
        times[1].append(instants[2] - instants[1])
    return statistics.median(times[0]), statistics.median(times[1])


def _row(what: str, race: tuple[float, float], name: str, aim: str) -> Row:
    ours, theirs = race
    return Row(what, ours / COUNT, RUNS, f"{theirs / ours:,.1f}x {name} ({_ns(theirs / COUNT)})", aim)


def _one_by_one(present: pl.Series, absent: pl.Series, runs: int = 41) -> Iterator[Row]:
    """Ask for ids one after the other; present and absent ones by turns, for some seconds in all."""
    ask = filled(present).might_contain
    texts = {name: ids[:100_000].to_list() for name, ids in (("present", present), ("absent", absent))}
    times: dict[str, list[float]] = {name: [] for name in texts}
    for _ in range(runs):
        for name, asked in texts.items():
            begin = time.perf_counter()
            for text in asked:
                ask(text)
            times[name].append((time.perf_counter() - begin) / len(asked))
    for name, spent in times.items():
        yield Row(f"might_contain, {name}", statistics.median(spent), runs, "", "600 ns")


def _memory() -> Row:
    begin = time.perf_counter()
    ratio = BloomFilterIndex(ERROR_RATE, 10_000_000).bytes * 8 / (1e7 * math.log(100) / math.log(2) ** 2)
    return Row(
        "make an index for 10M ids",
        time.perf_counter() - begin,
        1,
        f"{ratio:.4f}x the optimum's bits",
        "1.11x",
    )


def _catalog() -> Iterator[Row]:
    """A folder of 100 logs, 10M events in all; half of the lookups are in vain."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            ids = random_ids(ROWS, seed=100 + number)
            frame = pl.DataFrame({"id": ids, "ts": pl.int_range(ROWS, eager=True)})
            frame.write_parquet(Path(folder) / f"{number:03}.parquet", row_group_size=ROWS)
        begin = time.perf_counter()
        catalog = LogCatalog(folder, progress=False)
        yield Row(
            "catalog of 100 logs, 10M events: make",
            time.perf_counter() - begin,
            1,
            f"{catalog.bytes:,} bytes",
        )
        yield Row("catalog: open again", median_s(partial(LogCatalog, folder, progress=False), runs=3), 3)
        for name, id in {"absent": random_ids(1, seed=99)[0], "present": ids[ROWS // 2]}.items():
            ours = median_s(partial(catalog.look_up, id))
            scan = median_s(partial(_scan, folder, id), runs=3)
            read = len(catalog.look_up(id).read)
            yield Row(
                f"catalog: look up, {name}, {read} of {catalog.row_groups} row groups read",
                ours,
                7,
                f"{scan / ours:,.0f}x a DuckDB scan ({scan * 1e3:,.0f} ms)",
            )


def _scan(folder: str, id: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        sql = f"SELECT * FROM read_parquet('{folder}/*.parquet') WHERE id = $id"
        return connection.execute(sql, {"id": id}).fetchall()


def _peers() -> dict[str, Callable[[list[str]], Callable[[list[str]], object]]]:
    """Return what fills each peer with ids and hands back what asks it for others."""
    peers: dict[str, Callable[[list[str]], Callable[[list[str]], object]]] = {}
    try:
        import rbloom

        peers["rbloom"] = partial(_rbloom, partial(rbloom.Bloom, hash_func=hash))
        peers["rbloom, savable hash"] = partial(_rbloom, partial(rbloom.Bloom, hash_func=_savable_hash))
    except ImportError:
        pass
    try:
        import fastbloom_rs

        peers["fastbloom-rs"] = partial(_fastbloom, fastbloom_rs)
    except ImportError:
        pass
    return peers


def _rbloom(make: Callable[..., object], texts: list[str]) -> Callable[[list[str]], object]:
    bloom = make(len(texts), ERROR_RATE)
    bloom.update(texts)  # type: ignore[attr-defined]
    return lambda asked: [text in bloom for text in asked]  # type: ignore[operator]


def _fastbloom(library: object, texts: list[str]) -> Callable[[list[str]], object]:
    bloom = library.FilterBuilder(len(texts), ERROR_RATE).build_bloom_filter()  # type: ignore[attr-defined]
    bloom.add_str_batch(texts)
    return lambda asked: bloom.contains_str_batch(asked)


def _savable_hash(text: str) -> int:
    """As rbloom's documentation advises: its default hash differs from process to process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big", signed=True)


def _ns(seconds: float) -> str:
    return f"{seconds * 1e9:,.0f} ns"
