"""Latencies counted as they are computed; load it inside functions only, for it loads numba."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types as numba_types
from numba.extending import intrinsic

from evanalytics.compiled import Index, kernel, step


@kernel
def count_latencies(time_ns: Any, bounds: Any, delivered_ns: Any, bits: int, counts: Any) -> None:
    """Count the latencies of events whose request is their batch; bins as in `Histogram`."""
    for batch in range(len(bounds) - 1):
        if delivered_ns[batch] >= 0:
            for event in range(Index(bounds[batch]), Index(bounds[batch + 1])):
                counts[_bin(delivered_ns[batch] - time_ns[event], bits)] += 1


@kernel
def count_latencies_by_type(
    time_ns: Any,
    types: Any,
    bounds: Any,
    first_batch: int,
    batch_of: Any,
    type_of: Any,
    delivered_ns: Any,
    latest: Any,
    bits: int,
    counts: Any,
) -> None:
    """Count the latencies of events with a request per type, of the batches from `first_batch` on.

    `bounds` and the requests are those of these batches; `latest` has room for each type.
    """
    request, end = Index(0), Index(len(batch_of))
    for batch in range(len(bounds) - 1):
        while request < end and batch_of[request] == first_batch + batch:
            latest[Index(type_of[request])] = delivered_ns[request]
            request += Index(1)
        for event in range(Index(bounds[batch]), Index(bounds[batch + 1])):
            latency = latest[Index(types[event])] - time_ns[event]
            if latency >= 0:
                counts[_bin(latency, bits)] += 1


@step
def _bin(latency: Any, bits: Any) -> Any:
    """Return where a latency is counted."""
    shift = 63 - bits - _leading_zeros(latency | (1 << bits))
    return Index((shift << bits) + (latency >> shift))


@intrinsic  # type: ignore[untyped-decorator]
def _leading_zeros(typing_context: Any, value: Any) -> Any:
    """Return how many bits of an int64 that is not 0 come before its first set one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, flag = ir.IntType(64), ir.IntType(1)
        shape = ir.FunctionType(word, [word, flag])
        function = builder.module.declare_intrinsic("llvm.ctlz", [word], shape)
        return builder.call(function, [arguments[0], flag(1)])

    return numba_types.int64(numba_types.int64), code
