"""Each bug planted into the kernels is caught by the comparison with the oracle."""

from __future__ import annotations

import importlib
import re
import sys
import types
from pathlib import Path

import pytest

from tests.agreement.live_run import expected
from tests.agreement.simulated_run import simulated
from tests.strategies import random_scenario

# as plain Python, the hash of the draws warns when its 64 bits wrap, as they should
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")

SEEDS = range(1_000)
COMPILED = re.compile("^from evanalytics.compiled import .*$", re.MULTILINE)
PLAIN = "kernel = step = lambda function: function; Index = int"

BATCHING = {
    "an event at the deadline fills the batch": (
        "arrival_ns[end - one] < deadline:",
        "arrival_ns[end - one] <= deadline:",
    ),
    "an event at the deadline joins": ("arrival_ns[middle] < instant", "arrival_ns[middle] <= instant"),
    "a full batch leaves one event too late": ("begin + size, events", "begin + size + 1, events"),
    "bytes count only beyond the bound": ("held >= most_bytes", "held > most_bytes"),
    "bytes win over size": ("SIZE if is_full", "SIZE if held < most_bytes"),
    "a batch of bytes ignores its deadline": ("< deadline or end == begin", "< deadline + 1 or end == begin"),
}
GROUPING = {
    "a type goes on with its request of the batch before": (
        "before, seen = requests, none",
        "before, seen = requests, seen if batch else none",
    ),
    "events count again in the next batch": ("            held[kind] = 0\n", ""),
    "an event goes with the last request of its batch": (
        "request_of[event] = latest[Index(types[event])]",
        "request_of[event] = request - 1",
    ),
}
DELIVERY = {
    "one request too many in a window": ("state[NEXT] + tokens - 1, len", "state[NEXT] + tokens, len"),
    "an idle bucket does not fill": ("max(state[FULL], start) + costs", "state[FULL] + costs"),
    "a bucket grants to a weight what one may have": ("state[FULL] - slacks[Index(tokens)]", "state[FULL] - slacks.max()"),
    "windows restart where they are first used": ("(start - rule[ORIGIN]) // rule[PER]", "start // rule[PER]"),
    "a weight is split over two windows": ("state[USED] + tokens > rule[MOST]", "state[USED] + 1 > rule[MOST]"),
    "a newcomer overtakes": ("max(asked, state[LINE]), tokens)", "asked, tokens)"),
    "the head overtakes a retry that is due at once": ("due_ns[Index(backing_off[0])] > asked", "due_ns[backing_off[0]] >= asked"),
    "a retry gives its slot back": ("ending + waiting >= slots", "ending >= slots"),
    "a retry costs no tokens": ("        tokens = tokens_of[request]\n", "        tokens = 0 if tries[request] else tokens_of[request]\n"),
    "one who gives up spends": ("state[LINE] = max(state[LINE], end)\n", "_take(rule, state, ring, costs, start, tokens)\n"),
    "one who gives up never blocked the line": ("state[LINE] = max(state[LINE], end)\n", "pass\n"),
    "a call that ends at the deadline counts": ("if end == deadline_ns[request]:", "if end == deadline_ns[request] and start + service_ns[attempt] > end:"),
    "a start at the deadline counts": ("if start >= deadline_ns[request]", "if start > deadline_ns[request]"),
    "requests do not queue for a slot in order": ("max(leave_ns[Index(batch_of[request])], head_left)", "leave_ns[batch_of[request]]"),
    "the slot that is free last is taken": ("heap[child + one] < heap[child]:", "heap[child + one] > heap[child]:"),
}  # fmt: skip


def is_caught() -> bool:
    """Return whether a scenario tells; a bug that makes the kernels fail is caught as well."""
    for seed in SEEDS:
        scenario = random_scenario(seed)
        try:
            if simulated(scenario) != expected(scenario):
                return True
        except (IndexError, AssertionError):
            return True
    return False


def plant(monkeypatch, name, old, new):
    """Put kernels with a line changed, as plain Python, where the simulators look for them."""
    module = importlib.import_module(name)
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert old in source, f"{old!r} is not in {name} any more"
    changed = types.ModuleType(name)
    exec(COMPILED.sub(PLAIN, source).replace(old, new), changed.__dict__)
    folder, file = name.rsplit(".", 1)
    monkeypatch.setitem(sys.modules, name, changed)
    monkeypatch.setattr(sys.modules[folder], file, changed)


@pytest.mark.parametrize("bug", BATCHING)
def test_a_bug_in_batching_is_caught(monkeypatch, bug):
    plant(monkeypatch, "evanalytics.batching.kernels", *BATCHING[bug])

    assert is_caught()


@pytest.mark.parametrize("bug", GROUPING)
def test_a_bug_in_grouping_is_caught(monkeypatch, bug):
    plant(monkeypatch, "evanalytics.delivery.request_kernels", *GROUPING[bug])

    assert is_caught()


@pytest.mark.parametrize("bug", DELIVERY)
def test_a_bug_in_delivery_is_caught(monkeypatch, bug):
    plant(monkeypatch, "evanalytics.delivery.kernels", *DELIVERY[bug])

    assert is_caught()


def test_kernels_without_a_bug_pass_as_plain_python(monkeypatch):
    for name in ("batching.kernels", "delivery.request_kernels", "delivery.kernels"):
        plant(monkeypatch, f"evanalytics.{name}", "events", "events")

    for seed in range(200):
        scenario = random_scenario(seed)

        assert simulated(scenario) == expected(scenario), f"seed {seed}: {scenario}"
