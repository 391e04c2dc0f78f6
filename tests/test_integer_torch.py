"""PyTorch's quantized operators on the CPU, live: convolution, addition, average and maximum pool."""

import contextlib

import numpy as np
import pytest

import numfmt as nf

torch = pytest.importorskip("torch")
L = nf.layers
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@contextlib.contextmanager
def engine(name):
    if name not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this PyTorch has no {name}")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def tensor(words, scale, zero):
    return torch._make_per_tensor_quantized_tensor(torch.from_numpy(words), float(scale), int(zero))


@pytest.mark.parametrize("name", ["fbgemm", "qnnpack"])
def test_convolutions(name):
    rng = np.random.default_rng(0)
    count = 0
    with engine(name):
        for _ in range(25):
            groups = int(rng.integers(1, 3))
            c, o, k = groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 5)), int(rng.integers(1, 4))
            stride, padding, dilation = (int(rng.integers(a, b)) for a, b in ((1, 3), (0, 3), (1, 3)))
            x = rng.integers(0, 128, (2, c, 9, 8)).astype(np.uint8)
            w = rng.integers(-127, 128, (o, c // groups, k, k)).astype(np.int8)
            zx, zy = int(rng.integers(0, 128)), int(rng.integers(0, 256))
            sx, sy = np.float32(rng.uniform(0.01, 0.05)), np.float32(rng.uniform(0.1, 0.4) * k)
            sw = rng.uniform(0.002, 0.02, o).astype(np.float32)
            bias = rng.standard_normal(o).astype(np.float32)
            qw = torch._make_per_channel_quantized_tensor(
                torch.from_numpy(w), torch.from_numpy(sw.astype(np.float64)), torch.zeros(o, dtype=torch.long), 0
            )
            args = [stride] * 2, [padding] * 2, [dilation] * 2, groups
            packed = torch.ops.quantized.conv2d_prepack(qw, torch.from_numpy(bias), *args)
            want = torch.ops.quantized.conv2d(tensor(x, sx, zx), packed, float(sy), zy).int_repr().numpy()
            stage = L.Requantize(sy, signed=False, in_scale=sx, weight_scale=sw, convention="fp32_lrint", zero_point=zy)
            words = np.rint(bias / (sx * sw)).astype(np.int64)  # PyTorch's bias: a division, unlike HAWQ's reciprocal
            layer = L.IntegerConv2d(
                w, words, stride=stride, padding=padding, dilation=dilation, groups=groups, input_zero_point=zx, requantize=stage
            )
            got = layer(x)
            assert got.dtype == np.uint8
            if name == "fbgemm":  # its bias enters as float32 behind the accumulator's conversion
                acc = L.IntegerConv2d(w, stride=stride, padding=padding, dilation=dilation, groups=groups, input_zero_point=zx)(x)
                near = np.abs(got.astype(int) - want) <= 1
                assert near.all()
                shape = (-1, 1, 1)
                scaled = (bias / (sx * sw)).astype(np.float32).reshape(shape)
                m = ((sx * sw) / sy).astype(np.float32).reshape(shape)
                exact = np.clip(np.rint((acc.astype(np.float32) + scaled) * m) + zy, 0, 255)
                np.testing.assert_array_equal(exact, want)
            else:
                np.testing.assert_array_equal(got, want)
            count += got.size
    assert count > 5000


def test_qnnpacks_addition():
    rng = np.random.default_rng(1)
    with engine("qnnpack"):
        for _ in range(40):
            a, b = (rng.integers(0, 256, (2, 8, 6, 5)).astype(np.uint8) for _ in range(2))
            scales = [np.float32(v) for v in rng.uniform(0.01, 0.1, 3)]
            zeros = tuple(int(v) for v in rng.integers(0, 256, 3))
            want = torch.ops.quantized.add(
                tensor(a, scales[0], zeros[0]), tensor(b, scales[1], zeros[1]), float(scales[2]), zeros[2]
            )
            layer = L.ResidualAdd(*scales, rule="qnnpack", signed=False, zero_points=zeros)
            np.testing.assert_array_equal(layer(a, b), want.int_repr().numpy())


def test_pools():
    rng = np.random.default_rng(2)
    with engine("fbgemm"):
        for _ in range(25):
            k, stride = int(rng.integers(1, 5)), int(rng.integers(1, 3))
            padding = int(rng.integers(0, k // 2 + 1))
            x = rng.integers(0, 256, (2, 8, 9, 8)).astype(np.uint8)
            zero = int(rng.integers(0, 256))
            q = tensor(x, 0.05, zero)
            want = torch.nn.functional.avg_pool2d(q, k, stride, padding).int_repr().numpy()
            got = L.IntegerAvgPool2d(k, stride=stride, padding=padding, rule="pytorch", zero_point=zero)(x)
            np.testing.assert_array_equal(got, want)
            want = torch.nn.functional.max_pool2d(q, k, stride, padding).int_repr().numpy()
            np.testing.assert_array_equal(L.IntegerMaxPool2d(k, stride=stride, padding=padding)(x), want)
