"""The bit-serial element against a model in Python integers and against steps recorded from the simulated Verilog."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.arith import bitserial
from numfmt.kernels.bitserial import bitserial_run

from .reference import bitserial as ref
from .reference import datapaths, schemes

VECTORS = Path(__file__).parent / "vectors"
FP3 = ["fp3", *schemes.BITMOD[3]]
FP4 = ["fp4_code", *schemes.BITMOD[4], "e2m1", "flint4"]


def recorded_steps():
    with open(VECTORS / "bitmod_pe_steps.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def lanes_of(row):
    split = {k: row[k].split(";") for k in ("a_fp16_hex", "w_sign", "w_exp", "w_man")}
    activations = np.array([int(w, 16) for w in split["a_fp16_hex"]], np.uint16).view(np.float16).astype(float).tolist()
    terms = list(zip(*([int(v) for v in split[k]] for k in ("w_sign", "w_exp", "w_man")), strict=True))
    return activations, terms, int(row["bsig"])


def kernel_step(activations, terms, bsig, rtl, mantissa=0, power=0):
    """The product's kernel fed with one cycle: (m, e)."""
    fields = bitserial.activation_fields(np.array([activations]))
    words = np.array([[[exp | man << 2 | sign << 3] for sign, exp, man in terms]], np.uint8)
    m, e = np.full((1, 1), mantissa, np.int32), np.full((1, 1), power, np.int32)
    bitserial_run(*fields, words, np.array([bsig], np.int32), rtl, m, e)
    return int(m[0, 0]), int(e[0, 0])


@pytest.mark.parametrize("row", recorded_steps(), ids=lambda r: r["case"])
def test_recorded_verilog_steps(row):
    activations, terms, bsig = lanes_of(row)
    accumulator, d, v = ref.step([ref.fields(x) for x in activations], terms, bsig, (0, 0), True)
    assert (d, v, accumulator) == (int(row["D"]), int(row["V"]), (int(row["m_acc"]), int(row["e_acc"]))), row["case"]
    assert kernel_step(activations, terms, bsig, True) == accumulator
    assert kernel_step(activations, terms, bsig, False) == accumulator  # from reset the two modes agree


def test_all_recorded_steps_are_here():
    assert [r["case"] for r in recorded_steps()] == ["P0", "P1", "P3", "P4", "P6", "P8", "P10"]


half = st.floats(width=16, allow_nan=False, allow_infinity=False)
term = st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 1))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(half, min_size=4, max_size=4),
    st.lists(term, min_size=4, max_size=4),
    st.sampled_from([0, 1, 2, 4, 6]),
    st.integers(-(2**14), 2**14 - 1),
    st.integers(0, 45),
    st.booleans(),
)
def test_any_single_step(activations, terms, bsig, mantissa, power, rtl):
    want, _, _ = ref.step([ref.fields(x) for x in activations], terms, bsig, (mantissa, power), rtl)
    assert kernel_step(activations, terms, bsig, rtl, mantissa, power) == want


def weight_terms(fmt, value, unit):
    if isinstance(fmt, nf.Fixed):
        return ref.booth(int(value), fmt.bits)
    return ref.two_ones(Fraction(value) * Fraction(1, 2) / Fraction(unit))


def unit_of(fmt):
    """Value of the decoder's last bit: 0.5 where the grid is written in real units, 1 in code units beyond 8; see Table IV."""
    return 1 if isinstance(fmt, nf.Fixed) or fmt.largest_magnitude > 8 else Fraction(1, 2)


@pytest.mark.parametrize("name", [*(f"int{b}" for b in range(3, 9)), *FP3, *FP4])
def test_every_value_is_the_sum_of_its_terms(name):
    fmt = nf.parse(name)
    table, bsig, unit = bitserial.term_table(fmt)
    cycles = {"int8": 4, "int7": 4, "int6": 3, "int5": 3, "int4": 2, "int3": 2}.get(name, 2)
    assert len(table) == len(bsig) == cycles
    assert list(bsig) == ([0, 2, 4, 6][:cycles] if name.startswith("int") else [0, 1])  # the order of the cycles
    for code, value in enumerate(fmt.values().tolist()):
        got = [(b, (int(t) >> 3, int(t) & 3, int(t) >> 2 & 1)) for b, t in zip(bsig, table[:, code], strict=True)]
        assert sum(ref.term_value(*t) for t in got) * Fraction(unit) == Fraction(value), (name, code)
        assert got == weight_terms(fmt, value, unit), (name, code)
        if name.startswith("int"):
            assert all(exp <= 1 for _, (_, exp, _) in got)


def test_decoder_examples():
    """6 = 4 + 2, 1.5 = 1 + 0.5, 8 = 8 + none, 0.5 = none + 0.5, 3 = 2 + 1 (paper, section IV-A)."""
    want = {"6": (2, 2), "1.5": (1, 0), "8": (3, None), "0.5": (None, 0), "3": (1, 1)}
    for text, (high, low) in want.items():
        (_, low_term), (_, high_term) = ref.two_ones(Fraction(text))
        assert (high_term[1] if high_term[2] else None) == (None if high is None else (high if text != "1.5" else 0)), text
        assert (low_term[1] if low_term[2] else None) == low, text


def check_product(x, w, scheme, mode, options=None, text=""):
    q = nf.quantize(w, scheme)
    got = nf.matmul(x, q.T, f"bitmod.{mode}{text}")
    values, choice = q.row_values(), None if q.row_choice is None else q._spread(q.row_choice)
    scales = q._spread(q.row_scales)
    size = q.scheme.granularity.size or w.shape[1]
    for i in range(x.shape[0]):
        for j in range(w.shape[0]):
            total = 0.0
            for start in range(0, w.shape[1], size):
                part = slice(start, start + size)
                fmt = q.scheme.candidates[0 if choice is None else choice[j, start]]
                unit = unit_of(fmt)
                if mode == "ideal":
                    run = Fraction(datapaths.exact_dot(x[i, part].astype(float).tolist(), values[j, part].tolist()))
                else:
                    terms = [weight_terms(fmt, v, unit) for v in values[j, part].tolist()]
                    run = ref.group(x[i, part].astype(float).tolist(), terms, mode == "rtl", unit, options)
                scaled = datapaths.round_real(run * Fraction(float(scales[j, start])), datapaths.FP32)
                total = datapaths.add(total, scaled, datapaths.FP32)
            assert got[i, j] == total, (scheme, mode, i, j)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 24),
    st.integers(2, 48),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["bitmod4/g8", "int6/g16", "int8/channel", "e2m1/g8"]),
    st.sampled_from(["normal", "wide", "subnormal", "zeros"]),
    st.integers(0, 2**32 - 1),
)
def test_widths_and_rounding_of_ones_own(guard, kept, nearest, down, scheme, kind, seed):
    rng = np.random.default_rng(seed)
    words = [f"guard={guard}", f"kept={kept}", *["nearest"] * nearest, *["down"] * down]
    path = f"bitmod.paper<{','.join(words)}>"
    assert nf.datapath(str(nf.datapath(path))) == nf.datapath(path)
    w = rng.standard_normal((2, 16)).astype(np.float32)
    check_product(activations(rng, kind, (2, 16)), w, scheme, "paper", (guard, kept, nearest, down), path[len("bitmod.paper") :])


def test_the_published_widths_have_one_name():
    assert nf.datapath("bitmod.paper<guard=3,kept=14>") == nf.datapath("bitmod.paper")
    rng = np.random.default_rng(0)
    x, q = activations(rng, "normal", (8, 128)), nf.quantize(rng.standard_normal((8, 128)).astype(np.float32), "bitmod4/g128")
    exact = nf.matmul(x, q.T, "bitmod.ideal")
    errors = [np.abs(nf.matmul(x, q.T, p) - exact).max() for p in ("bitmod.paper", "bitmod.paper<guard=12,kept=40>")]
    assert errors[1] < errors[0] / 100


@pytest.mark.parametrize(
    "text", ["rtl<guard=4>", "ideal<down>", "paper<guard=25>", "paper<kept=1>", "paper<up>", "paper<down,down>"]
)
def test_refused_options(text):
    with pytest.raises(ValueError, match=r"not allowed|unknown|named twice|between|must"):
        nf.datapath(f"bitmod.{text}")


def activations(rng, kind, shape):
    x = rng.standard_normal(shape)
    if kind == "wide":
        x = x * 2.0 ** rng.integers(-24, 15, shape)
    elif kind == "subnormal":
        x = x * 2.0**-16
        x[:, ::3] = 0
    elif kind == "largest":
        x = np.sign(x) * 65504
    elif kind == "zeros":
        x[:, 4:12] = -0.0
    return np.clip(x, -65504, 65504).astype(np.float16)


@pytest.mark.parametrize("mode", ["rtl", "paper", "ideal"])
@pytest.mark.parametrize(
    "scheme",
    [
        "int3/g16",
        "int4/channel",
        "int5/g12",
        "int6/g24",
        "int7/tensor",
        "int8/g48",
        "int8/g6+full",
        "bitmod3/g16",
        "bitmod4/g24",
        "bitmod4/g6",
        "e2m1/g48",
        "fp3/g16+arith=fp16",
        "flint4/g48",
    ],
)
def test_products_equal_the_model(scheme, mode):
    rng = np.random.default_rng(len(scheme))
    w = (rng.standard_t(5, (3, 48)) * 0.05).astype(np.float32)
    for kind in ("normal", "wide", "subnormal", "largest", "zeros"):
        check_product(activations(rng, kind, (2, 48)), w, scheme, mode)


@pytest.mark.parametrize("mode", ["rtl", "paper"])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 7, 129])
def test_lengths_that_are_no_multiple_of_four(k, mode):
    rng = np.random.default_rng(k)
    w = rng.standard_normal((5, k)).astype(np.float32)
    check_product(activations(rng, "normal", (3, k)), w, "int8/channel", mode)
    check_product(activations(rng, "normal", (3, k)), w, "bitmod4/channel", mode)


def test_wrapping_of_the_23_bit_sum():
    """X = 65504 * 64 plus the accumulator passes 2**22: the published register wraps, the paper's does not."""
    terms = [(0, 0, 1)] * 4
    lanes = [65504.0] * 4
    want, _, _ = ref.step([ref.fields(x) for x in lanes], terms, 6, (16383, 30), True)
    assert want[0] < 0
    assert kernel_step(lanes, terms, 6, True, 16383, 30) == want
    want, _, _ = ref.step([ref.fields(x) for x in lanes], terms, 6, (16383, 30), False)
    assert want[0] > 0
    assert kernel_step(lanes, terms, 6, False, 16383, 30) == want


def test_errors_are_of_the_published_size():
    """Mean error of a 128-long group relative to sum |a w|: about 2.4e-4 (FP4), 3.4e-4 (INT6), 4.9e-4 (INT8), biased downward."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 128)).astype(np.float16)
    w = rng.standard_normal((32, 128)).astype(np.float32)
    means = {}
    for scheme, published in (("bitmod4/g128", 2.4e-4), ("int6/g128", 3.4e-4), ("int8/g128", 4.9e-4)):
        q = nf.quantize(w, scheme)
        raw = nf.from_codes(q.codes, q.scheme.candidates[0]) if len(q.scheme.candidates) == 1 else None
        weights = q if raw is None else raw
        exact, got = (np.asarray(nf.matmul(x, weights.T, f"bitmod.{m}"), np.float64) for m in ("ideal", "paper"))
        sizes = np.abs(x.astype(np.float64)) @ np.abs(weights.dequantize().astype(np.float64)).T
        relative = (got - exact) / sizes
        means[scheme] = np.abs(relative).mean()
        assert published * 0.75 < means[scheme] < published * 1.35, scheme
        assert relative.mean() < -published / 4, scheme
        wrong = np.asarray(nf.matmul(x, weights.T, "bitmod.rtl"), np.float64)
        assert np.abs((wrong - exact) / sizes).mean() > 100 * published  # the missing alignment
    assert means["bitmod4/g128"] < means["int6/g128"] < means["int8/g128"]


def test_ideal_is_the_exact_group_sum():
    rng = np.random.default_rng(1)
    x = activations(rng, "wide", (4, 64))
    q = nf.quantize(rng.standard_normal((4, 64)).astype(np.float32), "bitmod4/g16")
    np.testing.assert_array_equal(nf.matmul(x, q.T, "bitmod.ideal"), nf.matmul(x, q.T, "exact>fp32"))


def test_unscaled_results_are_exact_float64():
    codes = np.arange(16, dtype=np.uint8).reshape(2, 8)
    q = nf.from_codes(codes, "fp4_er_pos")
    x = activations(np.random.default_rng(0), "normal", (3, 8))
    got = nf.matmul(x, q.T, "bitmod.paper")
    assert got.dtype == np.float64
    for i in range(3):
        for j in range(2):
            terms = [weight_terms(q.scheme.candidates[0], v, 1) for v in q.row_values()[j].tolist()]
            assert Fraction(float(got[i, j])) == ref.group(x[i].astype(float).tolist(), terms, False, 1)


@pytest.mark.parametrize("name", ["nf4", "int9", "uint4", "e4m3fn", "int4_code", "fp6_e2m3_code", "codebook<2,lower,0,0.25,1,2>"])
def test_formats_that_the_decoder_cannot_take(name):
    with pytest.raises(ValueError, match="cannot be decoded into bit-serial terms"):
        bitserial.term_table(nf.parse(name))


def test_candidates_of_different_decoders_are_refused():
    q = nf.quantize(np.ones((2, 8), np.float32), "mixed<int4,flint4>/g4")
    with pytest.raises(ValueError, match="different bit-serial decoders"):
        nf.matmul(np.ones((1, 8), np.float16), q.T, "bitmod.paper")


@pytest.mark.exhaustive
def test_many_products():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        for scheme in ("int8/g128", "int6/g64", "bitmod4/g128", "bitmod3/g32"):
            for mode in ("rtl", "paper"):
                w = rng.standard_normal((2, 256)).astype(np.float32)
                check_product(activations(rng, ["normal", "wide"][seed % 2], (2, 256)), w, scheme, mode)
