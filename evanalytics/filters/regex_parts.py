r"""The parts of a regular expression, written out so that every engine reads the same.

`(?i)k`, `\d`, `.` and `$` mean different things to RE2, Rust and Python. Written out as
`[Kk\u212a]`, `[0-9]`, `[^\n]` and `\z` they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evanalytics.filters.regex_characters import LAST, Ranges, escaped, inverted, spelled

UNBOUNDED = -1
"""The most of a repeat that has no end."""

START, END, END_IN_PYTHON = r"\A", r"\z", r"\Z"
BOUNDARIES = (r"\b", r"\B")

_MANY_WAYS = 10**9


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of some ranges of code points."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Anchor:
    r"""A place in the text: `\A`, `\z`, `(?m:^)`, `(?m:$)`, `\b` or `\B`."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several parts."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part from so many to so many times."""

    part: Part
    least: int
    most: int


Part = Characters | Anchor | Sequence | Choice | Repeat


def written(part: Part, end: str = END) -> str:
    r"""Return a part as text that RE2 and Rust read alike, and Python if the very end is spelled `\Z`."""
    match part:
        case Characters():
            return _written_characters(part.ranges)
        case Anchor():
            return end if part.text == END else part.text
        case Sequence():
            return "".join(written(inner, end) for inner in part.parts)
        case Choice():
            return f"(?:{'|'.join(written(inner, end) for inner in part.parts)})"
        case Repeat():
            return _written_repeat(part, end)


def size(part: Part) -> int:
    """Return how many characters a part is with its repeats written out."""
    match part:
        case Sequence() | Choice():
            return sum(map(size, part.parts)) + isinstance(part, Choice) * len(part.parts)
        case Repeat():
            return size(part.part) * max(part.least, part.most, 1) + 1
    return 1


def has_boundary(part: Part) -> bool:
    """Return whether a part looks for the edge of a word."""
    match part:
        case Sequence() | Choice():
            return any(map(has_boundary, part.parts))
        case Repeat():
            return has_boundary(part.part)
    return isinstance(part, Anchor) and part.text in BOUNDARIES


def ways(part: Part) -> int:
    """Return a bound of the ways that a backtracking matcher may try at one place of a text.

    One endless repeat of a single character behind `^` is harmless: it has one place to start.
    """
    match part:
        case Sequence():
            anchored = part.parts[:1] == (Anchor(START),)
            endless = [p for p in part.parts if isinstance(p, Repeat) and p.most == UNBOUNDED]
            harmless = anchored and len(endless) == 1 and isinstance(endless[0].part, Characters)
            counted = [p for p in part.parts if not (harmless and p is endless[0])]
            return min(math.prod(map(ways, counted)), _MANY_WAYS)
        case Choice():
            return min(sum(map(ways, part.parts)), _MANY_WAYS)
        case Repeat(most=most) if most == UNBOUNDED:
            return _MANY_WAYS
        case Repeat():
            return _ways_of_repeat(part)
    return 1


def fixed_text(part: Part) -> tuple[str, str] | None:
    """Return how and which text is looked for, if nothing varies: "is", "starts", "ends" or "has"."""
    parts = part.parts if isinstance(part, Sequence) else (part,)
    starts = parts[:1] == (Anchor(START),)
    ends = len(parts) > starts and parts[-1] == Anchor(END)
    letters = [_only(inner) for inner in parts[starts : len(parts) - ends]]
    if None in letters:
        return None
    how = {(True, True): "is", (True, False): "starts", (False, True): "ends", (False, False): "has"}
    return how[starts, ends], "".join(letter for letter in letters if letter is not None)


def _only(part: Part) -> str | None:
    """Return the one character that a part stands for, if it does."""
    if not isinstance(part, Characters) or len(part.ranges) != 1:
        return None
    first, last = part.ranges[0]
    return chr(first) if first == last else None


def _written_characters(ranges: Ranges) -> str:
    if not ranges:
        return f"[^\\x00-{chr(LAST)}]"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return escaped(ranges[0][0])
    if ranges == ((0, LAST),):
        return "(?s:.)"
    return f"[^{spelled(inverted(ranges))}]" if ranges[-1][1] == LAST else f"[{spelled(ranges)}]"


def _written_repeat(repeat: Repeat, end: str) -> str:
    inner = written(repeat.part, end)
    if not isinstance(repeat.part, Characters | Choice):
        inner = f"(?:{inner})"
    least, most = repeat.least, repeat.most
    signs = {(0, UNBOUNDED): "*", (1, UNBOUNDED): "+", (0, 1): "?"}
    if (least, most) in signs:
        return inner + signs[least, most]
    return (
        f"{inner}{{{least}}}" if least == most else f"{inner}{{{least},{'' if most == UNBOUNDED else most}}}"
    )


def _ways_of_repeat(repeat: Repeat) -> int:
    inner, spread = ways(repeat.part), repeat.most - repeat.least
    if inner == 1:
        return spread + 1
    return min(inner + (spread > 0), _MANY_WAYS) ** repeat.most if repeat.most < 32 else _MANY_WAYS
