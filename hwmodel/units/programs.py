"""The hardware of a straight-line program: one operator for each step, one after the other, unrolled."""

from __future__ import annotations

from typing import Any

from hwmodel._checks import unknown
from hwmodel.units import components
from hwmodel.units.structure import ends, floats, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.registers import chain, named
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
    steps = [named(f"{number}: {step.operation}", _operator(step.operation, fmt)) for number, step in enumerate(program.steps)]
    return Unit("program", (("program", str(program)), ("steps", len(steps))), chain(*steps), None, str(fmt), str(fmt))


def _operator(operation: str, fmt: Format) -> Assembly:
    if operation in ("min", "max"):
        return parts.compare(fmt.bits) >> parts.select(fmt.bits)
    if operation == "copy":
        return Assembly()
    if isinstance(fmt, Float):
        e, m = max(fmt.exp_bits, 2), max(fmt.man_bits, 1)
        match operation:
            case "abs" | "neg":  # the sign bit
                return parts.invert(1, "sign") if operation == "neg" else Assembly()
            case "fma":
                return floats.fp_mac_float(e, m, e, m, e, m)
            case "multiply":
                return floats.fp_mul(e, m)
            case "divide":
                return components.fp_div(e, m)
        return floats.fp_add(e, m)
    if not isinstance(fmt, Fixed):
        raise ValueError(f"a program unit is priced in floats and fixed point; {fmt} is a {type(fmt).__name__}")
    width = max(fmt.width, 1)
    settle = chain(ends.rounding(width, width, str(fmt.rounding), S=1), ends.saturate(2 * width, width, str(fmt.overflow)))
    match operation:
        case "abs" | "neg":
            return parts.invert(width) >> parts.increment(width)
        case "multiply":
            return components.int_mul(width, width, int(fmt.signed)) >> settle
        case "divide":
            return components.int_div(width + max(fmt.frac_bits, 0), width) >> settle
        case "fma":
            return components.CALIBRATED["int_mac"](width, width, 2 * width + 1) >> settle
    return parts.adder(width) >> ends.saturate(width + 1, width, str(fmt.overflow))
