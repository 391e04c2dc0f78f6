"""Float casts at every value, midpoint and neighbour: float32 and float64 in, values and codes out, every rounding and overflow."""

import itertools
import math
from functools import cache

import ml_dtypes
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.formats import float_facts, float_loops, named_floats
from numfmt.formats.modes import RandomBits
from numfmt.kernels import encode as scalar
from numfmt.kernels import float_lanes, philox

from .reference import formats as ref
from .reference.float_arrays import ANY_NAN, NO_CODE, ArrayModel

ROUNDINGS = [str(m) for m in nf.Rounding]
DETERMINISTIC = [m for m in ROUNDINGS if not m.startswith("stochastic")]
STOCHASTIC = [m for m in ROUNDINGS if m.startswith("stochastic")]
OVERFLOWS = ["saturate", "propagate", "nonsat"]
NAMED = sorted(e.name for e in named_floats.entries() if isinstance(e.format, nf.Float) and e.format.bits <= 8)
ODD = [  # each stands for a path of its own: no mantissa, subnormals only, unsigned, no zero, ends at the carrier's ends
    "float<2,0,bias=1,none>", "float<5,0,bias=15,none>", "float<3,2,bias=5,ieee>", "float<1,2,bias=0,none>",
    "float<1,3,bias=2,ieee>",
    "ufloat<4,3,bias=7,fn>", "ufloat<3,2,bias=3,ieee>", "ufloat<5,3,bias=15,none>", "ufloat<5,0,bias=15,none>",
    "float<5,2,bias=15,none>", "float<4,3,bias=7,fn,nozero>", "ufloat<4,2,bias=3,none,nozero>", "float<4,3,bias=0,none>",
    "float<4,3,bias=127,ieee>", "float<4,3,bias=126,ieee>", "float<4,3,bias=132,fn>", "float<4,3,bias=-95,none>",
    "float<4,3,bias=-96,none>", "float<6,1,bias=127,ieee>", "float<7,0,bias=63,fn>", "float<4,3,bias=900,fn>",
]  # fmt: skip
WIDE = [
    "float16", "bfloat16", "float<6,9>", "float<4,11,bias=7,fn>", "float<8,7,bias=127,none>", "float<8,7,bias=130,ieee>",
    "ufloat<6,9,bias=31,ieee>", "float<5,10,bias=16,fnuz>", "float<9,6,bias=255>", "float<3,12,bias=4,none>",
]  # fmt: skip
SMALL = NAMED + ODD


@cache
def models(name):
    f = nf.parse(name)
    table = ref.float_values(f.exp_bits, f.man_bits, f.bias, f.specials, f.signed, f.zero)
    nans = np.array([table[c] == ref.NAN for c in range(1 << f.bits)])
    return f, nans, nf.decode(np.arange(1 << f.bits, dtype=f.code_dtype), f), ArrayModel(table, f.man_bits, f.signed)


def points(model, step=1):
    """Every `step`-th value and midpoint with the nearest float64 and float32 on both sides, and what lies outside the range."""
    low = np.concatenate([model.magnitudes, [model.beyond]])
    grid = np.concatenate([low, (low[1:] + low[:-1]) / 2, (3 * low[1:] + low[:-1]) / 4])[::step]
    unit = model.beyond - low[-2]
    ends = [
        low[-2],
        low[-2] + unit / 2,
        model.beyond,
        2 * model.beyond,
        low[1],
        low[1] / 2,
        low[1] / 4,
        low[0],
        low[0] / 2,
        low[0] * 0.75,
    ]
    grid = np.concatenate([grid, ends, [0.0, 1e300, np.inf, 5e-324, 2.0**-149, 2.0**-126, 1e-40]])
    with np.errstate(over="ignore", under="ignore"):
        single = grid.astype(np.float32)
        near = [np.nextafter(single, np.float32(s)).astype(np.float64) for s in (np.inf, -np.inf)]
        out = np.concatenate([grid, np.nextafter(grid, np.inf), np.nextafter(grid, -np.inf), single.astype(np.float64), *near])
    return np.concatenate([out, -out, [np.nan]])


def same_values(got, want):
    return got.dtype == want.dtype and np.array_equal(
        np.where(np.isnan(got), 7, got.view(f"u{got.itemsize}")), np.where(np.isnan(want), 7, want.view(f"u{want.itemsize}"))
    )


def compare(name, x, modes, overflows, random=None, width=None):
    """Codes and values of x, as float64 and where it is one as float32, against the model. Returns the number of comparisons."""
    f, nans, values, model = models(name)
    if not f.has_nan:
        x = x[~np.isnan(x)]
    with np.errstate(over="ignore"):
        exact = (x == x.astype(np.float32)) | np.isnan(x)
        narrow = x[exact].astype(np.float32)
    count = 0
    for mode, overflow in itertools.product(modes, overflows):
        drawn = {} if random is None else {"random_bits": random, "random_width": width}
        wanted = model.encode(x, mode, overflow, 0.0 if random is None else float(random), width or 1)
        assert not (wanted == NO_CODE).any()
        for given_, want in ((x, wanted), (narrow, wanted[exact])):
            codes = nf.encode(given_, f, mode, overflow, **drawn)
            assert codes.dtype == f.code_dtype
            wrong = np.where(want == ANY_NAN, ~nans[codes], codes != want)
            if wrong.any():
                first = np.flatnonzero(wrong)[0]
                pytest.fail(f"{name} {mode} {overflow} {given_.dtype} {given_[first]!r}: {codes[first]}, not {want[first]}")
            assert same_values(nf.cast(given_, f, mode, overflow, **drawn), values[codes]), (name, mode, overflow, given_.dtype)
            count += 2 * given_.size
    return count


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2", "e2m1", "e8m0", "float8_e4m3fnuz", *ODD[:12]])
def test_the_array_model_is_the_scalar_model(name):
    """Two independent statements of the rules: Fractions one at a time, and float64 arrays."""
    f, _, _, model = models(name)
    table = ref.float_values(f.exp_bits, f.man_bits, f.bias, f.specials, f.signed, f.zero)
    plain = ref.FloatModel(table, f.man_bits, f.bias, f.signed)
    x = points(model, 17)
    for mode, overflow in itertools.product(ROUNDINGS, OVERFLOWS):
        got = model.encode(x, mode, overflow, 5.0, 3)
        want = [plain.encode(v, mode, overflow, (5, 3)) for v in x.tolist()]
        assert got.tolist() == [ANY_NAN if w == "nan" else NO_CODE if w is None else w for w in want], (name, mode, overflow)


@pytest.mark.parametrize("name", SMALL)
def test_every_point_of_small_formats(name):
    assert compare(name, points(models(name)[3]), DETERMINISTIC, OVERFLOWS) > 5000


@pytest.mark.parametrize("name", WIDE)
def test_points_of_wide_formats(name):
    x = points(models(name)[3], 307)
    assert compare(name, x, DETERMINISTIC, OVERFLOWS) > 30_000


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*WIDE, "tf32"])
def test_every_point_of_wide_formats(name):
    x = points(models(name)[3])
    count = compare(name, x, DETERMINISTIC, OVERFLOWS)
    for mode in STOCHASTIC:
        count += compare(name, x, [mode], OVERFLOWS, 11, 4)
    print(f"{name}: {count} comparisons")


@pytest.mark.parametrize(
    "name", ["e2m1", "e4m3fn", "float<2,0,bias=1,none>", "ufloat<3,2,bias=3,ieee>", "float<4,3,bias=7,fn,nozero>"]
)
def test_stochastic_roundings_with_every_random_number(name):
    x = points(models(name)[3])
    for width in (1, 2, 3):
        for random in range(1 << width):
            compare(name, x, STOCHASTIC, OVERFLOWS, random, width)


@pytest.mark.parametrize("width", [8, 16, 23, 24, 32])
@pytest.mark.parametrize("name", SMALL[::2] + WIDE[:5])
def test_stochastic_roundings_with_telling_random_numbers(name, width):
    x = points(models(name)[3], 29 if nf.parse(name).bits <= 8 else 997)
    for random in (0, 1, (1 << width) // 3, (1 << width) - 1):
        compare(name, x, STOCHASTIC, ["nonsat"], random, width)


@pytest.mark.parametrize("mode", STOCHASTIC)
def test_expectation_over_all_random_numbers(mode):
    """The share of R that round away is the formula's of formats.md section 1, exactly, for every tail of a 1/64 of the gap."""
    width, tails = 4, np.arange(65) / 64
    x = np.repeat(1 + tails / 8, 1 << width)  # between 1 and 1.125 in e4m3fn
    random = np.tile(np.arange(1 << width), tails.size)
    away = (nf.cast(x, "e4m3fn", mode, random_bits=random, random_width=width) > 1).reshape(-1, 1 << width).sum(1)
    scaled = tails * (1 << width)
    share = {"stochastic_a": np.floor(scaled), "stochastic_b": np.floor(scaled + 0.5), "stochastic_c": np.rint(scaled)}[mode]
    np.testing.assert_array_equal(away[:-1], share[:-1])
    assert away[-1] == 1 << width  # the next value itself


FORMATS = st.builds(
    lambda e, m, shift, specials, signed, zero: (e, m, (1 << (e - 1)) - 1 + shift, specials, signed, zero),
    st.integers(1, 9), st.integers(0, 23), st.sampled_from([0, 0, 1, -3, 40, -40, 100, -90]),
    st.sampled_from(["ieee", "fn", "fnuz", "none"]), st.booleans(), st.booleans(),
)  # fmt: skip


WORDS = {
    "parts": FORMATS, "mode": st.sampled_from(DETERMINISTIC), "overflow": st.sampled_from(OVERFLOWS), "seed": st.integers(0, 999),
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(**WORDS)
def test_loops_agree_with_the_scalar_rule_on_random_words(parts, mode, overflow, seed):
    random_words(parts, mode, overflow, seed)


@pytest.mark.exhaustive
@settings(max_examples=600, deadline=None)
@given(**WORDS)
def test_loops_agree_with_the_scalar_rule_on_many_random_words(parts, mode, overflow, seed):
    random_words(parts, mode, overflow, seed)


def random_words(parts, mode, overflow, seed):
    """Any format and any words: SIMD loops over float32 and over float64, and the scalar integer kernel of wide formats."""
    try:
        f = nf.Float(*parts)
    except ValueError:
        return
    x = np.random.default_rng(seed).integers(0, 1 << 32, 600, dtype=np.uint64).astype(np.uint32).view(np.float32)
    scale = np.float32(f.max) if 1e-30 < f.max < 1e30 else np.float32(1)
    x = np.concatenate([x, scale * np.random.default_rng(seed).standard_normal(600).astype(np.float32)])
    if not f.has_nan:
        x = x[~np.isnan(x)]
    with np.errstate(invalid="ignore"):  # signalling NaN
        wide = x.astype(np.float64)
    narrow_codes = nf.encode(x, f, mode, overflow)
    np.testing.assert_array_equal(narrow_codes, nf.encode(wide, f, mode, overflow))
    assert same_values(nf.cast(x, f, mode, overflow), nf.cast(wide, f, mode, overflow))
    assert same_values(nf.cast(x, f, mode, overflow), nf.decode(narrow_codes, f))
    if f.signed:  # the scalar kernel refuses every negative value of an unsigned format under nonsat
        codes = np.empty(x.size, f.code_dtype)
        scalar.encode_float(
            wide, codes, f.man_bits, f.bias, f.emin, f.max_magnitude_code, 1 << (f.bits - 1), f.zero,
            f.has_minus_zero or not f.zero, f.nan_code, f.inf_code, nf.Rounding(mode).number, nf.Overflow(overflow).number,
        )  # fmt: skip
        np.testing.assert_array_equal(narrow_codes, codes)


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(["e4m3fn", "bfloat16", "float16", "e2m1", "tf32", "float8_e4m3fnuz"]),
    mode=st.sampled_from(DETERMINISTIC),
    x=st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=40),
)
def test_monotone_idempotent_symmetric(name, mode, x):
    values = np.sort(np.array(x, np.float32))
    rounded = nf.cast(values, name, mode, "saturate")
    assert (np.diff(rounded) >= 0).all() or not np.isfinite(rounded).all()
    np.testing.assert_array_equal(nf.cast(rounded, name, mode, "saturate"), rounded)
    mirror = {"up": "down", "down": "up", "ties_up": "ties_down", "ties_down": "ties_up"}.get(mode, mode)
    np.testing.assert_array_equal(nf.cast(-values, name, mirror, "saturate"), -rounded)


def test_the_carriers_conditions_are_sharp():
    """Formats on both sides of each limit take different carriers, so that the paths named above are really taken."""
    single, double = float_facts.SINGLE, float_facts.DOUBLE
    holds = {name: single.holds(nf.parse(name)) for name in WIDE + ODD}
    assert holds["float16"]
    assert holds["float<6,9>"]
    assert not holds["bfloat16"]
    assert single.same_range(nf.parse("bfloat16"))
    assert single.same_range(nf.parse("tf32"))
    assert not single.holds(nf.parse("float<4,3,bias=132,fn>"))
    assert [single.holds(nf.parse(f"float<4,3,bias={b},none>")) for b in (-90, -91, -92, -93, -94, -95)].count(True) not in (0, 6)
    assert not double.holds(nf.parse("float64"))
    assert not any(single.holds(nf.Float(5, m, 15)) for m in (22, 23, 24))
    assert float_loops._choose(nf.parse("e4m3fn"), nf.Rounding.UP, nf.Overflow.NONSAT, 0, True, True)[0] is float_lanes.encode_any


@pytest.mark.parametrize(("name", "dtype"), [("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)])
def test_sixteen_bits_equal_numpy_and_ml_dtypes_and_torch(name, dtype):
    import torch

    x = np.random.default_rng(3).integers(0, 1 << 32, 400_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    with np.errstate(over="ignore"):
        x = np.concatenate([x, points(models(name)[3], 11).astype(np.float16).astype(np.float32) * np.float32(1 + 2.0**-11)])
    x = x[~np.isnan(x)]
    with np.errstate(over="ignore"):
        want = x.astype(dtype).view(np.uint16)
    np.testing.assert_array_equal(nf.encode(x, name), want)
    tensor = torch.from_numpy(x).to(getattr(torch, name)).view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(nf.encode(x, name), tensor)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float16", np.float16),
        ("bfloat16", ml_dtypes.bfloat16),
        ("e4m3fn", ml_dtypes.float8_e4m3fn),
        ("e5m2", ml_dtypes.float8_e5m2),
    ],
)
@pytest.mark.parametrize("part", range(8))
def test_every_float32_word_equals_numpy_and_ml_dtypes(name, dtype, part):
    """All 2**32 words, in eight parts. ml_dtypes overflows e4m3fn to NaN, which is our nonsat."""
    count = 0
    for start in range(part << 29, (part + 1) << 29, 1 << 24):
        x = np.arange(start, start + (1 << 24), dtype=np.int64).astype(np.uint32).view(np.float32)
        x = x[~np.isnan(x)]
        with np.errstate(over="ignore"):
            want = x.astype(dtype)
        codes = nf.encode(x, name, overflow="nonsat")
        word = want.view(codes.dtype)
        different = codes != word
        assert np.isnan(want[different].astype(np.float32)).all()
        assert np.isnan(nf.decode(codes[different], name)).all()
        count += x.size
    print(f"{name}, part {part}: {count} words")


KNOWN = [  # Random123's published known answers for philox4x32-10: counter, key, result
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def philox_plain(counter, key):
    """Philox4x32-10 in Python integers (Salmon et al., SC 2011, figure 2)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return tuple(c)


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_philox_known_answers(counter, key, want):
    assert philox_plain(counter, key) == want
    assert tuple(map(int, philox.philox_rounds(*map(np.uint32, counter), *map(np.uint32, key)))) == want


@pytest.mark.parametrize(("width", "lane"), [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (32, 32)])
def test_which_bits_an_element_takes(width, lane):
    """The rule of RandomBits' docstring, from the plain generator, at any start."""
    seed = 0x0123456789ABCDEF
    key = (seed & 0xFFFFFFFF, seed >> 32)
    per_run = 8192 // lane
    for start, stop in (
        (0, 40),
        (per_run - 3, per_run + 5),
        (5 * per_run + 777 % per_run, 5 * per_run + 777 % per_run + 9),
        (2**40, 2**40 + 3),
    ):
        want = []
        for element in range(start, stop):
            run, inside = divmod(element, per_run)
            word, rest = divmod(inside * lane, 64 * 32)
            block, low = divmod(rest, 32)
            counter = 64 * run + block
            value = philox_plain((counter & 0xFFFFFFFF, counter >> 32, 0, 0), key)[word]
            want.append((value >> low & ((1 << lane) - 1)) >> (lane - width))
        assert RandomBits(width, None, seed).take(start, stop).tolist() == want
        assert RandomBits(width, None, seed).beyond(start).take(0, stop - start).tolist() == want


@pytest.mark.parametrize("mode", STOCHASTIC)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16])
def test_same_seed_same_bits_at_any_thread_count_and_blocking(dtype, mode):
    x = (np.random.default_rng(4).standard_normal(700_001) * 3).astype(dtype)
    bits = RandomBits(11, None, 99).take(0, x.size)
    want = nf.encode(x, "e4m3fn", mode, random_bits=bits, random_width=11)
    before = numba.get_num_threads()
    most = numba.config.NUMBA_NUM_THREADS
    try:
        for threads in sorted({1, most}):
            numba.set_num_threads(threads)
            got = nf.encode(x, "e4m3fn", mode, seed=99, random_width=11)
            np.testing.assert_array_equal(got, want)
            np.testing.assert_array_equal(nf.cast(x, "e4m3fn", mode, seed=99, random_width=11), nf.decode(want, "e4m3fn"))
    finally:
        numba.set_num_threads(before)
    assert (want != nf.encode(x, "e4m3fn", mode, seed=98, random_width=11)).any()


def test_wide_formats_round_stochastically_one_by_one():
    f = nf.Float(11, 51, 1023)
    x = np.array([1 + 2.0**-52, 1.0, np.nan, -np.inf, -0.0, 1 + 3 * 2.0**-52])
    for random, want in (
        (0, [1.0, 1.0, np.nan, -np.inf, -0.0, 1 + 2.0**-51]),
        (1, [1 + 2.0**-51, 1.0, np.nan, -np.inf, -0.0, 1 + 2.0**-50]),
    ):
        got = nf.cast(x, f, "stochastic_a", random_bits=random, random_width=1)
        np.testing.assert_array_equal(got, want)
    assert math.copysign(1, got[4]) < 0
