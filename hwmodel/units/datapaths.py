"""The hardware of a datapath, from the very object that numfmt emulates, and two operand formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hwmodel._checks import positive_int, unknown
from hwmodel.units import around, block_sums, components, fixed_steps, float_sums, integer_sums, own_products, serial
from hwmodel.units.operands import Operand, candidates, operand
from hwmodel.units.request import Made, Request
from hwmodel.units.structure.registers import named
from hwmodel.units.unit import Unit
from numfmt import Format, Scheme, datapath, parse, scheme
from numfmt.arith.aligned import Instruction
from numfmt.arith.cublas import CublasOrder
from numfmt.arith.datapath import Accumulator, BitSerialAccumulator, ExactAccumulator, FloatAccumulator, IntAccumulator
from numfmt.arith.dsp import DspAccumulator, PackedDspAccumulator
from numfmt.arith.fixed_steps import FixedAccumulator
from numfmt.arith.lmul_product import LMulAccumulator
from numfmt.arith.matrix_units import MatrixUnit
from numfmt.arith.shift_product import ShiftAccumulator
from numfmt.arith.table_product import TableAccumulator

OPTIONS = ("weight", "activation", "lanes", "group", "scale", "share")
GROUP = 128  # products of a run where nothing says more
SHARE = 8  # elements of a column of the BitMoD tile


def datapath_unit(spec: Any, given: dict[str, Any]) -> Unit:
    """The unit of a datapath: one multiply-accumulate a lane with its registers; what works once a group is charged so.

    weight, activation: formats, or schemes such as "int4/g128", which give element, scale and group. lanes (1): multipliers side
    by side; they share one accumulator where sums are associative (wrapping integers, exact) or in a tree (+pairwise). Matrix
    units: blocks side by side. bitmod.*: a multiple of its four lanes. group (128): products that share a scale, or of one sum
    (depth of trees, guard bits of exact sums, how seldom outputs come). scale: format of the scales, of schemes without one.
    share (8): elements that share a term encoder and an outer accumulator, of bitmod.*.

    Raises ValueError for unknown names, operands that the path does not take, and paths without a price, with the reason.
    """
    try:
        path = datapath(spec)
    except ValueError as error:
        known = ", ".join(components.KINDS)
        raise ValueError(f"{error} (or a component: {known})") from error
    for name in given:
        if name not in OPTIONS:
            raise unknown("parameter of a datapath unit", name, OPTIONS)
    inner = path.inner
    _refuse(inner, str(path))
    sides = [_side(what, given.get(what), inner, str(path)) for what in ("weight", "activation")]
    groups = [s.group for s in sides if s.group]
    group = positive_int("group", given.get("group", min(groups, default=GROUP)))
    lanes, share = positive_int("lanes", given.get("lanes", 1)), positive_int("share", given.get("share", SHARE))
    if lanes > 4096:
        raise ValueError(f"lanes is {lanes}; give at most 4096")
    scales = tuple(s.scale for s in sides if s.scale is not None)
    if "scale" in given:
        scales = (parse(given["scale"]),) * max(len(scales), 1)
    ask = Request(path, sides[0].operand, sides[1].operand, group, lanes, share, scales)
    made = _inner(ask, inner)
    structure = made.structure
    for side, what in zip(sides, ("weight", "activation"), strict=True):
        if side.zero_point:
            structure = named(what, around.zero_point(side.operand.bits)) * lanes >> structure
    structure = structure | around.outer_sum(ask, made) | around.order(ask, made) | around.outputs(ask, made)
    parameters = tuple(
        (k, v) for k, v in (("group", group), ("lanes", lanes), ("share", share), ("scales", tuple(map(str, scales))))
    )
    return Unit("datapath", parameters, structure, path, sides[0].name, sides[1].name, made.macs, made.widths)


@dataclass(frozen=True)
class _Side:
    name: str
    operand: Operand
    scale: Format | None = None
    group: int = 0
    zero_point: bool = False


def _side(what: str, spec: Any, inner: Accumulator, path: str) -> _Side:
    """One operand. Matrix instructions and tables say themselves what they take."""
    own = _own_format(what, inner)
    if spec is None:
        if own is None:
            raise ValueError(f"unit of datapath {path} needs weight= and activation=, format strings such as 'e2m1'")
        return _Side(own[0], own[1])
    if isinstance(spec, Format):
        made = scheme(spec)
    elif isinstance(spec, Scheme):
        made = spec
    else:
        text = str(spec)
        made = scheme(text if "/" in text else parse(text) if _parses(text) else text)
    if own is not None and str(made.candidates[0]) != own[0]:
        raise ValueError(f"{what} is {spec!r}; {path} takes {own[0]}: give that, or leave {what} out")
    if not made.scaled:
        return _Side(str(made.candidates[0]), own[1] if own else operand(made.candidates[0]))
    try:
        element = candidates(made.candidates)
    except ValueError as error:
        raise ValueError(f"{what}={spec!r} has no price: {error}") from error
    asymmetric = made.rule == "range" and element.integer
    if asymmetric:
        element = replace(element, bits=element.bits + 1, signed=True)
    length = made.granularity.size if made.granularity.kind in ("group", "block", "flat") else 0
    scale = made.scale or parse("float32")
    return _Side(str(made), element, scale, length, asymmetric)


def _parses(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _own_format(what: str, inner: Accumulator) -> tuple[str, Operand] | None:
    if isinstance(inner, MatrixUnit):
        rule = inner.rule("", "")
        name = rule.b if what == "weight" else rule.a
        return ("float32" if name == "tf32" else name), block_sums.held(name)
    if isinstance(inner, TableAccumulator):
        fmt = inner.table.b if what == "weight" else inner.table.a
        return str(fmt), operand(fmt)
    return None


def _refuse(inner: Accumulator, name: str) -> None:
    """What is no circuit of gates, or says nothing about one element."""
    if isinstance(inner, CublasOrder):
        raise ValueError(
            f"datapath {name} has no price: it is the order in which a library runs instructions over whole matrices; price the "
            "instruction, such as 'h100.wgmma_m64n8k16_bf16_bf16_f32'"
        )
    if isinstance(inner, DspAccumulator | PackedDspAccumulator):
        raise ValueError(
            f"datapath {name} has no price: a DSP slice of an FPGA is no netlist of gates; write its sum, as int{48}, for an ASIC"
        )


def _inner(ask: Request, inner: Accumulator) -> Made:
    if isinstance(inner, BitSerialAccumulator):
        return serial.serial_sum(ask, inner)
    if isinstance(inner, LMulAccumulator):
        return own_products.lmul_sum(ask, inner)
    if isinstance(inner, TableAccumulator):
        return own_products.table_sum(ask, inner)
    if isinstance(inner, ShiftAccumulator):
        return own_products.shift_sum(ask, inner)
    if isinstance(inner, IntAccumulator):
        return integer_sums.integer_sum(ask, inner)
    if isinstance(inner, ExactAccumulator):
        return integer_sums.exact_sum(ask, inner)
    if isinstance(inner, FixedAccumulator):
        return fixed_steps.fixed_sum(ask, inner)
    if isinstance(inner, Instruction):
        return block_sums.block_sum(ask, inner.rule(str(ask.a.format), str(ask.w.format)))
    if isinstance(inner, FloatAccumulator):
        return float_sums.float_sum(ask, inner)
    raise ask.refused(f"{type(inner).__name__} has no model", "name a float, integer, exact, fixed-point or matrix-unit path")
