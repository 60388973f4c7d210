from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from evanalytics.report.markup import Markup, join, listed, named, pairs, section, table, tag

ANY = st.text(max_size=60)


class Seen(HTMLParser):
    """The elements, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(ANY, ANY, ANY)
def test_text_is_never_an_element(one: str, two: str, three: str) -> None:
    parts = [table(one, (two,), [(three,)]), pairs([(one, two)]), listed([three]), section("s", one, two)]

    elements = set(Seen(join(parts)).elements)

    assert elements == {
        "div", "table", "caption", "thead", "tbody", "tr", "th", "dl", "dt", "dd", "ul", "li", "section", "h2",
    }  # fmt: skip


@given(ANY)
def test_text_in_an_attribute_stays_there(text: str) -> None:
    assert Seen(tag("p", aria_label=text)).elements == ["p"]


def test_text_is_shown_as_it_is() -> None:
    assert Seen(tag("p", '<b> & "x"')).text == '<b> & "x"'


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "1 < 2")) == "<p><b>1 &lt; 2</b></p>"


def test_a_table_has_a_caption_and_headings_of_rows_and_columns() -> None:
    page = table("Types", ("type", "events"), [("order", "5")])

    assert "<caption>Types</caption>" in page
    assert '<th scope="col" class="number">events</th>' in page
    assert '<th scope="row">order</th>' in page


def test_a_name_keeps_both_ends_on_one_line() -> None:
    shown = named("first\n" + "x" * 10_000 + "last")

    assert len(shown) == 80
    assert (shown[:6], shown[-4:]) == ("first·", "last")
    assert not isinstance(shown, Markup)
