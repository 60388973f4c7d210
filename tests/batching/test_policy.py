from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.exceptions import PolicyError


def test_interval_given_as_text_is_kept_as_timedelta():
    assert BatchPolicy(flush_interval="5s").flush_interval == timedelta(seconds=5)


def test_interval_is_whole_nanoseconds():
    assert BatchPolicy(flush_interval="5us").flush_interval_ns == 5_000


def test_policy_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        BatchPolicy().max_batch_size = 3


def test_unknown_grouping_is_refused():
    with pytest.raises(PolicyError, match=r"BatchPolicy\.group_by: needs 'type' or None, got 'source'"):
        BatchPolicy(group_by="source")


def test_byte_bound_below_one_is_refused():
    with pytest.raises(PolicyError, match=r"BatchPolicy\.max_batch_bytes: needs a whole number"):
        BatchPolicy(max_batch_bytes=0)
