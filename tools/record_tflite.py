"""Records int8 layers of TensorFlow Lite as test vectors: `python tools/record_tflite.py tests/vectors/integer_tflite.npz`.

Needs ai-edge-litert 2.3.0 and flatbuffers. Each case is a model of one operator (or a sequence of five) with random weights,
scales and zero points, run by the reference kernels (BUILTIN_REF). Images are NHWC and weights OHWI there; the file holds NCHW and
OIHW.
"""

from __future__ import annotations

import sys
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

TYPES = {"int8": schema.TensorType.INT8, "int16": schema.TensorType.INT16, "int32": schema.TensorType.INT32}


class Model:
    """A graph in the making."""

    def __init__(self) -> None:
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.description = 3, "recorded"
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, shape: Any, dtype: str, scale: Any, zero: Any = 0, data: np.ndarray | None = None, axis: int = 0) -> int:
        t = schema.TensorT()
        t.shape, t.type, t.name = list(shape), TYPES[dtype], f"t{len(self.graph.tensors)}"
        q = schema.QuantizationParametersT()
        q.scale = np.atleast_1d(np.asarray(scale, np.float32))
        q.zeroPoint = np.broadcast_to(np.asarray(zero, np.int64), q.scale.shape).copy()
        q.quantizedDimension = axis
        t.quantization = q
        t.buffer = 0
        if data is not None:
            b = schema.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(b)
            t.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def op(self, name: str, inputs: list[int], output: int, **options: Any) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = 3 if name in ("CONV_2D", "DEPTHWISE_CONV_2D") else 4 if name == "FULLY_CONNECTED" else 2
        self.model.operatorCodes.append(code)
        o = schema.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = len(self.model.operatorCodes) - 1, inputs, [output]
        kind = {
            "CONV_2D": "Conv2DOptions",
            "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
            "ADD": "AddOptions",
            "AVERAGE_POOL_2D": "Pool2DOptions",
            "MAX_POOL_2D": "Pool2DOptions",
            "FULLY_CONNECTED": "FullyConnectedOptions",
        }[name]
        made = getattr(schema, kind + "T")()
        for key, value in options.items():
            assert hasattr(made, key), key
            setattr(made, key, value)
        o.builtinOptions, o.builtinOptionsType = made, getattr(schema.BuiltinOptions, kind)
        self.graph.operators.append(o)

    def run(self, inputs: dict[int, np.ndarray], outputs: list[int]) -> list[np.ndarray]:
        self.graph.inputs, self.graph.outputs = list(inputs), outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        made = Interpreter(model_content=bytes(builder.Output()), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        made.allocate_tensors()
        for detail, value in zip(made.get_input_details(), inputs.values(), strict=True):
            made.set_tensor(detail["index"], value)
        made.invoke()
        return [made.get_tensor(d["index"]).copy() for d in made.get_output_details()]


def nchw(x: np.ndarray) -> np.ndarray:
    """NHWC to NCHW."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def convolution(rng: np.random.Generator, depthwise: bool, out: dict[str, np.ndarray], key: str) -> None:
    """One convolution."""
    c, o = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    k, stride, dilation = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(1, 3))
    size = (int(rng.integers(5, 10)), int(rng.integers(5, 10)))
    same = bool(rng.integers(0, 2)) and dilation == 1
    multiplier = int(rng.integers(1, 3))
    outs = c * multiplier if depthwise else o
    w = rng.integers(-127, 128, (outs, k, k, 1 if depthwise else c)).astype(np.int8)
    x = rng.integers(-128, 128, (2, *size, c)).astype(np.int8)
    bias = rng.integers(-3000, 3000, outs).astype(np.int32)
    zx, zy = (int(v) for v in rng.integers(-128, 128, 2))
    sx, sw = np.float32(rng.uniform(0.005, 0.1)), rng.uniform(0.001, 0.02, outs).astype(np.float32)
    sy = np.float32(sx * sw.max() * np.sqrt(w[0].size) * 80)
    m = Model()
    tx = m.tensor(x.shape, "int8", sx, zx)
    stored = w.transpose(3, 1, 2, 0) if depthwise else w
    tw = m.tensor(stored.shape, "int8", sw, 0, stored, axis=3 if depthwise else 0)
    tb = m.tensor(bias.shape, "int32", sx * sw, 0, bias)
    span = dilation * (k - 1) + 1
    shape = [-(-n // stride) if same else (n - span) // stride + 1 for n in size]
    ty = m.tensor((2, *shape, outs), "int8", sy, zy)
    options = {"strideH": stride, "strideW": stride, "dilationHFactor": dilation, "dilationWFactor": dilation}
    options["padding"] = schema.Padding.SAME if same else schema.Padding.VALID
    relu = bool(rng.integers(0, 2))
    options["fusedActivationFunction"] = schema.ActivationFunctionType.RELU if relu else 0
    if depthwise:
        options["depthMultiplier"] = multiplier
    m.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [tx, tw, tb], ty, **options)
    (y,) = m.run({tx: x}, [ty])
    out[f"{key}/x"], out[f"{key}/w"], out[f"{key}/bias"], out[f"{key}/y"] = nchw(x), nchw(w), bias, nchw(y)
    out[f"{key}/scales"] = np.concatenate([[sx, sy], sw]).astype(np.float32)
    out[f"{key}/facts"] = np.array([zx, zy, stride, dilation, same, c if depthwise else 1, relu])


def addition(rng: np.random.Generator, out: dict[str, np.ndarray], key: str, dtype: str) -> None:
    """One addition."""
    half = 128 if dtype == "int8" else 32768
    a, b = (rng.integers(-half, half, (2, 6, 5, 3)).astype(dtype) for _ in range(2))
    scales = rng.uniform(0.005, 0.1, 3).astype(np.float32)
    scales[2] = scales[:2].sum() * np.float32(rng.uniform(0.4, 1.0))
    zeros = rng.integers(-128, 128, 3) if dtype == "int8" else np.zeros(3, int)
    m = Model()
    ta, tb, ty = (m.tensor(a.shape, dtype, s, int(z)) for s, z in zip(scales, zeros, strict=True))
    m.op("ADD", [ta, tb], ty, potScaleInt16=False)
    (y,) = m.run({ta: a, tb: b}, [ty])
    out[f"{key}/a"], out[f"{key}/b"], out[f"{key}/y"], out[f"{key}/scales"], out[f"{key}/zeros"] = a, b, y, scales, zeros


def pool(rng: np.random.Generator, out: dict[str, np.ndarray], key: str, name: str) -> None:
    """One pool."""
    k, stride, same = int(rng.integers(1, 5)), int(rng.integers(1, 3)), bool(rng.integers(0, 2))
    size = (int(rng.integers(5, 10)), int(rng.integers(5, 10)))
    x = rng.integers(-128, 128, (2, *size, 3)).astype(np.int8)
    shape = [-(-n // stride) if same else (n - k) // stride + 1 for n in size]
    m = Model()
    tx, ty = m.tensor(x.shape, "int8", 0.05, 7), m.tensor((2, *shape, 3), "int8", 0.05, 7)
    padding = schema.Padding.SAME if same else schema.Padding.VALID
    m.op(name, [tx], ty, filterHeight=k, filterWidth=k, strideH=stride, strideW=stride, padding=padding)
    (y,) = m.run({tx: x}, [ty])
    out[f"{key}/x"], out[f"{key}/y"], out[f"{key}/facts"] = nchw(x), nchw(y), np.array([k, stride, same])


def dense(rng: np.random.Generator, out: dict[str, np.ndarray], key: str) -> None:
    """One fully connected layer, one scale for all weights."""
    k, n = int(rng.integers(2, 90)), int(rng.integers(1, 20))
    x, w = rng.integers(-128, 128, (4, k)).astype(np.int8), rng.integers(-127, 128, (n, k)).astype(np.int8)
    bias = rng.integers(-3000, 3000, n).astype(np.int32)
    zx, zy = (int(v) for v in rng.integers(-128, 128, 2))
    sx, sw = (np.float32(v) for v in rng.uniform(0.002, 0.05, 2))
    sy = np.float32(sx * sw * np.sqrt(k) * 100)
    if rng.integers(0, 2):  # powers of two make ties
        sx, sw, sy = (np.float32(2.0**v) for v in (-6, -7, -4))
    m = Model()
    tx, tw = m.tensor(x.shape, "int8", sx, zx), m.tensor(w.shape, "int8", sw, 0, w)
    tb, ty = m.tensor(bias.shape, "int32", sx * sw, 0, bias), m.tensor((4, n), "int8", sy, zy)
    m.op("FULLY_CONNECTED", [tx, tw, tb], ty)
    (y,) = m.run({tx: x}, [ty])
    out[f"{key}/x"], out[f"{key}/w"], out[f"{key}/bias"], out[f"{key}/y"] = x, w, bias, y
    out[f"{key}/scales"], out[f"{key}/facts"] = np.array([sx, sy, sw], np.float32), np.array([zx, zy])


def sequence(rng: np.random.Generator, out: dict[str, np.ndarray]) -> None:
    """Convolution, depthwise convolution, addition of the two, average pool, fully connected."""
    x = rng.integers(-128, 128, (3, 16, 16, 3)).astype(np.int8)
    w1, w2 = (rng.integers(-127, 128, s).astype(np.int8) for s in ((8, 3, 3, 3), (1, 3, 3, 8)))
    w3 = rng.integers(-127, 128, (10, 8)).astype(np.int8)
    b1, b2, b3 = (rng.integers(-2000, 2000, n).astype(np.int32) for n in (8, 8, 10))
    s = np.array([0.02, 0.05, 0.06, 0.09, 0.11], np.float32)  # x, conv, depthwise, addition, dense
    s1, s2 = (rng.uniform(0.001, 0.004, 8).astype(np.float32) for _ in range(2))
    s3, z = np.float32(0.005), [-3, -128, 4, -9, 11]
    m = Model()
    tx = m.tensor(x.shape, "int8", s[0], z[0])
    t1, t2, t3 = (m.tensor((3, 8, 8, 8), "int8", s[i], z[i]) for i in (1, 2, 3))
    t4, t5 = m.tensor((3, 1, 1, 8), "int8", s[3], z[3]), m.tensor((3, 10), "int8", s[4], z[4])
    tw1, tb1 = m.tensor(w1.shape, "int8", s1, 0, w1), m.tensor((8,), "int32", s[0] * s1, 0, b1)
    tw2, tb2 = m.tensor(w2.shape, "int8", s2, 0, w2, axis=3), m.tensor((8,), "int32", s[1] * s2, 0, b2)
    tw3, tb3 = m.tensor(w3.shape, "int8", s3, 0, w3), m.tensor((10,), "int32", s[3] * s3, 0, b3)
    relu = schema.ActivationFunctionType.RELU
    m.op("CONV_2D", [tx, tw1, tb1], t1, strideH=2, strideW=2, padding=schema.Padding.SAME, fusedActivationFunction=relu)
    m.op("DEPTHWISE_CONV_2D", [t1, tw2, tb2], t2, strideH=1, strideW=1, padding=schema.Padding.SAME, depthMultiplier=1)
    m.op("ADD", [t1, t2], t3, potScaleInt16=False)
    m.op("AVERAGE_POOL_2D", [t3], t4, filterHeight=8, filterWidth=8, strideH=8, strideW=8, padding=schema.Padding.VALID)
    m.op("FULLY_CONNECTED", [t4, tw3, tb3], t5)
    made = m.run({tx: x}, [t1, t2, t3, t4, t5])
    out["sequence/x"], out["sequence/w1"], out["sequence/w2"], out["sequence/w3"] = nchw(x), nchw(w1), w2.transpose(3, 0, 1, 2), w3
    out["sequence/b1"], out["sequence/b2"], out["sequence/b3"] = b1, b2, b3
    out["sequence/scales"], out["sequence/s1"], out["sequence/s2"], out["sequence/s3"] = s, s1, s2, s3
    out["sequence/zeros"] = np.array(z)
    for i, y in enumerate(made):
        out[f"sequence/y{i}"] = nchw(y) if y.ndim == 4 else y


def main(path: str) -> None:
    """Record everything."""
    rng = np.random.default_rng(11)
    out: dict[str, np.ndarray] = {}
    for i in range(24):
        convolution(rng, False, out, f"conv{i}")
        convolution(rng, True, out, f"depthwise{i}")
        dense(rng, out, f"dense{i}")
    for i in range(24, 60):
        dense(rng, out, f"dense{i}")
    for i in range(12):
        addition(rng, out, f"add8_{i}", "int8")
        addition(rng, out, f"add16_{i}", "int16")
        pool(rng, out, f"average{i}", "AVERAGE_POOL_2D")
        pool(rng, out, f"maximum{i}", "MAX_POOL_2D")
    sequence(rng, out)
    np.savez_compressed(path, **out)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1])
