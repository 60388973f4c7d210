"""Reading memory by address inside kernels; loads numba, so import it where `kernels.py` is wanted.

Arrow keeps a column of strings as 16-byte views into several buffers. Reading those where they
lie needs addresses, for numba knows no array of arrays. Every load is unaligned and exact: it
touches the bytes asked for and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


def _loads(bits: int, result: Any) -> Callable[[Any], Any]:
    def load(typing_context: Any, address: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
            value = builder.load(place)
            value.align = 1
            return value

        return result(types.uint64), code

    made: Callable[[Any], Any] = intrinsic(load)
    return made


load_u64 = _loads(64, types.uint64)
load_u32 = _loads(32, types.uint32)
load_u8 = _loads(8, types.uint8)


@intrinsic  # type: ignore[untyped-decorator]
def address_of(typing_context: Any, data: Any) -> Any:
    """Return the address of the first item of an array, or of the first byte of `bytes`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(array.data, ir.IntType(64))

    return types.uint64(data), code


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the cache line at an address, without waiting for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        place = builder.inttoptr(arguments[0], byte)
        builder.call(function, [place, word(0), word(3), word(1)])  # to read, keep close, data
        return context.get_dummy_value()

    return types.void(types.uint64), code
