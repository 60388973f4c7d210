"""Nasty text as value, type, field name and pattern: no engine stumbles, no wrong row."""

from pathlib import Path

import pytest

from evanalytics.event import Event
from evanalytics.filters.filter import Filter, filter
from evanalytics.filters.imports import from_cloudevents
from evanalytics.logs.log import EventLog
from tests.filters.logs_of import TIME, by_duckdb, by_polars, by_predicate, log_of

NASTY = [
    # nothing, blanks and what looks like them
    "", " ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x00", "\x01\x02\x1f", "\x7f", "\x85", "\u00a0", "\u1680", "\u2000\u200a", "\u2028", "\u2029", "\u202f", "\u3000",
    "\ufeff", "\ufffe", "\uffff", "\ufffd", "\u200b", "\u200c\u200d", "\u2060", "\u00ad", "\u180e", "a\x00b", "\x00\x00", "a\nb\nc", " a", "a ",
    # words that mean something elsewhere
    "null", "NULL", "None", "nil", "undefined", "NaN", "nan", "Infinity", "-Infinity", "inf", "true", "false", "True", "TRUE", "0", "-0", "1", "01", "1.0", "1e5", "1E400",
    "0x1F", "1_000", "9223372036854775808", "-9223372036854775809", "00000000000000000000001", "1/0", "½", "٣", "１２３", "$eq", "$where", "$date", "$ne: null", "data.total", "..", ".",
    "__proto__", "constructor", "hasOwnProperty", "__class__", "__import__('os')", "self", "seq", "ts", "rowid", "CON", "nul.txt", "2026-02-30", "2026-01-01T00:00:00Z",
    # quotes, SQL, shells, templates, markup
    "'", "''", "\"", "\"\"", "`", "\\", "\\\\", "\\'", "'\"'", "' OR '1'='1", "'; DROP TABLE log; --", "1; SELECT 1", "/* x */", "-- x", "x' UNION SELECT * FROM log --",
    "\"; ATTACH ':memory:' AS x; --", "$1", "?", ":name", "%s", "%n%n", "%", "_", "a%b_c", "{}", "{0}", "{{x}}", "${x}", "$(x)", "#{x}", "<%= x %>", "`id`", "$HOME", "|", "&&", ";", ">",
    "<script>alert(1)</script>", "<b>", "&amp;", "&#60;", "<!--", "]]>", "javascript:x", "../../etc/passwd", "file:///x", "\\\\host\\share", "C:\\x", "[object Object]", "[]", "{\"a\": 1}", "[1,2",
    # regular expressions and wildcards
    "*", "**", "?", "+", "^", "$", ".*", "[a-z]", "(a+)+$", "(", ")", "[", "]", "{", "}", "a{2}", "\\d", "\\Q", "\\E", "(?i)", "a|b", "^$",
    # letters of all kinds
    "é", "e\u0301", "É", "ß", "ẞ", "SS", "İ", "ı", "I", "ſ", "\u212a", "K", "Å", "\u212b", "ﬁ", "Ⅷ", "Ω", "ω", "ς", "σ", "ά", "مرحبا", "שלום", "日本語", "한국어", "ไทย", "हिन्दी", "русский",
    "Ǆ", "ǅ", "ǆ", "𝒳", "𐐀", "𐐨", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "❤\ufe0f", "Z͑ͫ̓a͒l̷g̶o̴", "\u202eabc", "\u2066abc\u2069", "\u200fabc", "\U0010ffff", "\ue000",
    "ａｂｃ", "ᴀʙᴄ", "a" * 1_000, "é" * 300, "(╯°□°)╯︵ ┻━┻", "¯\\_(ツ)_/¯", "°C", "µ", "μ", "…", "“x”", "«x»", "™", "٪", "1\u00a0000", "1,000", "1.000,00", "€", "\u0301",
]  # fmt: skip
TEXTS = list(dict.fromkeys(NASTY))
UNREADABLE = {"*", "^$"}  # polars takes these names for patterns, so the reader cannot read them yet; nor NUL
NAMES = [
    t for t in TEXTS if t and not t.startswith("$") and not set(".\x00") & set(t) and t not in UNREADABLE
]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Each string as a value and, where events allow it, as type and source."""
    return [
        Event(id=f"e{i}", type=text or "x", source=text or "x", time=TIME, data={"text": text, "n": i})
        for i, text in enumerate(TEXTS)
    ]


@pytest.fixture(scope="module")
def log(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    return log_of(events, tmp_path_factory.mktemp("naughty"))


def agree(condition: Filter, log: EventLog, events: list[Event]) -> list[int]:
    found = by_predicate(condition, events, optimized=False)
    assert by_polars(condition, log) == found, condition
    assert by_duckdb(condition, log, events) == found, condition
    assert Filter.from_json(condition.to_json()) == condition
    return found


def test_there_are_many() -> None:
    assert len(TEXTS) >= 200


def test_each_as_a_value_finds_itself_alone(log: EventLog, events: list[Event]) -> None:
    for i, text in enumerate(TEXTS):
        assert agree(filter({"data.text": text}), log, events) == [i]


def test_each_as_type_and_source_finds_itself_alone(log: EventLog, events: list[Event]) -> None:
    for i, text in enumerate(TEXTS):
        if text and text != "x":
            assert agree(filter({"type": text, "source": {"$in": [text, "none"]}}), log, events) == [i]


def test_each_in_ranges_sets_and_negations(log: EventLog, events: list[Event]) -> None:
    for i, text in enumerate(TEXTS[::3]):
        below = agree(filter({"data.text": {"$lt": text}}), log, events)
        above = agree(filter({"data.text": {"$gte": text}}), log, events)
        assert sorted(below + above) == list(range(len(TEXTS)))
        assert len(agree(filter({"data.text": {"$ne": text}}), log, events)) == len(TEXTS) - 1, i
        agree(filter({"data.text": {"$nin": [*TEXTS[i : i + 20]]}}), log, events)


def test_each_as_a_prefix_finds_what_begins_with_it(log: EventLog, events: list[Event]) -> None:
    for text in [text for text in TEXTS if text][::2]:
        found = agree(from_cloudevents({"prefix": {"type": text}}), log, events)
        assert found == [i for i, other in enumerate(TEXTS) if (other or "x").startswith(text)], text


def test_each_as_the_name_of_a_field(tmp_path: Path) -> None:
    events = [
        Event(id=f"e{i}", type="t", source="s", time=TIME, data={name: i, "other": 1})
        for i, name in enumerate(NAMES)
    ]
    log = log_of(events, tmp_path)

    for i, name in enumerate(NAMES):
        assert by_predicate(filter({f"data.{name}": i}), events) == [i], name
    for name in NAMES[::10]:
        agree(filter({f"data.{name}": {"$gte": 0}}), log, events)
