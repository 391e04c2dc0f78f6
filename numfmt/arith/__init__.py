"""What hardware does with codes: products, accumulators, processing elements."""

from .datapath import Datapath, datapath, datapaths
from .matmul import explain, matmul
from .overflow import OverflowReport, overflow_report
from .product_table import ProductTable, product_table
from .requantize import requantizations, requantize
from .scaled_mm import scaled_mm

__all__ = [
    "Datapath",
    "OverflowReport",
    "ProductTable",
    "datapath",
    "datapaths",
    "explain",
    "matmul",
    "overflow_report",
    "product_table",
    "requantizations",
    "requantize",
    "scaled_mm",
]
