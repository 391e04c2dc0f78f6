"""A unit of hardware: a component by kind, or the arithmetic of a datapath for two operand formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from hwmodel._checks import finite
from hwmodel.technology.library import Technology
from hwmodel.units import components
from hwmodel.units.cost import Cost
from hwmodel.units.pricing import place, price
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.pricing import flow_of

if TYPE_CHECKING:
    from hwmodel.fpga import FpgaCost
    from numfmt import Datapath

FpgaFabric = Literal["xc7", "ice40", "xcup", "versal"]
FABRICS = get_args(FpgaFabric)
_REMEMBERED = 512  # units that `unit` keeps


@dataclass(frozen=True)
class Unit:
    """Arithmetic as hardware, free of technology. `datapath` names what it computes (None for a bare component).

    `structure` is what it is made of; `macs` the multiplications with addition of one operation (0 for a component). `widths`:
    those on which numerics and cost depend together, in bits: accumulator, aligned product, ...
    """

    kind: str
    parameters: tuple[tuple[str, Any], ...]
    structure: Assembly = field(repr=False, compare=False)
    datapath: Datapath | None = None
    weight: str = ""
    activation: str = ""
    macs: float = 0.0
    widths: Mapping[str, int] = field(default_factory=dict, compare=False)
    _costs: dict[Any, Cost] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        if self.datapath is not None:
            return f"{self.datapath}({self.weight} x {self.activation})"
        return f"{self.kind}({', '.join(f'{k}={v}' for k, v in self.parameters)})"

    @overload
    def cost(  # type: ignore[overload-overlap]
        self,
        tech: FpgaFabric,
        *,
        dsp: bool | None = None,
        stages: int | str | None = None,
        clock_mhz: float | None = None,
    ) -> FpgaCost: ...
    @overload
    def cost(
        self, tech: str | Technology = "nangate45", flow: str | None = None, activity: float = 1.0, glitches: float = 0.0
    ) -> Cost: ...
    def cost(
        self,
        tech: str | Technology = "nangate45",
        flow: str | None = None,
        activity: float = 1.0,
        glitches: float = 0.0,
        dsp: bool | None = None,
        stages: int | str | None = None,
        clock_mhz: float | None = None,
    ) -> Cost | FpgaCost:
        """Area, energy of an operation, delay and leakage in a technology.

        flow None: drawn with the library's own cells, full adders included (as a compiler of datapaths, or Horowitz's figures).
        flow "area" or "delay": as Yosys and ABC map it without adder cells, for nangate45, sky130, ihp130, osu018 (which has no
        table of cells: None means "area") and what is scaled from them. That model was fitted to 20 kinds of combinational
        unit, median error 4 % on area, 5 % on energy, 8 % on delay (`hwmodel.studies.synthesis`); datapaths are composed of
        the same parts, so their errors are larger and unknown. Registers are outside of it: a flip-flop of the library each.

        activity: of the logic and of data in registers, in units of random operands; clocks run every cycle. With a flow, adders of
        a running float sum toggle as measured with the sum fed back (less: it outgrows the terms), others as those of independent
        words. Energies count
        settled transitions and clocks, no wires; `glitches`, with a flow: the share of the glitches of a unit-delay
        simulation that is added, 0 (lower bound) to 1 (upper bound).
        tech "xc7", "ice40", "xcup", "versal": the fabric of an FPGA, with or without DSP blocks, cut into so many stages, or into
        as few as reach a clock (`fpga`).
        Raises ValueError for unknown technologies and flows, and activities that are no numbers of at least 0.
        """
        if isinstance(tech, str) and tech.lower() in FABRICS:
            if flow is not None or activity != 1.0 or glitches:
                raise ValueError(
                    f"flow, activity and glitches are of cell libraries; {tech} is the fabric of an FPGA: leave them out"
                )
            return self.fpga(tech.lower(), dsp, stages=stages, clock_mhz=clock_mhz)
        if dsp is not None:
            raise ValueError(
                f"dsp is {dsp!r}, but technology {tech} has no DSP blocks; leave it out, or give one of {', '.join(FABRICS)}"
            )
        for name, value in (("stages", stages), ("clock_mhz", clock_mhz)):
            if value is not None:
                raise ValueError(
                    f"{name} is {value!r}, but technology {tech} is a cell library, whose units are not cut into stages here;"
                    f" leave it out, or give one of {', '.join(FABRICS)}"
                )
        share = finite("glitches", glitches, minimum=0.0)
        key = (place(tech), flow if flow is None else flow_of(flow), finite("activity", activity, minimum=0.0), share)
        held = self._costs.get(key)
        if held is None:
            if len(self._costs) >= _REMEMBERED:
                self._costs.clear()
            held = self._costs[key] = price(self.structure, *key)
        return held

    def fpga(
        self,
        fabric: str = "xc7",
        dsp: bool | None = None,
        *,
        stages: int | str | None = None,
        clock_mhz: float | None = None,
    ) -> FpgaCost:
        """LUTs, carry cells, DSP blocks, flip-flops and delay on the fabric of an FPGA: xc7, ice40 (fitted to Yosys), xcup, versal
        (inferred). `cost("xc7")` is the same.

        dsp: whether products go into DSP blocks; None: where there are any. Kinds that were synthesised have rules of their
        own, median error 7 % of the LUTs on xc7, 3 % on ice40; other components and datapaths are built part by part from LUTs
        alone (12 % on the same units), and dsp=True is refused for them.
        stages, clock_mhz: register ranks, "max", or the clock to reach with as few as possible: the result has `pipeline_depth`,
        `fmax_mhz` with wires and registers, and `ff` of all ranks (`hwmodel.fpga.pipeline.pipelined`).
        Raises ValueError for an unknown fabric, and a clock that no cut reaches.
        """
        from hwmodel.fpga import from_assembly, pipelined, unit_cost
        from hwmodel.fpga.kinds import KINDS

        if self.kind in KINDS and self.datapath is None:
            given = {k: v for k, v in self.parameters if k not in ("style", "mode")}
            return unit_cost(self.kind, given, fabric, True if dsp is None else dsp, stages=stages, clock_mhz=clock_mhz)
        if dsp:
            raise ValueError(f"{self} is priced in LUTs alone; leave dsp out, and price its multiplier as hw.unit('int_mul', ...)")
        return pipelined(from_assembly(self.structure), fabric, stages, clock_mhz)

    def compute(self, a: Any, b: Any = None, c: Any = None, **options: Any) -> Any:
        """What the unit computes, bit for bit: `nf.matmul` of a (M, K) and b (K, N) from accumulator c, or a component's function.

        Operands of a datapath are rounded to the unit's formats first, unless they are quantized tensors. options: those of
        `nf.matmul` (bias, multiplier, random_bits, ...). Components take and return integers, float components values.
        Raises ValueError where the function is not defined by the parameters alone.
        """
        from hwmodel.units.compute import compute

        return compute(self, a, b, c, options)


def unit(kind: Any, **parameters: Any) -> Unit:
    """A component or a datapath as hardware.

    `unit("int_mul", W=8, A=8, S=1)`, `unit("fp32", weight="e2m1", activation="float16")`.
    Components and their parameters: `hwmodel.units.components`. Datapaths: `hwmodel.units.datapaths.datapath_unit`.
    A `numfmt.Program` with `format=` is an unrolled function unit.

    Raises ValueError for an unknown kind or datapath, and for missing, unknown or out-of-range parameters.
    """
    words = tuple(
        (name, type(value).__name__, value) for name, value in parameters.items()
    )  # 1 == 1.0 == True, but not as a parameter
    try:
        return _remembered(type(kind).__name__, kind, words)
    except TypeError:  # no key: an argument that does not hash
        return _made(kind, parameters)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(_: str, kind: Any, words: tuple[tuple[str, str, Any], ...]) -> Unit:
    return _made(kind, {name: value for name, _, value in words})


def _made(kind: Any, parameters: dict[str, Any]) -> Unit:
    if isinstance(kind, str) and kind in components.KINDS and "weight" not in parameters:  # lmul names a datapath too
        values = checked(kind, parameters)
        return Unit(kind, tuple(values.items()), components.KINDS[kind](**values))
    from numfmt import Program

    if isinstance(kind, Program):
        from hwmodel.units.programs import program_unit

        return program_unit(kind, parameters)
    from hwmodel.units.datapaths import datapath_unit

    return datapath_unit(kind, parameters)


checked = components.checked
