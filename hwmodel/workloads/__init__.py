"""Layers as a table: transformer models by name, networks by their layers."""

from hwmodel.workloads.llm import Transformer, transformers, workload
from hwmodel.workloads.network import workload_from_network

__all__ = ["Transformer", "transformers", "workload", "workload_from_network"]
