"""The overflow rules of fixed point on Python integers of any size: the slow path beside numfmt/kernels/fixed.py."""

from __future__ import annotations

from .base import Overflow


def into_range(value: int, floor_value: int, width: int, signed: bool, overflow: Overflow, sat_bits: int) -> int:
    """Code of the rounded integer `value` in `width` bits; `floor_value` is what it was rounded from, rounded down.

    Source: UG1399 (Vitis HLS), "Overflow Modes", and ap_fixed_base.h of Xilinx/HLS_arbitrary_Precision_Types.
    """
    if width == 0:
        return 0
    mask = (1 << width) - 1
    high = mask >> int(signed)
    low = -high - 1 if signed else 0
    if overflow is Overflow.SATURATE_SYMMETRIC and signed and width > 1:
        low = -high
    if low <= value <= high:
        return value & mask
    match overflow:
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            return (low if value < 0 else high) & mask
        case Overflow.SATURATE_ZERO:
            return 0
        case Overflow.WRAP:
            return _wrap(value, width, signed, sat_bits)
    return _wrap_sign_magnitude(value, floor_value >> width & 1, width, sat_bits)


def _wrap(value: int, width: int, signed: bool, sat_bits: int) -> int:
    mask = (1 << width) - 1
    if sat_bits == 0:
        return value & mask
    low_bits = value & mask >> sat_bits
    forced = mask ^ mask >> sat_bits
    if not signed:
        return low_bits | forced
    top = 1 << width - 1
    return low_bits | (top if value < 0 else forced ^ top)


def _wrap_sign_magnitude(value: int, bit_above: int, width: int, sat_bits: int) -> int:
    mask = (1 << width) - 1
    word, sign = value & mask, int(value < 0)
    if sat_bits <= 1:
        lead = bit_above if sat_bits == 0 else sign
        if word >> width - 1 != lead:
            word ^= mask
        return word & mask >> 1 | lead << width - 1
    if word >> width - sat_bits & 1 == sign:
        word ^= mask
    low_bits = word & mask >> sat_bits
    return low_bits | (1 << width - 1 if sign else (mask ^ mask >> sat_bits) >> 1 & ~(mask >> sat_bits))
