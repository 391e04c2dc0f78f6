"""Residual networks from float tensors to integers alone, as HAWQ-V3 builds and runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._arrays import to_numpy
from .fold import fold_batch_norm
from .integer_add import ResidualAdd
from .integer_conv import IntegerConv2d
from .integer_linear import IntegerLinear
from .integer_pool import IntegerAvgPool2d, IntegerMaxPool2d
from .integer_quantizers import activation_scale, quantize_bias, quantize_weight, weight_scale
from .integer_requantize import IntegerReLU, Requantize
from .integer_tensor import along, channel_axis, integers
from .residual import ResidualBlock
from .sequential import Flatten, Sequential

_F = np.float32
_RESIDUAL_BITS = 16  # of the tensor between blocks in every released configuration


class IntegerNetwork:
    """Integer images in, integer logits out. layers: a `Sequential`. scales: of every activation that is quantized, by name.
    logit_scale: float32, what the integer logits are to be multiplied by, one an output."""

    def __init__(self, layers: Sequential, scales: Mapping[str, float], logit_scale: np.ndarray) -> None:
        self.layers, self.scales, self.logit_scale = layers, dict(scales), logit_scale

    def __call__(self, x: Any) -> Any:
        """x: integers -> int32 logits."""
        return self.layers(x)

    def logits(self, x: Any) -> np.ndarray:
        """Real logits, float32: integers times their scale, the one step outside of the integers."""
        found: np.ndarray = to_numpy(self(x))[0].astype(_F) * self.logit_scale
        return found

    def explain(self) -> str:
        """A line a layer."""
        return self.layers.explain()

    def __repr__(self) -> str:
        return repr(self.layers)


def hawq_resnet(
    tensors: Mapping[str, Any],
    calibration: Any = None,
    *,
    image_scale: float,
    image_zero_point: int = 0,
    scales: Mapping[str, float] | None = None,
    bits: int | Mapping[str, int] = 8,
    stem_stride: int = 2,
    stem_pool: bool = True,
    stride_at: str = "conv2",
    eps: float = 1e-5,
    convention: str = "hawqv3",
    pool_rule: str = "hawqv3",
) -> IntegerNetwork:
    """A ResNet of basic or bottleneck blocks in integers: batch normalization folded, weights and biases quantized as HAWQ does.

    tensors: float arrays under torchvision's names: conv1.weight, bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var,
    layer1.0.conv1.weight, ..., layer2.0.downsample.0.weight, layer2.0.downsample.1.weight, ..., fc.weight, fc.bias. The blocks
    follow from the names; the first block of layer2 and later ones has stride 2, in a bottleneck at `stride_at` (conv2, or conv1
    as in the first ResNet and HAWQ). calibration: integer images (n, C, H, W) on which the scales that `scales` lacks are found,
    as HAWQ finds them on its first batch. image_scale, image_zero_point: real pixel = (integer - zero point) * scale.
    bits: 8, 4, or a mapping of convolution names to them (others 8, a shortcut as the convolution beside it); the input of a
    convolution has its weights' width, 4 bits unsigned; first convolution and last layer 8. convention: of the rescales.
    pool_rule: "hawqv3" or "floor".

    Steps: stem, (maximum pool), rescale to 16 bits, ReLU; blocks: rescale of the 16-bit tensor, convolutions with ReLU and
    rescale between them, `ResidualAdd` to 16 bits, ReLU; average pool; rescale to 8 bits; dense layer: int32 logits.

    Raises ValueError for missing tensors, widths other than 4 and 8, and scales that neither `scales` nor `calibration` gives.
    """
    build = _Builder(tensors, calibration, scales, bits, eps, convention)
    layers: list[tuple[str, Any]] = []
    x = None if calibration is None else integers(calibration, "calibration")[0]

    def put(name: str, layer: Callable[[Any], Any]) -> None:
        nonlocal x
        layers.append((name, layer))
        x = None if x is None else integers(layer(x))[0]

    conv, acc = build.conv("conv1", "bn1", _F(image_scale), stem_stride, 8, image_zero_point)
    put("conv1", conv)
    if stem_pool:
        put("maxpool", IntegerMaxPool2d(3, stride=2, padding=1))
    wide = build.rescale("stem", x, acc, _RESIDUAL_BITS)
    put("stem", wide)
    put("relu", IntegerReLU())
    scale = _F(wide.out_scale)
    for block in build.blocks():
        made, scale = build.block(block, x, scale, stride_at)
        put(block, made)
    put("avgpool", IntegerAvgPool2d(rule=pool_rule))
    put("flatten", Flatten())
    last = build.rescale("fc", x, (scale, 1.0), 8)
    put("fc.in", last)
    fc_scale = weight_scale(build.get("fc.weight"), 8)
    fc_bias = build.get("fc.bias") if "fc.bias" in tensors else np.zeros(len(fc_scale), _F)
    fc = IntegerLinear(quantize_weight(build.get("fc.weight"), fc_scale, 8), quantize_bias(fc_bias, fc_scale, last.out_scale))
    put("fc", fc)
    return IntegerNetwork(Sequential(layers), build.scales, fc_scale * _F(last.out_scale))


class _Builder:
    """Layers from tensors; scales found on the way."""

    def __init__(self, tensors: Mapping[str, Any], calibration: Any, scales: Any, bits: Any, eps: float, convention: str) -> None:
        self.tensors, self.eps, self.convention = tensors, eps, convention
        self.scales: dict[str, float] = dict(scales or {})
        self.calibrated = calibration is not None
        self.bits = bits

    def get(self, name: str) -> np.ndarray:
        if name not in self.tensors:
            raise ValueError(f"tensor {name!r} is missing; a ResNet under torchvision's names has it")
        return to_numpy(self.tensors[name], name)[0].astype(_F)

    def width(self, conv: str, default: int = 8) -> int:
        found = self.bits if isinstance(self.bits, int) else self.bits.get(conv, default)
        if found not in (4, 8):
            raise ValueError(f"bits={found!r} of {conv} is not allowed; HAWQ-V3's layers have 4 or 8")
        return int(found)

    def blocks(self) -> list[str]:
        found = {m[0] for name in self.tensors if (m := re.match(r"layer\d+\.\d+(?=\.conv1\.weight$)", name))}
        if not found:
            raise ValueError(
                "tensors holds no block such as layer1.0.conv1.weight; give a ResNet's tensors under torchvision's names"
            )
        return sorted(found, key=lambda b: [int(v) for v in re.findall(r"\d+", b)])

    def conv(
        self, name: str, norm: str, in_scale: np.float32, stride: int, bits: int, zero_point: int = 0
    ) -> tuple[IntegerConv2d, tuple[np.float32, np.ndarray]]:
        """The convolution with its batch normalization, and the two scales of its accumulators."""
        bias = self.get(f"{name}.bias") if f"{name}.bias" in self.tensors else None
        gamma, beta, mean, var = (self.get(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var"))
        folded = fold_batch_norm(self.get(f"{name}.weight"), bias, gamma, beta, mean, var, self.eps)
        scale = weight_scale(folded.weight, bits)
        made = IntegerConv2d(
            quantize_weight(folded.weight, scale, bits),
            quantize_bias(folded.bias, scale, in_scale),
            stride=stride,
            padding=folded.weight.shape[2] // 2,
            input_zero_point=zero_point,
        )
        return made, (in_scale, scale)

    def scale(self, name: str, real: np.ndarray | None, bits: int, signed: bool) -> float:
        """The scale of an activation: given, or of the range of its real values."""
        if name not in self.scales:
            if real is None:
                raise ValueError(f"scales lacks {name!r}; give it, or calibration images to find it on")
            self.scales[name] = float(activation_scale(real.min(), real.max(), bits, signed=signed))
        return self.scales[name]

    def rescale(self, name: str, acc: np.ndarray | None, in_scales: tuple[Any, Any], bits: int) -> Requantize:
        signed = bits != 4
        out = self.scale(name, None if acc is None else _real(acc, in_scales), bits, signed)
        return Requantize(out, bits, signed=signed, in_scale=in_scales[0], weight_scale=in_scales[1], convention=self.convention)

    def block(self, name: str, x: np.ndarray | None, scale: np.float32, stride_at: str) -> tuple[ResidualBlock, np.float32]:
        """A residual block on the 16-bit tensor x, and the scale of its result."""
        count = 3 if f"{name}.conv3.weight" in self.tensors else 2
        stage, number = (int(v) for v in re.findall(r"\d+", name))
        stride = 2 if stage > 1 and number == 0 else 1
        where = stride_at if count == 3 else "conv1"
        if where not in ("conv1", "conv2"):
            raise ValueError(f"stride_at={stride_at!r} is not allowed; use 'conv2' or 'conv1'")
        entry = self.rescale(f"{name}.in", x, (scale, 1.0), self.width(f"{name}.conv1"))
        main: list[Any] = [("in", entry)]
        h = None if x is None else integers(entry(x))[0]
        entered, given = h, _F(entry.out_scale)
        acc: tuple[Any, Any] = (given, 1.0)
        for i in range(1, count + 1):
            conv_name = f"{name}.conv{i}"
            step = stride if where == f"conv{i}" else 1
            conv, acc = self.conv(conv_name, f"{name}.bn{i}", given, step, self.width(conv_name))
            main.append((f"conv{i}", conv))
            h = None if h is None else integers(conv(h))[0]
            if i == count:
                break
            relu = IntegerReLU()
            h = None if h is None else integers(relu(h))[0]
            narrow = self.rescale(f"{name}.act{i}", h, acc, self.width(f"{name}.conv{i + 1}"))
            main += [(f"relu{i}", relu), (f"act{i}", narrow)]
            h, given = None if h is None else integers(narrow(h))[0], _F(narrow.out_scale)
        shortcut, other = None, x
        other_scale: tuple[Any, Any] = (scale, 1.0)
        if f"{name}.downsample.0.weight" in self.tensors:
            bits = self.width(f"{name}.downsample.0", self.width(f"{name}.conv1"))
            conv, other_scale = self.conv(f"{name}.downsample.0", f"{name}.downsample.1", _F(entry.out_scale), stride, bits)
            shortcut = Sequential([("in", entry), ("conv", conv)])
            other = None if entered is None else integers(conv(entered))[0]
        real = None if h is None or other is None else _real(h, acc) + _real(other, other_scale)
        out = self.scale(f"{name}.out", real, _RESIDUAL_BITS, True)
        add = ResidualAdd(acc, other_scale, out, bits=_RESIDUAL_BITS)
        return ResidualBlock(Sequential(main), add, shortcut, IntegerReLU()), _F(out)


def _real(acc: np.ndarray, in_scales: tuple[Any, Any]) -> np.ndarray:
    """float32 values of accumulators."""
    product = np.asarray(in_scales[0], _F) * np.asarray(in_scales[1], _F)
    return acc.astype(_F) * along(product, acc.ndim, channel_axis(acc.ndim))
