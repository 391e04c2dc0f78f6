"""Exact scalar operations on float64 operands: the result as sign, 61-bit significand with a sticky lowest bit, and exponent.

A result (negative, significand, exponent) stands for significand * 2**(exponent - 60), 2**60 <= significand < 2**61, whose lowest
bit is one where anything below was dropped ("jammed"): rounding it to 58 bits or fewer is rounding the exact result.
significand 0 is an exact zero. Operands are finite and not zero: the callers decide special cases before.
Method: integer arithmetic as in every software floating point; Muller et al., Handbook of Floating-Point Arithmetic, chapter 8.
"""

from __future__ import annotations

import numpy as np

from .encode import unpack
from .jit import kernel
from .lanes import leading_zeros

TOP = 60
ADD, SUBTRACT, MULTIPLY, DIVIDE, REMAINDER, SQRT, FMA = range(7)
_M32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)


@kernel
def jam_right(significand, count):
    """significand >> count with every bit that falls out gathered in the lowest one. significand: int64 >= 0."""
    if count <= 0:
        return significand
    if count > 62:
        return np.int64(significand != 0)
    kept = significand >> count
    return kept | np.int64((kept << count) != significand)


@kernel
def normalised(negative, significand, exponent):
    """The result with its top bit at TOP."""
    if significand == 0:
        return negative, np.int64(0), np.int64(0)
    up = leading_zeros(np.int64(significand)) - (63 - TOP)
    if up < 0:
        return negative, jam_right(significand, -up), exponent - up
    return negative, significand << up, exponent - up


@kernel
def wide_product(a, b):
    """High and low 64 bits of the product of two unsigned 64-bit integers."""
    al, ah, bl, bh = a & _M32, a >> _S32, b & _M32, b >> _S32
    low = al * bl
    middle = ah * bl + (low >> _S32)
    cross = al * bh + (middle & _M32)
    return ah * bh + (middle >> _S32) + (cross >> _S32), (cross << _S32) | (low & _M32)


@kernel
def add_exact(x, y):
    xn, xs, xe = unpack(x)
    yn, ys, ye = unpack(y)
    if ye > xe:
        xn, xs, xe, yn, ys, ye = yn, ys, ye, xn, xs, xe
    xs, ys = xs << 8, jam_right(ys << 8, xe - ye)
    if xn == yn:
        return normalised(xn, xs + ys, xe)
    difference = xs - ys
    if difference < 0:
        return normalised(yn, -difference, xe)
    return normalised(xn, difference, xe)


@kernel
def multiply_exact(x, y):
    xn, xs, xe = unpack(x)
    yn, ys, ye = unpack(y)
    high, low = wide_product(np.uint64(xs), np.uint64(ys))
    tail = low & np.uint64((1 << 44) - 1)
    significand = np.int64((high << np.uint64(20)) | (low >> np.uint64(44))) | np.int64(tail != 0)
    return normalised(xn != yn, significand, xe + ye)


@kernel
def divide_exact(x, y):
    xn, xs, xe = unpack(x)
    yn, ys, ye = unpack(y)
    quotient = xs // ys
    rest = xs - quotient * ys
    for _ in range(6):
        rest <<= 10
        digit = rest // ys
        rest -= digit * ys
        quotient = (quotient << 10) | digit
    return normalised(xn != yn, (quotient << 1) | np.int64(rest != 0), xe - ye - 1)


@kernel
def sqrt_exact(x):
    _, xs, xe = unpack(x)
    if xe & 1:
        xs <<= 1
        xe -= 1
    # the root of xs * 2**68, bit by bit: xs has 54 bits, 68 zeros follow
    root, rest = np.uint64(0), np.uint64(0)
    source = np.uint64(xs)
    for i in range(61):
        pair = (source >> np.uint64(52 - 2 * i)) & np.uint64(3) if i < 27 else np.uint64(0)
        rest = (rest << np.uint64(2)) | pair
        trial = (root << np.uint64(2)) | np.uint64(1)
        root <<= np.uint64(1)
        if rest >= trial:
            rest -= trial
            root |= np.uint64(1)
    return normalised(False, np.int64(root) | np.int64(rest != np.uint64(0)), xe >> 1)


@kernel
def remainder_exact(x, y):
    """x - y * n, n the integer nearest x / y, ties to even: always exact (IEEE 754-2019 section 5.3.1)."""
    xn, xs, xe = unpack(x)
    _, ys, ye = unpack(y)
    distance = xe - ye
    if distance < -1:
        return normalised(xn, xs << 8, xe)
    odd = False
    if distance == -1:
        rest, unit = xs, ys << 1  # in units of y's last place halved
        exponent = xe
    else:
        quotient = xs // ys
        rest = xs - quotient * ys
        left = distance
        while left > 0:
            step = min(left, np.int64(10))
            rest <<= step
            quotient = rest // ys
            rest -= quotient * ys
            left -= step
        odd = (quotient & 1) == 1
        unit, exponent = ys, ye
    twice = rest << 1
    if twice > unit or (twice == unit and odd):
        return normalised(not xn, (unit - rest) << 7, exponent + 1)
    return normalised(xn, rest << 7, exponent + 1)


@kernel
def _shift128(high, low, count):
    """(high, low) >> count, jammed."""
    if count <= 0:
        return high, low
    if count > 127:
        return np.uint64(0), np.uint64((high | low) != np.uint64(0))
    if count >= 64:
        far = np.uint64(count - 64)
        lost = low != np.uint64(0)
        kept = high >> far
        if (kept << far) != high:
            lost = True
        return np.uint64(0), kept | np.uint64(lost)
    near, back = np.uint64(count), np.uint64(64 - count)
    lost = (low << back) != np.uint64(0)
    return high >> near, ((low >> near) | (high << back)) | np.uint64(lost)


@kernel
def fma_exact(x, y, z):
    """x * y + z for x, y not zero; z may be zero."""
    xn, xs, xe = unpack(x)
    yn, ys, ye = unpack(y)
    pn, pe = xn != yn, xe + ye + 1
    high, low = wide_product(np.uint64(xs), np.uint64(ys))
    ph, pl = (high << np.uint64(17)) | (low >> np.uint64(47)), low << np.uint64(17)  # below 2**123, in units of 2**(pe - 122)
    if z != 0:
        zn, zs, ze = unpack(z)
        zh, zl = np.uint64(zs) << np.uint64(6), np.uint64(0)  # zs * 2**70
        if ze > pe:
            ph, pl = _shift128(ph, pl, ze - pe)
            pe = ze
        else:
            zh, zl = _shift128(zh, zl, pe - ze)
        if pn == zn:
            total = pl + zl
            ph = ph + zh + np.uint64(total < pl)
            pl = total
        elif ph > zh or (ph == zh and pl >= zl):
            borrow = np.uint64(pl < zl)
            ph, pl = ph - zh - borrow, pl - zl
        else:
            borrow = np.uint64(zl < pl)
            ph, pl, pn = zh - ph - borrow, zl - pl, zn
        if ph == np.uint64(0) and pl == np.uint64(0):
            return pn, np.int64(0), np.int64(0)
    # bring the top bit to 122, then drop to 61 bits
    if ph == np.uint64(0):
        ph, pl, pe = pl >> np.uint64(5), pl << np.uint64(59), pe - 59
    if ph == np.uint64(0):  # five bits were left
        ph, pl, pe = pl >> np.uint64(5), pl << np.uint64(59), pe - 59
    up = leading_zeros(np.int64(ph)) - 5
    if up > 0:
        ph = (ph << np.uint64(up)) | (pl >> np.uint64(64 - up))
        pl <<= np.uint64(up)
        pe -= up
    return normalised(pn, np.int64(ph) << 2 | np.int64(pl >> np.uint64(62)) | np.int64((pl << np.uint64(2)) != np.uint64(0)), pe)
