"""Reads regular expressions in the subset that all engines share, and refuses all else by name."""

from __future__ import annotations

from typing import NoReturn

from evanalytics.exceptions import FilterError
from evanalytics.filters.regex_characters import CLASSES, LAST, POSIX, Ranges, folded, inverted, merged
from evanalytics.filters.regex_parts import (
    END,
    START,
    UNBOUNDED,
    Anchor,
    Characters,
    Choice,
    Part,
    Repeat,
    Sequence,
)

_MOST_REPEATS = 1_000
_DEEPEST = 40
_CONTROLS = {"n": 10, "t": 9, "r": 13, "f": 12, "a": 7}
_REFUSED_GROUPS = {
    "=": "look-ahead",
    "!": "look-ahead",
    "<=": "look-behind",
    "<!": "look-behind",
    ">": "an atomic group",
    "(": "a conditional",
    "#": "a comment group",
    "|": "a branch reset",
    "R": "recursion",
}


def parse(pattern: str, options: str) -> Part:
    """Take a regular expression apart.

    Raises:
        FilterError: It is malformed, or outside the subset.
    """
    parser = _Parser(pattern)
    part = parser.choice(frozenset(options))
    if not parser.at_end:
        parser.refuse("a ')' without '('")
    return part


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._flags: frozenset[str] = frozenset()

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._pattern)

    def refuse(self, what: str) -> NoReturn:
        raise FilterError(
            f"regular expression {self._pattern[:60]!r}, character {self._at}: {what} is not in the "
            "subset that all engines share (RE2 without Unicode classes)"
        )

    def choice(self, flags: frozenset[str]) -> Part:
        """Read alternatives up to ')' or the end."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self.refuse(f"a group nested more than {_DEEPEST} deep")
        outer, self._flags = self._flags, flags
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._flags = outer
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Part:
        parts: list[Part] = []
        while not self.at_end and self._peek() not in "|)":
            if "x" in self._flags and self._skip_blanks():
                continue
            part = self._atom()
            if part is not None:
                part = self._repeated(part)
                parts += part.parts if isinstance(part, Sequence) else [part]
        return Sequence(tuple(parts))

    def _repeated(self, part: Part) -> Part:
        repeats = self._repeat()
        if repeats is None:
            return part
        if isinstance(part, Anchor):
            self.refuse("a repeated anchor")
        self._take("?")  # lazy or greedy: what is found is the same
        if not self.at_end and (self._peek() in "+*?" or self._repeat() is not None):
            self.refuse("a repeat of a repeat, or a possessive one")
        return Repeat(part, *repeats)

    def _repeat(self) -> tuple[int, int] | None:
        for sign, repeats in {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}.items():
            if self._take(sign):
                return repeats
        if self.at_end or self._peek() != "{":
            return None
        body, close, _ = self._pattern[self._at + 1 :].partition("}")
        least, comma, most = body.partition(",")
        digits = least + most
        if not (close and least and digits.isascii() and digits.isdecimal()):
            return None
        low, high = int(least[:9]), int(most[:9]) if most else UNBOUNDED if comma else int(least[:9])
        if max(low, high) > _MOST_REPEATS or (high != UNBOUNDED and low > high):
            self.refuse(f"the repeat {{{body[:20]}}}")
        self._at += len(body) + 2
        return low, high

    def _atom(self) -> Part | None:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._class()
        if sign == "\\":
            return self._escape()
        if sign == ".":
            return Characters(((0, LAST),) if "s" in self._flags else ((0, 9), (11, LAST)))
        if sign == "^":
            return Anchor("(?m:^)" if "m" in self._flags else START)
        if sign == "$":
            return Anchor("(?m:$)" if "m" in self._flags else END)
        if sign in "*+?":
            self.refuse(f"{sign!r} with nothing to repeat")
        return self._letter(ord(sign))

    def _letter(self, code: int) -> Characters:
        return Characters(self._folded(((code, code),)))

    def _folded(self, ranges: Ranges) -> Ranges:
        return folded(ranges) if "i" in self._flags else ranges

    def _group(self) -> Part | None:
        flags = self._flags
        if self._take("?"):
            rest = self._pattern[self._at : self._at + 2]
            for start, name in _REFUSED_GROUPS.items():
                if rest.startswith(start):
                    self.refuse(f"{name} (?{start}")
            if rest[:1] in ("P", "<"):
                self._name()
            else:
                flags, ends = self._group_flags()
                if ends:
                    self._flags = flags
                    return None
        part = self.choice(flags)
        if not self._take(")"):
            self.refuse("a '(' without ')'")
        return part

    def _name(self) -> None:
        self._take("P")
        if not self._take("<"):
            self.refuse("a back-reference or a subroutine (?P")
        name, close, _ = self._pattern[self._at :].partition(">")
        if not close or not name.isidentifier() or not name.isascii():
            self.refuse("a group's name that is no identifier")
        self._at += len(name) + 1

    def _group_flags(self) -> tuple[frozenset[str], bool]:
        flags, add = set(self._flags), True
        while True:
            sign = self._next()
            if sign in ":)":
                return frozenset(flags), sign == ")"
            if sign == "-" and add:
                add = False
            elif sign in "imsx":
                flags = flags | {sign} if add else flags - {sign}
            else:
                self._at -= 1
                self.refuse(f"the group (?{sign}")

    def _escape(self) -> Part:
        sign = self._next()
        if sign in "AzbB":
            return Anchor(f"\\{sign}")
        ranges = self._escaped_ranges(sign)
        return Characters(self._folded(ranges) if sign.lower() not in CLASSES else ranges)

    def _escaped_ranges(self, sign: str) -> Ranges:
        if sign in _CONTROLS:
            return ((_CONTROLS[sign],) * 2,)
        if sign.lower() in CLASSES:
            ranges = CLASSES[sign.lower()]
            return ranges if sign.islower() else inverted(ranges)
        if sign == "x":
            return ((self._hexadecimal(),) * 2,)
        if sign.isdecimal():
            self.refuse(f"the back-reference or octal \\{sign}")
        if sign.isalnum() or sign == "_":
            hint = {"Z": "; use \\z", "u": "; use \\x{...}"}.get(sign, "")
            self.refuse(f"the escape \\{sign}{hint}")
        return ((ord(sign),) * 2,)

    def _hexadecimal(self) -> int:
        if self._take("{"):
            digits, close, _ = self._pattern[self._at :].partition("}")
            self._at += len(digits) + 1
        else:
            digits, close = self._pattern[self._at : self._at + 2], "}"
            self._at += 2
        try:
            code = int(digits, 16) if close and digits.isalnum() and len(digits) in range(2, 7) else LAST + 1
        except ValueError:
            code = LAST + 1
        if code > LAST or 0xD800 <= code <= 0xDFFF:
            self.refuse("a character given in hexadecimal that is none")
        return code

    def _class(self) -> Part:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self._take("]"):
            if self.at_end:
                self.refuse("a '[' without ']'")
            ranges += self._class_item(first)
            first = False
        found = self._folded(merged(ranges))
        return Characters(inverted(found) if negated else found)

    def _class_item(self, first: bool) -> Ranges:
        if self._pattern.startswith("[:", self._at):
            return self._posix()
        if self._pattern.startswith(("[", "&&", "--", "~~"), self._at):
            self.refuse("a class within a class, which engines read differently; escape '[', '&', '-' or '~'")
        low = self._class_character()
        if not self._pattern.startswith("-", self._at) or self._pattern.startswith("-]", self._at):
            return low
        self._next()
        high = self._class_character()
        single = all(len(ranges) == 1 and ranges[0][0] == ranges[0][1] for ranges in (low, high))
        if not single or low > high:
            self.refuse("a range in a class that does not go upwards from one character to another")
        return ((low[0][0], high[0][0]),)

    def _class_character(self) -> Ranges:
        sign = self._next()
        if sign != "\\":
            return ((ord(sign),) * 2,)
        sign = self._next()
        if sign in "bBAzQE":
            self.refuse(f"\\{sign} inside a class")
        return self._escaped_ranges(sign)

    def _posix(self) -> Ranges:
        name, close, _ = self._pattern[self._at + 2 :].partition(":]")
        negated = name.startswith("^")
        ranges = POSIX.get(name.removeprefix("^"))
        if not close or ranges is None:
            self.refuse(f"the class [:{name[:10]}:]")
        self._at += len(name) + 4
        return inverted(ranges) if negated else ranges

    def _skip_blanks(self) -> bool:
        """Skip what option x ignores: blanks, and comments up to the end of the line."""
        sign = self._peek()
        if sign == "#":
            end = self._pattern.find("\n", self._at)
            self._at = len(self._pattern) if end < 0 else end
        elif sign not in " \t\n\r\f\v":
            return False
        else:
            self._at += 1
        return True

    def _peek(self) -> str:
        return self._pattern[self._at]

    def _next(self) -> str:
        if self.at_end:
            self.refuse("an end in the middle")
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, sign: str) -> bool:
        taken = self._pattern.startswith(sign, self._at)
        self._at += len(sign) * taken
        return taken
