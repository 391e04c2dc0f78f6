"""How one call casts: rounding, overflow, NaN policy and the random bits of a stochastic rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from .._checks import check_int_range, plain_int
from ..kernels.philox import philox_runs
from .base import Format, Overflow, Rounding, as_overflow, as_rounding
from .policy import check_policy

STOCHASTIC = (Rounding.STOCHASTIC_A, Rounding.STOCHASTIC_B, Rounding.STOCHASTIC_C)
WRAPS = (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE)
DEFAULT_RANDOM_WIDTH = 16


@dataclass(frozen=True, eq=False)
class RandomBits:
    """N = `width` random bits an element: given in `bits` (uint32, one word an element), or drawn from `seed`.

    Drawn bits come from Philox4x32-10, counted by the element's index, so they depend neither on the number of threads nor on
    the order in which elements are visited. Element 0 of this object is element `first` of the stream.

    Which bits an element takes: b = 8, 16 or 32 is the smallest of these that holds `width`. A run is 64 blocks: the words 0 of
    the blocks with counters 64 r .. 64 r + 63 under the key `seed`, then their words 1, 2 and 3, each word low bits first: 8192
    bits, hence 8192 / b elements. Element e takes bits b * e' .. b * e' + b - 1 of run r = e // (8192 / b), e' = e % (8192 / b),
    and of these the top `width`.
    """

    width: int
    bits: np.ndarray | None = None
    seed: int = 0
    first: int = 0

    def beyond(self, start: int) -> RandomBits:
        """The bits from element `start` on."""
        if start == 0:
            return self
        return RandomBits(self.width, None if self.bits is None else self.bits[start:], self.seed, self.first + start)

    def take(self, start: int, stop: int) -> np.ndarray:
        """The random integers of elements start..stop-1, uint32, each below 2**width."""
        lanes, shift = self.lanes(start, stop)
        return lanes.astype(np.uint32) >> np.uint32(shift)

    @property
    def word(self) -> np.dtype:
        """The type of the words that hold one element's drawn bits, at their top."""
        return np.dtype(np.uint8 if self.width <= 8 else np.uint16 if self.width <= 16 else np.uint32)

    def scratch(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Room for the runs of `count` elements and of those around them, at most 32 runs: as uint32 and as elements' words."""
        room = np.empty(256 * min(32, count * self.word.itemsize // 1024 + 2), "<u4")
        return room, room.view(self.word)

    def lanes(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """(words, shift): the random integers of elements start..stop-1 are words >> shift; words: uint8, uint16 or uint32."""
        if self.bits is not None:
            return self.bits[start:stop], 0
        size = 1024 // self.word.itemsize
        run, skip = divmod(self.first + start, size)
        words = np.empty(-(-(skip + stop - start) // size) * 256, "<u4")
        philox_runs(words, run, np.uint64(self.seed))
        return words.view(self.word)[skip : skip + stop - start], 8 * self.word.itemsize - self.width


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes of one call, checked against the format."""

    rounding: Rounding
    overflow: Overflow
    nan: str = "default"
    random: RandomBits | None = None

    def part(self, start: int) -> Modes:
        """The modes of the elements from `start` on."""
        if self.random is None:
            return self
        return replace(self, random=self.random.beyond(start))


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
    if random_bits is None and random_width is None and seed is None:
        return _plain(fmt, rounding, overflow, nan)
    return _resolve(fmt, rounding, overflow, nan, random_bits, random_width, seed, shape)


@lru_cache(maxsize=4096)
def _plain(fmt: Format, rounding: Rounding | str | None, overflow: Overflow | str | None, nan: str | None) -> Modes:
    return _resolve(fmt, rounding, overflow, nan, None, None, None, ())


def _resolve(
    fmt: Format,
    rounding: Rounding | str | None,
    overflow: Overflow | str | None,
    nan: str | None,
    random_bits: Any,
    random_width: int | None,
    seed: int | None,
    shape: tuple[int, ...],
) -> Modes:
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
    random_width, seed = plain_int(random_width), plain_int(seed)
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
