"""The key that opens a served event service, and that nothing ever shows."""

from __future__ import annotations

import hmac
import os
from typing import NoReturn, Self

from evanalytics.exceptions import ServiceAccessError

SETTING = "EVANALYTICS_API_KEY"
_SCHEME = "Bearer "


class ApiKey:
    """A key, kept out of every repr, traceback and pickle.

    Example:
        >>> ApiKey("not-to-be-shown")
        ApiKey(...)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Take a key: visible ASCII without blanks, as an HTTP header can carry it.

        Raises:
            ServiceAccessError: It is empty or holds other characters; the message does not show it.
        """
        self._value = value
        is_usable = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
        is_usable = is_usable and value != ""
        del value  # a traceback that shows local names shall not show this one
        if not is_usable:
            raise ServiceAccessError(f"{SETTING}: an API key is visible ASCII without blanks, one or more")

    @classmethod
    def from_environment(cls) -> Self | None:
        """Return the key that `EVANALYTICS_API_KEY` holds; None if it is not set, or empty."""
        return cls(os.environ[SETTING]) if os.environ.get(SETTING) else None

    def header(self) -> str:
        """Return the value of the header `Authorization`."""
        return _SCHEME + self._value

    def opens(self, header: bytes) -> bool:
        """Return whether a header `Authorization` carries this key, in the same time for each wrong one."""
        return hmac.compare_digest(header, self.header().encode("ascii"))

    def __repr__(self) -> str:
        return "ApiKey(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"an API key is not pickled; let each process read {SETTING}")
