"""Layers in ap_fixed: the words of hls4ml's own kernels, and plain references in Fractions."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.layers import FixedAdd, FixedAvgPool2d, FixedBatchNorm, FixedCast, FixedConv2d, FixedDense, FixedMaxPool2d, FixedReLU

from .fixed_layer_cases import computed, fixed, raw, tensor, unpacked, words
from .reference import fixed_layers as plain
from .test_fixed_sums import draw, facts, types

VECTORS = Path(__file__).parent / "vectors" / "ap_fixed"
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def cases(held):
    return sorted({name.partition("_")[0] for name in held.files if "_" in name})


def test_dense_layers_of_hls4ml():
    held = np.load(VECTORS / "dense.npz")
    assert len(cases(held)) == 8
    for case in cases(held):
        x_type, w_type, b_type, acc_type, y_type = map(fixed, held[f"{case}_types"])
        x, w, b = (tensor(held[f"{case}_{n}"], t) for n, t in (("x", x_type), ("w", w_type), ("b", b_type)))
        for full, name in ((False, "y_cast_product"), (True, "y_full_product")):
            layer = FixedDense(w, b, accum_t=acc_type, result_t=y_type, full=full)
            np.testing.assert_array_equal(raw(layer(x)), held[f"{case}_{name}"], err_msg=f"{case} {name}")
            again = FixedDense(tensor(held[f"{case}_w"].T, w_type), b, accum_t=acc_type, result_t=y_type, full=full, layout="oi")
            assert again(x) == layer(x)
            path = f"{acc_type}+full" if full else str(acc_type)
            acc = nf.matmul(x, nf.from_codes(words(held[f"{case}_w"], w_type), w_type, axis=0), path, c=b)
            np.testing.assert_array_equal(nf.encode(acc, y_type), layer(x).codes)


def test_affine_layers_of_hls4ml():
    held = np.load(VECTORS / "affine.npz")
    assert len(cases(held)) == 6
    for case in cases(held):
        x_type, s_type, b_type, y_type = map(fixed, held[f"{case}_types"])
        layer = FixedBatchNorm(tensor(held[f"{case}_scale"], s_type), tensor(held[f"{case}_bias"], b_type), result_t=y_type)
        np.testing.assert_array_equal(raw(layer(tensor(held[f"{case}_x"], x_type))), held[f"{case}_y"], err_msg=case)


def test_convolution_chains_of_hls4ml():
    held = np.load(VECTORS / "conv_chain.npz")
    assert len(cases(held)) == 4
    for case in cases(held):
        t_x, t_w, t_b, t_acc, t_conv, t_relu, t_pool, t_out = map(fixed, held[f"{case}_types"])
        x, w, b = (tensor(held[f"{case}_{n}"], t) for n, t in (("x", t_x), ("w", t_w), ("b", t_b)))
        made = FixedConv2d(w, b, padding="same", accum_t=t_acc, result_t=t_conv)(x)
        np.testing.assert_array_equal(raw(made), held[f"{case}_conv"], err_msg=case)
        active = FixedReLU(t_relu)(made)
        np.testing.assert_array_equal(raw(active), held[f"{case}_relu"], err_msg=case)
        for name, size, stride in (("pool2", 2, None), ("pool3s2", 3, 2)):
            pool = FixedAvgPool2d(size, stride=stride, accum_t=t_pool, result_t=t_out)
            np.testing.assert_array_equal(raw(pool(active)), held[f"{case}_{name}"], err_msg=case)


def test_additions_of_the_headers():
    held, count = np.load(VECTORS / "ops.npz"), 0
    for n in np.flatnonzero(held["op"] == "add"):
        types_ = [nf.parse(f"ap_{'' if held[f'{p}_signed'][n] else 'u'}fixed<{held[f'{p}_W'][n]},{held[f'{p}_I'][n]}>")
                  for p in "ab"]  # fmt: skip
        if held["res_W"][n] > 62 or max(t.bits for t in types_) > 62:
            continue
        got = FixedAdd()(tensor(held["a"][n], types_[0]), tensor(held["b"][n], types_[1]))
        fmt = got.scheme.candidates[0]
        assert (fmt.width, fmt.int_bits, fmt.signed) == (held["res_W"][n], held["res_I"][n], bool(held["res_signed"][n]))
        np.testing.assert_array_equal(raw(got), held["res_lo"][n].view(np.int64))
        count += 1
    assert count > 20


def test_random_layers_of_hls4ml():
    """120 layers with random types, shapes and data, recorded by tools/record_hls4ml.py."""
    cases_ = unpacked(np.load(VECTORS / "hls4ml_layers.npz"))
    assert {made["kind"] for made in cases_} == {"dense", "conv2d", "depthwise", "average", "max", "batchnorm", "relu", "add"}
    for n, made in enumerate(cases_):
        np.testing.assert_array_equal(computed(made), made["y"], err_msg=f"{n} {made['kind']} {made['types']}")


@SLOW
@given(types(10), types(9), types(10), types(18, True), types(12, True), st.integers(0), st.booleans(), st.booleans())
def test_convolutions(tx, tw, tb, acc, res, seed, depthwise, nchw):
    rng = np.random.default_rng(seed % 2**32)
    h, z, c, o = (int(v) for v in rng.integers((1, 1, 1, 1), (6, 6, 4, 4)))
    kh, kw = (int(v) for v in rng.integers(1, 4, 2))
    stride, dilation = (tuple(int(v) for v in rng.integers(1, 3, 2)) for _ in range(2))
    pads = tuple(int(v) for v in rng.integers(0, 3, 4))
    if h + pads[0] + pads[1] < dilation[0] * (kh - 1) + 1 or z + pads[2] + pads[3] < dilation[1] * (kw - 1) + 1:
        return
    o = c if depthwise else o
    x, b = draw(rng, tx, (2, h, z, c)), draw(rng, tb, (o,)) if rng.random() < 0.8 else None
    w = draw(rng, tw, (kh, kw, c) if depthwise else (kh, kw, c, o))
    want = plain.conv2d(
        x, w, b, *(facts(t) for t in (tx, tw, tb, acc, res)), stride=stride, pads=pads, dilation=dilation, depthwise=depthwise
    )  # fmt: skip
    moves = {"stride": stride, "padding": (pads[:2], pads[2:]), "dilation": dilation, "depthwise": depthwise}
    kernel = (w.transpose(2, 0, 1)[:, None] if depthwise else w.transpose(3, 2, 0, 1)) if nchw else w
    layer = FixedConv2d(
        tensor(kernel, tw), None if b is None else tensor(b, tb), accum_t=acc, result_t=res, **moves,
        layout="oihw" if nchw else "hwio", data_layout="nchw" if nchw else "nhwc",
    )  # fmt: skip
    got = raw(layer(tensor(x.transpose(0, 3, 1, 2) if nchw else x, tx)))
    np.testing.assert_array_equal(got.transpose(0, 2, 3, 1) if nchw else got, want.astype(np.int64))


@SLOW
@given(types(10), types(14, True), types(12, True), st.integers(0), st.booleans(), st.booleans(), st.booleans())
def test_pools(tx, acc, res, seed, largest, nchw, count_pad):
    rng = np.random.default_rng(seed % 2**32)
    h, z, c = (int(v) for v in rng.integers((1, 1, 1), (7, 7, 4)))
    size, stride = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
    pads = tuple(int(rng.integers(0, size[i // 2])) for i in range(4))
    if h + pads[0] + pads[1] < size[0] or z + pads[2] + pads[3] < size[1]:
        return
    x = draw(rng, tx, (2, h, z, c))
    op = "max" if largest else "average"
    want = plain.pool2d(x, facts(tx), facts(acc), facts(res), op, size, stride, pads, count_pad)
    options = {
        "stride": stride,
        "padding": (pads[:2], pads[2:]),
        "accum_t": acc,
        "result_t": res,
        "data_layout": "nchw" if nchw else "nhwc",
    }
    layer = FixedMaxPool2d(size, **options) if largest else FixedAvgPool2d(size, count_padding=count_pad, **options)
    got = raw(layer(tensor(x.transpose(0, 3, 1, 2) if nchw else x, tx)))
    np.testing.assert_array_equal(got.transpose(0, 2, 3, 1) if nchw else got, want.astype(np.int64))


@SLOW
@given(types(30), types(30), types(30), types(24, True), st.integers(0))
def test_elementwise_layers(tx, ts, tb, res, seed):
    """Types up to 30 bits, binary points far apart: sums beyond 62 bits too."""
    rng = np.random.default_rng(seed % 2**32)
    x, y, s, b = draw(rng, tx, (3, 4)), draw(rng, ts, (3, 4)), draw(rng, ts, (4,)), draw(rng, tb, (4,))
    t_x, t_s, t_b, t_y = (facts(t) for t in (tx, ts, tb, res))
    pairs = (
        (FixedReLU(res)(tensor(x, tx)), plain.relu(x, t_x, t_y)),
        (FixedAdd(res)(tensor(x, tx), tensor(y, ts)), plain.add(x, y, t_x, t_s, t_y)),
        (FixedBatchNorm(tensor(s, ts), tensor(b, tb), result_t=res)(tensor(x, tx)), plain.batch_norm(x, s, b, t_x, t_s, t_b, t_y)),
        (FixedCast(res)(tensor(x, tx)), plain.add(x, np.zeros_like(x), t_x, t_x, t_y)),
    )
    for got, want in pairs:
        np.testing.assert_array_equal(raw(got), want.astype(np.int64))


@SLOW
@given(types(16), types(16), types(16), st.integers(1, 300), st.integers(0))
def test_inferred_accumulators_hold_every_sum(tx, tw, tb, terms, seed):
    rng = np.random.default_rng(seed % 2**32)
    for bias in (None, tb):
        want = plain.inferred(*(None if t is None else facts(t)[:3] for t in (tx, tw, bias)), terms)
        if want[0] > 62:
            with pytest.raises(ValueError, match="62"):
                nf.layers.infer_accumulator(tx, tw, terms, bias)
            continue
        made = nf.layers.infer_accumulator(tx, tw, terms, bias)
        assert (made.width, made.int_bits, made.signed) == want
        x, w = draw(rng, tx, (2, terms)), draw(rng, tw, (terms, 2))
        x[0], w[:, 0] = rng.choice([tx.min_int, tx.max_int]), rng.choice([tw.min_int, tw.max_int])
        b = None if bias is None else draw(rng, tb, (2,))
        layer = FixedDense(tensor(w, tw), None if b is None else tensor(b, tb))  # auto, auto
        got = layer(tensor(x, tx))
        assert got.scheme.candidates[0] == made
        exact = (x.astype(object) @ w) * 2 ** (made.frac_bits - tx.frac_bits - tw.frac_bits)
        if b is not None:
            exact = exact + b.astype(object) * 2 ** (made.frac_bits - tb.frac_bits)
        np.testing.assert_array_equal(raw(got), exact.astype(np.int64))


def test_pool_over_the_whole_image_infers_from_it():
    x = tensor(np.arange(-24, 24).reshape(1, 4, 4, 3), nf.parse("ap_fixed<8,3>"))
    pool = FixedAvgPool2d(None)
    assert str(pool.types(nf.parse("ap_fixed<8,3>"), pool._window(4, 4))["accum_t"]) == "fixed<16,7,down,wrap>"
    np.testing.assert_array_equal(
        raw(pool(x))[0, 0, 0], [-2, -1, 0]
    )  # -1.5 and -0.5, 0.5 units: truncated with two more bits, then down
    assert str(nf.layers.infer_pool_accumulator("ap_ufixed<8,2>", 9)) == "ufixed<16,6,down,wrap>"
    np.testing.assert_array_equal(raw(FixedMaxPool2d(None)(x))[0, 0, 0], [21, 22, 23])


def test_same_padding_is_that_of_keras():
    """ceil(length / stride) results; the odd cell at the end."""
    w = tensor(np.ones((3, 2, 1, 1), int), nf.parse("ap_fixed<4,4>"))
    for h, z, stride, size, pads in (
        (7, 6, 2, (4, 3), ((1, 1), (0, 0))),
        (8, 5, 2, (4, 3), ((0, 1), (0, 1))),
        (5, 5, 1, (5, 5), ((1, 1), (0, 1))),
    ):
        x = tensor(np.arange(h * z).reshape(1, h, z, 1), nf.parse("ap_fixed<8,8>"))
        same, stated = (FixedConv2d(w, stride=stride, padding=p)(x) for p in ("same", pads))
        assert same.shape[1:3] == size
        assert same == stated


def test_a_large_image_needs_little_memory():
    """A padded convolution, pools and elementwise layers of 6.5 MB: within 40 MB beside input and output."""
    x = nf.from_codes(np.random.default_rng(0).integers(0, 256, (1, 320, 320, 64)).astype(np.uint8), "ap_fixed<8,3>")
    w = tensor(np.ones((3, 3, 64, 8), int), nf.parse("ap_fixed<4,1>"))
    layers = (
        FixedConv2d(w, padding="same", accum_t="ap_fixed<16,8>", result_t="ap_fixed<8,3>"),
        FixedAvgPool2d(2), FixedMaxPool2d(3, stride=2, padding=1), FixedReLU("ap_ufixed<8,2,AP_RND,AP_SAT>"),
        FixedBatchNorm(tensor(np.ones(64, int), nf.parse("ap_fixed<4,1>")), tensor(np.ones(64, int), nf.parse("ap_fixed<4,1>")),
                       result_t="ap_fixed<8,3>"),
    )  # fmt: skip
    for layer in layers:
        tracemalloc.start()
        made = layer(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < made.nbytes * 2.1 + 40e6, (peak, layer)


def naf_digits(n):
    """Non-zero digits of the non-adjacent form."""
    count = 0
    while n:
        if n % 2:
            n -= 2 - n % 4
            count += 1
        n //= 2
    return count


@pytest.mark.parametrize("signed_digits", [False, True])
def test_k_hot_weights(signed_digits):
    rng = np.random.default_rng(0)
    for name, hot in (("ap_fixed<8,2>", 2), ("ap_ufixed<6,0>", 1), ("ap_fixed<7,3>", 3)):
        fmt = nf.parse(name)
        count = (lambda n: naf_digits(abs(n))) if signed_digits else (lambda n: abs(n).bit_count())
        grid = [n for n in range(fmt.min_int, fmt.max_int + 1) if count(n) <= hot]
        x = np.concatenate(
            [rng.standard_normal(200) * fmt.max / 1.5, np.array(grid) * fmt.quantum, [1e9, -1e9, 0.75 * fmt.quantum]]
        )
        want = [min(grid, key=lambda n: (abs(n - v / fmt.quantum), abs(n))) for v in x]
        made = nf.layers.k_hot(x, fmt, hot, signed_digits)
        np.testing.assert_array_equal(raw(made), want)
    assert raw(nf.layers.k_hot([7.0], "ap_fixed<8,8>", 2, signed_digits)).tolist() == [7 if signed_digits else 6]
    for call, said in (
        (lambda: nf.layers.k_hot([np.nan], "ap_fixed<8,2>", 2), "1 NaN"),
        (lambda: nf.layers.k_hot([1.0], "ap_fixed<24,2>", 2), "24 bits"),
        (lambda: nf.layers.k_hot([1.0], "ap_fixed<8,2>", 0), "hot=0"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_refusals():
    x, w = tensor(np.ones((2, 4), int), nf.parse("ap_fixed<8,3>")), tensor(np.ones((4, 3), int), nf.parse("ap_fixed<8,3>"))
    image, kernel = (
        tensor(np.ones((1, 4, 4, 2), int), nf.parse("ap_fixed<8,3>")),
        tensor(np.ones((3, 3, 2, 5), int), nf.parse("ap_fixed<8,3>")),
    )
    for call, said in (
        (lambda: FixedDense(np.ones((4, 3))), "weight is no unscaled fixed-point tensor"),
        (lambda: FixedDense(image), r"weight has shape \(1, 4, 4, 2\)"),
        (lambda: FixedDense(w, layout="keras"), "layout='keras'"),
        (lambda: FixedDense(w, x), r"bias has shape \(2, 4\)"),
        (lambda: FixedDense(w, accum_t="fp16"), "accum_t=fp16 is no fixed-point type"),
        (lambda: FixedDense(w, result_t="ap_fixed<63,3>"), "at most 62"),
        (lambda: FixedDense(w)(w), "4 inputs"),
        (lambda: FixedDense(w)(np.ones((2, 4))), "x is no unscaled"),
        (lambda: FixedConv2d(w), "weight has shape"),
        (lambda: FixedConv2d(kernel)(x), "4 channels|2 channels"),
        (lambda: FixedConv2d(kernel, stride=0), "stride=0"),
        (lambda: FixedConv2d(kernel, padding="full"), "padding='full'"),
        (lambda: FixedConv2d(kernel, padding=-1), "padding=-1"),
        (lambda: FixedConv2d(kernel, padding="same", dilation=2), "not defined by hls4ml"),
        (lambda: FixedConv2d(kernel, dilation=3)(image), "smaller than the window"),
        (lambda: FixedConv2d(kernel, data_layout="chw"), "data_layout='chw'"),
        (lambda: FixedAvgPool2d(5)(image), "smaller than the window"),
        (lambda: FixedAvgPool2d(2)(x), r"x has shape \(2, 4\)"),
        (lambda: FixedAdd()(x), "takes two tensors"),
        (lambda: FixedAdd()(x, w), "must broadcast"),
        (lambda: FixedBatchNorm(x, x), "must be .channels,."),
        (lambda: FixedCast("float16"), "no fixed-point type"),
        (lambda: FixedCast("fixed<8,3,to_odd,wrap>"), "rounding to_odd"),
        (lambda: nf.layers.infer_accumulator("ap_fixed<32,3>", "ap_fixed<32,3>", 9), "68 bits"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
