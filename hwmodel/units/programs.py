"""The hardware of a straight-line program: one operator for each step, one after the other, unrolled."""

from __future__ import annotations

from typing import Any

from hwmodel._checks import unknown
from hwmodel.units import components, gates
from hwmodel.units.gates import Netlist
from hwmodel.units.unit import Unit
from numfmt import Fixed, Float, Format, Program, parse


def program_unit(program: Program, given: dict[str, Any]) -> Unit:
    """The unit of a program in a format: `hw.unit(program, format="float16")`.

    Every step is an operator of its own and the delays add up, as if each result fed the next step; multiplications and additions
    by constants are charged like any other. Raises ValueError for formats other than floats and fixed point.
    """
    for name in given:
        if name != "format":
            raise unknown("parameter of a program unit", name, ("format",))
    if "format" not in given:
        raise ValueError("a program unit needs format=, the format in which its steps are rounded, such as 'float16'")
    fmt = parse(given["format"])
    netlist = Netlist((), 0)
    for number, step in enumerate(program.steps):
        part = _operator(step.operation, fmt)
        names = tuple((f"{number}: {step.operation}, {name}", cells) for name, cells in part.parts)
        netlist = netlist + Netlist(names, part.levels)
    return Unit("program", (("steps", len(program.steps)),), netlist, None, str(fmt), str(fmt))


def _operator(operation: str, fmt: Format) -> Netlist:
    if operation in ("min", "max"):
        return gates.comparator(fmt.bits) + gates.muxes(fmt.bits)
    if operation == "copy":
        return Netlist((), 0)
    if isinstance(fmt, Float):
        fields = {"E": max(fmt.exp_bits, 2), "M": max(fmt.man_bits, 1)}
        if operation in ("abs", "neg"):  # the sign bit
            return gates.xors(1, "sign") if operation == "neg" else Netlist((), 0)
        builders = {
            "add": components.fp_add,
            "subtract": components.fp_add,
            "multiply": components.fp_mul,
            "divide": components.fp_div,
        }
        if operation == "fma":
            e, m = fields["E"], fields["M"]
            return components.fp_mac_float(e, m, e, m, e, m)
        builders = {"multiply": components.fp_mul, "divide": components.fp_div}
        return builders.get(operation, components.fp_add)(**fields)
    if not isinstance(fmt, Fixed):
        raise ValueError(f"a program unit is priced in floats and fixed point; {fmt} is a {type(fmt).__name__}")
    width = max(fmt.width, 1)
    settle = gates.rounder(width) + gates.muxes(width, "saturate")
    match operation:
        case "abs" | "neg":
            return gates.xors(width) + gates.incrementer(width)
        case "multiply":
            return components.int_mul(width, width, int(fmt.signed)) + settle
        case "divide":
            return components.int_div(width + max(fmt.frac_bits, 0), width) + settle
        case "fma":
            return components.int_mac(width, width, 2 * width + 1) + settle
    return components.int_add(width) + gates.muxes(width, "saturate")
