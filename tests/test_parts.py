from __future__ import annotations

import threading

import polars as pl
import pytest

from evanalytics.parts import parts_of, workers


@pytest.mark.parametrize(("items", "worth"), [(0, 1), (1, 4), (7, 3), (1_000, 7)])
def test_parts_are_all_there_once_and_in_order(monkeypatch, items, worth):
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 2)

    found = [number for first, end in parts_of(items, worth) for number in range(first, end)]

    assert found == list(range(items))


def test_little_work_stays_in_one_part(monkeypatch):
    monkeypatch.setattr(pl, "thread_pool_size", lambda: 2)

    assert [len(parts_of(items, 100)) for items in (0, 99, 100, 450, 10_000)] == [1, 1, 1, 4, 8]


def test_an_item_is_worked_on_while_the_next_is_made():
    worked_on = threading.Event()

    def items():
        yield 1
        assert worked_on.wait(timeout=30)
        yield 2

    def work(item):
        worked_on.set()
        return -item

    with workers(2) as each:
        assert list(each(work, items())) == [-1, -2]


@pytest.mark.parametrize("parts", [1, 2])
def test_an_error_in_a_part_is_raised(parts):
    with pytest.raises(ZeroDivisionError), workers(parts) as each:
        list(each(lambda item: 1 // item, [1, 0]))
