"""Play, pause, speed and position of a replay, with what has come so far counted by type."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import ipywidgets

from evanalytics.clock import Clock, SystemClock
from evanalytics.exceptions import ReplayError
from evanalytics.logs.log import EventLog, Order
from evanalytics.plots.theme import color_of, shorten
from evanalytics.replay import Replay
from evanalytics.widgets.background import sentence
from evanalytics.widgets.base import Notice, guarded, is_strict, on_change, told
from evanalytics.widgets.controls import Slider, Tally, log_stops
from evanalytics.widgets.home_loop import HomeLoop

_REDRAW_NS = 100_000_000  # ten times a second
_WHOLE_LOG_S = 12  # at the speed that is set first
_SPEEDS = log_stops(1, 10_000_000)
_POSITIONS = 200
_BATCH = 500
_LISTED = 12
_NAME_LENGTH = 200


class ReplayControls(ipywidgets.VBox):  # type: ignore[misc]
    """A log as live events, played in the notebook.

    The speed set first plays the whole log in about twelve seconds. A run pauses by itself
    after `max_wall_s` seconds, so that a forgotten notebook does not replay for ever; Play
    goes on from there, and begins anew once the log is over. Closing the widget stops it.

    Attributes:
        replay: What is played.
        button: Play or Pause.
        restart: From the beginning again.
        speed: Seconds of the log per second of the clock.
        position: The log's time, in seconds since 1970 (UTC); move it to go there.
        counts: How many events of each type have come since the last jump.
        notice: What went wrong, if anything did; its `text` is empty while all is well.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        order: Order = "log",
        max_wall_s: float = 20,
        clock: Clock | None = None,
    ) -> None:
        """Prepare the replay; it begins with Play.

        Args:
            log: What to replay.
            order: "log" (as it arrived) or "time".
            max_wall_s: After how many seconds of playing it pauses by itself.
            clock: The machine's clock by default.
        """
        self._clock = clock or SystemClock()
        self._max_wall_ns = int(max_wall_s * 1e9)
        self._total = len(log)
        self._seen: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._loop = HomeLoop()
        self._types = _busiest_types(log)
        start_s, end_s = _bounds_s(log)
        first = (end_s - start_s) / _WHOLE_LOG_S
        self.notice = Notice()
        self.button = _button("Play").add_class("ev-primary")
        self.restart = _button("Restart")
        self.speed = Slider("Speed", stops=_SPEEDS, value=max(first, 1), unit="× as fast as the log")
        self.position = _position_slider(start_s, end_s)
        self._shown_s = self.position.value
        self.status = ipywidgets.HTML()
        self.counts = _type_tally(self._types)
        self.replay = Replay(log, speed=self.speed.value, order=order, clock=self._clock)
        bar = ipywidgets.HBox([self.button, self.restart, self.speed]).add_class("ev-player")
        super().__init__([bar, self.position, self.status, self.notice, self.counts])
        self.add_class("ev-app")
        self._tell("Press Play")
        self.button.on_click(guarded(lambda _: self._act(self._play_or_pause), self.notice))
        self.restart.on_click(guarded(lambda _: self._act(lambda: self._jump(0)), self.notice))
        on_change(self.speed, lambda speed: self._act(lambda: self.replay.set_speed(speed)), self.notice)
        on_change(self.position, self._go_to, self.notice)

    @property
    def is_playing(self) -> bool:
        """Whether events are coming."""
        return self._task is not None and not self._task.done()

    def play(self) -> None:
        """Begin or go on, as the button does; does nothing while events are coming.

        Raises:
            ReplayError: No event loop was running when this was built, as one is in a notebook.
        """
        if not self._loop.is_there:
            raise ReplayError("play: no event loop is running here that could wait; build this in a notebook")
        if not self.is_playing:
            self._task = self._loop.create_task(self.run())

    def pause(self) -> None:
        """Stand still; Play goes on."""
        self.replay.pause()
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """Stop playing and take the widget off the page."""
        self._act(self.pause)
        super().close()

    async def run(self) -> None:
        """Play until the log is over, or for `max_wall_s` seconds; a log that is over begins anew."""
        if self.replay.progress.position == self._total:
            self._jump(0)
        self.button.description = "Pause"
        self.replay.resume()
        said = "Paused"
        try:
            said = await self._hand_out()
        except Exception as error:
            said = "Stopped"
            self.notice.show(told(error))
            if is_strict():
                raise
        finally:
            self.replay.pause()
            self.button.description = "Play"
            self._tell(said)

    async def _hand_out(self) -> str:
        """Count what comes; return what to say once it is over."""
        began = drawn = self._clock.monotonic_ns()
        async for events in self.replay.batches(_BATCH):
            self._seen.update(event.type for event in events)
            now = self._clock.monotonic_ns()
            if now - drawn >= _REDRAW_NS:
                self._tell("Playing")
                drawn = now
            if now - began >= self._max_wall_ns:
                return f"Paused by itself after {self._max_wall_ns / 1e9:g} s, Play goes on"
        return "Over"

    def _play_or_pause(self) -> None:
        if self.is_playing:
            self.pause()
        else:
            self.play()

    def _go_to(self, position_s: float) -> None:
        if position_s != self._shown_s:  # moved by a person, and not by the replay
            self._shown_s = position_s
            self._act(lambda: self._jump(datetime.fromtimestamp(position_s, UTC)))

    def _jump(self, to: int | datetime) -> None:
        self.replay.seek(to)
        self._seen.clear()
        if not self.is_playing:
            self._tell("Press Play")

    def _act(self, action: Callable[[], None]) -> None:
        self._loop.act(action, self.notice)

    def _tell(self, said: str) -> None:
        progress = self.replay.progress
        lag_s = progress.lag.total_seconds()
        behind = f", {lag_s:.1f} s behind" if lag_s >= 0.1 else ""
        self.status.value = sentence(f"{said}: {progress.position:,} of {self._total:,} events{behind}.")
        listed = [self._seen[name] for name in self._types]
        rest = [self._seen.total() - sum(listed)] if len(self.counts.names) > len(listed) else []
        self.counts.counts = listed + rest
        if progress.log_time is not None:
            now_s = progress.log_time.timestamp()
            self._shown_s = min(self.position.stops, key=lambda stop: abs(stop - now_s))
            self.position.value = self._shown_s


def _position_slider(start_s: float, end_s: float) -> Slider:
    step = (end_s - start_s) / _POSITIONS
    stops = [start_s + step * place for place in range(_POSITIONS + 1)] if step > 0 else [start_s]
    return Slider("Log time", stops=stops, unit="UTC", text=_time_text, continuous=False)


def _type_tally(types: list[str]) -> Tally:
    names = [shorten(name, _NAME_LENGTH) for name in types]
    if len(names) == _LISTED:
        names.append("all other types")
    colors = [color_of(place) for place in range(len(names))]
    return Tally("Come so far", names=names, counts=[0] * len(names), colors=colors)


def _busiest_types(log: EventLog) -> list[str]:
    counts = log.lazy.group_by("type").len().collect().sort(["len", "type"], descending=[True, False])
    return list(counts["type"][:_LISTED])


def _bounds_s(log: EventLog) -> tuple[float, float]:
    start, end = log.report.start, log.report.end
    return (start.timestamp(), end.timestamp()) if start and end else (0.0, 0.0)


def _time_text(second: float) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def _button(text: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=text).add_class("ev-button")
