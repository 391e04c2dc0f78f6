"""Commands of `hwmodel` beside `score`, `show` and `quantize`; each module adds its arguments and runs them."""

from hwmodel.commands.allocate import add_allocate
from hwmodel.commands.compare import add_compare
from hwmodel.commands.cost import add_cost
from hwmodel.commands.known import add_list
from hwmodel.commands.pareto import add_pareto
from hwmodel.commands.study import add_study
from hwmodel.commands.sweep import add_sweep

__all__ = ["add_allocate", "add_compare", "add_cost", "add_list", "add_pareto", "add_study", "add_sweep"]
