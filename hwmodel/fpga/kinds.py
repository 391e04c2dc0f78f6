"""The kinds of component by name, each a builder from its parameters to a `Block`. `dsp`: the wide port of DSP blocks to use."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.fpga import fixed, floats, integers
from hwmodel.fpga.blocks import Block

Builder = Callable[..., Block]
_ALL: tuple[Builder, ...] = (
    integers.int_add,
    integers.int_mul,
    integers.int_mac,
    integers.int_dot,
    integers.shifter,
    integers.lzc,
    integers.xnor_popcount,
    integers.tern_mac,
    integers.bin_mac,
    integers.requant,
    floats.fp_mul_exact,
    floats.fp_mul,
    floats.fp_add,
    floats.fp_mac_float,
    fixed.fp_mac_kulisch,
    fixed.fpint_mac,
    fixed.bitserial_int,
    fixed.bitserial_fp16,
    fixed.shift_mac,
    fixed.lmul,
)
KINDS = {build.__name__: build for build in _ALL}
