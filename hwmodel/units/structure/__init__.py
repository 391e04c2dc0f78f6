"""Units as synthesis tools see them: counts of primitives and a critical path, by formulas in the parameters."""

from hwmodel.units.structure.assembly import Assembly, Part

__all__ = ["Assembly", "Part"]
