"""Adders, multipliers, MACs and processing elements: what they cost in any technology."""

from hwmodel.units.cost import Cost
from hwmodel.units.gates import Netlist
from hwmodel.units.unit import Unit, unit

__all__ = ["Cost", "Netlist", "Unit", "unit"]
