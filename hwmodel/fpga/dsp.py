"""Which products Yosys gives to DSP blocks, and how many: rules of its mapping of multipliers (`mul2dsp`). Numbers or arrays."""

from __future__ import annotations

from hwmodel.fpga.counting import Number, larger, smaller, where

# Bits of a result from which on a product goes into a DSP block, and of an operand.
LEAST_RESULT = 9
LEAST_OPERAND = 2
NARROW_PORT = 18  # signed bits of the narrow port of every 7-series to UltraScale+ block; slices of a wide operand have this width
ACCUMULATOR_BITS = 48


def blocks_of(a: Number, b: Number, signed: Number, wide_port: Number) -> Number:
    """DSP blocks of a product of a x b bits with a signed wide port of `wide_port` bits (0: no blocks); 0: it stays in LUTs."""
    wide, narrow = _operands(a, b, signed)
    allowed = (wide_port > 0) & (a + b >= LEAST_RESULT) & (smaller(a, b) >= LEAST_OPERAND)
    return where(allowed, _slices(wide, wide_port) * _slices(narrow, NARROW_PORT), 0)


def split_adders(a: Number, b: Number, signed: Number, wide_port: Number) -> tuple[Number, Number]:
    """Width and number of the adders outside the blocks. One cut is added inside (the cascade port); cuts in both operands need
    an adder."""
    wide, narrow = _operands(a, b, signed)
    slices = _slices(wide, wide_port)
    cut = (blocks_of(a, b, signed, wide_port) > 0) & (slices > 1) & (_slices(narrow, NARROW_PORT) > 1)
    return a + b - (NARROW_PORT - 1), where(cut, slices - 1, 0)


def takes_sum(a: Number, b: Number, bits: Number, wide_port: Number) -> Number:
    """Whether a sum of signed products with an accumulator of `bits` merges into one block a product: no LUT, no register."""
    return (bits <= ACCUMULATOR_BITS) & (blocks_of(a, b, True, wide_port) == 1)


def _operands(a: Number, b: Number, signed: Number) -> tuple[Number, Number]:
    """The wider and the narrower; unsigned ones get a zero on top."""
    extra = where(signed, 0, 1)
    return larger(a, b) + extra, smaller(a, b) + extra


def _slices(bits: Number, port: Number) -> Number:
    """Slices of an operand: all but the last have NARROW_PORT - 1 bits and a zero sign."""
    step = NARROW_PORT - 1
    return where(bits <= port, 1, 1 + (bits - port + step - 1) // step)
