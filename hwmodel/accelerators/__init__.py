"""Parametric accelerators; presets are the YAML files in `data`."""

from hwmodel.accelerators.assess import Assessment, assess
from hwmodel.accelerators.hierarchy import Axis, Hierarchy, Level
from hwmodel.accelerators.layer import LayerLoops, conv, product
from hwmodel.accelerators.load import AnyAccelerator, accelerator, presets
from hwmodel.accelerators.mapping import Mapping
from hwmodel.accelerators.model import Accelerator, Array, Buffer, Dram, ProcessingElement
from hwmodel.accelerators.roofline import Machine, Roofline, machine, machines, roofline
from hwmodel.accelerators.search import best_mapping

__all__ = [
    "AnyAccelerator",
    "Assessment",
    "Axis",
    "Hierarchy",
    "LayerLoops",
    "Level",
    "Mapping",
    "assess",
    "best_mapping",
    "conv",
    "product",
]
__all__ += ["Accelerator", "Array", "Buffer", "Dram", "Machine", "ProcessingElement", "Roofline", "accelerator"]
__all__ += ["machine", "machines", "presets", "roofline"]
