"""Regular expressions: one subset, one meaning everywhere, and no text on which one hangs."""

import re
import time

import narwhals.stable.v2 as nw
import polars as pl
import pytest

from evanalytics.exceptions import FilterError
from evanalytics.filters.regex import Regex
from evanalytics.filters.regex_characters import merged
from evanalytics.filters.regex_needs import guarded, last, needed
from evanalytics.logs.connection import connect

TEXTS = [
    "", "a", "A", "aa", "b", "ab", "a\nb", "a\n", "\n", "é", "É", "e\u0301", "ß", "ẞ", "SS", "K", "k", "\u212a", "ſ", "s", "S",
    "\U0001f600", "a.b", "a-b", "[x]", "1", "٣", "_", " ", "\u00a0", "\v", "\t", "\x00", "foo bar", "x" * 300, "σ", "ς", "Σ", "İ", "ı", "i", "#", "a#b",
]  # fmt: skip
PATTERNS = [
    "a", "^a", "a$", "^a$", "^$", "", ".", "^.$", "(?s)^.$", "(?s:a.b)", "(?m)^b$", "(?m:a$)", "[ab]", "[^ab]", "[a-c]+", "[]x]", "[^]x]", "[\\]x-]",
    "\\d", "\\D", "\\w+", "^\\W$", "\\s", "^\\S+$", "[\\d_]", "[^\\w]", "[[:alpha:]]", "[[:^digit:]]", "(?i)k", "(?i)[k-s]", "(?i)ß", "(?i)é", "(?i)σ",
    "(?i)[^s]", "a|b|é", "(a|b)+", "(?:ab)?$", "a{2}", "a{1,2}", "a{0,}$", "^x{300}$", "a*?b", "(?P<name>a)b", "(?<name>a)b", "\\x61", "\\x{1f600}",
    "\\.", "a\\.b", "\\[x\\]", "\\n", "\\t", "\\Aa\\z", "(?x) a  b # ab", "{", "a{", "a{,2}", "(?i-i:a)", "(?i:A)b", "()", "(a|)", "[\\x00]", "a#b", "-", "&",
    "[^\\s\\S]", "(?s)[\\s\\S]", "(a{0,3}){0,3}$", "[a-]", "\\-",
]  # fmt: skip
REFUSED = {
    "(?=a)": "look-ahead", "(?!a)": "look-ahead", "(?<=a)b": "look-behind", "(?<!a)b": "look-behind", "(a)\\1": "back-reference",
    "(?P=n)": "back-reference", "(?>a)": "atomic", "a++": "possessive", "(?(1)a)": "conditional", "\\pL": "escape", "\\Z": "use \\\\z",
    "\\u0061": "use \\\\x", "a**": "repeat of a repeat", "(": "without '\\)'", ")": "without '\\('", "[a": "without '\\]'", "*a": "nothing to repeat",
    "a{1001}": "repeat", "a{3,2}": "repeat", "[b-a]": "upwards", "[[a]]": "class within", "[a&&b]": "class within", "\\": "end in the middle",
    "(?#x)": "comment", "[[:nope:]]": "nope", "\\x{110000}": "hexadecimal", "\\xzz": "hexadecimal", "(?R)": "recursion", "(?z)": "group", "^*": "anchor",
    "((a{100}){100}){2}": "written out", "\\Kx": "escape", "\\G": "escape", "(?P<1>a)": "identifier",
}  # fmt: skip
CATASTROPHES = [
    "(a+)+$", "([a-zA-Z]+)*$", "(a|aa)+$", "(a|a?)+$", "(.*a){12}$", "^(a+)+$", "(a*)*b", "(a+)*b", "((a*)*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(x+x+)+y", "^(\\w+\\s?)*$", "(?:a?){30}a{30}$", "a*a*a*a*a*a*b", "^(.*?,){11}P", "\\s+$", "([^a]|a)*c", "(a|b|ab)*c", ".*.*=.*", "(\\d+)*x",
    "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$", "(0|[1-9]\\d*|\\d+)*!",
]  # fmt: skip
BAITS = ["a" * 40 + "!", "x" * 60, " " * 400 + "x", "1" * 80, "a," * 30, "a" * 2_000 + "!"]


def found(pattern: str, text: str, options: str = "") -> bool:
    return Regex(pattern, options).found_in(text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_all_engines_find_the_same(pattern: str) -> None:
    regex = Regex(pattern)
    frame = pl.DataFrame({"text": TEXTS})
    condition = nw.col("text").str.contains(regex.text)
    with connect() as connection:
        connection.register("texts", frame)
        by_duckdb = (
            nw.from_native(connection.table("texts")).filter(condition).to_native().pl()["text"].to_list()
        )

    by_python = [text for text in TEXTS if regex.found_in(text)]

    assert nw.from_native(frame).filter(condition).to_native()["text"].to_list() == by_python
    assert by_duckdb == by_python


@pytest.mark.parametrize(
    "pattern",
    [p for p in PATTERNS if not re.search(r"\\z|\\x\{|\[\[|\(\?<n|\(\?x|\(\?i|\\[dwsDWS]|\{,|\$$", p)],
)
def test_where_python_knows_the_syntax_it_agrees(pattern: str) -> None:
    assert [found(pattern, text) for text in TEXTS] == [
        re.search(pattern, text) is not None for text in TEXTS
    ]


@pytest.mark.parametrize(("pattern", "what"), REFUSED.items(), ids=list(REFUSED))
def test_outside_the_subset_is_refused_by_name(pattern: str, what: str) -> None:
    with pytest.raises(FilterError, match=what):
        Regex(pattern)


@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_no_expression_hangs(pattern: str) -> None:
    try:
        look = Regex(pattern).found_in
    except FilterError:
        return
    texts = (BAITS * 34)[:200]
    look("warm up")
    begin = time.process_time()

    for text in texts:
        look(text)

    assert time.process_time() - begin < 1  # the slowest takes 0.01 s; one that backtracks, hours


@pytest.mark.parametrize("pattern", [*PATTERNS, *CATASTROPHES])
def test_what_a_text_needs_changes_no_answer(pattern: str) -> None:
    regex = Regex(pattern)
    texts = [
        *TEXTS,
        *BAITS,
        *(bait + end for bait in BAITS for end in ("a", "b", ",xP", "c!", "=yZ", "@b.cd")),
    ]
    asked = guarded(regex.tree, lambda text: pl.Series([text]).str.contains(regex.text)[0])

    assert [asked(text) for text in texts] == pl.Series(texts).str.contains(regex.text).to_list()


@pytest.mark.parametrize(
    ("pattern", "letters", "ends"),
    [
        ("(.*a){12}$", "a", "a"),
        ("^(.*?,){11}P", ",P", None),
        ("(ab|cb)+(x|y)$", "b", "xy"),
        ("ab?$", "a", "ab"),
        ("(a|a?)+$", "", None),
        ("a$|b", "", None),
    ],
)
def test_what_a_text_needs_is_known(pattern: str, letters: str, ends: str | None) -> None:
    tree = Regex(pattern).tree

    assert needed(tree) == set(letters)
    assert last(tree) == (None if ends is None else merged([(ord(end), ord(end)) for end in ends]))


def test_options_of_the_operator_are_those_of_a_group() -> None:
    assert found("a.B", "A\nb", "is")
    assert found("^b$", "a\nB", "im")
    assert found("a # comment\n b", "ab", "x")


def test_unknown_option_is_refused() -> None:
    with pytest.raises(FilterError, match="option 'g' is not known"):
        Regex("a", "g")


def test_end_is_the_very_end() -> None:
    assert not found("a$", "a\n")


@pytest.mark.parametrize(
    ("pattern", "fixed"),
    [
        ("^abc", ("starts", "abc")),
        ("abc$", ("ends", "abc")),
        ("^abc$", ("is", "abc")),
        ("a\\.c", ("has", "a.c")),
        ("a.c", None),
        ("(?i)a", None),
    ],
)
def test_a_text_without_variety_is_known(pattern: str, fixed: tuple[str, str] | None) -> None:
    assert Regex(pattern).fixed == fixed


def test_half_a_surrogate_pair_is_text_like_any_other() -> None:
    assert found("a+.*b+", "xa\ud800b")


def test_word_boundaries_are_not_portable() -> None:
    assert not Regex("\\bfoo").is_portable
    assert found("\\bbar", "foo bar")
    assert found("\\bb", "éb")  # ASCII: é is no part of a word


@pytest.mark.parametrize(("pattern", "text"), [(r"^c:\\z[0-9]$", r"c:\z5"), (r"^[\\z]+$", "zz")])
def test_a_backslash_before_z_is_no_end(pattern: str, text: str) -> None:
    assert found(pattern, text)


def test_a_backslash_before_z_is_no_backslash_before_another_letter() -> None:
    assert not found(r"\\z[0-9]", r"\Z5")
