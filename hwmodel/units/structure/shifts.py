"""Right shifters whose words grow or shrink from stage to stage: no stage is wider than what goes in or what is wanted of it."""

from __future__ import annotations

from hwmodel.units.structure import parts
from hwmodel.units.structure.assembly import Assembly, part, remembered
from hwmodel.units.structure.parts import log


@remembered
def widening(bits: int, limit: int, stages: int, name: str = "shift", sticky: bool = False, activity: str = "shift") -> Assembly:
    """A word of `bits` shifted right by up to 2**stages - 1 places into `limit` bits, smallest stage first: the mirror image of
    a left shifter that grows. `sticky`: what falls out is collected in one bit, two gates for each."""
    made, width, lost = parts.left_shift(bits, stages, limit, name, activity), bits, 0
    for s in range(stages):
        grown = min(width + 2**s, limit)
        lost, width = lost + min(width + 2**s - grown, width), grown
    return made | part(f"{name}, sticky", {"gate": 2 * lost}, {}, activity) if sticky else made


@remembered
def narrowing(
    bits: int, kept: int, stages: int, name: str = "shift", sticky: bool = False, arithmetic: bool = True, activity: str = "shift"
) -> Assembly:
    """The low `kept` of `bits` shifted right by up to 2**stages - 1 places, largest stage first: a stage makes what the smaller
    ones can still reach. Copies of the sign come in (a mux each but the topmost), or zeros (an and gate each)."""
    muxes = ands = fan = lost = 0.0
    width = bits
    for s in reversed(range(stages)):
        wanted = min(width, kept + 2**s - 1)
        fills = max(wanted + 2**s - width, 0)  # bits whose source lies beyond the word
        fills = min(fills, wanted)
        if arithmetic:
            muxes += wanted - (wanted == width)
        else:
            muxes, ands = muxes + wanted - fills, ands + fills
        fan, lost, width = fan + log(wanted), lost + min(2**s, bits), wanted
    cells = {"mux": muxes, "and": ands, "gate": 2 * lost if sticky else 0.0}
    return part(name, cells, {"mux": stages, "fan": fan}, activity)
