"""Parametric accelerators; presets are the YAML files in `data`."""

from hwmodel.accelerators.load import accelerator, presets
from hwmodel.accelerators.model import Accelerator, Array, Buffer, Dram, ProcessingElement
from hwmodel.accelerators.roofline import Machine, Roofline, machine, machines, roofline

__all__ = ["Accelerator", "Array", "Buffer", "Dram", "Machine", "ProcessingElement", "Roofline", "accelerator"]
__all__ += ["machine", "machines", "presets", "roofline"]
