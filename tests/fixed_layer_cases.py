"""A layer of recorded hls4ml vectors (tools/record_hls4ml.py) computed by numfmt."""

import json

import numpy as np

import numfmt as nf


def fixed(row):
    """The format of a types row: W, I, signed, Q, O, N."""
    w, i, signed, q, o, n = row
    return nf.parse(f"ap_{'' if signed == '1' else 'u'}fixed<{w},{i},{q},{o},{n}>")


def words(raw, fmt):
    """Code words of raw integers."""
    return (np.asarray(raw).astype(np.int64) & ((1 << fmt.bits) - 1)).astype(fmt.code_dtype)


def tensor(raw, fmt):
    """An unscaled tensor of raw integers."""
    return nf.from_codes(words(raw, fmt), fmt)


def raw(made):
    """Raw integers of a layer's result."""
    return nf.fixed.raw(made.codes, made.scheme.candidates[0])


def unpacked(held):
    """The recorded layers: kind, types, size, and raw integers x, w, b, y."""
    found, at = json.loads(str(held["index"])), 0
    flat = held["words"].astype(np.int64)
    for made in found:
        for name, shape in made["shapes"].items():
            made[name] = flat[at : at + int(np.prod(shape))].reshape(shape)
            at += made[name].size
    assert at == flat.size
    return found


def computed(case):
    """Raw integers of a recorded layer's result."""
    kind, size, types = case["kind"], case["size"], [fixed(t) for t in case["types"]]
    x, *rest = (tensor(case[name], t) for name, t in zip("xwb", types, strict=False) if name in case)
    ends = {"result_t": types[-1]}
    if kind in ("dense", "conv2d", "depthwise", "average", "max"):
        ends["accum_t"] = types[-2]
    if kind in ("conv2d", "depthwise", "average", "max"):
        ends["stride"] = (size["stride_height"], size["stride_width"])
        ends["padding"] = ((size["pad_top"], size["pad_bottom"]), (size["pad_left"], size["pad_right"]))
    cells = size.get("filt_height"), size.get("filt_width")
    if kind in ("conv2d", "depthwise"):
        ends |= {"dilation": (size["dilation_height"], size["dilation_width"]), "depthwise": kind == "depthwise"}
        made = nf.layers.FixedConv2d(*rest, **ends)(x)
    elif kind == "dense":
        made = nf.layers.FixedDense(*rest, **ends)(x)
    elif kind == "average":
        made = nf.layers.FixedAvgPool2d(cells, count_padding=bool(size["count_pad"]), **ends)(x)
    elif kind == "max":
        made = nf.layers.FixedMaxPool2d(cells, **ends)(x)
    elif kind == "batchnorm":
        made = nf.layers.FixedBatchNorm(*rest, **ends)(x)
    elif kind == "relu":
        made = nf.layers.FixedReLU(types[-1])(x)
    else:
        made = nf.layers.FixedAdd(types[-1])(x, *rest)
    return raw(made)
