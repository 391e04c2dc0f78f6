"""Products with constants as shifts and additions: digits of the non-adjacent form, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwmodel._checks import positive_int
from hwmodel.fpga.blocks import Block
from hwmodel.fpga.parts import chain

HLS_DIGITS = 2  # Vitis HLS 2025.1 takes no multiplier up to here (a tutorial by C. Sun, recalled)


def naf(value: int) -> list[tuple[int, int]]:
    """Digits (position, +1 or -1) of the non-adjacent form, lowest first: the fewest signed powers of two that give `value`."""
    out, position = [], 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            out.append((position, digit))
            value -= digit
        value >>= 1
        position += 1
    return out


def digits(values: Sequence[int] | np.ndarray) -> np.ndarray:
    """Non-zero digits of each value's non-adjacent form: the ones of (3|v|) xor |v|. int64."""
    v = np.abs(np.asarray(values).astype(np.int64))
    return np.bitwise_count((3 * v) ^ v).astype(np.int64)


def multiplier_free(values: Sequence[int] | np.ndarray, most: int = HLS_DIGITS) -> np.ndarray:
    """Whether a product with each value needs no DSP block: at most `most` digits. bool.

    K-hot weights (at most K ones, or K signed digits) always are with most=K.
    """
    return digits(values) <= positive_int("most", most, minimum=0)


def constant_product(value: int, bits: int) -> Block:
    """A signed number of `bits` times a constant: one adder less than digits, and no DSP block.

    A term is added to the bits of the sum from its own lowest on; those below pass. Where the lowest digit is negative, the first
    subtraction runs over them too.
    """
    positive_int("bits", bits)
    terms = naf(value)
    negative = bool(terms) and all(sign < 0 for _, sign in terms)
    first = chain(bits + 1, "increment", "negate") if negative else Block()
    for i in range(1, len(terms)):
        low = terms[0][1] < 0 and i == 1
        first = first >> chain(bits + 1 + (terms[1][0] - terms[0][0] if low else 0), name="shifted sum")
    return first


def constant_dot(weights: Sequence[int], bits: int) -> Block:
    """Sum of products with constants, fully unrolled: the products, then one adder for each after the first, in pairs.

    An upper bound: sums that several outputs or weights have in common are made once by da4ml and the like.
    """
    words = [(constant_product(int(w), bits), bits + abs(int(w)).bit_length()) for w in weights if w]
    while len(words) > 1:
        pairs = [
            ((a | b) >> chain(max(n, m) + 1, name="sum"), max(n, m) + 1)
            for (a, n), (b, m) in zip(words[::2], words[1::2], strict=False)
        ]
        words = pairs + words[len(words) - len(words) % 2 :]
    return words[0][0] if words else Block()
