"""What a path leads to in a document: one value, several where arrays are on the way, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evanalytics.filters.values import MISSING

Keys = tuple[str, ...]


class Several(list[Any]):
    """The values that a path leads to through arrays; no value itself."""


def values_at(value: Any, keys: Keys, *, whole: bool = False) -> Iterator[Any]:
    """Yield what MongoDB looks at for a path that begins at a value.

    An array on the way is entered element by element, and by position where the path has a
    number there; elements that are no objects have no fields. At the end of the path an array
    gives its elements, then itself.

    Args:
        value: Where the path begins.
        keys: The parts of the path.
        whole: Give an array at the end as itself only, as `$size` and `$elemMatch` want it.
    """
    for position, key in enumerate(keys):
        if isinstance(value, Mapping):
            value = value.get(key, MISSING)
        elif isinstance(value, list | tuple):
            yield from _in_array(value, keys[position:], whole=whole)
            return
        else:
            yield MISSING
            return
    if isinstance(value, list | tuple) and not whole:
        yield from value
    yield value


def beyond(value: Any, keys: Keys) -> Any:
    """Return what lies behind a value that is no dict: `Several`, or nothing."""
    return Several(values_at(value, keys)) if isinstance(value, list | tuple | Mapping) else MISSING


def whole_beyond(value: Any, keys: Keys) -> Any:
    """Return the same, arrays at the end of the path as themselves only."""
    found = isinstance(value, list | tuple | Mapping)
    return Several(values_at(value, keys, whole=True)) if found else MISSING


def as_object(element: Any) -> Any:
    """Return an array's element as an object; an array's fields are its positions."""
    if isinstance(element, list | tuple):
        return {str(position): item for position, item in enumerate(element)}
    return element


def _in_array(array: Sequence[Any], keys: Keys, *, whole: bool) -> Iterator[Any]:
    """Yield what lies behind the elements of an array that stands in the middle of a path."""
    key, rest = keys[0], keys[1:]
    for position, element in enumerate(array):
        if isinstance(element, Mapping):
            yield from values_at(element, keys, whole=whole)
        if key == str(position):
            if not rest:
                yield element
            elif isinstance(element, Mapping):
                yield from values_at(element, rest, whole=whole)
            elif isinstance(element, list | tuple):
                yield from _in_array(element, rest, whole=whole)
