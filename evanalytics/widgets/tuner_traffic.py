"""What a tuner's settings are tried on: a log, a bad day of it, a stretch of that."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

from evanalytics.delivery.arrivals import Arrivals
from evanalytics.exceptions import TuningError
from evanalytics.plots.panel import Board
from evanalytics.plots.tuner_boards import live_board
from evanalytics.tuning.retune import Retuned, Retuner
from evanalytics.tuning.settings import Settings
from evanalytics.tuning.stretch import arrivals_between, events_per_bin
from evanalytics.tuning.what_if import PRESETS

_BINS = 300
_KEPT = 8
"""So many of the latest settings need not be tried again, at half a megabyte each."""

_Trial = tuple[Retuner, deque[tuple[Settings, Retuned, float]]]


class Traffic:
    """The events and the service that settings are tried on.

    Attributes:
        start_us: When the log begins, in microseconds since 1970 (UTC).
        end_us: When it ends, exclusive.
        arrivals: The events of the chosen stretch.
    """

    def __init__(self, arrivals: Arrivals, settings: Settings) -> None:
        """Take a whole log as it was; refuse an empty one."""
        if len(arrivals) == 0:
            raise TuningError("Tuner: the log has no events")
        self._log = self._day = arrivals
        self._service = settings.delivery.service
        self._try_on(arrivals)
        self.start_us = arrivals.start_us
        self.end_us = self.start_us + int(arrivals.time_ns[-1]) // 1_000 + 1

    def change(self, preset: str, settings: Settings) -> None:
        """Make the log a bad day by its name in `PRESETS`; by any other name it is as it was."""
        make = PRESETS.get(preset)
        arrivals, changed = (self._log, settings) if make is None else make(self._log, settings)
        self._day, self._service = arrivals, changed.delivery.service

    def cut(self, start_us: int, end_us: int) -> None:
        """Look at one stretch alone; an empty one is refused."""
        arrivals = arrivals_between(self._day, start_us, end_us)
        if len(arrivals) == 0:
            raise TuningError("there are no events in this stretch; choose a longer one")
        self._try_on(arrivals)

    def counts(self) -> list[int]:
        """Return how many events each of 300 equal parts of the whole day holds."""
        return [int(count) for count in events_per_bin(self._day, self.start_us, self.end_us, _BINS)]

    def effective(self, settings: Settings) -> Settings:
        """Return settings in front of the service as it is on this day."""
        delivery = replace(settings.delivery, service=self._service)
        return Settings(settings.batch, settings.throttle, delivery)

    def draw(self, settings: Settings, pinned: Retuned | None, goal_s: float | None) -> tuple[Retuned, Board]:
        """Return what settings do to the events of the stretch, and its two pictures."""
        shown, spent_ms = self._tried(settings)
        board = live_board(
            shown.latency,
            shown.sizes,
            pinned_latency=None if pinned is None else pinned.latency,
            pinned_sizes=None if pinned is None else pinned.sizes,
            goal_s=goal_s,
            remark=f"{len(self.arrivals):,} events · {spent_ms:.0f} ms",
        )
        return shown, board

    def prepare(self, settings: Settings) -> None:
        """Try settings before they are asked for, maybe in another thread."""
        self._tried(settings)

    def _try_on(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self._trial: _Trial = Retuner(arrivals), deque(maxlen=_KEPT)

    def _tried(self, settings: Settings) -> tuple[Retuned, float]:
        """Return what settings do, and how many milliseconds that took to work out."""
        retuner, kept = self._trial  # read once: another thread may put others there
        effective = self.effective(settings)
        for before, shown, spent_ms in tuple(kept):
            if before == effective:
                return shown, spent_ms
        began = time.perf_counter()
        shown = retuner.retune(effective)
        spent_ms = 1e3 * (time.perf_counter() - began)
        kept.append((effective, shown, spent_ms))
        return shown, spent_ms
