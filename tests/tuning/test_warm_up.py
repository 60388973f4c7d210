from __future__ import annotations

import subprocess
import sys

AFTER_WARM_UP = """
import numpy as np
from evanalytics.tuning.warm_up import warm_up
warm_up()
from evanalytics.batching import kernels as batching
from evanalytics.delivery import kernels as delivery, request_kernels as requests
from evanalytics.tuning import kernels as tuning
def variants():
    names = [(room, name) for room in (batching, requests, delivery, tuning) for name in vars(room) if not name.startswith("_")]
    return {name: len(vars(room)[name].signatures) for room, name in names if hasattr(vars(room)[name], "signatures")}
before = variants()
assert min(before.values()) == 1, before
from evanalytics.delivery.simulate import simulate_calls
from evanalytics.tuning.what_if import what_if
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.metrics import measure
from tests.benchmarks.traffic import bursty_traffic
measure(what_if(bursty_traffic(100), traffic=2), Settings())
simulate_calls([0, 1], tokens=[1, 2])
assert variants() == before, (before, variants())
"""


def test_nothing_is_left_to_compile_after_warming_up():
    done = subprocess.run([sys.executable, "-c", AFTER_WARM_UP], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2_000:]


def test_numba_is_not_loaded_before_something_is_simulated():
    code = "import evanalytics.tuning.recommend, sys; assert 'numba' not in sys.modules"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2_000:]
