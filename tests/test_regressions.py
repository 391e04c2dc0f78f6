"""Wrong answers that were once given, each with the smallest case that showed it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf


def test_long_doubles_are_rounded_once_from_their_exact_value() -> None:
    x = np.array([1 + 2.0**-4], np.longdouble) + np.longdouble(2) ** -60
    if np.finfo(np.longdouble).nmant < 60:
        pytest.skip("this machine's long double is float64")
    assert nf.cast(x, "e4m3fn").tolist() == [1.125]
    assert nf.subtract(x, 1.0, "float64").tolist() == [2.0**-4 + 2.0**-60]
    assert nf.cast(np.array([np.longdouble(2) ** -2000]), "float64", "up").tolist() == [5e-324]
    assert nf.cast(np.array([np.longdouble(2) ** 2000]), "float64").tolist() == [np.inf]


@pytest.mark.parametrize(
    "name", ["float16", "float32", "posit<16,2>", "posit<32,2>", "takum16", "nf4", "p3109<14,4,se>", "fixed<40,8>"]
)
@pytest.mark.parametrize("kind", "iu")
def test_codes_in_the_other_byte_order(name: str, kind: str) -> None:
    size = max(nf.parse(name).code_dtype.itemsize, 2)
    codes = np.array([1, 2, 3, 13], f"{kind}{size}")
    swapped = codes.astype(codes.dtype.newbyteorder())
    assert nf.decode(swapped, name).tolist() == nf.decode(codes, name).tolist()
    assert nf.pack(swapped, 4).tolist() == nf.pack(codes, 4).tolist()


def test_integers_beyond_float64_in_arithmetic() -> None:
    big = np.array([2**53 + 1])
    assert nf.subtract(big, np.array([2**53]), "float32").tolist() == [1.0]
    assert nf.subtract(np.array([2**64 - 1], np.uint64), np.array([2**64 - 2], np.uint64), "int8").tolist() == [1.0]
    assert nf.add(np.array([2**60 + 2**36 + 1]), np.float32(0), "float32").tolist() == [2.0**60 + 2.0**37]
    assert nf.add(big, 0.0, "float64", rounding="up").tolist() == [2.0**53 + 2]
    assert nf.fma(big, 1, -(2**53), "posit<16,2>").tolist() == [1.0]
    assert nf.remainder(big, 2, "bfloat16").tolist() == [1.0]
    with pytest.raises(ValueError, match="float64"):
        nf.flags("add", big, 0.0, "float64")


def test_objects_of_numpy_and_other_rationals() -> None:
    gmpy2 = pytest.importorskip("gmpy2")
    x = np.array([np.float32(1.5), np.int64(3), gmpy2.mpq(1, 3), np.longdouble(2), Fraction(1, 3)], object)
    assert nf.cast(x, "e4m3fn").tolist() == [1.5, 3.0, 0.34375, 2.0, 0.34375]


def test_what_holds_no_real_numbers_is_refused() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(ValueError, match="masked"):
        nf.cast(masked, "e4m3fn")
    assert nf.cast(np.ma.array([1.0]), "e4m3fn").tolist() == [1.0]
    with pytest.raises(ValueError, match="rows of equal length"):
        nf.cast([[1], [1, 2]], "e4m3fn")


def test_tensors_that_are_not_dense_real_numbers() -> None:
    torch = pytest.importorskip("torch")
    for strange in (torch.tensor([1j]), torch.eye(2).to_sparse(), torch.empty(2, device="meta")):
        with pytest.raises(ValueError, match="dense tensor of real numbers"):
            nf.cast(strange, "e4m3fn")
    assert nf.cast(torch._neg_view(torch.tensor([1.5])), "e2m1").tolist() == [-1.5]
    assert nf.cast(torch.tensor(1.3), "e4m3fn").shape == ()  # not (1,)
    assert nf.cast(torch.tensor(1.5, dtype=torch.bfloat16), "e2m1").shape == ()
    with pytest.raises(ValueError, match="no tensor can hold"):
        nf.cast(torch.tensor([1.5]), "fixed<64,32>")


@pytest.mark.parametrize("rounding", ["ties_even", "stochastic_c"])
def test_fixed_point_in_place(rounding: str) -> None:
    # what the fast kernel hands back is done again, and must find its arguments unharmed
    x = np.tile(np.array([3.7, 200.4, -1.5, 1e9, 0.2], np.float32), 2000)
    seed = 3 if rounding != "ties_even" else None
    for name in ("fixed<8,6,ties_even,wrap>", "fixed<19,93,ties_even,wrap,1>", "fixed<12,8,ties_even,saturate_zero>"):
        want = nf.cast(x, name, rounding, seed=seed)
        got = x.copy()
        nf.cast(got, name, rounding, seed=seed, out=got)
        assert np.array_equal(got, want)


@pytest.mark.parametrize("name", ["e4m3fn", "fixed<16,8>", "posit<16,2>", "hif8", "p3109<6,3,se>", "float16"])
def test_out_that_overlaps_x(name: str) -> None:
    x = np.random.default_rng(0).standard_normal(100_001).astype(nf.parse(name).value_dtype)
    want = nf.cast(x, name)
    for source, target in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
        work = x.copy()
        nf.cast(work[source], name, out=work[target])
        assert np.array_equal(work[target], want[source])
        work = x.copy()
        nf.add(work[source], work[source], name, out=work[target])
        assert np.array_equal(work[target], nf.add(x[source], x[source], name))


def test_functions_into_formats_that_wrap() -> None:
    # e**50 = 5184705528587072464087.4533..., e**2 = 7.389...
    low_bits = 5184705528587072464087 % 256
    assert nf.elementary("exp", np.array([50.0]), "fixed<8,8,ties_even,wrap>", returns="codes").tolist() == [low_bits]
    # a table of all float16 would meet infinities, which no element of x is
    assert nf.elementary("exp", np.float16([2.0]), "fixed<8,4,ties_even,wrap>").tolist() == [7.375]
    with pytest.raises(ValueError, match="log gives 1 result"):
        nf.elementary("log", np.float16([0.0, 2.0]), "fixed<8,4,ties_even,wrap>")


def test_functions_of_numbers_beyond_float64() -> None:
    assert nf.elementary("reciprocal", np.array([Fraction(1, 3)], object), "fixed<64,10>").tolist() == [3]
    assert nf.elementary("sqrt", np.array([2**62 + 2**32 + 1]), "fixed<64,33>").tolist() == [2**31 + 1]


def test_stochastic_functions_into_formats_beyond_float64() -> None:
    ones = np.full(4, 255, np.uint32)  # e = 2.718... lies between 2.5 and 3 of three significant bits: the largest bits go up
    got = nf.elementary("exp", np.ones(4), "p3109<16,3,se>", rounding="stochastic_a", random_bits=ones, random_width=8)
    assert got.tolist() == [3] * 4


def test_conversion_into_a_format_whose_own_mode_is_stochastic() -> None:
    target = nf.Fixed(4, 4, True, nf.Rounding.STOCHASTIC_A)
    half = np.full(5000, 8, np.uint8)  # 0.5
    assert set(nf.convert(half, "fixed<8,4>", target, seed=1).tolist()) == {0, 1}
    with pytest.raises(ValueError, match="random_bits"):
        nf.convert(half, "fixed<8,4>", "e4m3fn", random_bits=np.zeros(5000, np.uint32))


def test_predicates_do_not_round_integers() -> None:
    big, near = np.array([2**53 + 1]), np.array([2.0**53])
    assert nf.ieee.compares("equal", big, near).tolist() == [False]
    assert nf.ieee.compares("less", near, big).tolist() == [True]
    for operation in (nf.ieee.logb, lambda x: nf.ieee.maximum(x, 0.0, "float64"), lambda x: nf.ieee.scaleb(x, 1, "float64")):
        with pytest.raises(ValueError, match="float64 does not hold"):
            operation(big)


def test_integers_from_nan_of_any_kind_of_array() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for x in (np.array([np.nan, 3], ml_dtypes.bfloat16), np.array([np.nan, 3], object), np.float32([np.nan, 3])):
        assert nf.ieee.to_integer(x, "int8", nan=7).tolist() == [7, 3]


def test_subnormals_of_p3109_are_classified() -> None:
    assert nf.ieee.classify(np.array([1, 4], np.uint8), "p3109<8,3,se>").tolist() == ["positive_subnormal", "positive_normal"]


@pytest.mark.parametrize("method", ["adder", "formula"])
def test_lmul_at_the_ends_of_float64(method: str) -> None:
    for x, want in ((2.0**1000, np.inf), (2.0**-1000, 0.0)):
        assert nf.lmul(np.array([x]), np.array([x]), "float<11,49>", method).tolist() == [want]


def test_distances_of_64_bits() -> None:
    assert nf.compare(np.array([2**63], np.uint64), np.array([2**63 - 1], np.uint64), "int64").max_ulp == 2**64 - 1
    assert nf.compare(np.array([2**64 - 1], np.uint64), np.array([0], np.uint64), "ufixed<64,64>").max_ulp == 2**64 - 1
    assert nf.compare(np.array([1.7e308]), np.array([-1.7e308]), "float64").max_ulp > 2**63
    assert nf.compare(np.array([3, 0x8001], np.uint16), np.array([2, 1], np.uint16), "p3109<16,2,se>").max_ulp == 2


def test_a_program_may_copy_its_last_step() -> None:
    assert nf.Program.parse("a = x * 2\nb = a\ny = a + b")(np.array([3.0]), "float32").tolist() == [12.0]
    with pytest.raises(ValueError, match="not a program"):
        nf.Program.parse(None)  # type: ignore[arg-type]


def test_numpy_integers_as_counts_and_seeds() -> None:
    packed = nf.pack(np.arange(5), np.int64(3))
    assert nf.unpack(packed, np.int8(3), np.int64(5)).tolist() == [0, 1, 2, 3, 4]
    assert nf.cast(1.3, "e4m3fn", "stochastic_a", seed=np.int64(5)) == nf.cast(1.3, "e4m3fn", "stochastic_a", seed=5)


def test_a_codebook_of_values_beyond_float32_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond float32"):
        nf.learn_codebook(np.array([1e300, 2e300]), 1)


def test_sums_of_neighbours_beyond_float64_leave_no_warning() -> None:
    x = np.array([1.0, 2.0])  # warnings are errors
    assert nf.multiply(x, x, "p3109<12,1,se>").tolist() == [1.0, 4.0]
    assert nf.multiply(x, x, "p3109<13,2,se>").tolist() == [1.0, 4.0]


def test_minus_one_in_54_bits_that_wrap() -> None:
    x = np.array([-1.0, -0.72, -(2.0**53) + 1, -(2.0**53) - 2, 3.0])
    want = [2**54 - 1, 2**54 - 1, 2**53 + 1, 2**53 - 2, 3]
    assert nf.encode(x, "fixed<54,54,ties_even,wrap>").tolist() == want


@pytest.mark.parametrize(("function", "factor"), [("tanh", 1), ("gelu", 2), ("silu", 2), ("gelu_tanh", 2)])
def test_functions_one_place_beyond_a_power_of_two(function: str, factor: int) -> None:
    # the value lies strictly between 2**-70 and its float64 neighbour, so that rounding away must leave the power of two
    x = -factor * np.nextafter(2.0**-70, 1.0)
    assert nf.elementary(function, np.array([x]), "bfloat16", rounding="down").tolist() == [-(2.0**-70) * (1 + 2.0**-7)]
    assert nf.elementary(function, np.array([x]), "bfloat16", rounding="up").tolist() == [-(2.0**-70)]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, "None is not a format"),  # NumPy takes it for float64
        ("float<0,3>", "exp_bits=0 is not allowed"),
        ("float<4,3,bias=1,bias=2>", "names its bias twice"),
        ("float<4,3,ieee,fn>", "names its specials twice"),
    ],
)
def test_specs_that_say_too_little_or_too_much(spec: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nf.parse(spec)
    assert nf.parse("float < 4 , 3 >") == nf.parse("float<4,3>")


def test_quotients_beyond_float16_take_the_greatest_posit() -> None:
    x = np.full((1, 8), 1000.0, np.float32)  # scale 1000 / 2^24, kept at 1e-5: 128.75 / 8e-5 overflows float16
    x[0, 3] = 0.0
    x[0, :3] = 128.75, 1335.296, -128.75
    q = nf.quantize(x, "posit<8,2>/g8+arith=float16")
    assert nf.quantize(x, "posit<8,2>/g8+arith=float16", like=q) == q
    assert q.codes[0, :3].tolist() == [0x7F, 0x7F, 0x81]


@pytest.mark.parametrize(
    ("spec", "value", "scale"),
    [
        ("int4/g4+scale=e8m0", 1e-45, 2.0**-127),
        ("nf4/g4+scale=e8m0", 0.0, 2.0**-127),
        ("int4/g4+asym+zp=gptq", 1e-45, 2.0**-149),
        ("int4/g4+arith=float16+scale=e4m3fn", 1e-5, 2.0**-9),
    ],
)
def test_scales_that_underflow_are_the_least_of_their_format(spec: str, value: float, scale: float) -> None:
    q = nf.quantize(np.full((1, 4), value, np.float32), spec)
    assert q.scales.tolist() == [[scale]]
    assert np.isfinite(q.dequantize()).all()
    assert q.zero_points is None or q.zero_points.tolist() == [[0]]


def test_one_rule_for_the_scale() -> None:
    for spec in ("int4/g4+percentile=99+floor", "int4/g4+mse+ceil", "int4/g4+floor+even"):
        with pytest.raises(ValueError, match=r"does not apply|exclude each other"):
            nf.scheme(spec)


def test_integer_scales_serve_groups_of_a_row() -> None:
    for grain in ("tensor", "b2x2", "flat8"):
        with pytest.raises(ValueError, match="serve groups of a row"):
            nf.scheme(f"dgq4/{grain}")


def test_codes_that_are_not_rows_of_a_tensor() -> None:
    q = nf.quantize(np.ones((2, 10), np.float32), "pbllm/channel")
    assert q.codes.shape == (18,)
    assert (q[:] == q, q[:].codes.tolist()) == (True, q.codes.tolist())


def test_zero_points_beyond_the_codes_can_be_imposed() -> None:
    x = np.linspace(3, 4, 8, dtype=np.float32).reshape(1, 8)
    spec = "int4/channel+asym+zp=omniquant"
    q = nf.quantize(x, spec)
    assert q.zero_points.tolist() == [[-45]]
    assert nf.quantize(x, spec, scales=q.scales, zero_points=q.zero_points) == q
    with pytest.raises(ValueError, match="from -10000 to 10000"):
        nf.quantize(x, spec, scales=q.scales, zero_points=q.zero_points - 20000)


def test_arguments_that_are_no_tensor_axis_or_number() -> None:
    x = np.ones((2, 8), np.float32)
    q = nf.quantize(x, "int8/channel")
    refused = [
        (lambda: nf.quantize(x, "int8/channel", like=3), "like=3 is not a QuantizedTensor"),
        (lambda: nf.quantize(x, "int8/channel", axis=1.5), "axis=1.5 is not an axis of x"),
        (lambda: nf.from_codes(3, "int4"), "needs an axis"),
        (lambda: nf.from_codes(np.zeros((0, 3), np.uint8), "int4"), "at least one word"),
        (lambda: nf.from_codes([1, 2], "int4", axis=4), "axis=4 is not an axis of words"),
        (lambda: nf.narrow(x, 4), "not a QuantizedTensor"),
        (lambda: nf.narrow(q, "4"), "bits='4' is not allowed"),
        (lambda: nf.outliers(x), "ndarray keeps no outliers"),
    ]
    for call, message in refused:
        with pytest.raises(ValueError, match=message):
            call()
    assert nf.quantize(x, "int8/channel", scales=q.scales.astype(object)) == q


@pytest.mark.parametrize("spec", ["razer_nvfp4_e3m3/g16"])
def test_a_tensor_scale_below_float32_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="scale it up"):
        nf.quantize(np.full((1, 16), 1e-45, np.float32), spec)


def test_gptq_zero_points_of_groups_that_start_at_zero() -> None:
    x = np.array([[0.0, 1.0, 2.0, 15.0]], np.float32)  # after a ReLU; only an all-zero group spans -1 to 1
    q = nf.quantize(x, "int4/channel+asym+zp=gptq")
    assert (q.zero_points.tolist(), q.codes.tolist()) == ([[0]], [[0, 1, 2, 15]])
    assert [a.tolist() for a in nf.observers.minmax([x], "int4/tensor+asym+zp=gptq")] == [[[1.0]], [[0]]]


@pytest.mark.parametrize(
    "options",
    [
        "round=to_odd+asym",
        "floor+asym",
        "mse+asym",
        "percentile=99+asym",
        "eps=1e-8+asym",
        "eps=1e-8+arith=float16",
        "reciprocal+arith=float16",
        "scale=float16+floor",
    ],
)
def test_options_that_exclude_each_other_in_any_order(options: str) -> None:
    for text in (options, "+".join(reversed(options.split("+")))):
        with pytest.raises(ValueError, match=r"does not apply|stored as e8m0"):
            nf.scheme(f"int4/g8+{text}")


def test_group_sizes_beyond_memory() -> None:
    for grain in ("g99999999999999999999", "flat99999999999999999999", "b1x99999999999999999999"):
        with pytest.raises(ValueError, match="must be 1 to 2147483647"):
            nf.scheme(f"hif8/{grain}+pad")
