"""Records integers of HAWQ-V3's released modules: `python tools/record_hawq.py HAWQ_FOLDER tests/vectors/integer_layers.npz`.

Needs a checkout of Zhen-Dong/HAWQ (1616df6) and torch on the CPU. Small random residual networks are built from its own
Q_ResNet18 and Q_ResNet50 (fewer channels; the final pool fits the image), calibrated on one batch, frozen, and run; single
modules too. The float32 emulation is exact at these sizes except where a name says otherwise.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import torch
from torch import nn


def load(folder: str) -> tuple[Any, Any]:
    """(quant_modules, q_resnet) of the checkout, on the CPU and without pytorchcv, which only its other networks need."""
    torch.Tensor.cuda = lambda self, *a, **k: self  # type: ignore[method-assign]
    for name in ("pytorchcv", "pytorchcv.models", "pytorchcv.models.common", "pytorchcv.models.shufflenetv2"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["pytorchcv.models.common"].ConvBlock = object  # type: ignore[attr-defined]
    for unit in ("ShuffleUnit", "ShuffleInitBlock"):
        setattr(sys.modules["pytorchcv.models.shufflenetv2"], unit, object)
    sys.path.insert(0, folder)
    for package in ("utils", "utils.models", "utils.quantization_utils"):  # their __init__ would import every network
        made = types.ModuleType(package)
        made.__path__ = [folder + "/" + package.replace(".", "/")]
        sys.modules[package] = made
    import importlib

    return importlib.import_module("utils.quantization_utils.quant_modules"), importlib.import_module("utils.models.q_resnet")


class Plain(nn.Module):
    """A bag of attributes."""

    def __init__(self, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def conv_bn(inside: int, outside: int, size: int, stride: int) -> Plain:
    """A convolution and its batch normalization with statistics of their own; a few gammas are negative."""
    conv = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
    norm = nn.BatchNorm2d(outside)
    norm.weight.data = torch.randn(outside) * 0.3 + 1
    norm.weight.data[::5] *= -1
    norm.bias.data = torch.randn(outside) * 0.2
    norm.running_mean = torch.randn(outside) * 0.2
    norm.running_var = torch.rand(outside) * 1.5 + 0.5
    return Plain(conv=conv, bn=norm)


def network(units: list[int], channels: list[int], bottleneck: bool) -> tuple[Plain, dict[str, np.ndarray]]:
    """A model laid out as the quantized networks expect it, and its tensors under torchvision's names."""
    tensors: dict[str, np.ndarray] = {}

    def keep(name: str, norm: str, part: Plain) -> Plain:
        tensors[f"{name}.weight"] = part.conv.weight.detach().numpy()
        for key, value in part.bn.state_dict().items():
            if key != "num_batches_tracked":
                tensors[f"{norm}.{key}"] = value.numpy().copy()
        return part

    stem = keep("conv1", "bn1", conv_bn(3, channels[0], 7, 2))
    features = Plain(init_block=Plain(conv=stem))
    inside = channels[0]
    for stage, (count, middle) in enumerate(zip(units, channels, strict=True), 1):
        parts = {}
        for number in range(count):
            name, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
            outside = 2 * middle if bottleneck else middle
            shapes = (
                [(inside, middle, 1, stride), (middle, middle, 3, 1), (middle, outside, 1, 1)]
                if bottleneck
                else [(inside, middle, 3, stride), (middle, middle, 3, 1)]
            )
            body = {f"conv{i}": keep(f"{name}.conv{i}", f"{name}.bn{i}", conv_bn(*s)) for i, s in enumerate(shapes, 1)}
            resize = inside != outside or stride != 1
            unit = Plain(body=Plain(**body), resize_identity=resize)
            if resize:
                unit.identity_conv = keep(f"{name}.downsample.0", f"{name}.downsample.1", conv_bn(inside, outside, 1, stride))
            parts[f"unit{number + 1}"], inside = unit, outside
        setattr(features, f"stage{stage}", Plain(**parts))
    output = nn.Linear(inside, 5)
    tensors["fc.weight"], tensors["fc.bias"] = (p.detach().numpy() for p in (output.weight, output.bias))
    return Plain(features=features, output=output), tensors


def names_of(units: list[int], bottleneck: bool) -> dict[str, str]:
    """Name of a module -> name of its activation in `hawq_resnet`."""
    found = {"quant_act_int32": "stem", "quant_act_output": "fc"}
    for stage, count in enumerate(units, 1):
        for number in range(count):
            theirs, ours = f"stage{stage}.unit{number + 1}", f"layer{stage}.{number}"
            found[f"{theirs}.quant_act"] = f"{ours}.in"
            found[f"{theirs}.quant_act_int32"] = f"{ours}.out"
            for i in range(1, 3 if bottleneck else 2):
                found[f"{theirs}.quant_act{i}"] = f"{ours}.act{i}"
    return found


def run_network(qm: Any, qr: Any, kind: str, bits: int, out: dict[str, np.ndarray]) -> None:
    """Calibrate, freeze and run one network; its tensors, scales and integers go to `out`."""
    bottleneck = kind == "resnet50"
    units = [3, 4, 6, 3] if bottleneck else [2, 2, 2, 2]
    model, tensors = network(units, [6, 6, 8, 10], bottleneck)
    net = (qr.Q_ResNet50 if bottleneck else qr.Q_ResNet18)(model)
    net.final_pool = qm.QuantAveragePool2d(kernel_size=2, stride=1)
    for name, module in net.named_modules():
        if isinstance(module, (qm.QuantBnConv2d, qm.QuantLinear)):
            module.weight_bit = bits if "unit" in name else 8
            module.bias_bit, module.quantize_bias, module.per_channel = 32, True, True
        if isinstance(module, qm.QuantBnConv2d):
            module.fix()
        if isinstance(module, qm.QuantAct):
            module.act_range_momentum = -1
            wide, inner = name.endswith("int32"), "unit" in name
            module.activation_bit = 16 if wide else bits if inner else 8
            module.quant_mode = "asymmetric" if module.activation_bit == 4 else "symmetric"
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        net(images)
        for module in net.modules():
            if isinstance(module, qm.QuantAct):
                module.fix()
        seen: dict[str, np.ndarray] = {}
        names = names_of(units, bottleneck)
        for name, module in net.named_modules():
            if isinstance(module, qm.QuantAct):

                def hook(m: Any, given: Any, made: Any, name: str = name) -> None:
                    seen[name] = torch.round(made[0] / made[1]).numpy().astype(np.int64)

                module.register_forward_hook(hook)
        logits = net(images)
    key = f"{kind}.w{bits}"
    out[f"{key}/images"] = seen["quant_input"].astype(np.int8)
    out[f"{key}/image_scale"] = net.quant_input.act_scaling_factor.numpy().reshape(())
    scale = net.quant_output.fc_scaling_factor.numpy() * net.quant_act_output.act_scaling_factor.numpy()
    out[f"{key}/logits"] = np.rint(logits.numpy() / scale).astype(np.int32)
    out[f"{key}/tensor_names"] = np.array(sorted(tensors))
    out[f"{key}/tensors"] = np.concatenate([tensors[n].reshape(-1) for n in sorted(tensors)]).astype(np.float32)
    out[f"{key}/shapes"] = np.array([list(tensors[n].shape) + [0] * (4 - tensors[n].ndim) for n in sorted(tensors)])
    found = dict(net.named_modules())
    out[f"{key}/scale_names"] = np.array([names[n] for n in names])
    out[f"{key}/scales"] = np.array([found[n].act_scaling_factor.reshape(()).item() for n in names], np.float32)
    for n in names:  # digests would hide where a difference begins; a few channels are enough
        out[f"{key}/at/{names[n]}"] = seen[n][:1, :3].astype(np.int16)


def run_modules(qm: Any, out: dict[str, np.ndarray]) -> None:
    """Single modules: a dense layer, concatenation, average pools, and a convolution whose batch normalization is not folded."""
    x = torch.randint(-128, 128, (7, 40))
    scale = torch.tensor([0.0173])
    linear = nn.Linear(40, 11)
    layer = qm.QuantLinear(weight_bit=8, bias_bit=32, per_channel=True)
    layer.set_param(linear)
    with torch.no_grad():
        made = layer(x * scale, scale)
    out["linear/x"], out["linear/scale"] = x.numpy().astype(np.int8), scale.numpy().reshape(())
    out["linear/weight"], out["linear/bias"] = linear.weight.detach().numpy(), linear.bias.detach().numpy()
    out["linear/weight_int"] = layer.weight_integer.detach().numpy().astype(np.int8)
    out["linear/bias_int"] = layer.bias_integer.detach().numpy().astype(np.int32)
    out["linear/weight_scale"] = layer.fc_scaling_factor.numpy()
    out["linear/acc"] = np.rint(made.numpy() / (layer.fc_scaling_factor * scale).numpy()).astype(np.int32)

    # sums beyond 2**24, which its float32 convolution and division no longer hold
    wide = nn.Linear(4608, 4)
    wide.weight.data = torch.rand(4, 4608) + 0.5
    layer = qm.QuantLinear(weight_bit=8, bias_bit=32, per_channel=True)
    layer.set_param(wide)
    x = torch.randint(90, 128, (3, 4608))
    with torch.no_grad():
        made = layer(x * scale, scale)
    out["wide/x"], out["wide/weight_int"] = x.numpy().astype(np.int8), layer.weight_integer.detach().numpy().astype(np.int8)
    out["wide/bias_int"] = layer.bias_integer.detach().numpy().astype(np.int32)
    out["wide/acc"] = np.rint(made.numpy().astype(np.float64) / (layer.fc_scaling_factor * scale).numpy()).astype(np.int64)

    widths = [3, 2, 4]
    parts = [torch.randint(-32768, 32768, (2, w, 5, 5)) for w in widths]
    scales = [torch.tensor([s]) for s in (0.0003, 0.00071, 0.00013)]
    act = qm.QuantAct(activation_bit=8, act_range_momentum=-1)
    with torch.no_grad():
        joined = torch.cat([p * s for p, s in zip(parts, scales, strict=True)], 1)
        made, scale = act((joined, scales, widths))
    out["concat/x"], out["concat/widths"] = torch.cat(parts, 1).numpy().astype(np.int16), np.array(widths)
    out["concat/scales"], out["concat/out_scale"] = np.array([s.item() for s in scales], np.float32), scale.numpy().reshape(())
    out["concat/made"] = torch.round(made / scale).numpy().astype(np.int8)

    for size in (2, 7, 10, 12):
        x = torch.randint(0 if size != 2 else -900, 32768 if size != 2 else 900, (1, 3, 3 * size, 2 * size))
        s = torch.tensor([0.5])
        with torch.no_grad():
            made, _ = qm.QuantAveragePool2d(size, size)(x * s, s)
        out[f"pool{size}/x"], out[f"pool{size}/made"] = x.numpy().astype(np.int16), (made / s).numpy().astype(np.int16)

    part = conv_bn(4, 10, 3, 1)
    layer = qm.QuantBnConv2d(weight_bit=8, bias_bit=32, per_channel=True)
    layer.set_param(part.conv, part.bn)
    x, scale = torch.randint(-128, 128, (3, 4, 9, 9)), torch.tensor([0.02])
    act = qm.QuantAct(activation_bit=8, act_range_momentum=-1)
    with torch.no_grad():
        # the path without folding takes real inputs and multiplies by the weight's scale alone
        made, weight_scale = layer(x * scale, scale)
        again, out_scale = act(made, scale, weight_scale)
    out["unfolded/x"], out["unfolded/scale"] = x.numpy().astype(np.int8), scale.numpy().reshape(())
    out["unfolded/weight"] = part.conv.weight.detach().numpy()
    out["unfolded/gamma"], out["unfolded/beta"] = part.bn.weight.detach().numpy(), part.bn.bias.detach().numpy()
    out["unfolded/weight_scale"] = weight_scale.detach().numpy()
    out["unfolded/out_scale"] = out_scale.detach().numpy().reshape(())
    out["unfolded/made"] = torch.round(again / out_scale).detach().numpy().astype(np.int8)


def main(folder: str, path: str) -> None:
    """Record everything."""
    torch.manual_seed(3)
    torch.set_num_threads(1)
    qm, qr = load(folder)
    out: dict[str, np.ndarray] = {}
    for kind, bits in (("resnet18", 8), ("resnet18", 4), ("resnet50", 8)):
        run_network(qm, qr, kind, bits, out)
    run_modules(qm, out)
    np.savez_compressed(path, **out)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
