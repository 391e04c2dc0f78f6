"""Layer architectures on FPGAs: folded pipelines, reused multipliers, unrolled adder graphs and systolic arrays."""

from hwmodel.fpga.layers.adders import AdderGraph
from hwmodel.fpga.layers.effective_bits import ebops, implied_ebops, jet_taggers, network_ebops
from hwmodel.fpga.layers.effective_bits import relation as ebops_relation
from hwmodel.fpga.layers.folded import accumulator_bits, mvau, thresholding, vvu
from hwmodel.fpga.layers.result import FpgaScore
from hwmodel.fpga.layers.reuse import multiplier_limit, reuse_estimate, valid_reuse_factors
from hwmodel.fpga.layers.score import ARCHITECTURES, fpga_score
from hwmodel.fpga.layers.search import DoesNotFit
from hwmodel.fpga.layers.sharing import adder_graph
from hwmodel.fpga.layers.windows import window

__all__ = [
    "ARCHITECTURES",
    "AdderGraph",
    "DoesNotFit",
    "FpgaScore",
    "accumulator_bits",
    "adder_graph",
    "ebops",
    "ebops_relation",
    "fpga_score",
    "implied_ebops",
    "jet_taggers",
    "multiplier_limit",
    "mvau",
    "network_ebops",
    "reuse_estimate",
    "thresholding",
    "valid_reuse_factors",
    "vvu",
    "window",
]
