"""A Spark session on this machine, for the tests that need one; skipped with a reason where there is none."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

MASTER = os.environ.get("EVANALYTICS_SPARK", "")
"""The master that the tests run on, such as "local[2]", or a Spark Connect address ("sc://host:15002")."""

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark's workers take any python3 otherwise

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",  # these logs are tiny: what takes time is planning and compiling
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


def why_not() -> str | None:
    """Return why there is no Spark here; None if there is."""
    if not MASTER:
        return "Apache Spark is asked for by EVANALYTICS_SPARK, which `make test-spark` sets"
    if find_spec("pyspark") is None:
        return "PySpark is not installed: pip install evanalytics[spark]"
    if MASTER.startswith("sc://"):
        return None
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        return "there is no Java: Spark needs 17 or newer"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if "spark" in item.keywords and reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session that all tests share, or the address of a Connect server."""
    if MASTER.startswith("sc://"):
        yield MASTER
        return
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(MASTER).appName("evanalytics-tests")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()
