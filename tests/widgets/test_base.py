import ipywidgets
import pytest

from evanalytics.exceptions import ColumnError
from evanalytics.widgets.base import STRICT_VARIABLE, Notice, guarded, on_change


@pytest.fixture(autouse=True)
def outside_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STRICT_VARIABLE, raising=False)


def fail(_: object) -> None:
    raise ColumnError("data.totl: the log has no such path")


def test_an_error_becomes_a_sentence() -> None:
    notice = Notice()

    guarded(fail, notice)(1)

    assert notice.text.startswith("This could not be done: data.totl: the log has no such path.")
    assert "role='alert'" in notice.value


def test_an_unexpected_error_names_its_kind() -> None:
    notice = Notice()

    guarded(lambda: {}["x"], notice)()

    assert "KeyError" in notice.text


def test_an_error_is_raised_under_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    notice = Notice()

    with pytest.raises(ColumnError):
        guarded(fail, notice)(1)
    assert notice.text


def test_the_next_success_clears_the_sentence() -> None:
    notice = Notice()
    guarded(fail, notice)(1)

    guarded(lambda: None, notice)()

    assert notice.text == notice.value == ""


def test_a_sentence_is_text_and_not_html() -> None:
    notice = Notice()

    notice.show("<script>alert(1)</script>")

    assert "<script" not in notice.value


def test_a_change_brings_the_new_value() -> None:
    seen: list[int] = []
    control = ipywidgets.IntText()
    on_change(control, seen.append, Notice())

    control.value = 7

    assert seen == [7]


def test_a_failing_callback_leaves_the_control_usable() -> None:
    notice = Notice()
    control = ipywidgets.IntText()
    on_change(control, fail, notice)

    control.value = 7

    assert control.value == 7
    assert notice.text
