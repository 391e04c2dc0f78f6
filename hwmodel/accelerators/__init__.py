"""Parametric accelerators; presets are the YAML files in `data`."""

from hwmodel.accelerators.load import accelerator, presets
from hwmodel.accelerators.model import Accelerator, Array, Buffer, Dram, ProcessingElement

__all__ = ["Accelerator", "Array", "Buffer", "Dram", "ProcessingElement", "accelerator", "presets"]
