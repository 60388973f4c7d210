"""The filter editor's conditions: one row each, with the control that fits its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import ipywidgets

from evanalytics.filters.compose import HOWS, Condition, How
from evanalytics.plots.theme import shorten
from evanalytics.widgets.base import Notice, guarded, labelled_button, on_change, spoken
from evanalytics.widgets.controls import Tally
from evanalytics.widgets.filter_values import Facet, Values, beginning, values_for

_PATH_LENGTH, _TYPE_LENGTH = 48, 200


class TypeTicks(Tally):
    """The types of a log's events, ticked; as long as all of them are, nothing is asked.

    Hidden where a log has too many types for that.
    """

    def __init__(self, facet: Facet) -> None:
        """Offer the types of a facet of kind "choice"; of any other kind there are none to offer."""
        is_choice = facet["kind"] == "choice"
        self._values: list[str] = list(facet["values"]) if is_choice else []
        super().__init__(
            "event types",
            names=[shorten(value, _TYPE_LENGTH) for value in self._values],
            counts=facet["counts"] if is_choice else [],
            selectable=True,
        )
        self._path = facet["path"]
        self.show(True)

    @property
    def conditions(self) -> list[Condition]:
        """What the ticks say: nothing, or one condition."""
        if len(self.checked) == len(self._values):
            return []
        ticked = tuple(self._values[place] for place in self.checked)
        return [Condition(path=self._path, how="one of", value=ticked)]

    def take(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Show the condition that ticks can say, if there is just one, and return the others."""
        mine = [condition for condition in conditions if self._can_say(condition)]
        taken = mine[0].value if len(mine) == 1 else self._values
        self.checked = [place for place, value in enumerate(self._values) if value in taken]
        return [condition for condition in conditions if len(mine) != 1 or condition is not mine[0]]

    def show(self, is_shown: bool) -> None:
        """Show the ticks, if there are any, or hide them."""
        self.layout.display = None if is_shown and self._values else "none"

    def _can_say(self, condition: Condition) -> bool:
        if condition.path != self._path or condition.how != "one of" or condition.negated:
            return False
        return set(condition.value) < set(self._values)


class ConditionRow(ipywidgets.VBox):  # type: ignore[misc]
    """One condition: a path, what is asked of it, and for which values.

    Attributes:
        negated: The check box that turns the condition round.
        path: The choice of a path.
        how: The choice of what is asked; what there is depends on the path.
        remove: The button that takes the condition away.
    """

    children: Sequence[ipywidgets.Widget]

    def __init__(
        self,
        facets: Mapping[str, Facet],
        condition: Condition,
        *,
        changed: Callable[[], object],
        removed: Callable[[ConditionRow], object],
        notice: Notice,
    ) -> None:
        """Show a condition that `fitted` has approved.

        Args:
            facets: What the log has, by path.
            condition: What to show.
            changed: Called after each change.
            removed: Called when the row is to go.
            notice: Where errors are shown.
        """
        self._facets, self._changed, self._notice = facets, changed, notice
        self._is_setting = False
        self.negated = ipywidgets.Checkbox(value=condition.negated, indent=False)
        self.path = ipywidgets.Dropdown(
            options=[(_listed(facet), path) for path, facet in facets.items()],
            value=condition.path,
            description_allow_html=True,
        )
        self.how = ipywidgets.Dropdown(options=self._hows(), value=condition.how, description_allow_html=True)
        self.remove = labelled_button("", "Take this condition away")
        self._name()
        head = ipywidgets.HBox([self.negated, self.path, self.how, self.remove]).add_class("ev-actions")
        self._made: dict[type[Values], Values] = {}
        super().__init__([head])
        self.add_class("ev-condition")
        self._fill(condition)
        on_change(self.negated, lambda _: changed(), notice)
        on_change(self.path, self._change_path, notice)
        on_change(self.how, self._change_how, notice)
        run = guarded(lambda: removed(self), notice)
        self.remove.on_click(lambda _button: run())

    @property
    def condition(self) -> Condition:
        """What the controls say.

        Raises:
            FilterError: The text of a number or of a JSON value cannot be read.
        """
        return Condition(
            path=self.path.value,
            how=self.how.value,
            value=self._values.read(),
            negated=self.negated.value,
        )

    @property
    def controls(self) -> Sequence[ipywidgets.Widget]:
        """The controls of its values; which ones depends on the path and on what is asked."""
        return self._values.shown

    @property
    def _facet(self) -> Facet:
        return self._facets[self.path.value]

    def _hows(self) -> tuple[How, ...]:
        return HOWS[self._facet["kind"]]

    def _name(self) -> None:
        """Say in each control's name whose it is: rows look alike to who hears them."""
        path = shorten(self.path.value, _PATH_LENGTH)
        self.negated.description, self.remove.description = (
            f"not\n{path}",
            f"Remove\n{path}",
        )  # line 1 is seen
        self.path.description, self.how.description = spoken("field", path), spoken("is asked", path)

    def _change_path(self, _path: str) -> None:
        with self._sent_afterwards():
            self._name()
            with self._quiet():
                self.how.options = self._hows()
                self.how.value = self._hows()[0]
            self._follow(self.how.value)

    def _change_how(self, how: How | None) -> None:
        if not self._is_setting and how is not None:
            with self._sent_afterwards():
                self._follow(how)

    def _follow(self, how: How) -> None:
        self._fill(beginning(self._facet, how))
        self._changed()

    def _change_values(self, _value: object) -> None:
        if not self._is_setting:
            self._changed()

    def _fill(self, condition: Condition) -> None:
        """Put the controls of the values where the condition is.

        They stay for the next condition that needs such: new ones would each bring their script along.
        """
        kind = values_for(self._facet, condition)
        if kind not in self._made:
            made = self._made[kind] = kind()
            for control, trait in made.watched:
                on_change(control, self._change_values, self._notice, name=trait)
            self.children = [*self.children, *(control for control, _ in made.watched)]
        self._values = self._made[kind]
        with self._quiet():
            self._values.show(self._facet, condition)
        for control in self.children[1:]:
            control.layout.display = None if control in self._values.shown else "none"

    @contextmanager
    def _sent_afterwards(self) -> Iterator[None]:
        """Send what becomes of the controls after the picture, which people wait for; one message each."""
        with ExitStack() as held:
            for control in (self.negated, self.path, self.how, self.remove, *self.children[1:]):
                held.enter_context(control.hold_sync())
                held.enter_context(control.layout.hold_sync())
            yield

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Let controls be set without following each of them."""
        self._is_setting = True
        try:
            yield
        finally:
            self._is_setting = False


def _listed(facet: Facet) -> str:
    path = shorten(facet["path"], _PATH_LENGTH)
    if facet["events"] is None:
        return f"{path} · JSON"
    return f"{path} · {facet['events']:,} events"
