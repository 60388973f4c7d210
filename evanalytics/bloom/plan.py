"""A filter as it is planned: what it is made for, how full it is, and what follows from that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from evanalytics.bloom.sizing import Shape, shape_for


@dataclass(frozen=True, kw_only=True)
class FilterPlan:
    """What three sliders say of a filter.

    Attributes:
        capacity: How many different ids it is made for.
        error_rate: What it promises at capacity.
        load: How many it holds, as a share of the capacity; past 1 too.

    Example:
        >>> plan = FilterPlan(capacity=1_000_000, error_rate=0.01, load=0.5)
        >>> plan.held, round(plan.bits_per_id, 2), round(plan.formula, 6)
        (500000, 10.53, 0.000321)
    """

    capacity: int
    error_rate: float
    load: float = 1.0

    @cached_property
    def shape(self) -> Shape:
        """The layout and its size.

        Raises:
            BloomError: Capacity or error rate make no sense.
        """
        return shape_for(self.error_rate, self.capacity)

    @property
    def held(self) -> int:
        """How many ids it holds."""
        return math.ceil(self.load * self.capacity)

    @property
    def bits_per_id(self) -> float:
        """Memory for each id that it is made for, in bits."""
        return 8 * self.shape.bytes / self.capacity

    @property
    def classic_bits_per_id(self) -> float:
        """What the classic layout would need at least, in bits: log2(1/p) / ln 2."""
        return -math.log(self.error_rate) / math.log(2) ** 2

    @property
    def formula(self) -> float:
        """What the shape's formula says of its error rate as full as it is."""
        return self.shape.error_rate(self.held)
