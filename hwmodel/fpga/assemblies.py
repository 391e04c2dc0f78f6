"""Structures of `hwmodel.units.structure` on FPGA fabric: any Assembly becomes a Block, so datapath units can be priced too.

Its cells are drawn for gates: each has its own price in LUTs, fitted to the same rows as the pieces that the 20 kinds are made of.
Those know more of LUTs (which selections merge, which sums are functions of few bits) and err less.
"""

from __future__ import annotations

from hwmodel.fpga.blocks import Block, Counts, part
from hwmodel.units.structure.assembly import Assembly
from hwmodel.units.structure.registers import DFF

_STEPS = {"carry": "bit", "compress": "compress", "mux": "mux2", "gate": "gate"}


def from_assembly(made: Assembly) -> Block:
    """Part by part. Bits of adders make one chain a part; fanout steps cost nothing here (wires are not modelled)."""
    out = Block()
    for p in made.parts:
        cells = {f"drawn {cell}": n for cell, n in p.cells.items() if cell != DFF}
        bits = round(p.cells.get("cpa", 0.0) + p.cells.get("ha", 0.0))
        out = out | part(p.name, cells, {}, ((bits, 1),) if bits > 2 else (), ff=round(p.cells.get(DFF, 0.0)))
    return Block(out.parts, _path(made.path))


def _path(path: Counts) -> dict[str, float]:
    out = {_STEPS[s]: n * (0.5 if s == "gate" else 1.0) for s, n in path.items() if s in _STEPS}
    if out.get("bit"):
        out["chain"] = 1.0
    return out
