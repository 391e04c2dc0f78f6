"""Torch modules and ONNX graphs as workloads."""

import numpy as np
import pytest

import hwmodel as hw
from hwmodel._data import csv_rows

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
nn = torch.nn
SHAPE = ["batch", "m", "n", "k"]


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.downsample = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride != 1 else nn.Identity()

    def forward(self, x):
        y = self.conv2(torch.relu(self.conv1(x)))
        return torch.relu(y + self.downsample(x))


def resnet18():
    """The public definition of ResNet-18, norms left out."""
    parts = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        parts += [Block(width, outputs, stride), Block(outputs, outputs, 1)]
        width = outputs
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_resnet18_equals_the_table(device):
    with torch.device(device):
        work = hw.workload_from_torch(resnet18(), torch.zeros(1, 3, 224, 224))
    ours, table = (sorted(w[SHAPE].to_numpy().tolist()) for w in (work, hw.workload("resnet-18")))
    assert ours == table
    assert work.layer[1] == "2.conv1"
    assert work.layer.is_unique


def test_a_module_without_memory():
    with torch.device("meta"):
        linear = nn.Linear(2**17, 2**17)  # 64 GiB if it were real
        work = hw.workload_from_torch(linear, torch.zeros(4, 2**17))
    assert work.macs.sum() == 4 * 2**34
    assert not linear._forward_hooks
    assert not linear._forward_pre_hooks


def test_grouped_dilated_and_one_dimensional_convolutions():
    net = nn.Sequential(nn.Conv1d(6, 12, 5, 2, 1, dilation=2, groups=3), nn.ReLU(), nn.Conv1d(12, 4, 3, padding="same"))
    work = hw.workload_from_torch(net, torch.zeros(7, 6, 40))
    first = net[0](torch.zeros(7, 6, 40)).shape[-1]
    assert work[SHAPE].to_numpy().tolist() == [[3, 7 * first, 4, 10], [1, 7 * first, 4, 36]]
    assert work.groups.tolist() == [3, 1]


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("grouped", [False, True])
def test_attention_is_seen(device, grouped):
    class Attend(nn.Module):
        def forward(self, q, k, v):
            return nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=grouped)

    with torch.device(device):
        shapes = (2, 8, 5, 16), (2, 4 if grouped else 8, 9, 16), (2, 4 if grouped else 8, 9, 16)
        work = hw.workload_from_torch(Attend(), *(torch.zeros(s) for s in shapes))
    assert work.kind.tolist() == ["attention_qk", "attention_pv"]
    assert work.macs.tolist() == [2 * 8 * 5 * 9 * 16] * 2
    assert work.context.tolist() == [9, 9]
    assert work.weights.sum() == 0


def test_encoder_layer():
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    work = hw.workload_from_torch(layer, torch.zeros(2, 10, 64))
    assert work.kind.tolist() == ["linear", "attention_qk", "attention_pv", "linear", "linear", "linear"]
    assert work.weights.sum() == sum(p.numel() for p in layer.parameters() if p.ndim == 2)
    assert work.macs.sum() == 20 * work.weights.sum() + 2 * (2 * 4 * 10 * 10 * 16)
    assert hw.score(work, "fp16@j25").total.macs == work.macs.sum()


def test_a_layer_used_twice_is_two_rows():
    layer = nn.Linear(4, 4)
    work = hw.workload_from_torch(nn.Sequential(layer, layer), torch.zeros(3, 4))
    assert work.layer.tolist() == ["0", "0#2"]


def test_torch_refusals():
    with pytest.raises(ValueError, match="transposed"):
        hw.workload_from_torch(nn.ConvTranspose2d(2, 2, 3), torch.zeros(1, 2, 5, 5))
    with pytest.raises(ValueError, match="3 dimensions"):
        hw.workload_from_torch(nn.Conv3d(2, 2, 3), torch.zeros(1, 2, 5, 5, 5))
    with pytest.raises(ValueError, match="no matrix product"):
        hw.workload_from_torch(nn.ReLU(), torch.zeros(2))
    failing = nn.Linear(3, 3)
    with pytest.raises(RuntimeError):
        hw.workload_from_torch(failing, torch.zeros(2, 4))
    assert not failing._forward_hooks


# ONNX

FLOAT = onnx.TensorProto.FLOAT


def graph(nodes, inputs, weights, outputs):
    helper = onnx.helper
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])


def node(kind, inputs, output, **attributes):
    return onnx.helper.make_node(kind, inputs, [output], name=f"{kind}_{output}", **attributes)


def onnx_table(name):
    """A network of the package's table as an ONNX graph: a chain where shapes allow it, else a new input."""
    nodes, inputs, weights, last = [], {}, {}, None
    for i, r in enumerate(r for r in csv_rows("hwmodel.workloads", "vision_nets") if r["network"].lower() == name):
        channels = int(r["in_ch"]), int(r["out_ch"])
        if not r["k_h"]:
            inputs[f"x{i}"], weights[f"w{i}"] = (1, channels[0]), (channels[1], channels[0])
            nodes.append(node("Gemm", [f"x{i}", f"w{i}"], f"y{i}", transB=1))
        else:
            groups, size = int(r["groups"]), (int(r["ifm_h"]), int(r["ifm_w"]))
            if last != (channels[0], size):
                inputs[f"x{i}"] = (1, channels[0], *size)
            weights[f"w{i}"] = (channels[1], channels[0] // groups, int(r["k_h"]), int(r["k_w"]))
            source = f"x{i}" if f"x{i}" in inputs else f"y{i - 1}"
            pads, strides = [int(r["pad"])] * 4, [int(r["stride"])] * 2
            nodes.append(node("Conv", [source, f"w{i}"], f"y{i}", pads=pads, strides=strides, group=groups))
            out = [(s + 2 * pads[0] - int(r["k_h"])) // strides[0] + 1 for s in size]
            last = (channels[1], tuple(out))
    return graph(nodes, inputs, weights, [f"y{len(nodes) - 1}"])


@pytest.mark.parametrize("name", ["resnet-18", "resnet-50", "mobilenetv2"])
def test_onnx_networks_equal_the_table(name, tmp_path):
    model = onnx_table(name)
    onnx.save(model, tmp_path / "net.onnx")
    assert hw.workload_from_onnx(tmp_path / "net.onnx")[SHAPE].to_numpy().tolist() == hw.workload(name)[SHAPE].to_numpy().tolist()


def test_onnx_attention_and_products():
    nodes = [
        node("MatMul", ["x", "wq"], "q"),
        node("MatMul", ["x", "wk"], "k"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "s"),
        node("MatMul", ["s", "q"], "o"),
        node("Transpose", ["wo"], "wt", perm=[1, 0]),
        node("MatMul", ["o", "wt"], "y"),
    ]
    model = graph(nodes, {"x": ("batch", 10, 8)}, {"wq": (8, 8), "wk": (8, 8), "wo": (12, 8)}, ["y"])
    work = hw.workload_from_onnx(model, {"x": (3, 10, 8)})
    assert work.kind.tolist() == ["linear", "linear", "attention_qk", "attention_pv", "linear"]
    assert work[["m", "n", "k"]].to_numpy().tolist() == [[30, 8, 8], [30, 8, 8], [10, 10, 8], [10, 8, 10], [30, 12, 8]]
    assert work.batch.tolist() == [1, 1, 3, 3, 1]
    assert work.weights.sum() == 64 + 64 + 96
    with pytest.raises(ValueError, match=r"dimension 'batch' of 'x' at operator MatMul_q is open"):
        hw.workload_from_onnx(model)


def test_onnx_padding_and_transposed_products():
    nodes = [
        node("Conv", ["x", "w"], "y", auto_pad="SAME_UPPER", strides=[2, 2], dilations=[1, 1]),
        node("Conv", ["x1", "w1"], "y1", pads=[2, 1], dilations=[2]),
        node("Gemm", ["a", "b"], "g", transA=1),
        node("MatMul", ["b", "v"], "h"),
    ]
    inputs = {"x": (2, 3, 15, 16), "x1": (1, 4, 20), "a": (6, 5), "v": (4, 9)}
    work = hw.workload_from_onnx(graph(nodes, inputs, {"w": (8, 3, 3, 3), "w1": (7, 4, 3), "b": (6, 4)}, ["y", "y1", "g", "h"]))
    assert work[["m", "n", "k"]].to_numpy().tolist() == [[2 * 8 * 8, 8, 27], [19, 7, 12], [5, 4, 6], [9, 6, 4]]


def test_onnx_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        hw.workload_from_onnx(tmp_path / "absent.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"this is no model")
    with pytest.raises(ValueError, match="no ONNX model"):
        hw.workload_from_onnx(tmp_path / "bad.onnx")
    model = graph([node("ConvTranspose", ["x", "w"], "y")], {"x": (1, 2, 5, 5)}, {"w": (2, 2, 3, 3)}, ["y"])
    with pytest.raises(ValueError, match="ConvTranspose"):
        hw.workload_from_onnx(model)
    relu = graph([node("Relu", ["x"], "y")], {"x": (1, 2)}, {}, ["y"])
    with pytest.raises(ValueError, match="nothing to score"):
        hw.workload_from_onnx(relu)
    with pytest.raises(ValueError, match="inputs names 'z'"):
        hw.workload_from_onnx(relu, {"z": (1,)})
    with pytest.raises(ValueError, match="2 dimensions"):
        hw.workload_from_onnx(relu, {"x": (1,)})
