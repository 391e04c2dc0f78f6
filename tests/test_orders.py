"""Orders of summation: chunks, split k, permutations, against lists and fractions; and that they matter."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import datapaths as ref
from .reference.orders import ordered_dot

FORMATS = {"fp16": ref.FP16, "bf16": ref.BF16, "fp32": ref.FP32, "e4m3fn": ref.E4M3FN}


def same(got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def text(inner, chunk, split, places, outer):
    order = (f"+chunk{chunk}" if chunk else "") + (f"+splitk{split}" if split > 1 else "")
    order += f"+order<{','.join(map(str, places))}>" if places else ""
    return inner + order + (f">{outer}" if outer else "")


@st.composite
def cases(draw):
    depth = draw(st.integers(0, 13))
    places = draw(st.one_of(st.just(()), st.permutations(range(draw(st.integers(1, 5))))))
    return depth, draw(st.integers(0, 5)), draw(st.integers(1, 5)), tuple(places), draw(st.integers(0, 2**32 - 1))


def floats(seed, shape):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 2.0 ** rng.integers(-8, 6, shape)
    x = np.where(rng.random(shape) < 0.1, np.copysign(0.0, x), x)
    return x.astype(np.float16)


@settings(deadline=None, max_examples=150)
@given(cases(), st.sampled_from(sorted(FORMATS)), st.sampled_from(["", "+fma", "+rz"]), st.sampled_from([None, "fp32", "bf16+rd"]))
def test_float_orders(case, name, option, outer):
    depth, chunk, split, places, seed = case
    a, b = floats(seed, (2, depth)), floats(seed + 1, (depth, 3))
    mode = "rz" if option == "+rz" else "rne"
    fmt = FORMATS[name]
    last = (fmt, mode) if outer is None else (ref.FP32, "rne") if outer == "fp32" else (ref.BF16, "rd")

    def inner(x, y, start):
        return ref.float_dot(x, y, fmt, option == "+fma", mode, start)

    def add(total, part, _run):
        return ref.add(total, ref.multiply(part, 1.0, *last), *last)

    path = text(name + option, chunk, split, places, outer)
    assert str(nf.datapath(str(nf.datapath(path)))) == str(nf.datapath(path))
    got = nf.matmul(a, b, path)
    want = [
        [
            ordered_dot(x.tolist(), y.tolist(), inner, add, chunk=chunk, split=split, places=places, through=outer is not None)
            for y in b.T
        ]
        for x in a
    ]
    same(got, np.array(want).reshape(2, 3))


@settings(deadline=None, max_examples=100)
@given(
    cases(), st.sampled_from([("int12", None), ("int10+saturate", None), ("int10", "int14+saturate"), ("int8+saturate", "int32")])
)
def test_integer_orders(case, names):
    depth, chunk, split, places, seed = case
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-16, 17, (2, depth)), rng.integers(-16, 17, (depth, 3))
    start = int(rng.integers(-100, 100))
    facts = [(int(n.split("+")[0][3:]), n.endswith("saturate")) for n in (names[0], names[1] or names[0])]

    def inner(x, y, begin):
        return ref.integer_dot(x, y, *facts[0], begin)

    def add(total, part, _run):
        return ref.integer_dot([total], [1], *facts[1], part)

    got = nf.matmul(a, b, text(names[0], chunk, split, places, names[1]), c=np.array(start))
    want = [
        [
            ordered_dot(
                x.tolist(),
                y.tolist(),
                inner,
                add,
                chunk=chunk,
                split=split,
                places=places,
                start=start,
                zero=0,
                through=names[1] is not None,
            )
            for y in b.T
        ]
        for x in a
    ]
    np.testing.assert_array_equal(got, np.array(want).reshape(2, 3))


@settings(deadline=None, max_examples=60)
@given(cases(), st.sampled_from(["fp16", "int32", "exact"]))
def test_orders_of_scaled_operands(case, name):
    _, chunk, split, places, seed = case
    rng = np.random.default_rng(seed)
    depth, group = 12, 4
    a = nf.quantize(rng.standard_normal((2, depth)).astype(np.float32), f"int8/g{group}")
    b = nf.quantize(rng.standard_normal((3, depth)).astype(np.float32), "int4/g6+asym" if seed % 2 else "int4/g6")
    cuts = sorted({*range(0, depth, group), *range(0, depth, 6), depth})
    runs = list(pairwise(cuts))

    def inner(x, y, start):
        if name == "fp16":
            return ref.float_dot(x, y, ref.FP16, start=start)
        return float(sum(int(p) * int(q) for p, q in zip(x, y, strict=True)))

    got = nf.matmul(a, b.T, text(name, chunk, split, places, "fp32"))
    for i in range(2):
        for j in range(3):

            def add(total, part, run, i=i, j=j):
                if run is None:
                    return ref.add(total, part, ref.FP32)
                left = Fraction(float(a.scales[i, run // group]))
                runs_of_b = b.runs()
                right = Fraction(float(runs_of_b[0][j, run // runs_of_b[1]]))
                scaled = ref.round_real(Fraction(part) * left * right, ref.FP32, zero=part)
                return ref.add(total, scaled, ref.FP32)

            want = ordered_dot(
                a.row_values()[i].tolist(),
                b.row_values()[j].tolist(),
                inner,
                add,
                runs=runs,
                chunk=chunk,
                split=split,
                places=places,
                through=True,
            )
            same(got[i, j], want)


def test_the_order_matters():
    a = np.array([[2048.0, 1.0, 1.0, 1.0]], np.float32)
    one = np.ones((4, 1), np.float32)
    assert nf.matmul(a, one, "fp16")[0, 0] == 2048  # each 1 is half an ulp, and ties go to even
    assert nf.matmul(a, one, "fp16+order<1,2,3,0>")[0, 0] == 2052
    assert nf.matmul(a, one, "fp16+chunk2")[0, 0] == 2050
    assert nf.matmul(a, one, "fp16+splitk2>fp32")[0, 0] == 2050


def test_a_matrix_unit_promoted_each_chunk():
    """DeepSeek-V3's way with FP8: the unit's sum of 128 k goes into float32 (arXiv 2412.19437, section 3.3.2)."""
    rng = np.random.default_rng(0)
    a, b = (nf.cast(rng.standard_normal(s).astype(np.float32), "e4m3fn") for s in ((4, 512), (512, 5)))
    left, right = nf.encode(a, "e4m3fn"), nf.encode(b, "e4m3fn")
    unit = "h100.wgmma_m64n8k32_e4m3_e4m3_f32"
    got = nf.matmul(nf.from_codes(left, "e4m3fn"), nf.from_codes(right, "e4m3fn", axis=0), f"{unit}+chunk128>fp32")
    want = np.zeros((4, 5), np.float32)
    for k in range(0, 512, 128):
        pieces = nf.from_codes(left[:, k : k + 128], "e4m3fn"), nf.from_codes(right[k : k + 128], "e4m3fn", axis=0)
        want += nf.matmul(*pieces, unit)
    same(got, want)
    assert (got != nf.matmul(nf.from_codes(left, "e4m3fn"), nf.from_codes(right, "e4m3fn", axis=0), unit)).any()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("fp16+chunk0", "1 or more"),
        ("fp16+splitk0", "1 or more"),
        ("fp16+order<0,0>", "no permutation"),
        ("fp16+order<a>", "integers"),
        ("fp16+chunk4+chunk8", "once"),
        ("exact>int32", "float format"),
        ("fp32>fp32+fma", "outer accumulator"),
    ],
)
def test_refusals(path, words):
    with pytest.raises(ValueError, match=words):
        nf.datapath(path)


def test_integer_outer_takes_no_scales():
    q = nf.quantize(np.ones((2, 4), np.float32), "int8/g2")
    with pytest.raises(ValueError, match="takes no scaled results"):
        nf.matmul(q, q.T, "int16>int32")
