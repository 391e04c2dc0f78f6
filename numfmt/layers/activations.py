"""Element by element functions of a layer: straight-line programs, or the function itself rounded once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .._arrays import exact_operand, to_numpy
from .._checks import check_in
from .._threads import in_pieces
from ..formats import Format, Program, Rounding, cast, decode, elementary, encode
from ..formats.functions import FUNCTIONS
from ..kernels.tables import look_up
from .rows import layer_format
from .stepwise import Steps

_BLOCK = 1 << 15
_TABLE_BITS = 16


class Activation:
    """A program of the argument x, each step rounded to `internal`, the result to `fmt`; or a function correctly rounded to `fmt`.

    function: a name of `nf.elementary` (one rounding, `internal` has no part in it), an `nf.Program`, or its text. fmt: format of
    input and output. internal: format of the steps and of the program's constants, None for `fmt`. rounding: of the operations,
    None for the format's own, in which inputs, constants and a program's result are converted. Formats of up to 16 bits are served
    from a table of all their codes.

    Raises ValueError for unknown functions and operations, and from the call where a step gives NaN that the format has not.
    """

    def __init__(
        self,
        function: str | Program,
        fmt: Format | str = "float32",
        *,
        internal: Format | str | None = None,
        rounding: Rounding | str | None = None,
    ) -> None:
        self.fmt = layer_format(fmt)
        self.steps = Steps(self.fmt if internal is None else internal, rounding)
        self.function: str | Program = function
        if isinstance(function, str) and function not in FUNCTIONS:
            self.function = Program.parse(function)

    def __call__(self, x: Any) -> Any:
        """x: any shape, rounded to `fmt` -> values of `fmt`, the same shape and kind of array."""
        array, restore = to_numpy(x)
        flat = np.ascontiguousarray(exact_operand(array)).reshape(-1)
        out = np.empty(flat.shape, self.fmt.value_dtype)
        table = self._table() if self.fmt.bits <= _TABLE_BITS else None

        def piece(first: int, last: int) -> int:
            for start in range(first, last, _BLOCK):
                part = slice(start, min(start + _BLOCK, last))
                if table is not None:
                    look_up(np.asarray(encode(flat[part], self.fmt)), table, out[part])
                else:
                    out[part] = self._values(np.asarray(cast(flat[part], self.fmt)))
            return 0

        in_pieces(flat.size, piece)
        return restore(out.reshape(array.shape))

    def _values(self, x: np.ndarray) -> np.ndarray:
        """Of values of `fmt`, 1-D."""
        if isinstance(self.function, str):
            return np.asarray(elementary(self.function, x, self.fmt, rounding=self.steps.rounding))
        inner = self.function(x, self.steps.format, rounding=self.steps.rounding)
        return np.asarray(cast(inner, self.fmt))

    def _table(self) -> np.ndarray | None:
        """The result of every code; None where some code has none."""
        return _table(self.function, self.fmt, self.steps.format, self.steps.rounding)

    @property
    def program(self) -> str:
        """The steps in order."""
        if isinstance(self.function, str):
            return f"y = {self.fmt}({FUNCTIONS[self.function].formula})  # rounded once"
        head = f"# each line rounded to {self.steps.format}"
        return "\n".join([head, f"x = {self.fmt}(x)", str(self.function), f"y = {self.fmt}({self.function.steps[-1].name})"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(fmt={self.fmt}, internal={self.steps.format})"


@lru_cache(maxsize=64)
def _table(function: str | Program, fmt: Format, internal: Format, rounding: Rounding) -> np.ndarray | None:
    codes = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
    layer = Activation.__new__(Activation)
    layer.fmt, layer.function, layer.steps = fmt, function, Steps(internal, rounding)
    try:
        table = layer._values(np.asarray(decode(codes, fmt)))
    except ValueError:  # some code is no number, or has no result: then each call looks for itself
        return None
    table.setflags(write=False)
    return table


class GELU(Activation):
    """x (1 + erf(x / sqrt 2)) / 2, or its approximation by tanh.

    approximate: "none" or "tanh", as in torch. method: "rounded" (the function itself, rounded once to `fmt`) or "steps": the
    program of torch's CPU kernel, each step rounded to `internal`, with erf or tanh correctly rounded.

    Source: Hendrycks and Gimpel, arXiv 1606.08415; steps: pytorch/pytorch, aten/src/ATen/native/cpu/Activation.cpp.
    """

    PROGRAMS = {
        "none": "h = x * 0.5; t = x * 0.7071067811865476; e = erf(t); u = 1 + e; y = h * u",
        "tanh": "c = x * x; c = c * x; k = 0.044715 * c; s = x + k; i = 0.7978845608028654 * s; t = tanh(i); u = 1 + t; "
        "h = 0.5 * x; y = h * u",
    }

    def __init__(
        self,
        fmt: Format | str = "float32",
        *,
        approximate: str = "none",
        method: str = "rounded",
        internal: Format | str | None = None,
        rounding: Rounding | str | None = None,
    ) -> None:
        check_in("approximate", approximate, tuple(self.PROGRAMS))
        check_in("method", method, ("rounded", "steps"))
        whole = "gelu" if approximate == "none" else "gelu_tanh"
        function = whole if method == "rounded" else self.PROGRAMS[approximate]
        super().__init__(function, fmt, internal=internal, rounding=rounding)

    @classmethod
    def torch(cls, fmt: Format | str = "bfloat16", *, approximate: str = "none") -> GELU:
        """As F.gelu of torch on a CPU: float32 inside.

        Not its bits everywhere: torch's vector erf and tanh are not correctly rounded, and 1 + erf cancels for negative x. Of the
        65536 inputs of bfloat16 or float16 about 1 in 100 differ (some subnormal results and gelu(inf) = NaN among them).
        """
        return cls(fmt, approximate=approximate, method="steps", internal="float32")


class SiLU(Activation):
    """x / (1 + exp(-x)).

    method: "rounded" (the function itself, rounded once to `fmt`), "divide" (x over 1 + exp(-x), each step rounded to `internal`),
    or "multiply" (x times 1 / (1 + exp(-x))).

    Source: Elfwing, Uchibe, Doya, arXiv 1702.03118; "divide": pytorch/pytorch, aten/src/ATen/native/cpu/Activation.cpp.
    """

    PROGRAMS = {"divide": "e = exp(-x); d = 1 + e; y = x / d", "multiply": "e = exp(-x); d = 1 + e; r = 1 / d; y = x * r"}

    def __init__(
        self,
        fmt: Format | str = "float32",
        *,
        method: str = "rounded",
        internal: Format | str | None = None,
        rounding: Rounding | str | None = None,
    ) -> None:
        check_in("method", method, ("rounded", *self.PROGRAMS))
        super().__init__(self.PROGRAMS.get(method, "silu"), fmt, internal=internal, rounding=rounding)

    @classmethod
    def torch(cls, fmt: Format | str = "bfloat16") -> SiLU:
        """F.silu of torch on a CPU: float32 inside. The same bits for every bfloat16 and float16 input."""
        return cls(fmt, method="divide", internal="float32")


class Exp(Activation):
    """e**x, correctly rounded."""

    def __init__(self, fmt: Format | str = "float32", *, rounding: Rounding | str | None = None) -> None:
        super().__init__("exp", fmt, rounding=rounding)


class Sqrt(Activation):
    """The square root, correctly rounded."""

    def __init__(self, fmt: Format | str = "float32", *, rounding: Rounding | str | None = None) -> None:
        super().__init__("sqrt", fmt, rounding=rounding)


class ReLU:
    """max(x, 0) in a format: x rounded to it, numbers below zero and -0 become +0, NaN stays."""

    def __init__(self, fmt: Format | str = "float32") -> None:
        self.fmt = layer_format(fmt)

    def __call__(self, x: Any) -> Any:
        """x: any shape -> values of `fmt`, the same shape and kind of array."""
        array, restore = to_numpy(x)
        y = np.asarray(cast(exact_operand(array), self.fmt))
        return restore(np.where(y <= 0, y.dtype.type(0), y))

    def __repr__(self) -> str:
        return f"ReLU(fmt={self.fmt})"
