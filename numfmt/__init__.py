"""What will the number be? Bit-accurate emulation of number formats and of the arithmetic that hardware does with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import layers
    from .arith import (
        Datapath,
        OverflowReport,
        ProductTable,
        datapath,
        datapaths,
        explain,
        matmul,
        overflow_report,
        product_table,
        requantizations,
        requantize,
        scaled_mm,
    )
    from .blocks import QuantizedTensor, Scheme, from_codes, from_gguf, load, narrow, observers, quantize, scheme, schemes
    from .formats import (
        Card,
        Codebook,
        Comparison,
        Fixed,
        Float,
        Format,
        FunctionError,
        Overflow,
        Program,
        Rounding,
        add,
        cast,
        catalogue,
        compare,
        convert,
        decode,
        decode_packed,
        describe,
        divide,
        elementary,
        encode,
        flags,
        fma,
        function_error,
        ieee,
        learn_codebook,
        lmul,
        lmul_error,
        multiply,
        pack,
        parse,
        remainder,
        sqrt,
        subtract,
        unpack,
    )
    from .formats import fixed_ops as fixed
    from .plan import LayerPlan, Plan

__all__ = [
    "Card",
    "Codebook",
    "Comparison",
    "Datapath",
    "Fixed",
    "Float",
    "Format",
    "FunctionError",
    "LayerPlan",
    "Overflow",
    "OverflowReport",
    "Plan",
    "ProductTable",
    "Program",
    "QuantizedTensor",
    "Rounding",
    "Scheme",
    "add",
    "cast",
    "catalogue",
    "compare",
    "convert",
    "datapath",
    "datapaths",
    "decode",
    "decode_packed",
    "describe",
    "divide",
    "elementary",
    "encode",
    "explain",
    "fixed",
    "flags",
    "fma",
    "from_codes",
    "from_gguf",
    "function_error",
    "ieee",
    "ksort",
    "layers",
    "learn_codebook",
    "lmul",
    "lmul_error",
    "load",
    "matmul",
    "multiply",
    "narrow",
    "observers",
    "open_checkpoint",
    "outliers",
    "overflow_report",
    "pack",
    "parse",
    "product_table",
    "quantize",
    "quantize_checkpoint",
    "remainder",
    "requantizations",
    "requantize",
    "scaled_mm",
    "scheme",
    "schemes",
    "sqrt",
    "subtract",
    "unpack",
]

# Where the names come from. They are loaded at first use: NumPy and Numba alone take longer than many a script that imports this.
_FROM = {
    ".arith": (
        "Datapath",
        "OverflowReport",
        "ProductTable",
        "datapath",
        "datapaths",
        "explain",
        "matmul",
        "overflow_report",
        "product_table",
        "requantizations",
        "requantize",
        "scaled_mm",
    ),
    ".blocks": (
        "QuantizedTensor",
        "Scheme",
        "from_codes",
        "from_gguf",
        "ksort",
        "load",
        "narrow",
        "open_checkpoint",
        "outliers",
        "quantize",
        "quantize_checkpoint",
        "scheme",
        "schemes",
    ),
    ".plan": ("LayerPlan", "Plan"),
}
_MODULES = {"fixed": ".formats.fixed_ops", "ieee": ".formats.ieee", "observers": ".blocks.observers"} | {
    name: f".{name}" for name in ("arith", "blocks", "formats", "kernels", "layers", "plan")
}
_HOME = {name: module for module, given in _FROM.items() for name in given}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = importlib.import_module(_MODULES[name], __name__)
    elif name in __all__:
        value = getattr(importlib.import_module(_HOME.get(name, ".formats"), __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # found here from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
