"""Finding good designs: Pareto fronts."""

from hwmodel.search.pareto import pareto

__all__ = ["pareto"]
