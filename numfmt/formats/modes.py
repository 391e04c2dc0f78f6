"""How one call casts: rounding, overflow, NaN policy and the random bits of a stochastic rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import check_int_range
from ..kernels.philox import philox_bits
from .base import Format, Overflow, Rounding, as_overflow, as_rounding
from .policy import check_policy

STOCHASTIC = (Rounding.STOCHASTIC_A, Rounding.STOCHASTIC_B, Rounding.STOCHASTIC_C)
DEFAULT_RANDOM_WIDTH = 16


@dataclass(frozen=True, eq=False)
class RandomBits:
    """N = `width` random bits an element: given in `bits` (uint32, one word an element), or drawn from `seed`.

    Drawn bits come from Philox4x32-10 with the element's index as counter, so they depend neither on the number of threads nor
    on the order in which elements are visited.
    """

    width: int
    bits: np.ndarray | None = None
    seed: int = 0

    def take(self, start: int, stop: int) -> np.ndarray:
        """The random integers of elements start..stop-1, uint32, each below 2**width."""
        if self.bits is not None:
            return self.bits[start:stop]
        out = np.empty(stop - start, np.uint32)
        philox_bits(out, start, np.uint64(self.seed), self.width)
        return out


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes of one call, checked against the format."""

    rounding: Rounding
    overflow: Overflow
    nan: str = "default"
    random: RandomBits | None = None


def resolve(
    fmt: Format,
    rounding: Rounding | str | None = None,
    overflow: Overflow | str | None = None,
    nan: str | None = None,
    random_bits: Any = None,
    random_width: int | None = None,
    seed: int | None = None,
    shape: tuple[int, ...] = (),
) -> Modes:
    """Arguments of `nf.encode` as `Modes`; ValueError where the format does not have a mode or random bits are missing."""
    mode = as_rounding(rounding, fmt.rounding)
    over = as_overflow(overflow, fmt.overflow)
    for what, value, allowed in (("rounding", mode, fmt.roundings), ("overflow", over, fmt.overflows)):
        if value not in allowed:
            raise ValueError(f"{what}={str(value)!r} does not apply to {fmt}; use {' or '.join(map(str, allowed))}")
    policy = check_policy(nan)
    if mode not in STOCHASTIC:
        if random_bits is not None or random_width is not None or seed is not None:
            raise ValueError(
                f"random_bits, random_width and seed belong to stochastic_a, stochastic_b and stochastic_c, not to "
                f"rounding={str(mode)!r}"
            )
        return Modes(mode, over, policy)
    return Modes(mode, over, policy, _random(mode, random_bits, random_width, seed, shape))


def _random(mode: Rounding, random_bits: Any, random_width: int | None, seed: int | None, shape: tuple[int, ...]) -> RandomBits:
    if (random_bits is None) == (seed is None):
        raise ValueError(f"rounding={str(mode)!r} takes its randomness from exactly one of random_bits and seed")
    if random_width is not None:
        check_int_range("random_width", random_width, 1, 32)
    if seed is not None:
        check_int_range("seed", seed, 0, 2**64 - 1)
        return RandomBits(DEFAULT_RANDOM_WIDTH if random_width is None else random_width, None, seed)
    if random_width is None:
        raise ValueError("random_bits needs random_width=N: the number of bits in each of its integers")
    words = np.asarray(random_bits)
    if words.dtype.kind not in "iu":
        raise ValueError(f"random_bits has dtype {words.dtype}; it holds integers from 0 to 2**random_width - 1")
    if words.shape not in ((), shape):
        raise ValueError(f"random_bits has shape {words.shape}; it must have the shape of x, {shape}, or be one integer")
    if words.size and not 0 <= int(words.min()) <= int(words.max()) < 1 << random_width:
        raise ValueError(
            f"random_bits run from {int(words.min())} to {int(words.max())}; random_width={random_width} allows 0 to "
            f"{(1 << random_width) - 1}"
        )
    return RandomBits(random_width, np.ascontiguousarray(np.broadcast_to(words, shape), dtype=np.uint32).reshape(-1))
