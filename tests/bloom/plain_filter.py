"""The slow, obvious twin of the filters: plain Python integers, word for word from the specifications."""

from __future__ import annotations

from evanalytics.bloom.sizing import Classic, Shape

MASK = 2**64 - 1
PRIMES = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
)  # fmt: skip
SALTS = (
    0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31,
)  # fmt: skip


def xxhash64(data: bytes) -> int:
    p1, p2, p3, p4, p5 = PRIMES
    rest = data
    if len(data) >= 32:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        while len(rest) >= 32:
            lanes = [_round(lane, _int(rest[8 * i : 8 * i + 8])) for i, lane in enumerate(lanes)]
            rest = rest[32:]
        value = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            value = ((value ^ _round(0, lane)) * p1 + p4) & MASK
    else:
        value = p5
    value = (value + len(data)) & MASK
    while len(rest) >= 8:
        value = (_rotated(value ^ _round(0, _int(rest[:8])), 27) * p1 + p4) & MASK
        rest = rest[8:]
    if len(rest) >= 4:
        value = (_rotated(value ^ (_int(rest[:4]) * p1 & MASK), 23) * p2 + p3) & MASK
        rest = rest[4:]
    for byte in rest:
        value = _rotated(value ^ (byte * p5 & MASK), 11) * p1 & MASK
    value = (value ^ value >> 33) * p2 & MASK
    value = (value ^ value >> 29) * p3 & MASK
    return value ^ value >> 32


def positions(data: bytes, shape: Shape) -> list[int]:
    """Return which bits an id sets, counted through all words."""
    value = xxhash64(data)
    if isinstance(shape, Classic):
        steps = [(value + i * 0x9E3779B97F4A7C15) & MASK for i in range(1, shape.hashes + 1)]
        return [(_splitmix(step) >> 32) * shape.bits >> 32 for step in steps]
    block = (value >> 32) * shape.blocks >> 32
    key = value & 0xFFFFFFFF
    return [256 * block + 32 * i + ((key * salt & 0xFFFFFFFF) >> 27) for i, salt in enumerate(SALTS)]


class PlainFilter:
    """A set of bit positions."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.bits: set[int] = set()

    def add(self, data: bytes) -> bool:
        mine = set(positions(data, self.shape))
        is_new = not mine <= self.bits
        self.bits |= mine
        return is_new

    def to_bytes(self) -> bytes:
        out = bytearray(self.shape.bytes)
        for bit in self.bits:
            out[bit // 8] |= 1 << bit % 8
        return bytes(out)


def _int(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _rotated(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & MASK


def _round(lane: int, value: int) -> int:
    return _rotated((lane + value * PRIMES[1]) & MASK, 31) * PRIMES[0] & MASK


def _splitmix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31
