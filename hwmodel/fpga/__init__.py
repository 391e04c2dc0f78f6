"""Units and designs on FPGAs: LUTs, carry chains, DSP blocks and registers, without synthesis."""

from hwmodel.fpga.assemblies import from_assembly
from hwmodel.fpga.chips import Device, device, devices
from hwmodel.fpga.constants import constant_dot, constant_product, digits, multiplier_free, naf
from hwmodel.fpga.fabrics import Fabric, fabric
from hwmodel.fpga.packings import Packing, blocks_for, dot58, packing, products_per_block
from hwmodel.fpga.pipeline import PipelinedCost, pipelined
from hwmodel.fpga.sums import integer_sum_bits, minifloat_sum_bits
from hwmodel.fpga.tables import measured, synthesised_units, unit_costs
from hwmodel.fpga.units import FpgaCost, block_cost, unit_block, unit_cost

__all__ = [
    "Device",
    "Fabric",
    "FpgaCost",
    "Packing",
    "PipelinedCost",
    "block_cost",
    "blocks_for",
    "constant_dot",
    "constant_product",
    "device",
    "devices",
    "digits",
    "dot58",
    "fabric",
    "from_assembly",
    "integer_sum_bits",
    "measured",
    "minifloat_sum_bits",
    "multiplier_free",
    "naf",
    "packing",
    "pipelined",
    "products_per_block",
    "synthesised_units",
    "unit_block",
    "unit_cost",
    "unit_costs",
]
