"""Finding good designs: Pareto fronts, what they cover, their knees."""

from hwmodel.search.hypervolume import hypervolume
from hwmodel.search.knee import KNEES, knee
from hwmodel.search.pareto import on_front, pareto

__all__ = ["KNEES", "hypervolume", "knee", "on_front", "pareto"]
