"""Adders, multipliers, MACs and processing elements: what they compute and what they cost in any technology."""

from hwmodel.units.cost import Cost
from hwmodel.units.unit import Unit, unit

__all__ = ["Cost", "Unit", "unit"]
