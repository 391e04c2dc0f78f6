"""Structures of `hwmodel.units.structure` on FPGA fabric: any Assembly becomes a Block, so that datapath units can be priced too.

The translation of cells is by what a LUT takes in (inferred): a compressor is a compressor, a bit of an adder a bit of a carry chain,
a mux two stages a LUT6, a simple gate about what an operand's mask takes.
"""

from __future__ import annotations

from hwmodel.fpga.blocks import Block, Counts, part
from hwmodel.units.structure.assembly import Assembly

# Cells of an Assembly -> cells of a Block and how many of each.
TRANSLATION: dict[str, dict[str, float]] = {
    "fa": {"compress": 1.0},
    "cpa": {"add": 1.0},
    "ha": {"add": 1.0},
    "and": {"product bit": 1.0},
    "xor": {"pick": 0.5},
    "mux": {"mux2": 1.0, "mux4": 0.5},
    "gate": {"mask": 1.0},
}
_STEPS = {"carry": "bit", "compress": "compress", "mux": "mux2", "gate": "gate"}


def from_assembly(made: Assembly) -> Block:
    """Part by part. Bits of adders make one chain a part; fanout steps cost nothing here (wires are not modelled)."""
    out = Block()
    for p in made.parts:
        cells: dict[str, float] = {}
        for cell, n in p.cells.items():
            for name, each in TRANSLATION[cell].items():
                cells[name] = cells.get(name, 0.0) + each * n
        bits = round(p.cells.get("cpa", 0.0) + p.cells.get("ha", 0.0))
        out = out | part(p.name, cells, {}, (bits,) if bits > 2 else ())
    return Block(out.parts, _path(made.path))


def _path(path: Counts) -> dict[str, float]:
    out = {_STEPS[s]: n * (0.5 if s == "gate" else 1.0) for s, n in path.items() if s in _STEPS}
    if out.get("bit"):
        out["chain"] = 1.0
    return out
