"""What MongoDB's manual and tests say of its operators, in `mongodb_cases.json`, holds on every executor."""

import json
from pathlib import Path
from typing import Any

import pytest

from evanalytics.event import Event
from evanalytics.filters.filter import filter
from evanalytics.filters.parser import LOGICAL, OPERATORS
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import by_duckdb, by_polars, by_predicate, events_of_payloads, log_of

TABLE = json.loads((Path(__file__).parent / "mongodb_cases.json").read_text(encoding="utf-8"))
CASES = TABLE["cases"]
PAGES = ("https://www.mongodb.com/docs/manual/", "https://github.com/mongodb/mongo/blob/")
NAMES = [f"{operator} {json.dumps(document)}" for operator, _, _, document, _ in CASES]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Event], EventLog]]:
    """Each collection as events and as a log."""
    out = {}
    for name, documents in TABLE["collections"].items():
        events = events_of_payloads(documents)
        out[name] = events, log_of(events, tmp_path_factory.mktemp(name))
    return out


@pytest.mark.parametrize(("operator", "page", "collection", "document", "expected"), CASES, ids=NAMES)
def test_matches_what_the_manual_says(
    logs: dict[str, tuple[list[Event], EventLog]],
    operator: str,
    page: str,
    collection: str,
    document: Any,
    expected: list[Any],
) -> None:
    events, log = logs[collection]
    condition = filter(document, within="data")

    found = {
        "predicate": by_predicate(condition, events, optimized=False),
        "optimized": by_predicate(condition, events),
        "polars": by_polars(condition, log),
        "duckdb": by_duckdb(condition, log, events),
    }

    names = {how: [events[i].data["_"] for i in positions] for how, positions in found.items()}
    assert names == dict.fromkeys(found, expected), page


def test_every_operator_has_ten_documents_ten_filters_and_a_page() -> None:
    documents: dict[str, set[tuple[str, str]]] = {}
    filters: dict[str, set[str]] = {}
    for operator, page, collection, document, _ in CASES:
        assert page.startswith(PAGES)
        filters.setdefault(operator, set()).add(f"{collection} {json.dumps(document)}")
        documents.setdefault(operator, set()).update(
            (collection, str(d["_"])) for d in TABLE["collections"][collection]
        )

    assert {operator for operator in (*OPERATORS, *LOGICAL) if operator != "$options"} <= set(documents)
    assert {operator: len(found) for operator, found in documents.items() if len(found) < 10} == {}
    assert {operator: len(found) for operator, found in filters.items() if len(found) < 10} == {}
