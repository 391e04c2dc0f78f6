"""What stands around the sum of a run: scales and the outer accumulator, orders of k, output stages. Each works seldom."""

from __future__ import annotations

from hwmodel.units.float_parts import Rounded, add, from_integer, scaled, state, to_integer
from hwmodel.units.request import Made, Request
from hwmodel.units.structure import ends, integer, parts
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.registers import chain, named, off_path, register, seldom
from numfmt import Fixed, Float, Format, parse
from numfmt.arith.accumulator import Accumulator
from numfmt.arith.datapath import BitSerialAccumulator, ExactAccumulator, FloatAccumulator, IntAccumulator
from numfmt.arith.fixed_steps import FixedAccumulator
from numfmt.arith.output import Stage
from numfmt.arith.own_product import OwnProduct


def target_of(acc: Accumulator) -> Rounded | None:
    """The float format of an accumulator's sums; None for integers."""
    acc = acc.sum if isinstance(acc, OwnProduct) else acc
    if isinstance(acc, FloatAccumulator):
        return Rounded(acc.format, str(acc.rounding))
    if isinstance(acc, ExactAccumulator):
        return Rounded(acc.format if acc.format.bits <= 32 else _fp32())
    if isinstance(acc, IntAccumulator) or acc.integers or isinstance(acc, FixedAccumulator):
        return None
    return Rounded(_fp32())


def _fp32() -> Float:
    fmt = parse("float32")
    assert isinstance(fmt, Float)
    return fmt


def _scale_fields(fmt: Format) -> tuple[int, int]:
    if isinstance(fmt, Float):
        return fmt.exp_bits, fmt.man_bits if fmt.zero or fmt.man_bits else 0
    if isinstance(fmt, Fixed):
        return 1, max(fmt.width - 1, 0)
    return 5, 10


def outer_sum(ask: Request, made: Made) -> Assembly:
    """The inner sum times the product of the scales, rounded to the outer format and added there, once a group."""
    inner, outer = ask.path.inner, ask.path.outer
    if outer is None and not ask.scales:
        return Assembly()
    every = ask.path.order.chunk or ask.group
    if isinstance(outer, IntAccumulator):
        return _join("outer", outer, 1 / every)
    if outer is not None and not ask.scales and not ask.path.order.whole:  # pieces of k of unscaled operands
        return _join("outer", outer, 1 / every, made.result)
    acc = ask.path.outer_or_default
    goal = Rounded(acc.format, str(acc.rounding))
    formats = ask.scales or (acc.format,)
    source = _float_of(inner, made, goal)
    if isinstance(inner, BitSerialAccumulator) and inner.mode != "ideal":
        # the element multiplies by its eight bits of scale itself; the outer accumulator stands once a column
        join = chain(
            parts.adder(goal.fields[0], "exponent"), from_integer(made.widths["dequantized"], goal), add(goal, fed_back=True)
        )
        return _shared(named("outer", seldom(join, 1 / ask.group)) | register(acc.format.bits, "outer: register"), ask.share)
    fields = [_scale_fields(f) for f in formats]
    exponent, mantissa = max(e for e, _ in fields), max(m for _, m in fields)
    both = Assembly()
    if len(fields) > 1:  # the product of both scales, exact
        both = named("scale", parts.adder(exponent, "scales' exponents"))
        if all(m for _, m in fields):
            both = both | named("scale", parts.product(fields[0][1] + 1, fields[1][1] + 1, name="scales' product"))
            mantissa = fields[0][1] + fields[1][1] + 1
    bits, first = source
    times = chain(both, scaled(first, bits, exponent, mantissa, goal))
    return seldom(chain(times, named("outer", add(goal, fed_back=True))), 1 / ask.group) | register(
        acc.format.bits, "outer: register"
    )


def _float_of(inner: Accumulator, made: Made, goal: Rounded) -> tuple[int, Assembly]:
    """(significand bits, conversion) of the finished inner sum."""
    own = target_of(inner)
    if own is None:
        return min(made.result, goal.fields[1] + 2), named("scale", from_integer(made.result, goal))
    return own.fields[1] + 1, Assembly()


def _shared(made: Assembly, share: int) -> Assembly:
    from dataclasses import replace

    from hwmodel.units.structure.assembly import scaled as fewer

    return Assembly(tuple(replace(p, cells=fewer(1 / share, p.cells)) for p in made.parts))


def order(ask: Request, made: Made) -> Assembly:
    """Pieces and parts of k are added outside; a permutation holds a block of operands."""
    path, out = ask.path, Assembly()
    joining = path.joining
    if path.order.chunk and path.outer is None:
        out = out | _join("chunk", joining, 1 / path.order.chunk)
    if path.order.split > 1:
        out = out | _join("split", joining, path.order.split / ask.group) | register(made.result, "split: partial sum")
    if path.order.permutation:
        n, bits = len(path.order.permutation), ask.w.code_bits + ask.a.code_bits
        block = ends.mux(bits, n) | register(n * bits, "block") if n > 1 else Assembly()
        out = out | named("order", block * ask.lanes)
    return off_path(out)


def _join(name: str, acc: Accumulator, rate: float, bits: int = 0) -> Assembly:
    """Addition of a finished piece in an accumulator of its own; `bits` of the piece, which is rounded where it is wider."""
    goal = target_of(acc)
    if goal is not None:
        e, m = goal.fields
        first = ends.rounding(e + m, 4, goal.rounding, name="round piece") if bits > goal.format.bits else Assembly()
        return named(name, seldom(chain(first, add(goal, fed_back=True)), min(rate, 1.0)) | state(goal.format, "register"))
    k = getattr(acc, "width", 32)
    wide = chain(parts.adder(k, "sum"), ends.saturate(k + 1, k) if getattr(acc, "saturate", False) else Assembly())
    return named(name, seldom(wide, min(rate, 1.0)) | register(k, "register"))


# What the conventions of nf.requantizations() multiply with: bits of the multiplier, roundings (one, or a doubling high multiply
# and a rounding shift), or float32.
_TWO = ("tflite_double", "tosa_double_round", "qnnpack_q31")
_SINGLE = ("fp32_lrint",)  # a float32 multiplication
_SHORT = {"tflite_int64_reduced": 15, "qnnpack_precise": 32}  # bits of the multiplier other than 31
_MULTIPLIER, _SHIFT = 31, 6


def outputs(ask: Request, made: Made) -> Assembly:
    """The stages behind the sum, once a sum of `group` products."""
    goal = target_of(ask.path.outer or ask.path.inner)
    bits, out = made.result, Assembly()
    for stage in ask.path.output:
        one, bits, goal = _stage(stage, bits, goal)
        out = chain(out, named(f"output {stage.kind}", one))
    return seldom(out, 1 / ask.group)


def _stage(stage: Stage, bits: int, goal: Rounded | None) -> tuple[Assembly, int, Rounded | None]:
    """(circuit, bits of its result, float target or None for integers)."""
    if stage.kind == "bias":
        return (add(goal), bits, goal) if goal else (parts.adder(bits), bits, None)
    if stage.kind == "rescale":
        return _rescale(stage.value, bits), bits, None
    if stage.kind == "offset":
        return parts.adder(bits), bits, goal
    if stage.kind == "relu":
        return parts.mask(bits, "below zero"), bits, goal
    if stage.kind == "clip":
        return chain(parts.compare(bits, "limits"), parts.compare(bits, "limits"), parts.select(2 * bits, "limits")), bits, goal
    fmt = parse(stage.value)
    return _cast(fmt, bits, goal), fmt.bits, Rounded(fmt) if isinstance(fmt, Float) else None


def _rescale(convention: str, bits: int) -> Assembly:
    if convention in _SINGLE:
        single = Rounded(_fp32())
        times = scaled(Assembly(), 24, 8, 23, single)
        return chain(from_integer(bits, single), times, to_integer(single.format, bits))
    made = integer.requant(bits, _SHORT.get(convention, _MULTIPLIER), bits, _SHIFT)
    if convention in _TWO:
        made = made >> parts.increment(bits, "second rounding")
    return made


def _cast(fmt: Format, bits: int, goal: Rounded | None) -> Assembly:
    if isinstance(fmt, Fixed):
        if goal is None:
            return ends.saturate(bits, fmt.width)
        return chain(to_integer(goal.format, fmt.width))
    if isinstance(fmt, Float):
        if goal is None:
            return from_integer(bits, Rounded(fmt))
        m, dropped = fmt.man_bits, goal.fields[1] - fmt.man_bits
        made = parts.adder(max(goal.fields[0], fmt.exp_bits), "exponent")
        if dropped > 0 or fmt.exp_bits < goal.fields[0]:
            made = chain(made, parts.barrel(m + 3, name="denormalise", sticky=True))
            made = chain(made, ends.rounding(fmt.exp_bits + m, max(dropped, 2)), parts.mask(fmt.exp_bits + m, "limits"))
        return made
    entries = 2 ** min(fmt.bits, 8)  # thresholds between neighbours: a search tree of comparators, one a bit
    return chain(*(parts.compare(bits, f"threshold {i}") for i in range(fmt.bits))) | ends.table(entries, bits, "thresholds")


def zero_point(bits: int) -> Assembly:
    """Subtraction of a zero point from a code, exactly: a bit more."""
    return parts.adder(bits + 1, "zero point")
