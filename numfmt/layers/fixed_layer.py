"""What every fixed-point layer offers: its types, its result, and an account of what it computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..arith.fixed_steps import fixed_type
from ..blocks import QuantizedTensor
from ..formats import Fixed, Format
from .fixed_tensor import layer_type


class FixedLayer(ABC):
    """Takes and returns unscaled fixed-point tensors; everything between is integers."""

    result: Fixed | None = None  # None: as the layer infers it from its input

    @abstractmethod
    def __call__(self, x: Any) -> QuantizedTensor:
        """The layer's output words."""

    @abstractmethod
    def types(self, x: Fixed) -> dict[str, Fixed]:
        """The types of the layer's numbers for an input of type x, by hls4ml's names: ..., the last is `result_t`."""

    def result_format(self, given: Format | None) -> Fixed | None:
        """The type of the output for an input of that type; None where it is not known. Raises ValueError for other formats."""
        if given is None:
            return self.result
        if not isinstance(given, Fixed):
            raise ValueError(f"input format {given} is not allowed; {type(self).__name__} takes fixed-point tensors")
        return self.types(given)["result_t"]

    def explain(self, given: Format | None = None) -> str:
        """One line: the types for an input of that type."""
        if not isinstance(given, Fixed):
            return "" if self.result is None else f"result_t={self.result}"
        return ", ".join(f"{name}={fmt}" for name, fmt in self.types(given).items())

    def brief(self) -> str:
        """The class and its sizes, without types."""
        shape = self._shape()
        return type(self).__name__ + (f"({shape})" if shape else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(filter(None, (self._shape(), self._facts())))})"

    def _shape(self) -> str:
        return ""

    def _facts(self) -> str:
        return f"result_t={self.result or 'auto'}"


def optional_type(text: str | Format | None, what: str) -> Fixed | None:
    """A type, or None for 'auto'."""
    return None if text is None or text == "auto" else layer_type(text, what)


def weights_of(x: Any, what: str) -> tuple[QuantizedTensor, Fixed]:
    """A fixed-point tensor of weights and its type. Raises ValueError for anything else."""
    return x, fixed_type(x, what)
