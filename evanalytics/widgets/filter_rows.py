"""The filter editor's conditions: one row each, with the control that fits its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import ipywidgets

from evanalytics.filters.compose import HOWS, Condition, How
from evanalytics.plots.theme import shorten
from evanalytics.widgets.base import Notice, guarded, labelled_button, on_change, replace_children, spoken
from evanalytics.widgets.controls import Tally
from evanalytics.widgets.filter_values import Facet, Values, beginning, values_of

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
        self._path, self._place = facet["path"], 0
        self.show(True)

    @property
    def is_offered(self) -> bool:
        """Whether there is something to tick."""
        return bool(self._values)

    def joined_with(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Return what the ticks say, if anything, among other conditions: where it was taken from."""
        asked = list(conditions)
        if len(self.checked) < len(self._values):
            ticked = tuple(self._values[place] for place in self.checked)
            asked.insert(self._place, Condition(path=self._path, how="one of", value=ticked))
        return asked

    def take(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Show the condition that ticks can say, if there is just one, and return the others."""
        mine = [place for place, condition in enumerate(conditions) if self._can_say(condition)]
        rest, taken, self._place = list(conditions), set(self._values), 0
        if len(mine) == 1:
            self._place = mine[0]
            taken = set(rest.pop(self._place).value)
        self.checked = [place for place, value in enumerate(self._values) if value in taken]
        return rest

    def show(self, is_shown: bool) -> None:
        """Show the ticks, if there are any, or hide them."""
        self.layout.display = None if is_shown and self.is_offered else "none"

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
        self._begun: Condition | None = None  # what it means until the controls of its values are there
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
        self._body = ipywidgets.VBox()
        super().__init__([head, self._body])
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
        value = self._begun.value if self._begun else self._values.read()
        return Condition(path=self.path.value, how=self.how.value, value=value, negated=self.negated.value)

    @property
    def controls(self) -> Sequence[ipywidgets.Widget]:
        """The controls of its values; which ones depends on the path and on what is asked."""
        return self._values.controls

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
        with ExitStack() as held:  # sent afterwards
            for control in (self.negated, self.path, self.how, self.remove):
                held.enter_context(control.hold_sync())
            self._name()
            self._is_setting = True
            try:
                self.how.options = self._hows()
                self.how.value = self._hows()[0]
            finally:
                self._is_setting = False
            self._follow(self.how.value)

    def _change_how(self, how: How | None) -> None:
        if not self._is_setting and how is not None:
            self._follow(how)

    def _follow(self, how: How) -> None:
        """Begin anew; the picture, which people wait for, comes before the controls of the values."""
        self._begun = beginning(self._facet, how)
        try:
            self._changed()
        finally:
            self._fill(self._begun)

    def _fill(self, condition: Condition) -> None:
        """Build the controls of the values and put them where the condition is."""
        self._values: Values = values_of(self._facet, condition)
        self._begun = None
        replace_children(self._body, self._values.controls)
        for control, trait in self._values.watched:
            on_change(control, lambda _: self._changed(), self._notice, name=trait)


def _listed(facet: Facet) -> str:
    path = shorten(facet["path"], _PATH_LENGTH)
    if facet["events"] is None:
        return f"{path} · JSON"
    return f"{path} · {facet['events']:,} events"
