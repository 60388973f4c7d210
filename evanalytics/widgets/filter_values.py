"""The controls of a condition's values in the filter editor: what fits its path and what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ipywidgets

from evanalytics.exceptions import FilterError
from evanalytics.filters.compose import HOWS, Condition, How
from evanalytics.plots.theme import shorten
from evanalytics.widgets.base import spoken
from evanalytics.widgets.controls import Slider, Tally, stand_at
from evanalytics.widgets.timeline import Timeline

Facet = Mapping[str, Any]
"""A row of `facets`; of "instant" its `counts` are those of equal parts of its time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VALUE_LENGTH = 200
_EXACT = 2**53  # a double below it that looks whole is that whole number


def beginning(facet: Facet, how: How | None = None) -> Condition:
    """Return the condition with which a new row begins: everything that has a value there."""
    chosen = how or HOWS[facet["kind"]][0]
    middle = _number(facet["quantiles"][len(facet["quantiles"]) // 2]) if facet["quantiles"] else 0
    values: dict[str, Any] = {
        "one of": tuple(_decoded(text, facet) for text in facet["values"]),
        "between": (None, None),
        "above": middle,
        "below": middle,
        "is": middle if facet["kind"] == "number" else "",
        "exists": None,
        "missing": None,
    }
    return Condition(path=facet["path"], how=chosen, value=values.get(chosen, ""))


def values_of(facet: Facet, condition: Condition) -> Values:
    """Return the controls for a condition, put where it is."""
    if condition.how in ("exists", "missing") or (facet["kind"] == "instant" and not facet["quantiles"]):
        return Values(condition.value)
    if condition.how == "one of":
        return _Choice(facet, condition)
    if facet["kind"] == "instant":
        return _Time(facet, condition)
    return (
        _Range(facet, condition)
        if condition.how in ("between", "above", "below")
        else _Text(facet, condition)
    )


class Values:
    """The controls of a condition's values; this one is for conditions without any.

    Attributes:
        controls: What is shown.
        watched: The controls to listen to, each with the name of its trait.
    """

    controls: tuple[ipywidgets.Widget, ...] = ()
    watched: Sequence[tuple[ipywidgets.Widget, str]] = ()

    def __init__(self, value: Any = None) -> None:
        """Keep the value that nothing can change."""
        self._value = value

    def read(self) -> Any:
        """Return what the controls say.

        Raises:
            FilterError: A text is no JSON value where one is needed.
        """
        return self._value


class _Choice(Values):
    """Some of a few values, ticked."""

    def __init__(self, facet: Facet, condition: Condition) -> None:
        known = dict(zip(facet["values"], facet["counts"], strict=True))
        self._values = [_decoded(text, facet) for text in known]
        extra = [value for value in condition.value if value not in self._values]
        self._values += extra  # a value that the log does not have
        names = [shorten(_text(value), _VALUE_LENGTH) for value in self._values]
        self.tally = Tally(
            facet["path"], names=names, counts=[*known.values(), *(0 for _ in extra)], selectable=True
        )
        self.tally.checked = [place for place, value in enumerate(self._values) if value in condition.value]
        self.controls, self.watched = (self.tally,), [(self.tally, "checked")]

    def read(self) -> tuple[Any, ...]:
        return tuple(self._values[place] for place in self.tally.checked)


class _Range(Values):
    """A lowest and a highest number, or one of the two; the stops are the path's quantiles.

    A bound stays as it was given until its slider is moved.
    """

    def __init__(self, facet: Facet, condition: Condition) -> None:
        self._stops = sorted(set(facet["quantiles"])) or [0.0]
        if condition.how == "between":
            low, high = condition.value
            pairs = [("at least", low, self._stops[0]), ("at most", high, self._stops[-1])]
        else:
            pairs = [(condition.how, condition.value, self._stops[0])]
        self.sliders = [self._slider(name, facet, at, end) for name, at, end in pairs]
        self._given = [(slider.value, at) for slider, (_, at, _) in zip(self.sliders, pairs, strict=True)]
        self._is_pair = condition.how == "between"
        self.controls, self.watched = tuple(self.sliders), [(slider, "value") for slider in self.sliders]

    def read(self) -> Any:
        values = [
            bound if slider.value == stood else self._moved(slider)
            for slider, (stood, bound) in zip(self.sliders, self._given, strict=True)
        ]
        return tuple(values) if self._is_pair else values[0]

    def _moved(self, slider: Slider) -> float | None:
        """Return what a slider says; at the outer end of a pair there is no bound."""
        value, is_lowest = slider.value, slider is self.sliders[0]
        is_outside = value <= self._stops[0] if is_lowest else value >= self._stops[-1]
        return None if self._is_pair and is_outside else _number(value)

    def _slider(self, name: str, facet: Facet, at: float | None, end: float) -> Slider:
        slider = Slider(name, stops=self._stops, value=end, unit=f"({facet['path']})")
        stand_at(slider, end if at is None else float(at))
        return slider


class _Text(Values):
    """A text, a pattern, a number or a JSON value, written."""

    def __init__(self, facet: Facet, condition: Condition) -> None:
        self._path, self._is_json = facet["path"], facet["kind"] in ("number", "json")
        value = json.dumps(condition.value, ensure_ascii=False) if self._is_json else condition.value
        hint = 'JSON, such as 5, true or "text"' if self._is_json else ""
        self.text = ipywidgets.Text(
            value=value,
            description=spoken("value", shorten(facet["path"], _VALUE_LENGTH)),
            description_allow_html=True,
            placeholder=hint,
            continuous_update=not self._is_json and condition.how != "matches",
        )
        self.controls, self.watched = (self.text,), [(self.text, "value")]

    def read(self) -> Any:
        if not self._is_json:
            return self.text.value
        try:
            return json.loads(self.text.value)
        except ValueError as error:
            raise FilterError(
                f'filter at {self._path}: {self.text.value!r} is no JSON value; write 5, true or "text"'
            ) from error


class _Time(Values):
    """A stretch of time; an end stays as it was given until it is moved."""

    def __init__(self, facet: Facet, condition: Condition) -> None:
        start_us, end_us = int(facet["quantiles"][0]), int(facet["quantiles"][-1]) + 1
        self.timeline = Timeline("time", start_us=start_us, end_us=end_us, counts=facet["counts"])
        low, high = condition.value
        start, end = start_us if low is None else _us(low), end_us if high is None else _us(high)
        self.timeline.value = (start, end)
        self._given = self.timeline.value, condition.value
        self.controls, self.watched = (self.timeline,), [(self.timeline, "value")]

    def read(self) -> tuple[datetime | None, datetime | None]:
        (start, end), (stood, given) = self.timeline.value, self._given
        low = None if start <= self.timeline.start_us else _EPOCH + timedelta(microseconds=start)
        high = None if end >= self.timeline.end_us else _EPOCH + timedelta(microseconds=end)
        return (given[0] if start == stood[0] else low, given[1] if end == stood[1] else high)


def _decoded(text: str, facet: Facet) -> Any:
    return text == "true" if facet["dtype"] == "Boolean" else text


def _number(value: float) -> float:
    """Return a number without a fraction as a whole one."""
    return int(value) if abs(value) < _EXACT and value == int(value) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _us(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
