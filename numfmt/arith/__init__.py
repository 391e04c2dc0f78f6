"""What hardware does with codes: products, accumulators, processing elements."""

from .datapath import Datapath, datapath, datapaths
from .matmul import explain, matmul
from .product_table import ProductTable, product_table
from .requantize import requantizations, requantize
from .scaled_mm import scaled_mm

__all__ = [
    "Datapath",
    "ProductTable",
    "datapath",
    "datapaths",
    "explain",
    "matmul",
    "product_table",
    "requantizations",
    "requantize",
    "scaled_mm",
]
