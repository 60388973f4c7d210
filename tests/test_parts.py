from __future__ import annotations

import polars as pl
import pytest

from evanalytics.parts import in_parts, parts_for


@pytest.mark.parametrize(("size", "parts"), [(0, 1), (0, 3), (1, 4), (7, 3), (1_000, 7)])
def test_parts_are_all_there_once_and_in_order(size, parts):
    found = in_parts(lambda first, end: list(range(first, end)), size, parts)

    assert [number for part in found for number in part] == list(range(size))
    assert len(found) == parts


def test_an_error_in_a_part_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_parts(lambda first, end: 1 // first, 10, 2)


def test_little_work_stays_in_one_part(monkeypatch):
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 8)

    assert [parts_for(items, 100) for items in (0, 99, 100, 450, 10_000)] == [1, 1, 2, 5, 8]
