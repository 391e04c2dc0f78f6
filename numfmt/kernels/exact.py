"""The exact sum of products, rounded once: a fixed-point register of 32-bit digits wide enough for all of them."""

from __future__ import annotations

import numba
import numpy as np

from .encode import unpack
from .jit import kernel, parallel_kernel

# Digit d holds bits of weight 2**(32*d + BASE). Operands are float32 or narrower values: products are multiples of 2**-298
# and below 2**256, and `add_product` writes their 48 bits from 2**-344 up; 20 digits reach 2**288: room for 2**32 terms.
DIGITS = 20
BASE = -352
_LOW = np.int64(0xFFFFFFFF)


@kernel
def add_product(digits, x, y):
    """Add x * y exactly. x, y: finite, not zero, at most 24 significant bits each, so the product has at most 48."""
    negative_x, significand_x, exponent_x = unpack(x)
    negative_y, significand_y, exponent_y = unpack(y)
    product = (significand_x >> 29) * (significand_y >> 29)  # the 29 low bits of a value of 24 significant bits are zero
    position = exponent_x + exponent_y - 46 - BASE
    index = position >> 5
    shift = position & 31
    low = (product & _LOW) << shift  # below 2**63
    high = (product >> 32) << shift  # below 2**47
    if negative_x != negative_y:
        low, high = -low, -high
    digits[index] += low & _LOW
    digits[index + 1] += (low >> 32) + (high & _LOW)
    digits[index + 2] += high >> 32


@kernel
def normalise(digits):
    """Carry, so that all digits but the last lie in [0, 2**32). The last keeps the sign."""
    for d in range(digits.size - 1):
        carry = digits[d] >> 32
        digits[d] -= carry << 32
        digits[d + 1] += carry


@kernel
def round_digits(digits, man_bits, emin, max_value, infinite):
    """The register's value rounded to nearest even; |sum| > max_value becomes infinity, or max_value where not `infinite`."""
    normalise(digits)
    negative = digits[digits.size - 1] < 0
    if negative:
        for d in range(digits.size):
            digits[d] = -digits[d]
        normalise(digits)
    top = digits.size - 1
    while top >= 0 and digits[top] == 0:
        top -= 1
    if top < 0:
        return 0.0
    length = np.int64(0)
    while digits[top] >> length:
        length += 1
    exponent = np.int64(32 * top + BASE) + length - 1
    lowest = max(exponent, np.int64(emin)) - man_bits  # weight of the last bit kept
    position = lowest - BASE
    kept = np.int64(0)
    for d in range(top, -1, -1):
        offset = np.int64(32 * d) - position
        if offset >= 0:
            kept += digits[d] << offset
        elif offset > -32:
            kept += digits[d] >> -offset
    half_bit = position - 1
    half = False
    sticky = False
    if half_bit >= 0:
        d = half_bit >> 5
        if d < digits.size:
            half = (digits[d] >> (half_bit & 31)) & 1 == 1
            sticky = (digits[d] & ((np.int64(1) << (half_bit & 31)) - 1)) != 0
        for e in range(min(d, digits.size)):
            sticky = sticky or digits[e] != 0
    if half and (sticky or (kept & 1) == 1):
        kept += 1
    value = np.ldexp(np.float64(kept), np.int32(lowest))
    if value > max_value:
        value = np.inf if infinite else max_value
    return -value if negative else value


@kernel
def exact_dot(a, b, start, digits, man_bits, emin, max_value, infinite):
    """round(start + sum a[k] * b[k]) of float64 rows; NaN and infinities follow IEEE 754; without
    infinities in the format an infinite sum is its largest value.
    """
    digits[:] = 0
    special = 0.0
    for k in range(a.size):
        x, y = a[k], b[k]
        if x == 0.0 or y == 0.0 or not (np.isfinite(x) and np.isfinite(y)):
            special += x * y  # +0, or an infinity or NaN that stays
        else:
            add_product(digits, x, y)
    if not np.isfinite(start):
        special += start
    elif start != 0.0:
        add_product(digits, start, 1.0)
    if not np.isfinite(special):
        return np.copysign(max_value, special) if np.isinf(special) and not infinite else special
    return round_digits(digits, man_bits, emin, max_value, infinite)


@parallel_kernel
def exact_matmul(a, b, c, out, man_bits, emin, max_value, infinite):
    """out[i, j] = round(c[i, j] + sum over k of a[i, k] * b[j, k]). a: (M, K), b: (N, K), c, out: (M, N), float64."""
    for i in numba.prange(a.shape[0]):
        digits = np.empty(DIGITS, np.int64)
        for j in range(b.shape[0]):
            out[i, j] = exact_dot(a[i], b[j], c[i, j], digits, man_bits, emin, max_value, infinite)
