"""Sets of characters in regular expressions: classes, letters' other cases, and how they are spelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

LAST = 0x10FFFF
"""The last code point."""

Ranges = tuple[tuple[int, int], ...]
"""Code points from the first to the last of each pair, upwards."""

_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
"""What `\\d`, `\\w` and `\\s` are: ASCII."""

POSIX: dict[str, Ranges] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "blank": ((9, 9), (32, 32)),
    "digit": _DIGIT,
    "lower": ((97, 122),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_META = set("\\.^$|?*+()[]{}-&~#")


def folded(ranges: Ranges) -> Ranges:
    """Return ranges with, for each letter in them, the same letter in its other cases."""
    added = [
        (code, code)
        for orbit in _orbits()
        if any(low <= code <= high for code in orbit for low, high in ranges)
        for code in orbit
    ]
    return merged([*ranges, *added])


@cache
def _orbits() -> tuple[tuple[int, ...], ...]:
    """Return the sets of characters that differ by case only (Unicode's simple folding)."""
    groups: dict[str, set[int]] = {}
    for code in range(0x1E944):  # beyond, nothing has case
        letter = chr(code)
        if letter.lower() != letter or letter.upper() != letter:
            fold = letter.casefold() if len(letter.casefold()) == 1 else letter.lower()
            if len(fold) == 1:
                groups.setdefault(fold, {ord(fold)}).add(code)
    return tuple(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def merged(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """Return ranges in order, those that touch made one."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)


def inverted(ranges: Ranges) -> Ranges:
    """Return all characters outside some ranges."""
    out, start = [], 0
    for low, high in ranges:
        if low > start:
            out.append((start, low - 1))
        start = high + 1
    return tuple([*out, (start, LAST)] if start <= LAST else out)


def spelled(ranges: Ranges) -> str:
    """Return ranges as they stand in a class."""
    return "".join(escaped(low) if low == high else f"{escaped(low)}-{escaped(high)}" for low, high in ranges)


def escaped(code: int) -> str:
    """Return a character as it stands in an expression."""
    letter = chr(code)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xD800 <= code <= 0xDFFF:  # no character; as the end of a range its neighbour does as well
        return chr(0xD7FF if code < 0xDC00 else 0xE000)
    return "\\" + letter if letter in _META else letter
