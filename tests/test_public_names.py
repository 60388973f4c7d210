"""What `evanalytics.__all__` promises: every name is there, documented, and the import is light."""

import json
import subprocess
import sys

import pytest

import evanalytics as ev

HEAVY = ("duckdb", "plotly", "ipywidgets", "anywidget", "numba", "starlette", "pyspark", "pyarrow", "httpx")


@pytest.mark.parametrize("name", ev.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(ev, name).__doc__


def test_names_are_listed_for_completion() -> None:
    assert set(ev.__all__) <= set(dir(ev))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'read_lgo'"):
        _ = ev.read_lgo


def test_type_checkers_see_the_same_names() -> None:
    with open(ev.__file__, encoding="utf-8") as stream:
        text = stream.read()

    for name in ev.__all__:
        assert f" {name} as {name}\n" in text


def test_the_import_loads_nothing_heavy() -> None:
    code = "import sys, json, evanalytics; print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)

    assert set(loaded).isdisjoint(HEAVY)
