"""quantize against plain models of every rule, recorded words of bitsandbytes, and the properties that any quantizer has."""

import csv
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import schemes as ref

VECTORS = Path(__file__).parent / "vectors"
ARITH = {"float32": np.float32, "float16": np.float16}
fast = settings(max_examples=25, deadline=None)


def groups_of(x, scheme, axis=-1):
    """The groups of x in the order of the scales' rows."""
    grain = nf.scheme(scheme).granularity
    rows = np.moveaxis(x, axis, -1)
    if grain.kind == "tensor":
        return [rows.reshape(-1)]
    rows = rows.reshape(-1, rows.shape[-1])
    size = grain.size or rows.shape[1]
    return [row[i : i + size] for row in rows for i in range(0, rows.shape[1], size)]


def codes_of(q):
    """Stored codes as groups, beside the values they stand for (zero points subtracted)."""
    return groups_of(q.codes, q.scheme, q.axis), groups_of(
        np.asarray(q._in_place(q.row_values(), q.shape[q.axis])), q.scheme, q.axis
    )


def samples(rng, shape, sigma=1.0):
    return (rng.standard_t(5, shape) * sigma).astype(np.float32)


INPUTS = {
    "student": lambda rng: samples(rng, (6, 64)),
    "small": lambda rng: samples(rng, (6, 64), 0.005),
    "positive": lambda rng: np.abs(samples(rng, (6, 64))) + 0.25,
    "negative": lambda rng: -np.abs(samples(rng, (6, 64))) - 3,
    "halves": lambda rng: rng.integers(-14, 15, (6, 64)).astype(np.float32) / 2,
    "zeros": lambda rng: samples(rng, (6, 64)) * (np.arange(6) % 2)[:, None].astype(np.float32),
    "wide": lambda rng: (samples(rng, (6, 64)) * 2.0 ** rng.integers(-14, 8, (6, 1))).astype(np.float32),
}


@pytest.mark.parametrize("arith", ["float32", "float16"])
@pytest.mark.parametrize("grain", ["tensor", "channel", "token", "g16", "g64"])
@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_integers_follow_the_rule(bits, grain, arith):
    rng = np.random.default_rng(bits)
    for name, make in INPUTS.items():
        x = make(rng)
        for option in ("", "+full", "+asym"):
            scheme = f"int{bits}/{grain}{option}+arith={arith}"
            q = nf.quantize(x, scheme)
            codes, values = codes_of(q)
            for g, w in enumerate(groups_of(x, scheme)):
                if option == "+asym":
                    want, scale, zero = ref.int_asymmetric(w, bits, ARITH[arith])
                    assert q.zero_points.reshape(-1)[g] == zero, (name, scheme, g)
                    np.testing.assert_array_equal(codes[g], want, err_msg=f"{name} {scheme}")
                    np.testing.assert_array_equal(values[g], want - zero)
                else:
                    want, scale = ref.int_symmetric(w, bits, ARITH[arith], option == "+full")
                    np.testing.assert_array_equal(values[g], want, err_msg=f"{name} {scheme}")
                assert q.scales.reshape(-1)[g] == scale, (name, scheme, g)


def test_full_uses_the_most_negative_code_where_scales_allow_it():
    x = np.array([[-8.0, -7.0, 7.0, 9.0]], np.float32)
    one = np.ones((1, 1), np.float32)
    assert nf.quantize(x, "int4/g4+full", scales=one).dequantize().tolist() == [[-8, -7, 7, 7]]
    assert nf.quantize(x, "int4/g4", scales=one).dequantize().tolist() == [[-7, -7, 7, 7]]


@pytest.mark.parametrize("element", ["e2m1", "e4m3fn", "e5m2", "e3m2", "float8_e4m3fnuz"])
def test_scaled_floats_are_the_cast_of_the_float32_quotient(element):
    """ml_dtypes rounds a float32 once; beyond the largest value the scheme saturates."""
    short = {"e2m1": "float4_e2m1fn", "e3m2": "float6_e3m2fn"}.get(element, "float8_" + element.removeprefix("float8_"))
    dtype = np.dtype(getattr(ml_dtypes, short))
    top = np.float32(ml_dtypes.finfo(dtype).max)
    for name, make in INPUTS.items():
        x = make(np.random.default_rng(1))
        q = nf.quantize(x, f"{element}/g16")
        codes, _ = codes_of(q)
        for g, w in enumerate(groups_of(x, q.scheme)):
            scale = np.abs(w).max() / top or np.float32(1)
            assert q.scales.reshape(-1)[g] == scale, name
            want = np.clip(w / scale, -top, top).astype(dtype)
            np.testing.assert_array_equal(codes[g], want.view(np.uint8), err_msg=name)


def test_nf4_equals_recorded_bitsandbytes_words():
    recorded = np.load(VECTORS / "nf4_bitsandbytes.npz")
    x = recorded["x"]
    q = nf.quantize(x, "nf4")
    packed = recorded["packed"].reshape(len(x), 32)
    want = np.stack([packed >> 4, packed & 15], axis=-1).reshape(x.shape)
    np.testing.assert_array_equal(q.scales[:, 0].view(np.uint32), recorded["absmax"].view(np.uint32))
    np.testing.assert_array_equal(q.codes, want)


def test_nf4_equals_the_plain_rule():
    rng = np.random.default_rng(3)
    x = np.concatenate([make(rng) for make in INPUTS.values()])
    q = nf.quantize(x, "nf4/g32")
    codes, values = codes_of(q)
    for g, w in enumerate(groups_of(x, q.scheme)):
        want, absmax = ref.nf4_group(w)
        np.testing.assert_array_equal(codes[g], want)
        np.testing.assert_array_equal(values[g], ref.NF4[want])
        assert q.scales.reshape(-1)[g] == absmax


MX = {
    "mxfp4": ("e2m1", 1, 0),
    "mxfp6_e2m3": ("e2m3", 3, 0),
    "mxfp6_e3m2": ("e3m2", 2, -2),
    "mxfp8_e4m3": ("e4m3fn", 3, -6),
    "mxfp8_e5m2": ("e5m2", 2, -14),
}
MX_MAX = {"mxfp4": 6, "mxfp6_e2m3": Fraction(15, 2), "mxfp6_e3m2": 28, "mxfp8_e4m3": 448, "mxfp8_e5m2": 57344}


def mx_inputs():
    rng = np.random.default_rng(8)
    rows = [samples(rng, 32) * np.float32(2.0 ** int(e)) for e in rng.integers(-126, 110, 12)]
    edge = np.zeros(32, np.float32)
    for k in (3, 0, -7, 100, -120):  # pred(2**k): floor(log2) by logarithms is one too large
        edge[:3] = np.nextafter(np.float32(2.0**k), np.float32(0)), -np.float32(2.0**k) / 4, np.float32(2.0**k) * 0.15
        rows.append(edge.copy())
    rows.append(np.zeros(32, np.float32))
    rows.append(np.full(32, -0.0, np.float32))
    rows.append(np.linspace(-1, 1, 32, dtype=np.float32) * np.float32(1e-40))  # subnormal, scale held at 2**-127
    rows.append(np.full(32, 2.0**-149, np.float32))
    rows.append(np.full(32, np.finfo(np.float32).max, np.float32))
    return np.stack(rows)


@pytest.mark.parametrize("name", sorted(MX))
def test_mx_floor_rule(name):
    _, man_bits, emin = MX[name]
    x = mx_inputs()
    q = nf.quantize(x, name)
    values = q.row_values()
    for row, w in enumerate(x):
        want, exponent = ref.mx_group(w, [MX_MAX[name]], man_bits, emin)
        assert q.scales[row, 0] == np.float32(2.0**exponent), (row, exponent)
        assert [Fraction(float(v)) for v in values[row]] == want, row
    assert q.bits_per_element == q.scheme.element_bits + 8 / 32
    assert str(q.scheme) == f"{name}/g32"


def test_mxfp4_trap_of_the_logarithm():
    """[pred(8), 0.6]: X = 1 and [6, 0.5]; a float32 logarithm gives X = 2 and [8, 1]."""
    x = np.zeros((1, 32), np.float32)
    x[0, :2] = np.nextafter(np.float32(8), np.float32(0)), 0.6
    q = nf.quantize(x, "mxfp4")
    assert q.scales.item() == 1
    assert q.dequantize()[0, :2].tolist() == [6.0, 0.5]
    assert nf.quantize(np.zeros((1, 32), np.float32), "mxfp4").scales.item() == 2.0**-127


def bitmod_vectors():
    i = np.arange(128, dtype=np.float64)
    c = 0.01 * np.cos(1.1 * i)
    c[17] = 0.06
    vectors = {
        "A": 0.05 * np.sin(0.7 * i + 0.3),
        "B": 0.02 * (((37 * i) % 101) - 50) / 50,
        "C": c,
        "E": 0.003 * np.sinh(3 * np.sin(0.37 * i + 1)),
    }
    return {k: v.astype(np.float16) for k, v in vectors.items()}


def vector_scheme(datatype):
    if datatype.startswith("bitmod"):
        return f"{datatype}/g128+sel=fp16"
    name, _, option = datatype.partition("_")
    if option in ("sym", "asym"):
        return f"{name}/g128+arith=fp16" + ("+asym" if option == "asym" else "")
    plain = datatype in ("fp3", "flint4") or datatype in ref.BITMOD[3] + ref.BITMOD[4]
    return f"{datatype}{'' if plain else '_code'}/g128+arith=fp16"


def vector_rows():
    with open(VECTORS / "bitmod_quantization.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def test_bitmod_vectors_are_complete():
    rows = vector_rows()
    assert len(rows) == 100
    assert len({(r["vector"], r["datatype"]) for r in rows}) == 100


@pytest.mark.parametrize("datatype", sorted({r["datatype"] for r in vector_rows()}))
def test_bitmod_vectors(datatype):
    vectors = bitmod_vectors()
    for row in (r for r in vector_rows() if r["datatype"] == datatype):
        w = vectors[row["vector"]]
        q = nf.quantize(w[None], vector_scheme(datatype))
        scale = np.float16(q.scales.item())
        assert f"{scale.view(np.uint16):04x}" == row["scale_fp16_hex"], row
        unshifted = q.row_values()[0]
        shown = q.codes[0].astype(int) if q.zero_points is not None else unshifted
        if row["zero_point"] and q.zero_points is not None:
            assert q.zero_points.item() == float(row["zero_point"]), row
        assert shown.sum() == float(row["sum_codes"]), row
        assert np.abs(shown).sum() == float(row["sum_abs_codes"]), row
        assert f"{float(ref.half_error(unshifted, scale, w)):.6e}" == row["mse_fp16"], row
        if row["chosen"]:
            assert str(q.scheme.candidates[q.choice.item()]) == row["chosen"], row


@pytest.mark.parametrize("name", sorted(ref.GRIDS))
def test_bitmod_grids_are_table_iv(name):
    assert sorted(set(nf.parse(name).values().tolist())) == ref.GRIDS[name]


def check_mixture(x, scheme):
    """codes, scale and choice of each group against the plain float16 model."""
    q = nf.quantize(x, scheme)
    grids = [ref.GRIDS[str(f)] for f in q.scheme.candidates]
    _, values = codes_of(q)
    for g, w in enumerate(groups_of(x, scheme)):
        index, want, scale = ref.choose(w, grids, q.scheme.sel)
        assert q.choice.reshape(-1)[g] == index, (scheme, g)
        assert q.scales.reshape(-1)[g] == scale, (scheme, g)
        np.testing.assert_array_equal(values[g], want, err_msg=f"{scheme} group {g}")
    return q


@pytest.mark.parametrize("sel", ["fp16", "float64"])
@pytest.mark.parametrize("sigma", [0.005, 0.02, 1.0])
@pytest.mark.parametrize("bits", [3, 4])
def test_bitmod_mixture_equals_the_plain_float16_model(bits, sigma, sel):
    rng = np.random.default_rng(int(sigma * 1000) + bits)
    check_mixture(samples(rng, (10, 256), sigma), f"bitmod{bits}/g128+sel={sel}")
    check_mixture(samples(rng, (4, 96), sigma), f"bitmod{bits}/g32+sel={sel}")
    check_mixture(samples(rng, (3, 21), sigma), f"bitmod{bits}/g7+sel={sel}")  # fewer than eight: a plain sum
    check_mixture(samples(rng, (2, 300), sigma), f"bitmod{bits}/channel+sel={sel}")  # beyond 128: a tree of sums


@pytest.mark.parametrize("size", [1, 7, 8, 127, 129, 136, 300, 1000, 4099, 8192])
def test_sum_of_squares_has_numpys_order(size):
    """The published error is a NumPy-like mean in float32: the order of its sum is part of the bits."""
    from numfmt.kernels.scale import pairwise

    rng = np.random.default_rng(size)
    for _ in range(20):
        x = (rng.standard_normal(size) ** 2).astype(np.float32)
        assert pairwise(x, size) == x.sum()


def test_a_second_process_runs_the_cached_kernels():
    """Numba's cache on disk must be usable: a recursive kernel loaded from it crashed the interpreter."""
    program = (
        "import numpy as np, numfmt as nf; print(nf.quantize(np.linspace(-1, 1, 300)[None], 'bitmod4/channel+sel=fp16').choice)"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=VECTORS.parents[1], check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "[[0]]"


def test_tied_errors_keep_the_earlier_candidate_and_do_occur():
    x = samples(np.random.default_rng(2), (40, 128), 0.005)
    half = check_mixture(x, "bitmod4/g128+sel=fp16")
    full = nf.quantize(x, "bitmod4/g128")
    ties = 0
    for w in x:
        errors = sorted(ref.half_error(*ref.grid_group(w, ref.GRIDS[n]), w) for n in ref.BITMOD[4])
        ties += errors[0] == errors[1]
    assert ties >= 4  # about 27 % of such groups
    assert (half.choice != full.choice).any()


def test_groups_that_no_candidate_improves_become_zero():
    """The published search starts at an error of 1e3 in float16."""
    x = np.stack([np.full(128, 60000.0), np.linspace(-65504, 65504, 128), np.zeros(128), np.linspace(-1, 1, 128)]).astype(
        np.float32
    )
    for bits in (3, 4):
        q = check_mixture(x, f"bitmod{bits}/g128+sel=fp16")
        assert not q.dequantize()[1].any()
        assert q.dequantize()[3].any()
        check_mixture(x, f"bitmod{bits}/g128")
    mixed = nf.quantize(x[1:2], "mixed<nf4,fp4_code>/g128+arith=fp16+sel=fp16")  # code 0 of nf4 stands for -1
    assert not mixed.dequantize().any()


@fast
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["mixed<int4,flint4>/g32+arith=fp16", "mixed<int3,fp3,int3_code>/g16+arith=fp16", "mixed<e2m1,nf4>/g16"]),
)
def test_mixed_takes_the_least_error(seed, scheme):
    x = samples(np.random.default_rng(seed), (2, 64))
    q = nf.quantize(x, scheme)
    singles = [nf.quantize(x, scheme, choice=np.full(q.choice.shape, i)) for i in range(len(q.scheme.candidates))]
    size = q.scheme.granularity.size
    work = x.astype(np.float16 if "fp16" in scheme else np.float32).astype(np.float64)

    def errors(t):
        exact = t.row_values().astype(np.float64) * t._spread(t.row_scales)
        return ((exact - work) ** 2).reshape(-1, size).sum(1)

    least = np.min([errors(s) for s in singles], axis=0)
    np.testing.assert_allclose(errors(q), least, rtol=1e-12)


def test_mixed_candidates_of_different_widths_keep_their_codes():
    x = np.linspace(-1, 1, 64, dtype=np.float32)[None]
    q = nf.quantize(x, "mixed<int4,int12>/g64")
    assert q.choice.item() == 1
    assert np.abs(q.dequantize() - x).max() < 1 / 2000


@pytest.mark.parametrize(
    "scheme",
    [
        "int4/g16",
        "int8/channel",
        "int3/g32+full",
        "int4/g32+asym",
        "int8/token+asym",
        "e2m1/g16",
        "e4m3fn/tensor",
        "nf4/g32",
        "mxfp4/g32",
        "mxfp8_e4m3/g32",
        "bitmod4/g32",
        "bitmod3/g32+sel=fp16",
        "int4/g16+scale=float16",
        "int4/g16+arith=float16",
        "mixed<int4,flint4>/g32",
    ],
)
def test_quantizing_again_with_the_same_scales_changes_nothing(scheme):
    x = np.concatenate([make(np.random.default_rng(5)) for name, make in INPUTS.items() if name != "negative"])
    q = nf.quantize(x, scheme)
    given_choice = {} if q.choice is None else {"choice": q.choice}
    given_zeros = {} if q.zero_points is None else {"zero_points": q.zero_points}
    again = nf.quantize(q.dequantize(), scheme, scales=q.scales, **given_choice, **given_zeros)
    np.testing.assert_array_equal(again.dequantize(), q.dequantize())
    np.testing.assert_array_equal(again.scales, q.scales)
    same = nf.quantize(x, scheme, scales=q.scales, **given_choice, **given_zeros)
    np.testing.assert_array_equal(same.codes, q.codes)


@fast
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["int4/g16", "int8/channel", "int4/g16+asym", "fp4_code/g16", "nf4/g16", "e2m1/g16", "bitmod4/g16"]),
)
def test_the_error_is_at_most_half_a_local_step(seed, scheme):
    """The nearest value of the grid, up to the rounding of the quotient; asymmetric grids may end half a step early."""
    x = samples(np.random.default_rng(seed), (4, 32))
    x[:, ::16], x[:, 1::16] = 1.5, -1.25
    q = nf.quantize(x, scheme)
    exact = q.row_values().astype(np.float64) * q._spread(q.row_scales)
    for row in range(4):
        for start in range(0, 32, q.scheme.granularity.size or 32):
            part = slice(start, start + (q.scheme.granularity.size or 32))
            scale = float(q._spread(q.row_scales)[row, start])
            fmt = q.scheme.candidates[0 if q.row_choice is None else q.row_choice[row, start // (q.scheme.granularity.size or 32)]]
            grid = np.unique(fmt.values()) - (0 if q.row_zero_points is None else q._spread(q.row_zero_points)[row, start])
            if scheme == "int4/g16" or scheme == "int8/channel":
                grid = grid[1:]
            grid = grid * scale
            for got, want in zip(exact[row, part], x[row, part].astype(np.float64), strict=True):
                nearest = np.abs(grid - want).min()
                slack = abs(want) * (2.0**-9 if q.scheme.arith == "float16" else 2.0**-21)  # x and its quotient are rounded
                assert abs(got - want) <= nearest + slack, (scheme, got, want)


def test_scales_below_the_scale_format_become_its_smallest_value():
    flat = np.full((1, 8), 1e-9, np.float32)
    for scheme in ("int16/g8+asym+scale=float16", "int8/g8+scale=float16"):
        q = nf.quantize(flat, scheme)
        assert q.scales.item() == 2.0**-24
        assert np.isfinite(q.dequantize()).all()
    q = nf.quantize(np.full((1, 8), 2.0**-149, np.float32), "int8/g8")
    assert q.scales.item() == 2.0**-149
    assert q.dequantize().tolist() == [[2.0**-149] * 8]


def test_axis_and_shape():
    x = samples(np.random.default_rng(0), (32, 6, 5))
    for axis in (0, -3):
        q = nf.quantize(x, "int4/g16", axis=axis)
        assert q.codes.shape == x.shape
        assert q.scales.shape == (2, 6, 5)
        want = nf.quantize(np.ascontiguousarray(np.moveaxis(x, 0, -1)), "int4/g16")
        np.testing.assert_array_equal(np.moveaxis(q.codes, 0, -1), want.codes)
        np.testing.assert_array_equal(np.moveaxis(q.scales, 0, -1), want.scales)
        np.testing.assert_array_equal(np.moveaxis(q.dequantize(), 0, -1), want.dequantize())
        assert q.bits_per_element == want.bits_per_element == 4 + 32 / 16
    middle = nf.quantize(x, "int4/channel+asym", axis=1)
    assert middle.scales.shape == middle.zero_points.shape == (32, 1, 5)
    one = nf.quantize(x, "bitmod4/tensor", axis=0)
    assert one.scales.shape == one.choice.shape == (1, 1, 1)
    np.testing.assert_array_equal(one.dequantize(), nf.quantize(x.reshape(1, -1), "bitmod4/tensor").dequantize().reshape(x.shape))
    again = nf.quantize(x, "int4/channel+asym", axis=1, scales=middle.scales, zero_points=middle.zero_points)
    np.testing.assert_array_equal(again.codes, middle.codes)


def test_transpose():
    x = samples(np.random.default_rng(0), (6, 32))
    q = nf.quantize(x, "bitmod3/g16")
    assert q.T.shape == (32, 6)
    assert q.T.axis == 0
    np.testing.assert_array_equal(q.T.dequantize(), q.dequantize().T)
    np.testing.assert_array_equal(q.T.codes, q.codes.T)
    np.testing.assert_array_equal(q.T.T.scales, q.scales)
    with pytest.raises(ValueError, match="needs a matrix"):
        nf.quantize(x[None], "int4/g16").T  # noqa: B018


BITS = {
    "int4/g128": 4 + 32 / 128,
    "int4/g128+scale=float16": 4 + 16 / 128,
    "int4/g128+asym": 4 + 36 / 128,
    "int4/tensor": 4 + Fraction(32, 1024),
    "int8/channel": 8 + 32 / 256,
    "nf4": 4 + 32 / 64,
    "mxfp4": 4.25,
    "mxfp6_e2m3": 6.25,
    "mxfp8_e5m2": 8.25,
    "bitmod4/g128": 4 + 18 / 128,
    "bitmod3": 3 + 18 / 128,
    "float16": 16,
    "e4m3fn": 8,
    "mixed<int4,flint4,fp4_code>/g64": 4 + 34 / 64,
    "int4/g64+arith=fp16+asym+scale=bfloat16": 4 + 20 / 64,
}


@pytest.mark.parametrize("scheme", sorted(BITS))
def test_bits_per_element_counts_every_overhead(scheme):
    made = nf.scheme(scheme)
    assert Fraction(made.bits_per_element((4, 256))) == Fraction(BITS[scheme])
    q = nf.quantize(samples(np.random.default_rng(0), (4, 256)), scheme)
    assert q.bits_per_element == made.bits_per_element((4, 256))
    assert q.nbytes == -(-Fraction(BITS[scheme]) * 1024 // 8)


STRINGS = [
    *BITS,
    "int4/g128+full",
    "bitmod4/g128+sel=fp16",
    "bitmod4/g128+arith=float32",
    "bitmod3/g64+scale=float32",
    "nf4/channel",
    "nf4/none",
    "float<4,3,bias=11,fnuz>/g32",
    "fixed<8,4>/tensor",
    "codebook<2,upper,-1,0,1>/g16",
    "mixed<codebook<2,lower,-1,0,1>,int2>/g8",
    "e4m3fn/token+arith=fp16+scale=float32",
    "mixed< int4 , flint4 >/g32",
    "uint8/tensor",
    "INT4/G32+ASYM",
    "mxfp4/g16+floor",
]


@pytest.mark.parametrize("text", STRINGS)
def test_scheme_strings_round_trip(text):
    made = nf.scheme(text)
    assert nf.scheme(str(made)) == made
    assert str(nf.scheme(str(made))) == str(made)
    assert hash(nf.scheme(str(made))) == hash(made)


def test_equal_schemes_print_equally():
    assert nf.scheme("mixed< int4 , flint4 >/g32") == nf.scheme("mixed<int4,flint4>/g32")
    assert nf.scheme("fp4/g32") == nf.scheme("e2m1/g32")
    assert nf.scheme("nf4") == nf.scheme("nf4/g64")


@pytest.mark.parametrize("name", ["nf4", "int4", "float16", "fp3", "e4m3fn", "float<3,2,bias=5,none>", "codebook<2,upper,-1,0,1>"])
def test_a_format_is_a_plain_cast_whose_string_says_so(name):
    made = nf.scheme(nf.parse(name))
    assert not made.scaled
    assert nf.scheme(str(made)) == made


SAVED = ["int4/g16", "int4/channel+asym", "bitmod4/g32", "float16", "nf4/tensor", "mxfp8_e4m3", "e4m3fn/g16+scale=bfloat16"]


@pytest.mark.parametrize("scheme", SAVED)
def test_save_and_load(tmp_path, scheme):
    x = samples(np.random.default_rng(0), (32, 3, 32))
    for axis in (0, -1):
        q = nf.quantize(x, scheme, axis=axis)
        q.save(tmp_path / "t.safetensors")
        back = nf.load(tmp_path / "t.safetensors")
        assert (back.scheme, back.shape, back.axis) == (q.scheme, q.shape, q.axis)
        for name in ("codes", "scales", "zero_points", "choice"):
            want, got = getattr(q, name), getattr(back, name)
            assert (want is None) == (got is None)
            if want is not None:
                np.testing.assert_array_equal(got, want)
                assert got.dtype == want.dtype
        np.testing.assert_array_equal(back.dequantize(), q.dequantize())
    assert [p.name for p in tmp_path.iterdir()] == ["t.safetensors"]


def test_raw_codes_save_and_load(tmp_path):
    for name in ("nf4", "e4m3fn", "int4"):
        q = nf.from_codes(np.arange(12, dtype=np.uint8).reshape(3, 4), name)
        q.save(tmp_path / "t")
        np.testing.assert_array_equal(nf.load(tmp_path / "t").dequantize(), q.dequantize())


def test_truncated_and_foreign_files_are_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "t"
    nf.quantize(samples(np.random.default_rng(0), (4, 32)), "int4/g16").save(path)
    content = path.read_bytes()
    for length in (0, 4, 8, 40, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="whole safetensors"):
            nf.load(path)
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(ValueError):
        nf.load(path)
    save_file({"weight": np.zeros((2, 2), np.float32)}, path)
    with pytest.raises(ValueError, match="no quantized tensor"):
        nf.load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        nf.load(tmp_path / "absent")
    with pytest.raises(OSError):
        nf.quantize(np.ones((1, 4), np.float32), "int4/g4").save(tmp_path / "absent" / "t")


def test_tampered_files_are_refused(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "t"
    good = {"codes": np.zeros((4, 32), np.uint8), "scales": np.ones((4, 2), np.float32)}
    meta = {"scheme": "int4/g16", "shape": "[4, 32]", "axis": "1"}
    save_file(good, path, meta)
    nf.load(path)
    half = np.full((4, 2), np.float32(0.1))
    changes = [
        ({**good, "codes": np.full((4, 32), 16, np.uint8)}, meta),
        ({**good, "codes": np.zeros((4, 32), np.int8)}, meta),
        ({**good, "codes": np.zeros((4, 32), np.float32)}, meta),
        ({**good, "codes": np.zeros((4, 16), np.uint8)}, meta),
        ({**good, "scales": np.full((4, 2), np.nan, np.float32)}, meta),
        ({**good, "scales": -np.ones((4, 2), np.float32)}, meta),
        ({**good, "scales": np.full((4, 2), np.inf, np.float32)}, meta),
        ({**good, "scales": np.ones((4, 2), np.float64)}, meta),
        ({**good, "scales": half}, {**meta, "scheme": "int4/g16+scale=float16"}),
        ({"codes": good["codes"]}, meta),
        ({**good, "choice": np.zeros((4, 2), np.uint8)}, meta),
        ({**good, "zero_points": np.zeros((4, 2), np.int32)}, meta),
        ({**good, "zero_points": np.full((4, 2), 16, np.int32)}, {**meta, "scheme": "int4/g16+asym"}),
        ({**good, "zero_points": np.full((4, 2), -1, np.int32)}, {**meta, "scheme": "int4/g16+asym"}),
        ({**good, "zero_points": np.zeros((4, 2), np.float32)}, {**meta, "scheme": "int4/g16+asym"}),
        ({**good, "choice": np.full((4, 2), 4, np.uint8)}, {**meta, "scheme": "bitmod4/g16"}),
        ({**good, "choice": np.full((4, 2), -1, np.int8)}, {**meta, "scheme": "bitmod4/g16"}),
        (good, {**meta, "axis": "2"}),
        (good, {**meta, "axis": "-1"}),
        (good, {**meta, "axis": "x"}),
        (good, {**meta, "shape": "[4"}),
        (good, {**meta, "shape": "5"}),
        (good, {**meta, "shape": "[]"}),
        (good, {**meta, "shape": "[4, 31]"}),
        (good, {**meta, "shape": "[-4, -32]"}),
        (good, {**meta, "shape": "[4.5, 32]"}),
        (good, {**meta, "scheme": "int5q/g16"}),
        (good, {**meta, "scheme": "int4/g24"}),
        (good, {**meta, "scheme": "int4"}),
        (good, {"scheme": "int4/g16"}),
        ({**good, "extra": np.zeros(3, np.float32)}, meta),
    ]
    for tensors, data in changes:
        save_file(tensors, path, data)
        with pytest.raises(ValueError, match=str(path)):
            nf.load(path)


GOOD = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)


@pytest.mark.parametrize(
    ("x", "scheme", "options", "words"),
    [
        (np.zeros((0, 4)), "int4/g4", {}, "empty"),
        (np.float32(1), "int4/g4", {}, "scalar"),
        (np.array([[1, np.nan, 0, 0]]), "int4/g4", {}, "1 NaN or infinite"),
        (np.array([[1, np.inf, -np.inf, 0]]), "bitmod4/g4", {}, "2 NaN or infinite"),
        (np.array([[1, np.nan, 0, 0]]), "float16", {}, "NaN"),
        (np.ones((2, 100)), "int4/g128", {}, "128 does not divide the row length 100"),
        (np.ones((2, 96)), "int4/g64", {}, "use g32 or g16 or g8"),
        (np.full((1, 4), 7e4), "int4/g4+arith=float16", {}, "beyond the range of the float16"),
        (np.full((1, 4), 7e4), "bitmod4/g4", {}, "beyond the range of the float16"),
        (np.array([[-6e4, 6e4]]), "int4/g2+asym+arith=fp16", {}, "range of a group exceeds float16"),
        (np.full((1, 4), 1e39), "int4/g4", {}, "beyond the range of the float32"),
        (np.full((1, 4), 1e6), "int4/g4+scale=float16", {}, "a scale reaches"),
        (GOOD, "int4/g16", {"axis": 2}, "axis=2 is not an axis"),
        (np.array(["a", "b"]), "int4/g2", {}, "does not hold real numbers"),
        (np.ones((1, 4), complex), "int4/g2", {}, "does not hold real numbers"),
        (GOOD, "int4/g16", {"scales": np.ones((2, 3))}, r"scales has shape \(2, 3\); int4/g16 needs \(2, 2\)"),
        (GOOD, "int4/g16", {"scales": np.array([[1, 1], [1, 0]])}, "finite and above zero"),
        (GOOD, "int4/g16", {"scales": np.array([[1, 1], [1, np.nan]])}, "finite and above zero"),
        (GOOD, "int4/g16", {"scales": np.full((2, 2), 0.1)}, "float32 does not hold"),
        (GOOD, "bitmod4/g16", {"scales": np.full((2, 2), np.float32(0.1))}, "float16 does not hold"),
        (GOOD, "mxfp4/g16", {"scales": np.full((2, 2), 3.0)}, "e8m0 does not hold"),
        (GOOD, "int4/g16", {"choice": np.zeros((2, 2), int)}, "choice"),
        (GOOD, "bitmod4/g16", {"choice": np.full((2, 2), 4)}, "0 to 3"),
        (GOOD, "bitmod4/g16", {"choice": np.full((2, 2), 0.5)}, "choice"),
        (GOOD, "int4/g16", {"zero_points": np.zeros((2, 2), int)}, "zero_points"),
        (GOOD, "int4/g16+asym", {"zero_points": np.zeros((2, 2), int)}, "zero_points go with scales"),
        (
            GOOD,
            "int4/g16+asym",
            {"zero_points": np.full((2, 2), 16), "scales": np.ones((2, 2))},
            "zero_points must be integers from 0 to 15",
        ),
        (
            GOOD,
            "int4/g16+asym",
            {"zero_points": np.full((2, 2), 0.5), "scales": np.ones((2, 2))},
            "zero_points must be integers from 0 to 15",
        ),
        (GOOD, "float16", {"scales": np.ones((1, 1))}, "scales"),
    ],
)
def test_refusals_of_quantize(x, scheme, options, words):
    with pytest.raises(ValueError, match=words):
        nf.quantize(x, scheme, **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int4/g128+foo", "foo.*options are"),
        ("int44x/g128", "unknown scheme.*did you mean"),
        ("bitmood4/g128", "bitmod4"),
        ("bitmod5/g128", "3 and 4 bits"),
        ("int4/h128", "granularity 'h128' is unknown"),
        ("int4/g0", "group size 0"),
        ("int4/", "not ELEMENT"),
        ("", "not ELEMENT"),
        ("int4+asym", "no granularity"),
        ("e4m3/g32", "ambiguous"),
        ("mixed<int4>/g32", "two or more"),
        ("mixed<int4,flint4>", "needs a granularity"),
        ("nf4+asym", "asym"),
        ("e2m1/g16+full", "full"),
        ("int4/g16+sel=fp16", "sel"),
        ("bitmod4+sel=fp8", "fp8.*float64 or fp16"),
        ("int4/g16+arith=fp8", "float16, float32, float64 or exact"),
        ("int4/g16+scale=int4", "scale"),
        ("mxfp4+arith=fp16", "arith"),
        ("int4/g16+asym+full", "full"),
        ("int1/g16", "int1"),
        ("float64/tensor", "float32 does not hold"),
        ("int32/channel", "float32 does not hold"),
        ("int4/g16+floor+scale=float16", "powers of two"),
        ("int4/g16+asym+floor", "floor"),
        ("mxfp4+floor+ceil", "exclude each other"),
        ("int4/g16+arith=float64+arith=float16", "arith twice"),
        ("int8/tensor+pad", "leave it out"),
        ("gguf_q4_k+pad", "pad them yourself"),
        ("int4/g16+even", "float element"),
        ("int4/b0x4", "height and width"),
        ("int4/g16+percentile=0", "percentage"),
        ("nf4+round=up", "round"),
        ("int4/g16+round=nearest", "round"),
        ("int4/none+asym", "none"),
    ],
)
def test_refusals_of_scheme(text, words):
    with pytest.raises(ValueError, match=words):
        nf.scheme(text)
    with pytest.raises(ValueError, match="not a string"):
        nf.scheme(4)


def test_torch_tensors_quantize_as_their_arrays():
    import torch

    x = samples(np.random.default_rng(0), (4, 32))
    np.testing.assert_array_equal(nf.quantize(torch.from_numpy(x), "int4/g16").codes, nf.quantize(x, "int4/g16").codes)
    half = torch.from_numpy(x).bfloat16()
    np.testing.assert_array_equal(nf.quantize(half, "bitmod4/g16").codes, nf.quantize(half.float().numpy(), "bitmod4/g16").codes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("bits", [3, 4])
def test_many_groups_against_the_model(bits):
    rng = np.random.default_rng(bits)
    for sigma in (0.002, 0.005, 0.02, 0.1, 3.0, 300.0):
        for sel in ("fp16", "float64"):
            check_mixture(samples(rng, (400, 128), sigma), f"bitmod{bits}/g128+sel={sel}")


def gguf_mxfp4(x):
    """(scale codes, values) that the gguf package gives for float32 rows."""
    kind = gguf.GGMLQuantizationType.MXFP4
    raw = gguf.quants.quantize(x, kind)
    return raw.reshape(-1, 17)[:, 0], gguf.quants.dequantize(raw, kind)


def test_mxfp4_equals_gguf_on_ordinary_data():
    rng = np.random.default_rng(8)
    x = (rng.standard_normal((64, 256)) * np.exp2(rng.integers(-20, 20, (64, 1)))).astype(np.float32)
    q = nf.quantize(x, "mxfp4")
    codes, values = gguf_mxfp4(x)
    np.testing.assert_array_equal(nf.encode(q.row_scales.reshape(-1), "e8m0"), codes)
    np.testing.assert_array_equal(q.dequantize(), values)


def test_mxfp4_ties_go_to_even_and_not_to_the_smaller_magnitude():
    """OCP Microscaling v1.0 section 6.3 asks for ties to even; ggml takes the smaller magnitude: 3.5 is 4, not 3."""
    x = np.zeros((1, 32), np.float32)
    x[0, :5] = [4.0, 3.5, 1.75, -3.5, 2.5]
    assert nf.quantize(x, "mxfp4").dequantize()[0, :5].tolist() == [4.0, 4.0, 2.0, -4.0, 2.0]
    assert gguf_mxfp4(x)[1][0, :5].tolist() == [4.0, 3.0, 1.5, -3.0, 2.0]
