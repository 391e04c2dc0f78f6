"""What happens to a finished sum before it leaves the array: bias, rescale, zero point, ReLU, clip, cast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import to_float64, to_numpy
from .._checks import unknown
from ..formats import Fixed, cast, encode, parse
from .accumulator import Accumulator, spread
from .integer_steps import IntAccumulator
from .operands import Operand
from .requantize import CONVENTIONS, real_multiplier, requantize

_KINDS = ("bias", "rescale", "offset", "relu", "clip", "cast")
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


@dataclass(frozen=True)
class Stage:
    """One stage: `bias`, `rescale=CONVENTION`, `offset`, `relu`, `clip=LOW:HIGH`, `cast=FORMAT`."""

    kind: str
    value: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise unknown("output stage", self.kind, list(_KINDS))
        if (self.kind in ("rescale", "clip", "cast")) != bool(self.value):
            raise ValueError(
                f"output stage {self} is malformed; stages are bias, rescale=CONVENTION, offset, relu, clip=LOW:HIGH, cast=FORMAT"
            )
        if self.kind == "rescale" and self.value not in [c.name for c in CONVENTIONS]:
            raise unknown("convention", self.value, [c.name for c in CONVENTIONS])
        if self.kind == "clip":
            low, high = self.limits
            if not low <= high:
                raise ValueError(f"output stage {self} is empty; its lower limit must not exceed the upper")

    @property
    def limits(self) -> tuple[float, float]:
        """The limits of a clip."""
        match = re.fullmatch(f"({_NUMBER}):({_NUMBER})", self.value)
        if not match:
            raise ValueError(f"output stage {self} is malformed; write clip=LOW:HIGH, as clip=0:6")
        return float(match[1]), float(match[2])

    def __str__(self) -> str:
        return self.kind + (f"={self.value}" if self.value else "")


def parse_stages(texts: list[str]) -> tuple[Stage, ...]:
    """The stages that strings name. Raises ValueError for unknown ones, repeats, and orders without meaning."""
    made = []
    for text in texts:
        kind, _, value = text.strip().partition("=")
        kind, value = kind.strip().lower(), value.strip()
        if kind == "cast" and value:
            value = str(parse(value))
        made.append(Stage(kind, value.lower() if kind == "rescale" else value))
    kinds = [s.kind for s in made]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"output stage {kind} stands twice; give each stage once")
    if "bias" in kinds[1:]:
        raise ValueError("output stage bias must be the first: it is added in the accumulator")
    if "rescale" in kinds and "offset" in kinds and kinds.index("offset") < kinds.index("rescale"):
        raise ValueError("output stage offset stands before rescale; the zero point is one of the result: put it behind")
    return tuple(made)


@dataclass(frozen=True)
class Given:
    """The data of the stages: `nf.matmul`'s keyword arguments."""

    bias: Any = None
    multiplier: Any = None
    out_scale: Any = None
    zero_point: Any = None

    def check(self, stages: tuple[Stage, ...]) -> None:
        """Raises ValueError for arguments without a stage, and stages without their argument."""
        kinds = [s.kind for s in stages]
        for name, kind in (("bias", "bias"), ("multiplier", "rescale"), ("out_scale", "rescale"), ("zero_point", "offset")):
            if getattr(self, name) is not None and kind not in kinds:
                raise ValueError(
                    f"{name} is given, but the path has no stage {kind}; write it behind the accumulator, as 'int32|{kind}'"
                )
        if "bias" in kinds and self.bias is None:
            raise ValueError("the path has a stage bias; give bias=, one value an output column (zeros for none)")
        if "offset" in kinds and self.zero_point is None:
            raise ValueError("the path has a stage offset; give zero_point=, the zero point of the result")
        if self.multiplier is not None and self.out_scale is not None:
            raise ValueError(
                "multiplier and out_scale are both given; the multiplier is scale of a * scale of b / out_scale: give one"
            )

    def multipliers(self, convention: str, a: Operand, b: Operand) -> np.ndarray:
        """The real multiplier of each result: given, or scale of a times scale of b over `out_scale`, as the convention forms it
        (see `real_multiplier`)."""
        if self.multiplier is not None:
            return to_float64(to_numpy(self.multiplier, "multiplier")[0], "multiplier")
        if self.out_scale is None:
            raise ValueError("the path has a stage rescale; give multiplier=, or out_scale= with scaled operands")
        scales = []
        for x, what in ((a, "a"), (b, "b")):
            if x.scales is None:
                scales.append(np.ones((x.rows, 1)))
            elif x.scales.shape[1] != 1:
                raise ValueError(
                    f"{what} has {x.scales.shape[1]} scales a row; a rescale takes one sum of integers: use the granularity "
                    "tensor, channel or token, or no stage rescale"
                )
            else:
                scales.append(np.broadcast_to(x.scales, (x.rows, 1)))
        out = to_float64(to_numpy(self.out_scale, "out_scale")[0], "out_scale")
        if not (np.isfinite(out).all() and (out > 0).all()):
            raise ValueError("out_scale must be finite and above zero")
        return real_multiplier(scales[0], scales[1].T, out, convention)


def apply(
    stages: tuple[Stage, ...], total: np.ndarray, last: Accumulator, given: Given, a: Operand, b: Operand, returns: str
) -> np.ndarray:
    """The finished sums `total` of accumulator `last` through the stages: values, or codes of the last format.

    Raises ValueError for data that do not fit, and for codes of results without a format.
    """
    kinds = [s.kind for s in stages]
    zero: Any = 0
    made, fmt = total, None
    for stage in stages:
        if stage.kind == "bias":
            made = _with_bias(made, last, given.bias)
        elif stage.kind == "rescale":
            if made.dtype.kind != "i":
                raise ValueError(f"stage {stage} takes an integer accumulator; {last} sums floats: leave it out")
            made = requantize(made, given.multipliers(stage.value, a, b), stage.value)
        elif stage.kind == "offset":
            zero = _integers(given.zero_point, "zero_point", made.shape)
            made = made + zero
        elif stage.kind == "relu":
            made = np.maximum(made, zero) if made.dtype.kind == "i" else np.where(made <= 0, np.zeros_like(made), made)
        elif stage.kind == "clip":
            made = np.clip(made, *(_like(v, made) for v in stage.limits))
        else:
            fmt = parse(stage.value)
            made = cast(made, fmt)
    if returns == "values":
        return made.astype(np.int64) if isinstance(fmt, Fixed) and fmt.frac_bits == 0 else made
    if fmt is not None and kinds[-1] == "cast":
        return encode(made, fmt)
    if kinds == ["bias"]:
        return last.codes(made)
    raise ValueError("the result has no format: end the path with a stage cast=FORMAT, or take returns='values'")


def _with_bias(total: np.ndarray, last: Accumulator, bias: Any) -> np.ndarray:
    if isinstance(last, IntAccumulator) or total.dtype.kind == "i":
        return last.join(total, _integers(bias, "bias", total.shape))
    held = np.array(spread(to_numpy(bias, "bias")[0], total.shape), np.float64)
    return last.finish(last.join(total.astype(np.float64), held))


def _integers(x: Any, what: str, shape: tuple[int, ...]) -> np.ndarray:
    array = to_numpy(x, what)[0]
    if array.dtype.kind not in "iu" and not np.array_equal(np.rint(array), array):
        raise ValueError(
            f"{what} holds values that are not integers; an integer accumulator takes bias / (scale of a * scale of b), rounded"
        )
    try:
        return np.broadcast_to(array.astype(np.int64), shape)
    except ValueError:
        raise ValueError(f"{what} has shape {array.shape}; it must broadcast to the result's {shape}") from None


def _like(limit: float, made: np.ndarray) -> Any:
    if made.dtype.kind == "i":
        if limit != int(limit):
            raise ValueError(f"clip limit {limit:g} is no integer, and the result is; use integers")
        return np.int64(limit)
    return made.dtype.type(limit)


_TFLM = "TensorFlow Lite Micro @ 90b983c, fully_connected and common.cc"
PRESETS: dict[str, tuple[str, str, str, str]] = {
    "tflite": (
        "int32|bias|rescale=tflite_double|offset|cast=int8",
        "TensorFlow Lite int8 layers: 32-bit sum, bias, double rounding, zero point, clamp",
        _TFLM,
        "measured",
    ),
    "tflite.single": (
        "int32|bias|rescale=tflite_single|offset|cast=int8",
        "TensorFlow Lite built with single rounding",
        _TFLM,
        "measured",
    ),
    "hawqv3": (
        "int32|bias|rescale=hawqv3|cast=int8",
        "HAWQ-V3 integer-only layers: 32-bit sum, bias, dyadic rescale, clamp",
        "HAWQ-V3 @ 1616df6, quant_utils.py",
        "measured",
    ),
    "fbgemm": (
        "int32|bias|rescale=fp32_lrint|offset|cast=uint8",
        "PyTorch's quantized linear on x86 (FBGEMM): 32-bit sum, float32 rescale, zero point, clamp",
        "FBGEMM, QuantUtils.h",
        "measured",
    ),
    "qnnpack": (
        "int32|bias|rescale=qnnpack_q31|offset|cast=uint8",
        "QNNPACK as first released: 31-bit multiplier of the float32 scale",
        "QNNPACK, requantization/q31-scalar.c",
        "measured",
    ),
    "tosa": (
        "int32|bias|rescale=tosa_double_round|offset|cast=int8",
        "TOSA RESCALE behind a 32-bit sum",
        "TOSA reference model, quant_util.h",
        "measured",
    ),
    "onnxruntime": (
        "int32|bias|rescale=fp32_lrint|offset|cast=uint8",
        "QLinearMatMul as ONNX Runtime's MLAS computes it",
        "onnxruntime issues 11759, 25512",
        "inferred",
    ),
    "x86.vpmaddubsw": (
        "int16+saturate+chunk2>int32",
        "pairs of uint8 * int8 saturated at 16 bits, 32-bit sum: x86 without VNNI",
        "PyTorch issue 44939; FBGEMM issue 125",
        "read",
    ),
}


def presets() -> dict[str, tuple[str, str, str]]:
    """Rows of `nf.datapaths()`."""
    return {name: (f"{models} ({text})", source, status) for name, (text, models, source, status) in PRESETS.items()}
