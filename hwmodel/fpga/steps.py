"""A block as a line of steps in the order of its parts, each with its delay and with the bits that a register behind it holds.

A block knows the steps of its longest path but not their order, nor widths: both are read off its parts, which follow one another.
Parts side by side share the steps of the path between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, log2, sqrt

from hwmodel.fpga.blocks import Block, Part
from hwmodel.fpga.parts import bits_of

_TREE = {"compress": 1.0, "compress once": 1.0, "shared": 0.5, "drawn fa": 1.0}  # full adders of a cell, each takes a bit away
_MUXES = ("mux2", "fill", "zero mux", "drawn mux")
_FEW = ("any", "sticky", "zero node", "compare", "drawn gate", "gate", "round")  # many bits in, a number of few bits out
_WORDS = ("swap", "limit", "pick", "xor", "invert", "mask", "normalise", "product bit", "drawn and", "drawn xor", "drawn ha")
_MERGED = ("product bit", "mask", "drawn and")  # with the logic behind them in one LUT, as in `Block.path`
_TWO = ("add", "add sub", "accumulate", "drawn cpa")  # a carry chain of two words


@dataclass(frozen=True)
class Step:
    """`counts`: steps of the path (`blocks.STEPS`, "dsp multiply", "dsp add"). `atom`: bits of a whole carry chain, 0 without.
    `live`: bits that a register behind it holds. `part`: what it belongs to."""

    part: str
    counts: Mapping[str, float]
    live: int
    atom: int = 0


@dataclass
class _Own:
    """Steps of a part by its cells alone; bits that it takes from the words that wait, and that it gives."""

    chain: int = 0
    compress: float = 0.0
    mux2: float = 0.0
    gate: float = 0.0
    takes: int = 0
    gives: int = 0
    adders: float = 0.0


def _stages(cells: float) -> int:
    """Stages of a shifter with so many muxes: the least that shift a word of cells / stages bits over its whole width."""
    return next(s for s in range(1, 64) if bits_of(ceil(cells / s)) <= s)


def _own(p: Part) -> _Own:
    out = _Own()
    cells = {c: n for c, n in p.cells.items() if n}
    chains = [int(bits) for bits, count in p.chains if bits for _ in range(int(count))]
    muxes = sum(cells.get(c, 0.0) for c in _MUXES)
    few = sum(cells.get(c, 0.0) for c in _FEW)
    words = round(max((cells.get(c, 0.0) for c in _WORDS), default=0.0))
    out.adders = sum(cells.get(c, 0.0) * n for c, n in _TREE.items())
    if chains:
        out.chain = max(chains) - int(p.idle) // len(chains)
        width = sum(chains)
        two = any(c in cells for c in _TWO)
        compares = "compare" in cells
        out.gives = len(chains) if compares else width
        out.takes = 0 if compares else 2 * width if two else width
    elif out.adders or "half" in cells:
        out.compress = 1.0
    elif muxes:
        out.mux2 = float(_stages(muxes))
        out.gives = out.takes = ceil(muxes / out.mux2)
        if "zero mux" in cells:  # a count, of a word that is shifted later
            out.mux2, out.gate = max(out.mux2 - 1, 1.0), 1.0
            out.gives, out.takes = bits_of(round(cells.get("zero node", 0.0)) + 1), 0
    elif words:
        merged = any(c in cells for c in _MERGED)
        out.gate = 0.5 if merged else 1.0
        out.gives = words
        out.takes = ceil(2 * sqrt(words)) if "product bit" in cells or "drawn and" in cells else words
    elif few:
        out.gate = 1.0 if few < 12 else log2(few) / 2
        out.gives = ceil(log2(few + 1)) if few > 1 else 1
    return out


def steps_of(made: Block, lut: int) -> tuple[Step, ...]:
    """The line of steps of a block on a fabric with LUTs of `lut` inputs; their counts add up to those of its path.

    DSP blocks multiply and add, one add a block where sums stay inside. Bits are inferred: a word waits until an adder takes it;
    the last step leaves the result, where its bits are known.
    """
    own = [_own(p) for p in made.parts]
    path = made.path
    share = {
        name: path.get(name, 0.0) / total if (total := sum(getattr(o, name) for o in own)) else 0.0
        for name in ("compress", "mux2", "gate")
    }
    chains = [o.chain for o in own if o.chain]
    per_chain = path.get("chain", 0.0) / len(chains) if chains else 0.0
    per_bit = {kind: path.get(kind, 0.0) / sum(chains) if chains else 0.0 for kind in ("bit", "waited")}
    inside = bool(made.parts) and not made.cells()
    live = max((o.takes for o in own), default=0)
    out: list[Step] = []
    for i, (p, o) in enumerate(zip(made.parts, own, strict=True)):
        if p.dsp:
            adds = int(p.dsp) if inside else 1
            out += [Step(p.name, {"dsp multiply": 1}, live), *(Step(p.name, {"dsp add": 1}, live) for _ in range(adds))]
        if o.compress:
            behind = next((n.takes for n in own[i + 1 :] if n.chain), live)
            levels = share["compress"] * o.compress
            count = max(1, round(levels))
            for k in range(1, count + 1):
                left = (1.5 ** (count - k) - 1) / (1.5**count - 1)  # each level leaves two of three words
                live = behind + round(o.adders * left)
                out.append(Step(p.name, {"compress": levels / count}, live))
            continue
        live = max(live - o.takes + o.gives, o.gives)
        if o.chain:
            counts = {"chain": per_chain, **{kind: n * o.chain for kind, n in per_bit.items()}}
            out.append(Step(p.name, counts, live, o.chain))
            continue
        levels = share["mux2"] * o.mux2
        count = max(1, round(levels / (2 if lut == 6 else 1))) if o.mux2 else 0
        out += [Step(p.name, {"mux2": levels / count}, live) for _ in range(count)]
        if o.gate:
            out.append(Step(p.name, {"gate": share["gate"] * o.gate}, live))
    rest = {name: n for name, n in path.items() if n and not any(s.counts.get(name) for s in out)}
    if rest or not out:  # a path that no part explains
        out.append(Step("logic", rest, live))
    if made.result is not None and not inside:  # what was left of words that no part is seen to take
        out[-1] = replace(out[-1], live=made.result)
    return tuple(out)
