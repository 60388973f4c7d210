"""What a call in a thread came to, on its way back to the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a call returned, or what it raised: a value, for a future takes no `StopIteration`.

    That one would be lost on its way, and whoever waits for the future would wait for ever. Raised
    in a coroutine, Python makes a `RuntimeError` of it.
    """

    result: T | None
    failure: BaseException | None = None

    @staticmethod
    def of(call: Callable[..., T], *args: Any) -> Outcome[T]:
        """Call, and keep what came of it."""
        try:
            return Outcome(call(*args))
        except BaseException as error:  # noqa: BLE001  whoever asks for the result is told
            return Outcome(None, error)

    def get(self) -> T:
        """Return what the call returned, or raise what it raised."""
        if self.failure is not None:
            raise self.failure
        return self.result  # type: ignore[return-value]
