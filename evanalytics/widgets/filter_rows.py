"""The filter editor's conditions: one row each, with the control that fits its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets

from evanalytics.filters.compose import HOWS, Condition, How
from evanalytics.plots.theme import shorten
from evanalytics.widgets.base import Notice, guarded, labelled_button, on_change, replace_children, spoken
from evanalytics.widgets.filter_values import Facet, beginning, values_of

_PATH_LENGTH = 48


class ConditionRow(ipywidgets.VBox):  # type: ignore[misc]
    """One condition: a path, what is asked of it, and for which values.

    Attributes:
        negated: The check box that turns the condition round.
        path: The choice of a path.
        how: The choice of what is asked; what there is depends on the path.
        body: The controls of its values, which depend on both.
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
        self.negated = ipywidgets.Checkbox(value=condition.negated, indent=False)
        self.path = ipywidgets.Dropdown(
            options=[(_listed(facet), path) for path, facet in facets.items()],
            value=condition.path,
            description_allow_html=True,
        )
        self.how = ipywidgets.Dropdown(options=self._hows(), value=condition.how, description_allow_html=True)
        self.remove = labelled_button("", "Take this condition away")
        self._name()
        self.body = ipywidgets.VBox()
        head = ipywidgets.HBox([self.negated, self.path, self.how, self.remove]).add_class("ev-actions")
        super().__init__([head, self.body])
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
        self._name()
        self._is_setting = True
        try:
            self.how.options = self._hows()
            self.how.value = self._hows()[0]
        finally:
            self._is_setting = False
        self._change_how(self.how.value)

    def _change_how(self, how: How | None) -> None:
        if self._is_setting or how is None:
            return
        self._fill(beginning(self._facet, how))
        self._changed()

    def _fill(self, condition: Condition) -> None:
        """Build the control of the values and put it where the condition is."""
        self._values = values_of(self._facet, condition)
        replace_children(self.body, self._values.controls)
        for control, trait in self._values.watched:
            on_change(control, lambda _: self._changed(), self._notice, name=trait)


def _listed(facet: Facet) -> str:
    path = shorten(facet["path"], _PATH_LENGTH)
    if facet["events"] is None:
        return f"{path} · JSON"
    return f"{path} · {facet['events']:,} events"
