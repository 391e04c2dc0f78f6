"""The parts that units are made of, as LUTs and carry chains take them. Counts are numbers or arrays."""

from __future__ import annotations

from hwmodel.fpga.blocks import Block, Counts, part
from hwmodel.fpga.counting import Number, at, bits_of, larger, log, most, smaller, up, where, zero_muxes
from hwmodel.fpga.dsp import blocks_of, split_adders
from hwmodel.fpga.trees import compress

_FAR = 40  # 2**_FAR bits are more than any word has


def chain(bits: Number, cell: str = "add", name: str = "adder", span: Number | None = None) -> Block:
    """A carry chain with `bits` LUTs, `span` bits long. Yosys makes no chain of up to two bits: gates instead."""
    span = bits if span is None else span
    long = span > 2
    gates = where(long, 0, larger(bits, 0))
    path = {"chain": where(long, 1, 0), "bit": where(long, span, 0), "gate": where(gates > 0, 2, 0)}
    return part(name, {cell: where(long, bits, 0), "gate": 2 * gates}, path, ((span, where(long, 1, 0)),))


def adder(bits: Number, name: str = "adder") -> Block:
    """N + N -> N + 1 bits."""
    return chain(bits, name=name, span=bits + 1)


def cells(name: str, counts: Counts, gate: Number = 0.0, mux2: Number = 0.0) -> Block:
    return part(name, counts, {"gate": gate, "mux2": mux2})


def product(a: Number, b: Number, signed: Number, name: str = "product", dsp: Number = 0) -> Block:
    """a x b bits. `dsp`: width of the wide port of the DSP blocks to use, 0 for LUTs."""
    inside = block_product(a, b, signed, name, dsp)
    return inside >> lut_product(a, b, signed, a + b, where(blocks_of(a, b, signed, dsp) > 0, 0, 1), name)


def block_product(a: Number, b: Number, signed: Number, name: str, dsp: Number) -> Block:
    """The product where it goes into DSP blocks."""
    bits, count = split_adders(a, b, signed, dsp)
    return part(name, dsp=blocks_of(a, b, signed, dsp)) >> chain(bits, name=f"{name} sums").repeated(count)


def lut_product(a: Number, b: Number, signed: Number, width: Number, made: Number, name: str = "product") -> Block:
    """The product in LUTs, modulo 2**width; `made`: 1 or 0, whether there is one."""
    one = where(smaller(a, b) == 1, made, 0)
    tree = made - one
    bits = part(name, {"mask": one * larger(a, b), "product bit": tree * a * b}, {"gate": 0.5 * made})
    return bits >> compress(name, tree * width, product=(a, b, signed))


def barrel(bits: Number, stages: Number | None = None, name: str = "shift") -> Block:
    """Shifter of fixed width: a LUT6 holds two stages of a bit, a LUT4 one."""
    stages = bits_of(bits) if stages is None else stages
    return cells(name, {"mux2": bits * stages, "mux4": bits * up(stages, 2)}, mux2=stages)


def place(bits: Number, stages: Number, limit: Number, name: str = "align") -> tuple[Block, Number]:
    """Left shift into a word that grows with each stage up to `limit`; and its width. Zeros come in."""
    muxes = fill = pairs = 0
    width = smaller(bits, limit)
    for s in range(most(stages)):
        step = 1 << min(s, _FAR)
        here = s < stages
        grown = where(here, smaller(width + step, limit), width)
        overlap = where(here, larger(where(grown > width, width, grown) - step, 0), 0)
        muxes, fill = muxes + overlap, fill + where(here, grown - overlap, 0)
        pairs = pairs + (where(here, grown, 0) if s % 2 else where(s == stages - 1, grown, 0))
        width = grown
    return cells(name, {"mux2": muxes, "fill": fill, "place4": pairs}, mux2=stages), width


def negated(bits: Number, word: Number, count: Number = 1) -> Block:
    """-x as Yosys makes it: the inverted word of `word` bits plus one, in a chain of `bits`."""
    inverted = {"increment": bits, "invert": smaller(word, bits)}
    return part("negate", inverted, {"chain": 1, "bit": bits}, ((bits, 1),)) * count


def accumulate(word: Number, bits: Number, wide: bool = False) -> Block:
    """+-x of `word` bits into a sum of `bits`. `wide`: x is itself a selection from few bits, which then merges with the adder
    into LUTs of up to eight inputs."""
    chosen = {"accumulate": bits, "wide": word if wide else 0}
    return negated(bits, word) >> part("accumulate", chosen, {"chain": 1, "bit": bits}, ((bits, 1),))


def leading_zeros(bits: Number, name: str = "leading zeros") -> Block:
    """A tree of halves: a node joins two of them and selects one of their counts."""
    counts = {"zero node": larger(bits - 1, 0), "zero mux": at(zero_muxes(1 << max(8, most(bits).bit_length())), bits)}
    return cells(name, counts, 1, larger(bits_of(bits) - 1, 0))


def any_of(bits: Number, name: str = "zero detection") -> Block:
    return cells(name, {"any": bits}, log(larger(bits, 1)) / 2)


def hidden(e: Number) -> Block:
    """The hidden bit, and the exponent of a subnormal."""
    return cells("hidden bit", {"mask": e}, 0.5)
