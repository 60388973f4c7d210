"""A filter beside what is exact: memory and time, measured here and now on the same ids."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import polars as pl

from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.exceptions import BloomError

COMPARISON_SCHEMA = {
    "way": pl.String, "ids": pl.Int64, "bytes": pl.Int64,
    "build_ns": pl.Float64, "ask_ns": pl.Float64, "claimed": pl.Int64,
}  # fmt: skip
"""The columns of `compare_with_exact`."""

_BEST_OF = 3
_Result = TypeVar("_Result")


def compare_with_exact(present: pl.Series, asked: pl.Series, *, error_rate: float = 0.01) -> pl.DataFrame:
    """Hold ids in a Bloom filter, a Python set and a polars column, and ask each for others.

    The times are the best of three. A set is filled from and asked for text that Python has not
    hashed before, as text that comes from elsewhere is. A semi join hashes the ids it holds anew
    for each question, so it has nothing to build; its bytes are those of the column alone.

    Args:
        present: Different ids of String to hold.
        asked: Ids of String to ask for.
        error_rate: What the filter promises.

    Returns:
        One row per way: `way` ("Bloom filter", "Python set", "semi join"), `ids` (Int64: how many are
        held), `bytes` (Int64), `build_ns` per id held and `ask_ns` per id asked for (Float64),
        `claimed` (Int64: of how many it says that it holds them; the exact ways agree).

    Raises:
        BloomError: There are no ids on one side, or they are of another dtype, or null.
    """
    if len(present) == 0 or len(asked) == 0:
        raise BloomError("ids: needs some to hold and some to ask for")
    rows = [_filter(present, asked, error_rate), _set(present, asked), _semi_join(present, asked)]
    ways = [(way, len(present), *measured) for way, *measured in rows]
    return pl.DataFrame(ways, schema=COMPARISON_SCHEMA, orient="row")


def _filter(present: pl.Series, asked: pl.Series, error_rate: float) -> tuple[str, int, float, float, int]:
    def build() -> BloomFilterIndex:
        index = BloomFilterIndex(error_rate, len(present))
        index.add_many(present)
        return index

    build_s, index = _timed(build, list)
    ask_s, found = _timed(lambda: index.might_contain_many(asked), list)
    build_ns, ask_ns = _each(build_s, present, ask_s, asked)
    return "Bloom filter", index.bytes, build_ns, ask_ns, int(found.sum())


def _set(present: pl.Series, asked: pl.Series) -> tuple[str, int, float, float, int]:
    texts: list[list[str]] = [[]]

    def fresh(ids: pl.Series) -> None:  # new text each time, for Python keeps the hash of text it has seen
        texts[0] = ids.to_list()

    build_s, held = _timed(lambda: set(texts[0]), partial(fresh, present))
    ask_s, found = _timed(lambda: sum([text in held for text in texts[0]]), partial(fresh, asked))
    size: int = sys.getsizeof(held) + sum(sys.getsizeof(text) for text in held)
    build_ns, ask_ns = _each(build_s, present, ask_s, asked)
    return "Python set", size, build_ns, ask_ns, found


def _semi_join(present: pl.Series, asked: pl.Series) -> tuple[str, int, float, float, int]:
    left, right = asked.alias("id").to_frame(), present.alias("id").to_frame()
    ask_s, found = _timed(lambda: left.join(right, on="id", how="semi"), list)
    return "semi join", int(present.estimated_size()), 0.0, 1e9 * ask_s / len(asked), found.height


def _each(build_s: float, present: pl.Series, ask_s: float, asked: pl.Series) -> tuple[float, float]:
    return 1e9 * build_s / len(present), 1e9 * ask_s / len(asked)


def _timed(work: Callable[[], _Result], prepare: Callable[[], object]) -> tuple[float, _Result]:
    """Return the best time of some runs, in seconds, and what the last one returned."""
    best = float("inf")
    for _ in range(_BEST_OF):
        prepare()
        began = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - began)
    return best, result
