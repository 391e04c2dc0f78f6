"""A unit of hardware: a component by kind, or the arithmetic of a datapath for two operand formats."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hwmodel._checks import positive_int, unknown
from hwmodel.technology.library import Technology, technology
from hwmodel.units import components
from hwmodel.units.cost import Cost, priced
from hwmodel.units.gates import Netlist

if TYPE_CHECKING:
    from numfmt import Datapath


@dataclass(frozen=True)
class Unit:
    """Arithmetic as hardware, free of technology. `datapath` names what it computes (None for a bare component)."""

    kind: str
    parameters: tuple[tuple[str, int], ...]
    netlist: Netlist = field(repr=False, compare=False)
    datapath: Datapath | None = None
    weight: str = ""
    activation: str = ""

    def __str__(self) -> str:
        if self.datapath is not None:
            return f"{self.datapath}({self.weight} x {self.activation})"
        return f"{self.kind}({', '.join(f'{k}={v}' for k, v in self.parameters)})"

    def cost(self, tech: str | Technology = "nangate45", flow: str | None = None) -> Cost:
        """Area, energy of an operation, delay and leakage in a technology.

        flow None: drawn with the library's own cells, full adders included (as a compiler of datapaths or Horowitz's figures).
        flow "area" or "delay": as Yosys and ABC map a component without adder cells, for the libraries nangate45, sky130hd,
        ihp130 and osu018 (which has no cell table here: None means "area"); median error 4 % on area, 5 % on energy and 7 % on
        delay of the synthesised units (`hwmodel.studies.synthesis`). ValueError for a datapath with a flow.

        The former is a structural estimate: cell areas times counts, one coefficient each for energy, delay and leakage
        per technology. Beside 163 units synthesised in nangate45 (mapped without adder cells, which the formulas count)
        the median area is 0.86 to 0.95 of the synthesised for float units, 0.72 to 0.75 for integer adders and
        multipliers, 0.54 for integer MACs and dot products; single small float multipliers are up to 2.4 times too
        large. Delays are 0.5 to 1.1 of the synthesised. `benchmarks/units.py` prints the table.
        """
        if flow is None and tech != "osu018":
            return priced(
                self.netlist, tech if isinstance(tech, Technology) else technology("sky130" if tech == "sky130hd" else tech)
            )
        from hwmodel.units.structure.kinds import KINDS
        from hwmodel.units.structure.pricing import synthesised

        if self.kind not in KINDS:
            raise ValueError(f"{self} has no structure for flow {flow!r}; leave flow out, or give one of {', '.join(KINDS)}")
        made = KINDS[self.kind](**dict(self.parameters))
        return synthesised(made, tech.name if isinstance(tech, Technology) else tech, flow or "area")


def unit(kind: Any, **parameters: Any) -> Unit:
    """A component or a datapath as hardware.

    `unit("int_mul", W=8, A=8, S=1)`, `unit("fp32", weight="e2m1", activation="float16")`.
    Components and their parameters: see `hwmodel.units.components`. A datapath unit is one multiply-accumulate (for
    bitmod.* a processing element of 4 lanes) with its accumulator register and its scale multiplier, without the
    outer accumulator of its column); `group` (default 128) is the run of products that share a scale, over which the
    outer accumulator's energy is spread. A `numfmt.Program` with `format=` is an unrolled function unit.

    Raises ValueError for an unknown kind or datapath, and for missing, unknown or out-of-range parameters.
    """
    if isinstance(kind, str) and kind in components.KINDS:
        return _component(kind, parameters)
    from numfmt import Program

    if isinstance(kind, Program):
        from hwmodel.units.programs import program_unit

        return program_unit(kind, parameters)
    from hwmodel.units.datapaths import datapath_unit

    return datapath_unit(kind, parameters)


def _component(kind: str, given: dict[str, Any]) -> Unit:
    values = checked(kind, given)
    return Unit(kind, tuple(values.items()), components.KINDS[kind](**values))


def checked(kind: str, given: dict[str, Any]) -> dict[str, int]:
    """All parameters of a component, defaults filled in; ValueError for a missing, unknown or out-of-range one."""
    build = components.KINDS[kind]
    wanted = inspect.signature(build).parameters
    for name in given:
        if name not in wanted:
            raise unknown(f"parameter of {kind}", name, wanted)
    values: dict[str, int] = {}
    for name, parameter in wanted.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            raise ValueError(f"{kind} needs {name}; give {', '.join(wanted)}")
        value = given.get(name, parameter.default)
        if name in components.FLAGS:
            if value not in (0, 1):
                raise ValueError(f"{name} of {kind} is {value!r}; give 0 or 1")
            values[name] = int(value)
        else:
            values[name] = positive_int(f"{name} of {kind}", value, minimum=components.MINIMUM.get(name, 1))
            if values[name] > 4096 or (name in ("E", "E1", "E2") and values[name] > 11):
                raise ValueError(f"{name} of {kind} is {value!r}; give at most 4096 bits, 11 for exponents")
    lanes, rows = values.get("L", 1), min(values.get("W", 1), values.get("A", 1))
    if lanes * rows > 1 << 14:
        raise ValueError(f"{kind} sums {lanes * rows} words; give at most {1 << 14} (L times the narrower operand)")
    return values
