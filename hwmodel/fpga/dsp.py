"""Which products Yosys gives to DSP blocks, and how many: rules of its mapping of multipliers (`mul2dsp`)."""

from __future__ import annotations

# Bits of a result from which on a product goes into a DSP block, and of an operand.
LEAST_RESULT = 9
LEAST_OPERAND = 2
NARROW_PORT = 18  # signed bits of the narrow port of every 7-series to UltraScale+ block; slices of a wide operand have this width
ACCUMULATOR_BITS = 48


def blocks_of(a: int, b: int, signed: bool, wide_port: int | None) -> int:
    """DSP blocks of a product of a x b bits with a signed wide port of `wide_port` bits; 0: it stays in LUTs."""
    if wide_port is None or a + b < LEAST_RESULT or min(a, b) < LEAST_OPERAND:
        return 0
    extra = 0 if signed else 1  # unsigned operands get a zero on top
    a, b = max(a, b) + extra, min(a, b) + extra
    return _slices(a, wide_port) * _slices(b, NARROW_PORT)


def _slices(bits: int, port: int) -> int:
    """Slices of an operand: all but the last have NARROW_PORT - 1 bits and a zero sign."""
    step = NARROW_PORT - 1
    return 1 if bits <= port else 1 + (bits - port + step - 1) // step


def split_adders(a: int, b: int, signed: bool, wide_port: int | None) -> list[int]:
    """Widths of the adders outside the blocks. One cut is added inside (the cascade port); cuts in both operands need an adder."""
    if not blocks_of(a, b, signed, wide_port) or wide_port is None:
        return []
    extra = 0 if signed else 1
    wide, narrow = max(a, b) + extra, min(a, b) + extra
    cut = _slices(wide, wide_port) > 1 and _slices(narrow, NARROW_PORT) > 1
    return [a + b - (NARROW_PORT - 1)] * (_slices(wide, wide_port) - 1) if cut else []


def takes_sum(products: list[tuple[int, int]], bits: int, wide_port: int | None) -> bool:
    """Whether a sum of signed products with an accumulator of `bits` merges into one block a product: no LUT, no register."""
    return bits <= ACCUMULATOR_BITS and all(blocks_of(a, b, True, wide_port) == 1 for a, b in products)
