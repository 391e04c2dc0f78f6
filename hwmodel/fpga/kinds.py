"""The kinds of component that were synthesised, each a builder from its parameters to a `Block`: numbers, or arrays over units.

The kinds are those of `hwmodel.units.structure.kinds`. `dsp`: the wide port of DSP blocks to use, 0 for none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from hwmodel.fpga import fixed, floats, integers
from hwmodel.fpga.blocks import Block
from hwmodel.fpga.counting import bit_length, bits_of
from hwmodel.units.components import parameters
from hwmodel.units.structure.fixed import kulisch_bits
from hwmodel.units.structure.kinds import KINDS as DRAWN

KINDS: dict[str, Callable[..., Block]] = {
    kind: next(getattr(home, kind) for home in (integers, floats, fixed) if hasattr(home, kind)) for kind in DRAWN
}
# Bits of the result: the ports of the modules that were synthesised.
RESULT_BITS: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("int_mac", "int_dot", "tern_mac", "bin_mac", "fpint_mac", "bitserial_int", "shift_mac"), lambda K, **_: K),
    **dict.fromkeys(("fp_mul", "fp_add", "fp_mac_float", "lmul"), lambda E, M, **_: E + M + 1),
    "int_add": lambda N, **_: N + 1,
    "int_mul": lambda W, A, **_: W + A,
    "shifter": lambda N, **_: N,
    "lzc": lambda N, **_: bits_of(N) + 1,
    "xnor_popcount": lambda N, **_: bit_length(N),
    "requant": lambda O, **_: O,  # noqa: E741
    "fp_mul_exact": lambda E1, M1, E2, M2, **_: max(E1, E2) + M1 + M2 + 4,
    "fp_mac_kulisch": lambda E1, M1, E2, M2, G, **_: kulisch_bits(E1, M1, E2, M2, G),
    "bitserial_fp16": lambda X=2, K=15, **_: K + max(X, 5) + 2,  # significand and exponent
}
# Their parameters with the default of those that have one.
PARAMETERS: dict[str, dict[str, int | None]] = {
    kind: {
        name: None if default is inspect.Parameter.empty else default for name, default in parameters(kind).items() if name in own
    }
    for kind, own in ((kind, inspect.signature(build).parameters) for kind, build in KINDS.items())
}
