"""Controls with a name, a unit and full keyboard use: a slider and a tally.

ipywidgets' own sliders have no accessible name, and in JupyterLab a native range input gets no
arrow keys unless it says so (`data-lm-suppress-shortcuts`); these are native inputs that do both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from evanalytics.widgets.base import STATIC, STYLE, written


class Slider(anywidget.AnyWidget):  # type: ignore[misc]
    """A slider over a list of stops, which may be spaced evenly, by ratio, or in any other way.

    Attributes:
        value: The stop at which it stands; a value between stops moves to the nearest.
        disabled: Whether it can be moved.
        text: How a value is written, without its unit.

    Example:
        >>> slider = Slider("speed", stops=log_stops(1, 1_000), unit="x")
        >>> slider.value = 99
        >>> slider.value
        100.0
    """

    _esm = STATIC / "slider.js"
    _css = STYLE
    label = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    stops = traitlets.List(traitlets.Float()).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    value = traitlets.Float().tag(sync=True, echo_update=False)  # or each step begins with a message back
    continuous = traitlets.Bool().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        label: str,
        *,
        stops: Sequence[float],
        value: float | None = None,
        unit: str = "",
        text: Callable[[float], str] = written,
        continuous: bool = True,
    ) -> None:
        """Build the slider.

        Args:
            label: Its name, shown and read out.
            stops: The values it can take, rising.
            value: Where it starts; the first stop if left out.
            unit: The unit of the values, shown after the value and read out with it.
            text: How a value is written, without its unit.
            continuous: Whether values are sent while it is dragged, or only once it is let go.
        """
        self.text = text
        super().__init__(
            label=label,
            unit=unit,
            stops=[float(stop) for stop in stops],
            texts=[text(stop) for stop in stops],
            value=stops[0] if value is None else value,
            continuous=continuous,
        )

    @property
    def neighbours(self) -> list[float]:
        """The stops beside the one at which it stands: where its next step leads."""
        place = self.stops.index(self.value)
        return [*self.stops[max(place - 1, 0) : place], *self.stops[place + 1 : place + 2]]

    @traitlets.validate("value")
    def _at_a_stop(self, proposal: Any) -> float:
        wanted = float(proposal["value"])
        return min(self.stops, key=lambda stop: abs(stop - wanted), default=wanted)


class Tally(anywidget.AnyWidget):  # type: ignore[misc]
    """Names with a colour, a bar and a count each; a legend, and a selector where asked for.

    Attributes:
        counts: One count a name, shown as a number and as a bar.
        checked: Places of the names that are ticked, rising; all of them at first.
    """

    _esm = STATIC / "tally.js"
    _css = STYLE
    label = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    colors = traitlets.List(traitlets.Unicode()).tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    checked = traitlets.List(traitlets.Int()).tag(sync=True)
    selectable = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        label: str,
        *,
        names: Sequence[str],
        counts: Sequence[int],
        colors: Sequence[str] = (),
        unit: str = "events",
        selectable: bool = False,
    ) -> None:
        """Build the tally; names are shown as text, whatever they hold."""
        super().__init__(
            label=label,
            unit=unit,
            names=list(names),
            counts=list(counts),
            colors=list(colors),
            checked=list(range(len(names))),
            selectable=selectable,
        )


def log_stops(low: float, high: float) -> list[float]:
    """Return round values from `low` to `high`, about evenly spaced on a logarithmic scale.

    Example:
        >>> log_stops(1, 50)
        [1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [float(f"{digits}e{power}") for power in powers for digits in (1, 1.5, 2, 3, 5, 7)]
    return [value for value in values if low <= value <= high]


def stand_at(slider: Slider, value: float) -> None:
    """Put a slider at a value, which becomes a stop if it is none yet."""
    if value not in slider.stops:
        stops = sorted({*slider.stops, float(value)})
        with slider.hold_sync():
            slider.stops = stops
            slider.texts = [slider.text(stop) for stop in stops]
    slider.value = value
