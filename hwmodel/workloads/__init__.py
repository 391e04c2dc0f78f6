"""Layers as a table: models by name, and readers of networks, configurations, ONNX, torch modules and topology files."""

from hwmodel.workloads.config import workload_from_config
from hwmodel.workloads.exchange import to_scalesim, to_zigzag, workload_from_scalesim
from hwmodel.workloads.llm import Transformer, transformers, workload
from hwmodel.workloads.network import workload_from_network
from hwmodel.workloads.onnx_file import workload_from_onnx
from hwmodel.workloads.torch_module import workload_from_torch
from hwmodel.workloads.vision import vision_nets

__all__ = [
    "Transformer",
    "to_scalesim",
    "to_zigzag",
    "transformers",
    "vision_nets",
    "workload",
    "workload_from_config",
    "workload_from_network",
    "workload_from_onnx",
    "workload_from_scalesim",
    "workload_from_torch",
]
