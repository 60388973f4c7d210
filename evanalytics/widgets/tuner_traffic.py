"""What a tuner's settings are tried on: a log, a bad day of it, a stretch of that."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.plots.panel import Board
from evanalytics.plots.tuner_boards import live_board
from evanalytics.tuning.retune import Retuned, Retuner
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.stretch import arrivals_between, events_per_bin
from evanalytics.tuning.what_if import PRESETS
from evanalytics.widgets.timeline import Stretch

_BINS = 300
_KEPT = 8
"""So many of the latest trials need not be made again, at half a megabyte each."""


@dataclass(frozen=True, eq=False)
class _Cut:
    """A stretch of a day (microseconds since 1970, UTC), and what settings are tried with there."""

    day: Arrivals
    stretch: Stretch
    retuner: Retuner

    @classmethod
    def of(cls, day: Arrivals, stretch: Stretch) -> _Cut:
        """Cut a stretch out of a day; an empty one is refused."""
        arrivals = arrivals_between(day, *stretch)
        if len(arrivals) == 0:
            raise TuningError("there are no events in this stretch; choose a longer one")
        return cls(day, stretch, Retuner(arrivals))


@dataclass(frozen=True, eq=False)
class _Trial:
    """What came of settings on a stretch, and how long it took to find out."""

    day: Arrivals
    stretch: Stretch
    settings: Settings
    shown: Retuned
    spent_ms: float

    def is_of(self, cut: _Cut, settings: Settings) -> bool:
        """Return whether it is of these settings, on the same stretch of the same day."""
        return self.day is cut.day and self.stretch == cut.stretch and self.settings == settings


class Traffic:
    """The events and the service that settings are tried on.

    Attributes:
        start_us: When the log begins, in microseconds since 1970 (UTC).
        end_us: When it ends, exclusive.
    """

    def __init__(self, arrivals: Arrivals, settings: Settings) -> None:
        """Take a whole log as it was; refuse an empty one."""
        if len(arrivals) == 0:
            raise TuningError("Tuner: the log has no events")
        self._log = self._day = arrivals
        self._service = settings.delivery.service
        self._trials: deque[_Trial] = deque(maxlen=_KEPT)
        self.start_us = arrivals.start_us
        self.end_us = self.start_us + int(arrivals.time_ns[-1]) // 1_000 + 1
        self.cut(self.start_us, self.end_us)

    @property
    def arrivals(self) -> Arrivals:
        """The events of the chosen stretch."""
        return self._cut.retuner.arrivals

    @property
    def stretch(self) -> Stretch:
        """The chosen stretch, its end exclusive."""
        return self._cut.stretch

    def change(self, preset: str, settings: Settings) -> None:
        """Make the log a bad day by its name in `PRESETS`; by any other name it is as it was."""
        make = PRESETS.get(preset)
        arrivals, changed = (self._log, settings) if make is None else make(self._log, settings)
        self._day, self._service = arrivals, changed.delivery.service
        self._trials.clear()  # they would hold the day before in memory

    def cut(self, start_us: int, end_us: int) -> None:
        """Look at one stretch alone; an empty one is refused."""
        self._cut = _Cut.of(self._day, (start_us, end_us))

    def counts(self) -> list[int]:
        """Return how many events each of 300 equal parts of the whole day holds."""
        return [int(count) for count in events_per_bin(self._day, self.start_us, self.end_us, _BINS)]

    def effective(self, settings: Settings) -> Settings:
        """Return settings in front of the service as it is on this day."""
        delivery = replace(settings.delivery, service=self._service)
        return Settings(settings.batch, settings.throttle, delivery)

    def draw(self, settings: Settings, pinned: Retuned | None, goal_s: float | None) -> tuple[Retuned, Board]:
        """Return what settings do to the events of the stretch, and its two pictures."""
        trial = self._tried(self._cut, settings)
        shown = trial.shown
        board = live_board(
            shown.latency,
            shown.sizes,
            pinned_latency=None if pinned is None else pinned.latency,
            pinned_sizes=None if pinned is None else pinned.sizes,
            goal_s=goal_s,
            remark=f"{len(self.arrivals):,} events · {trial.spent_ms:.0f} ms",
        )
        return shown, board

    def prepare(self, settings: Settings, stretch: Stretch) -> None:
        """Try settings on a stretch before they are asked for, maybe in another thread."""
        now = self._cut
        self._tried(now if stretch == now.stretch else _Cut.of(now.day, stretch), settings)

    def _tried(self, cut: _Cut, settings: Settings) -> _Trial:
        effective = self.effective(settings)
        for trial in tuple(self._trials):  # a copy, for another thread may add one
            if trial.is_of(cut, effective):
                return trial
        began = time.perf_counter()
        shown = cut.retuner.retune(effective)
        spent_ms = 1e3 * (time.perf_counter() - began)
        trial = _Trial(cut.day, cut.stretch, effective, shown, spent_ms)
        self._trials.append(trial)
        return trial
