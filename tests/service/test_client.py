from __future__ import annotations

from evanalytics.service.client import NAMED_CONFLICTS, PublishResult


def test_results_add_up() -> None:
    one = PublishResult(accepted=3, duplicates=2, conflicts=1, conflicting_ids=("a",))
    two = PublishResult(accepted=1, duplicates=1, conflicts=1, conflicting_ids=("b",))

    assert one + two == PublishResult(accepted=4, duplicates=3, conflicts=2, conflicting_ids=("a", "b"))


def test_sum_counts_all_conflicts_and_names_the_first() -> None:
    ids = tuple(map(str, range(NAMED_CONFLICTS)))
    full = PublishResult(duplicates=NAMED_CONFLICTS, conflicts=NAMED_CONFLICTS, conflicting_ids=ids)

    total = full + PublishResult(duplicates=1, conflicts=1, conflicting_ids=("one more",))

    assert total.conflicts == NAMED_CONFLICTS + 1
    assert total.conflicting_ids == ids
