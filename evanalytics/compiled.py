"""Loops over arrays: compiled by numba where it is installed, plain Python where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

try:
    import numba
except ImportError:  # a lean installation: the same loops, slower
    numba = None

IS_COMPILED: bool = numba is not None
"""Whether kernels run as machine code."""

Index: Any = int if numba is None else np.uint64
"""What kernels count places with. Of a signed number numba asks at every use whether it counts from
the array's end, which takes as long as the rest of a short loop. Never mix the two: their sum is a float."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop over arrays at its first call; keep the machine code on disk.

    A kernel works on the arrays it is given and allocates none. Threads run kernels side by side.
    This module loads numba (0.3 s): import it, and every module of kernels, in the functions
    that need it.
    """
    return _compiled(function, nogil=True)


def short_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Make a kernel that is over before another thread could begin, and so keeps the interpreter's lock.

    It is compiled for one set of types, with `made_for`.
    """
    return _compiled(function, nogil=False)


def made_for(function: Callable[P, R], *arguments: P.args, **_: P.kwargs) -> Callable[P, R]:
    """Return a kernel that takes arguments of these arguments' types only.

    It does not look at their types at every call, which takes about as long as a short kernel itself.
    An object that is no bytes where bytes are due is a TypeError; an array's type is not looked at.
    """
    if not IS_COMPILED:
        return function
    made: Callable[P, R] = cast(Any, function).compile(tuple(map(numba.typeof, arguments)))
    return made


def _compiled(function: Callable[P, R], *, nogil: bool) -> Callable[P, R]:
    if not IS_COMPILED:
        return function
    # numba counts references to arrays, with atomic operations at every turn of a loop that hands
    # them to a step: 60 ns per turn, measured; without an allocation there is nothing to count
    try:
        return cast(Callable[P, R], numba.njit(function, nogil=nogil, cache=True, _nrt=False))
    except RuntimeError:  # no folder to keep machine code in: compile once per process
        return cast(Callable[P, R], numba.njit(function, nogil=nogil, _nrt=False))


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Make a step that kernels of the same file take: its lines are compiled into each of them.

    Of the same file, because the machine code on disk is renewed when its own file changes.
    """
    return cast(Callable[P, R], numba.njit(function, inline="always")) if IS_COMPILED else function
