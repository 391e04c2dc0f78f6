"""The kinds of component that were synthesised, each a builder from its parameters to a `Block`: numbers, or arrays over units.

The kinds are those of `hwmodel.units.structure.kinds`. `dsp`: the wide port of DSP blocks to use, 0 for none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from hwmodel.fpga import fixed, floats, integers
from hwmodel.fpga.blocks import Block
from hwmodel.units.components import parameters
from hwmodel.units.structure.kinds import KINDS as DRAWN

KINDS: dict[str, Callable[..., Block]] = {
    kind: next(getattr(home, kind) for home in (integers, floats, fixed) if hasattr(home, kind)) for kind in DRAWN
}
# Their parameters with the default of those that have one.
PARAMETERS: dict[str, dict[str, int | None]] = {
    kind: {
        name: None if default is inspect.Parameter.empty else default for name, default in parameters(kind).items() if name in own
    }
    for kind, own in ((kind, inspect.signature(build).parameters) for kind, build in KINDS.items())
}
