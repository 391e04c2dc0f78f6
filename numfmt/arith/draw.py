"""The random bits of stochastic sums: one integer for each step of each output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .._checks import check_int_range, plain_int
from .datapath import Datapath
from .float_steps import FloatAccumulator
from .rounded_sums import Bits


@dataclass(frozen=True)
class Draw:
    """random_bits: integers below 2**N, broadcast to (..., M, N, K); seed: 64 bits. Raises ValueError where they do not fit."""

    made: Datapath
    random_bits: Any
    seed: int | None

    def __post_init__(self) -> None:
        given = (self.random_bits is not None) + (self.seed is not None)
        if given != (1 if self._width else 0):
            need = "exactly one of random_bits and seed" if self._width else "neither random_bits nor seed"
            raise ValueError(
                f"{self.made} takes {need}; its sums are rounded {'stochastically' if self._width else 'without them'}"
            )
        if self.seed is not None:
            check_int_range("seed", plain_int(self.seed), 0, (1 << 64) - 1)
        if self.random_bits is not None:
            words = to_numpy(self.random_bits, "random_bits")[0]
            if words.dtype.kind not in "iu" or (words.size and not 0 <= int(words.min()) <= int(words.max()) < 1 << self._width):
                raise ValueError(f"random_bits must be integers from 0 to 2**{self._width} - 1 for {self.made}")

    @property
    def _width(self) -> int:
        return self.made.inner.random_width if isinstance(self.made.inner, FloatAccumulator) else 0

    def path(self, batch: int, lead: tuple[int, ...], sizes: tuple[int, int, int]) -> Datapath:
        """The datapath with the bits of one product (M, N, K) of a batch."""
        if not self._width:
            return self.made
        given = None
        if self.random_bits is not None:
            words = to_numpy(self.random_bits, "random_bits")[0]
            try:
                given = np.broadcast_to(words, (*lead, *sizes))[np.unravel_index(batch, lead) if lead else ()]
            except ValueError:
                raise ValueError(f"random_bits has shape {words.shape}; it must broadcast to {(*lead, *sizes)}") from None
        bits = Bits(given, self.seed or 0, batch)
        assert isinstance(self.made.inner, FloatAccumulator)
        return replace(self.made, inner=replace(self.made.inner, bits=bits))
