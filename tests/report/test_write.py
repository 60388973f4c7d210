"""A report is one page with everything in it, whatever the log: small, odd, empty or hostile."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import evanalytics as ev
from evanalytics.exceptions import ReportError, TuningError
from evanalytics.report import report_html
from tests.hostile import SCRIPTS, STRINGS, write_hostile_log

ORDERS = Path(__file__).parents[2] / "data" / "orders.parquet"
START = datetime(2026, 1, 1, tzinfo=UTC)
MADE = datetime(2026, 5, 17, 12, 30, tzinfo=UTC)


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, scripts, and the text that is read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.figures: list[dict[str, Any]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = [tag, *self._inside]

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside[self._inside.index(tag) + 1 :]

    def handle_data(self, data: str) -> None:
        if self._inside[:1] == ["script"]:
            kind = self.elements[-1][1].get("type")
            self.figures.append(json.loads(data)) if kind else self.scripts.append(data)
        elif self._inside[:1] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def log_of(times: list[float], types: list[str] | None = None) -> ev.EventLog:
    columns = {
        "id": [str(place) for place in range(len(times))],
        "type": types or ["order"] * len(times),
        "source": ["shop"] * len(times),
        "time": [START + timedelta(seconds=time) for time in times],
    }
    schema = {"id": pl.String, "type": pl.String, "source": pl.String, "time": pl.Datetime("us", "UTC")}
    return ev.EventLog.from_frame(pl.DataFrame(columns, schema=schema))


def page_of(log: ev.EventLog, **options: Any) -> Page:
    return Page(report_html(log, made=MADE, progress=False, **options))


@pytest.fixture(scope="module")
def orders() -> Page:
    return page_of(ev.read_log(ORDERS, progress=False), slo="p99<=2s")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = write_hostile_log(tmp_path_factory.mktemp("hostile") / "log.ndjson")
    return page_of(ev.read_log(path, progress=False), title=SCRIPTS[1])


def test_every_chapter_has_a_heading_and_a_link_to_it(orders: Page) -> None:
    sections = [attributes["id"] for attributes in orders.all("section")]

    assert sections == ["summary", "traffic", "quality", "settings", "ids"]
    assert [a["href"] for a in orders.all("a")[1:]] == [f"#{name}" for name in sections]
    assert len(orders.all("h1")) == len(orders.all("main")) == len(orders.all("nav")) == 1


def test_the_known_answers_of_the_sample_are_told(orders: Page) -> None:
    for told in ("20,000", "19,738", "262 events (1.3 %) have an id that came before", "5,198", "2 d 23 h"):
        assert told in orders.text


def test_the_settings_in_it_are_those_that_recommend_finds(orders: Page) -> None:
    found = ev.recommend(ev.read_log(ORDERS, progress=False), constraints="p99<=2s", progress=False)
    code = orders.text[orders.text.index('{\n  "batch"') : orders.text.index("As Python")]
    settings = ev.Settings.from_json(code)

    assert settings.batch == found.settings.batch
    assert settings.throttle.limit_of("publish") is not None
    assert f"{found.metrics['requests']:,} requests" in orders.text


def test_each_figure_says_in_words_what_it_shows(orders: Page) -> None:
    places = [a for a in orders.all("div") if a.get("class") == "chart"]

    assert len(places) == len(orders.figures) == len(orders.all("figcaption")) == 7
    assert all(place["role"] == "img" and len(place["aria-label"] or "") > 40 for place in places)
    assert all(figure["data"] for figure in orders.figures)


def test_every_table_has_a_caption(orders: Page) -> None:
    assert len(orders.all("table")) == len(orders.all("caption")) > 10


def test_nothing_in_it_asks_for_another_file(orders: Page) -> None:
    asking = [
        (tag, name, value)
        for tag, attributes in orders.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster")
    ]

    assert [one for one in asking if not str(one[2]).startswith("#")] == [("link", "href", "data:,")]


def test_its_policy_names_its_own_two_scripts_alone(orders: Page) -> None:
    policy = next(a["content"] or "" for a in orders.all("meta") if a.get("http-equiv"))
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in orders.scripts]

    assert len(digests) == 2
    assert f"script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}';" in policy
    assert policy.startswith("default-src 'none';")


def test_a_hostile_log_adds_no_element_and_no_handler(hostile: Page, orders: Page) -> None:
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in orders.elements}
    assert len(hostile.scripts) == 2
    assert not any(name.startswith("on") for _, attributes in hostile.elements for name in attributes)
    assert [a["href"] for a in hostile.all("a")] == [a["href"] for a in orders.all("a")]


def test_names_of_a_hostile_log_are_shown_as_they_are(hostile: Page) -> None:
    assert SCRIPTS[1] in hostile.text
    assert any(script in hostile.text for script in SCRIPTS[2:])
    assert "a" * 30 in hostile.text
    assert "a" * 100 not in hostile.text


def test_labels_of_a_hostile_log_are_escaped_in_figures(hostile: Page) -> None:
    names = [trace.get("name") or "" for figure in hostile.figures for trace in figure["data"]]

    assert any("alert(1)" in name for name in names)
    assert not any("<" in name for name in names)


def test_every_hostile_string_was_read_as_a_type(hostile: Page) -> None:
    assert f"{3 * len(STRINGS)} of {3 * len(STRINGS) + 3} records became events" in hostile.text
    assert "3 records (2.1 %) could not become events" in hostile.text


@pytest.mark.parametrize(
    "times", [[0.0, 1.5, 60.0], [0.0], [0.0, 0.0, 0.0]], ids=["three", "one", "one instant"]
)
def test_a_tiny_log_has_a_report(times: list[float]) -> None:
    page = page_of(log_of(times))

    assert "keep to p99 <= 2 s with" in page.text
    assert f"{len(times)} of {len(times)} records became events" in page.text


def test_a_log_that_is_empty_after_filtering_is_told_in_sentences() -> None:
    page = page_of(log_of([0.0, 1.0]).where(ev.filter({"type": "nobody"})))

    for told in (
        "The log holds no events.",
        "there is no traffic to show",
        "No settings are recommended",
        "no ids to hold",
    ):
        assert told.lower() in page.text.lower()
    assert page.figures == []


def test_a_log_that_is_empty_after_reading_is_told_in_sentences(tmp_path: Path) -> None:
    bad = '{"id": "1", "type": "a", "source": "s", "time": "never"}\n'
    (tmp_path / "bad.ndjson").write_text(2 * bad, encoding="utf-8")

    page = page_of(ev.read_log(tmp_path / "bad.ndjson", progress=False))

    assert "0 of 2 records became events" in page.text
    assert "2 records (100 %) could not become events" in page.text
    assert "The log holds no events." in page.text


def test_an_slo_that_nothing_keeps_to_is_a_sentence_beside_what_was_tried() -> None:
    page = page_of(log_of([0.0, 0.5, 9.0]), slo="p99 <= 1ms")

    assert "No settings are recommended: none of 120 settings keeps to p99 <= 1 ms" in page.text
    assert "the least p99 is 20 ms" in page.text
    assert len(page.figures) == 6


def test_a_limit_that_is_given_is_kept() -> None:
    base = ev.Settings(throttle=ev.ThrottlePolicy(ev.RateLimit(7, "1s")))

    page = page_of(log_of([float(at) for at in range(50)]), base=base)

    assert "A limit was given" in page.text
    assert '"max_requests": 7' in page.text


def test_no_limit_was_given_where_events_pay_the_tokens() -> None:
    base = ev.Settings(throttle=ev.ThrottlePolicy(tokens_per="event"))

    page = page_of(log_of([float(at) for at in range(50)]), base=base)

    assert "A limit was given" not in page.text
    assert "Not looked for: tokens are spent per event" in page.text


def test_an_slo_on_another_latency_is_drawn_and_told_as_that_one() -> None:
    page = page_of(log_of([float(at) for at in range(50)]), slo="p50 <= 1s")

    assert "of 120 settings have a p50 within 1 s" in page.text
    assert "p50 by batch size (rows) and flush interval (columns)" in page.text


def test_an_slo_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(TuningError, match="constraint 'p99 < 2s': cannot be read"):
        ev.write_report(log_of([0.0]), tmp_path / "r.html", slo="p99 < 2s")
    assert not (tmp_path / "r.html").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="the report cannot be written there"):
        ev.write_report(log_of([0.0]), tmp_path / "no" / "r.html", progress=False)
