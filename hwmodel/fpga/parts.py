"""The parts that units are made of, as LUTs and carry chains take them."""

from __future__ import annotations

from math import ceil, log2

from hwmodel.fpga.blocks import Block, Counts, part
from hwmodel.fpga.dsp import blocks_of, split_adders
from hwmodel.fpga.trees import Inputs, compress


def bits_of(n: int) -> int:
    """Bits of a shift amount or index below n."""
    return max(1, ceil(log2(n))) if n > 1 else 0


def chain(bits: int, cell: str = "add", name: str = "adder", span: int | None = None) -> Block:
    """A carry chain with `bits` LUTs, `span` bits long. Yosys makes no chain of up to two bits: gates instead."""
    span = bits if span is None else span
    if span > 2:
        return part(name, {cell: bits}, {"chain": 1, "bit": span}, (span,))
    return part(name, {"gate": 2 * bits}, {"gate": 2}) if bits > 0 else Block()


def adder(bits: int, name: str = "adder") -> Block:
    """N + N -> N + 1 bits."""
    return chain(bits, name=name, span=bits + 1)


def cells(name: str, counts: Counts, gate: float = 0.0, mux2: float = 0.0) -> Block:
    return part(name, counts, {"gate": gate, "mux2": mux2})


def product(a: int, b: int, signed: bool, name: str = "product", dsp: int | None = None, width: int | None = None) -> Block:
    """a x b bits. `dsp`: width of the wide port of the DSP blocks to use, None for LUTs."""
    width = a + b if width is None else width
    count = blocks_of(a, b, signed, dsp)
    if count:
        sums = split_adders(a, b, signed, dsp)
        out = part(name, dsp=count)
        for bits in sums:
            out = out >> chain(bits, name=f"{name} sums")
        return out
    if min(a, b) == 1:
        return cells(name, {"mask": max(a, b)}, 0.5)
    inputs = Inputs()
    rows = inputs.product(a, b, width, signed)
    return part(name, {"product bit": a * b}, {"gate": 0.5}) >> compress(rows, width, inputs, name)


def barrel(bits: int, stages: int | None = None, name: str = "shift") -> Block:
    """Shifter of fixed width: a LUT6 holds two stages of a bit, a LUT4 one."""
    stages = bits_of(bits) if stages is None else stages
    return cells(name, {"mux2": bits * stages, "mux4": bits * ceil(stages / 2)}, mux2=stages)


def place(bits: int, stages: int, limit: int, name: str = "align") -> tuple[Block, int]:
    """Left shift into a word that grows with each stage up to `limit`; and its width. Zeros come in."""
    muxes = fill = pairs = 0
    width = bits
    for s in range(stages):
        grown = min(width + 2**s, limit)
        overlap = max(width - 2**s, 0) if grown > width else max(grown - 2**s, 0)
        muxes, fill = muxes + overlap, fill + grown - overlap
        if s % 2 or s == stages - 1:
            pairs += grown
        width = grown
    return cells(name, {"mux2": muxes, "fill": fill, "place4": pairs}, mux2=stages), width


def negated(bits: int, word: int, count: int = 1) -> Block:
    """-x as Yosys makes it: the inverted word of `word` bits plus one, in a chain of `bits`."""
    one = part("negate", {"increment": bits, "invert": min(word, bits)}, {"chain": 1, "bit": bits}, (bits,))
    return one * count


def accumulate(word: int, bits: int, wide: bool = False) -> Block:
    """+-x of `word` bits into a sum of `bits`. `wide`: x is itself a selection from few bits, which then merges with the adder
    into LUTs of up to eight inputs."""
    chosen = {"accumulate": bits, "wide": word if wide else 0}
    return negated(bits, word) >> part("accumulate", chosen, {"chain": 1, "bit": bits}, (bits,))


def _zero_tree(bits: int) -> tuple[int, int]:
    if bits < 2:
        return 0, 0
    low = 2 ** (bits_of(bits) - 1)
    left, right = _zero_tree(low), _zero_tree(bits - low)
    return left[0] + right[0] + 1, left[1] + right[1] + bits_of(bits - low)


def leading_zeros(bits: int, name: str = "leading zeros") -> Block:
    """A tree of halves: a node joins two of them and selects one of their counts."""
    nodes, muxes = _zero_tree(bits)
    return cells(name, {"zero node": nodes, "zero mux": muxes}, 1, max(bits_of(bits) - 1, 0))


def any_of(bits: int, name: str = "zero detection") -> Block:
    return cells(name, {"any": bits}, log2(max(bits, 1)) / 2)


def hidden(e: int) -> Block:
    """The hidden bit, and the exponent of a subnormal."""
    return cells("hidden bit", {"mask": e}, 0.5)
