"""Cell libraries, memories, published components: data files with source and status, and the code that reads them."""

from hwmodel.technology.library import Technology, technologies, technology
from hwmodel.technology.sram import SramPoint, sram
from hwmodel.technology.tables import rows

__all__ = ["SramPoint", "Technology", "rows", "sram", "technologies", "technology"]
