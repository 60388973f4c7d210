"""Regular expressions in a subset that every engine reads alike and none hangs on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from evanalytics.exceptions import FilterError
from evanalytics.filters.regex_needs import guarded
from evanalytics.filters.regex_parser import parse
from evanalytics.filters.regex_parts import END_IN_PYTHON, Part, fixed_text, has_boundary, size, ways, written

_OPTIONS = "imsx"
_LONGEST = 10_000
_LARGEST = 2_000
_MOST_WAYS = 64


@dataclass(frozen=True)
class Regex:
    r"""A regular expression, found anywhere in a text unless anchored.

    The subset is RE2's: no look-around, no back-references, repeats up to 1,000. `\d \w \s \b`
    are ASCII; `$` is the very end, or with option m the end of a line. Options: i (letters of
    either case, by Unicode's simple folding), m, s, x.

    Raises:
        FilterError: It is outside the subset; says what was found and where.

    Example:
        >>> Regex("^order\\.", "i").found_in("ORDER.created")
        True
    """

    pattern: str
    options: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", "".join(sorted(set(self.options))))
        if unknown := [option for option in self.options if option not in _OPTIONS]:
            raise FilterError(f"regular expression: option {unknown[0]!r} is not known; use i, m, s, x")
        if len(self.pattern) > _LONGEST:
            raise FilterError(f"regular expression: longer than {_LONGEST:,} characters")
        if size(self.tree) > _LARGEST:
            raise FilterError(
                f"regular expression {self.pattern[:60]!r}: its repeats, written out, are "
                f"{size(self.tree):,} characters; at most {_LARGEST:,}"
            )

    @cached_property
    def tree(self) -> Part:
        """The expression taken apart."""
        return parse(self.pattern, self.options)

    @cached_property
    def text(self) -> str:
        """The expression written out so that RE2 (DuckDB) and Rust (polars) read it alike."""
        return written(self.tree)

    @property
    def is_portable(self) -> bool:
        r"""Whether `text` means the same everywhere; `\b` does not (Rust's knows Unicode)."""
        return not has_boundary(self.tree)

    @cached_property
    def fixed(self) -> tuple[str, str] | None:
        """How a text is looked for if nothing in it varies: ("is" | "starts" | "ends" | "has", text)."""
        return fixed_text(self.tree)

    @cached_property
    def search(self) -> Callable[[str], object] | None:
        """Python's own search, where its backtracking cannot be led astray; else None."""
        if ways(self.tree) > _MOST_WAYS:
            return None
        return re.compile(written(self.tree, END_IN_PYTHON), re.ASCII).search

    @cached_property
    def found_in(self) -> Callable[[str], bool]:
        """Return whether the expression is found in a text, in time linear in the text.

        Where Python's own search could take longer RE2 is used (18 us a call against 0.2, measured),
        and only for texts that hold what the expression needs.
        """
        search = self.search
        if search is None:
            return guarded(self.tree, _re2(self.text))
        return lambda text: search(text) is not None


def literal_pattern(text: str) -> str:
    r"""Return the regular expression that finds a text as it stands.

    Example:
        >>> literal_pattern("1.5 $")
        '1\\.5 \\$'
    """
    return re.sub(r"[!-/:-@\[-^`{-~]", r"\\\g<0>", text)


def _re2(pattern: str) -> Callable[[str], bool]:
    import pyarrow as pa
    import pyarrow.compute as pc

    options = pc.MatchSubstringOptions(pattern)
    match = pc.get_function("match_substring_regex").call

    def found(text: str) -> bool:
        try:
            value = pa.scalar(text, pa.large_string())
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say
            value = pa.scalar(text.encode(errors="replace").decode(), pa.large_string())
        return bool(match([value], options).as_py())

    return found
