"""Finding good designs: Pareto fronts, what they cover, their knees."""

from hwmodel.search.fronts.hypervolume import hypervolume
from hwmodel.search.fronts.knee import KNEES, knee
from hwmodel.search.fronts.pareto import on_front, pareto

__all__ = ["KNEES", "hypervolume", "knee", "on_front", "pareto"]
