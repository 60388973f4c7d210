"""Work beside the sliders: who may write on the line that tells of it."""

import threading

import ipywidgets

from evanalytics.widgets.background import StatusLine, Task
from evanalytics.widgets.base import Notice


def test_whoever_goes_on_does_not_write_over_what_another_has_said() -> None:
    status = StatusLine()
    mine = status.say("Measuring …", is_busy=True)
    status.say("a result")

    mine = status.say("Measuring … 1 s", is_busy=True, instead_of=mine)
    status.say("", instead_of=mine)

    assert "a result" in status.value


def test_whoever_goes_on_writes_over_its_own_text_and_on_an_empty_line() -> None:
    status = StatusLine()
    mine = status.say("Measuring …", is_busy=True)
    mine = status.say("Measuring … 1 s", is_busy=True, instead_of=mine)
    assert "1 s" in status.value

    status.say("")
    status.say("Measuring … 2 s", is_busy=True, instead_of=mine)

    assert "2 s" in status.value


def test_a_task_leaves_the_result_of_another_one_alone() -> None:
    status, notice, let_go = StatusLine(), Notice(), threading.Event()
    buttons = [ipywidgets.Button(), ipywidgets.Button()]
    long = Task("Mapping", let_go.wait, buttons[0], status=status, notice=notice)
    short = Task("Looking", lambda: status.say("a result"), buttons[1], status=status, notice=notice)

    for task in (long, short):
        task.start()
    short.join()
    let_go.set()
    long.join()

    assert "a result" in status.value
    assert not any(button.disabled for button in buttons)


def test_a_task_without_a_result_leaves_an_empty_line() -> None:
    status = StatusLine()
    task = Task("Mapping", lambda: None, ipywidgets.Button(), status=status, notice=Notice())

    task.start()
    task.join()

    assert status.value == ""
