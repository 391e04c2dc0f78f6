"""The kinds of component by name: those of the units, and blocks that only the study of synthesised units asks for."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.units.structure import fixed, floats, integer
from hwmodel.units.structure.assembly import Assembly

_ALL: tuple[Callable[..., Assembly], ...] = (
    integer.int_add,
    integer.int_mul,
    integer.int_mac,
    integer.int_dot,
    integer.shifter,
    integer.lzc,
    integer.xnor_popcount,
    integer.tern_mac,
    integer.bin_mac,
    integer.requant,
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
_BLOCKS: tuple[Callable[..., Assembly], ...] = (
    integer.less_than,
    integer.mux,
    integer.booth_mul,
    integer.mul_add,
    integer.mul_sum,
)
BLOCKS = {build.__name__: build for build in _BLOCKS}
