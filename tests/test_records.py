from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from evanalytics.batching.policy import BatchPolicy
from evanalytics.delivery.policy import DeliveryPolicy, Retry
from evanalytics.delivery.service_model import ServiceModel
from evanalytics.exceptions import PolicyError
from evanalytics.throttling.policy import RateLimit, ThrottlePolicy

RECORDS = [
    BatchPolicy(max_batch_size=7, flush_interval="1500us", max_batch_bytes=9, group_by=None),
    RateLimit(5, "1m", kind="token_bucket", burst=9, over_burst="refuse"),
    ThrottlePolicy(RateLimit(1, "1s"), operations={"query": RateLimit(2, "1s")}, tokens_per="event"),
    Retry(max_attempts=2, base="1s", factor=1.5, jitter=0.25, seed=7),
    ServiceModel(distribution="empirical", quantiles=["1ms", "2ms", "9ms"], failure_rate=0.1),
    DeliveryPolicy(max_in_flight=None, delivery_timeout="2m", service=ServiceModel(fixed="1ms")),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_record_comes_back_equal_from_json(record):
    assert type(record).from_json(record.to_json()) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_record_comes_back_equal_from_pickle(record):
    assert pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_equal_records_have_equal_hashes(record):
    assert hash(copy.deepcopy(record)) == hash(record)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_repr_is_the_python_that_makes_the_record(record):
    assert eval(repr(record)) == record


def test_repr_leaves_out_what_is_default():
    assert repr(RateLimit(5, "60s")) == "RateLimit(max_requests=5, per='1m')"


def test_durations_are_written_as_text():
    assert BatchPolicy(flush_interval="90s").to_dict()["flush_interval"] == "90s"


def test_fields_left_out_take_their_defaults():
    assert BatchPolicy.from_dict({"max_batch_size": 3}) == BatchPolicy(max_batch_size=3)


def test_unknown_field_is_named_beside_the_known_ones():
    with pytest.raises(PolicyError, match="BatchPolicy: unknown field 'size'; it has max_batch_size,"):
        BatchPolicy.from_dict({"size": 3})


def test_missing_field_is_named():
    with pytest.raises(PolicyError, match=r"RateLimit: .*max_requests"):
        RateLimit.from_dict({"per": "1s"})


def test_field_inside_a_nested_record_is_named():
    with pytest.raises(PolicyError, match=r"Retry\.max_attempts: needs a whole number from 1 to 1000, got 0"):
        DeliveryPolicy.from_dict({"retry": {"max_attempts": 0}})


def test_text_that_is_no_json_is_refused():
    with pytest.raises(PolicyError, match="BatchPolicy: not JSON"):
        BatchPolicy.from_json("{")


def test_json_that_is_no_object_is_refused():
    with pytest.raises(PolicyError, match=r"BatchPolicy: needs an object with its fields, got \[\]"):
        BatchPolicy.from_json("[]")


def test_duration_without_unit_is_refused_with_the_field():
    with pytest.raises(PolicyError, match=r"BatchPolicy\.flush_interval: .*'5'"):
        BatchPolicy(flush_interval="5")


def test_too_long_duration_is_refused_with_the_field():
    with pytest.raises(PolicyError, match=r"Retry\.max_delay: needs at most 24h, got '2 days'"):
        Retry(max_delay="2 days")


@pytest.mark.parametrize("value", [True, 2.0, "3", None, 0, -1])
def test_what_is_no_positive_whole_number_is_refused(value):
    with pytest.raises(PolicyError, match=r"BatchPolicy\.max_batch_size: needs a whole number of at least 1"):
        BatchPolicy(max_batch_size=value)


def test_whole_numbers_of_numpy_become_ints():
    assert type(BatchPolicy(max_batch_size=np.int64(5)).max_batch_size) is int
