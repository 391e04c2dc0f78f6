"""Which scheme for which layer: integer programmes over layers and candidate schemes."""

from hwmodel.search.allocation.allocate import METHODS, allocate
from hwmodel.search.allocation.build import allocation_table
from hwmodel.search.allocation.curve import allocation_curve
from hwmodel.search.allocation.forms import Form, allocation_form, allocation_forms
from hwmodel.search.allocation.infeasible import Infeasible
from hwmodel.search.allocation.result import Allocation

__all__ = [
    "METHODS",
    "Allocation",
    "Form",
    "Infeasible",
    "allocate",
    "allocation_curve",
    "allocation_form",
    "allocation_forms",
    "allocation_table",
]
