"""Codebooks: the named tables, tie rules, any user table, bitsandbytes as the witness, learned tables; the table kernel."""

import hashlib
import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import numfmt as nf
from numfmt.formats.line import Line
from numfmt.kernels.table import Buckets, cuts_of, keys

BITSANDBYTES = np.load(Path(__file__).parent / "vectors" / "bitsandbytes.npz")
TIES = ["lower", "upper", "zero", "away", "even"]


def around(f):
    grid = [Fraction(v) for v in f.grid.tolist()]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(grid)]
    out = [0.0, -0.0, math.inf, -math.inf, 1e300, -5e-324]
    for cut in [*grid, *middles]:
        x = float(cut)
        out += [x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf)]
        near = np.float32(min(max(x, -3e38), 3e38))
        out += [float(near), float(np.nextafter(near, np.float32(np.inf))), float(np.nextafter(near, np.float32(-np.inf)))]
    return np.array(out)


def nearest_code(f, x):
    """Lowest code of the nearest entry by the tie rule: Fraction, the whole table each time."""
    if math.isinf(x):
        x = 1e30 if x > 0 else -1e30
    distances = {v: abs(Fraction(v) - Fraction(x)) for v in f.table}
    best = min(distances.values())
    near = sorted({v for v, d in distances.items() if d == best})
    codes = [list(f.table).index(v) for v in near]
    if len(near) == 1:
        return codes[0]
    low, high = codes
    if f.ties == "even":
        return min(codes) if (low - high) % 2 == 0 else low if low % 2 == 0 else high
    up = {"lower": False, "upper": True, "zero": near[1] <= 0, "away": near[0] >= 0}[f.ties]
    return high if up else low


def check(f, x):
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    same = narrow.astype(np.float64) == x
    want = np.array([nearest_code(f, v) for v in x.tolist()])
    np.testing.assert_array_equal(nf.encode(x, f), want, str(f)[:60])
    np.testing.assert_array_equal(nf.encode(narrow[same], f), want[same])
    np.testing.assert_array_equal(nf.encode(np.array(x.tolist(), object), f), want)
    np.testing.assert_array_equal(nf.cast(x, f), np.array(f.table)[want])
    return x.size


@pytest.mark.parametrize("name", ["nf4", "bnb_fp4", "af4", "iq4_nl", "ternary", "binary", "fp4_er_pos", "dynamic8"])
def test_named_tables_everywhere(name):
    f = nf.parse(name)
    x = around(f)
    check(f, x if f.bits < 8 else x[::9])


@pytest.mark.exhaustive
def test_dynamic_maps_everywhere():
    print("cases", sum(check(nf.parse(n), around(nf.parse(n))) for n in ("dynamic8", "udynamic8")))


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize(
    "table",
    [
        (3.0, -1.0, 0.0, 1.0, 2.0, 2.0, -4.0),
        (-1.0, 1.0),
        (1.0, 1 + 2.0**-52, 1 + 2.0**-51),
        (5e-324, 1e-323, -5e-324, 0.0),
        (1e308, 1.7e308, -1.7e308),
    ],
)
def test_every_tie_rule(table, ties):
    f = nf.Codebook(table, 3, ties)
    assert nf.parse(str(f)) == f
    with np.errstate(over="ignore", under="ignore"):
        x = np.array([v for v in around_any(f) if math.isfinite(v)])
    for value in x.tolist():
        want = nearest_code(f, value)
        assert nf.encode([value], f).tolist() == [want], (ties, value)
        assert nf.encode(np.array([Fraction(value)], object), f).tolist() == [want]


def around_any(f):
    out = []
    for a, b in itertools.pairwise([Fraction(v) for v in f.grid.tolist()]):
        for x in (float(a), float((a + b) / 2), float(b)):
            out += [x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf)]
    return out


@settings(max_examples=80, deadline=None)
@given(
    table=st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=40),
    ties=st.sampled_from(TIES),
    x=st.lists(st.floats(allow_nan=False), min_size=1, max_size=20),
)
def test_any_table(table, ties, x):
    f = nf.Codebook(tuple(table), 6, ties)
    assert nf.parse(str(f)) == f
    values = [v for v in [*x, *around_any(f)] if math.isfinite(v)]
    assert nf.encode(np.array(values), f).tolist() == [nearest_code(f, v) for v in values]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("dynamic8", "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c"),
        ("udynamic8", "305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398"),
    ],
)
def test_dynamic_maps_are_bitsandbytes(name, digest):
    grid = nf.parse(name).grid.astype("<f4")
    assert hashlib.sha256(grid.tobytes()).hexdigest() == digest
    np.testing.assert_array_equal(grid, BITSANDBYTES[f"{name}_map"])


def test_fp4_equals_bitsandbytes_but_on_rounded_midpoints():
    """bitsandbytes' CPU holds decision points as float32; where one lies above the exact middle, the float on it differs."""
    f = nf.parse("bnb_fp4")
    x, want = BITSANDBYTES["fp4_x"], BITSANDBYTES["fp4_words"].copy()  # recorded for blocks whose largest magnitude is 1
    got = nf.encode(x, f)
    want[want == 8] = 0  # its minus zero is what small positive values get; the values are equal
    values = nf.decode(np.arange(16), f)
    table = np.array([0.0, 0.0052083335, 0.6666667, 1, 0.33333334, 0.5, 0.16666667, 0.25], np.float32)
    np.testing.assert_array_equal(values, np.concatenate([table, -table + np.float32(0)]))
    rounded = ((f.grid[1:].astype(np.float32) + f.grid[:-1].astype(np.float32)) / np.float32(2)).astype(np.float64)
    above = rounded[rounded > f.midpoints]
    differ = x[got != want].astype(np.float64)
    assert set(differ.tolist()) <= set(above.tolist())
    assert (got == want).mean() > 0.99


@pytest.mark.parametrize("name", ["dynamic8", "udynamic8"])
def test_dynamic_maps_encode_as_bitsandbytes(name):
    """Its rule in torch: bucketize at float32 midpoints, ties down. A float32 midpoint above the exact one tells the two apart."""
    f = nf.parse(name)
    x = np.unique(np.clip(around(f)[6:], f.min, 1.0).astype(np.float32))
    bounds = (torch.from_numpy(f.grid[1:].astype(np.float32)) + torch.from_numpy(f.grid[:-1].astype(np.float32))) / 2
    differ = nf.encode(x, f) != torch.bucketize(torch.from_numpy(x), bounds).numpy()
    rounded = bounds.numpy().astype(np.float64)
    assert set(x[differ].astype(np.float64).tolist()) == set(rounded[rounded > f.midpoints].tolist())


@pytest.mark.parametrize("name", ["dynamic8", "udynamic8"])
def test_the_compiled_search_of_bitsandbytes_is_not_nearest(name):
    """bitsandbytes 0.50.2 on the CPU: one value in a thousand near a decision point gets the neighbour of the nearest entry."""
    f = nf.parse(name)
    x, words = BITSANDBYTES[f"{name}_x"], BITSANDBYTES[f"{name}_words"].astype(np.int64)
    got = nf.encode(x, f).astype(np.int64)
    differ = got != words
    assert differ.mean() < 0.005
    ours, theirs = (np.abs(f.grid[c[differ]] - x[differ]) for c in (got, words))
    assert (ours <= theirs).all()
    assert (theirs - ours).max() < 2.0**-14


def test_literal_decision_points_of_cuda():
    """The literals of bitsandbytes' CUDA FP4 differ from the float32 midpoints in five of seven cases, by up to 14 ulp."""
    literals = np.array([0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333], np.float32)
    middles = nf.parse("bnb_fp4").midpoints
    middles = middles[middles > 0].astype(np.float32)
    steps = literals.view(np.int32) - middles.view(np.int32)
    assert np.abs(steps).max() == 14
    assert (steps == 0).sum() == 2


def test_scale_free_names():
    assert nf.encode([-0.5, 0.5, 0.51, -3, 0], "ternary").tolist() == [1, 1, 2, 0, 1]
    assert nf.encode([-1e-9, 0.0, -0.0, 3], "binary").tolist() == [0, 1, 1, 1]
    assert nf.cast([-115.5, 7.0], "iq4_nl").tolist() == [-104.0, 13.0]  # ties go up
    with pytest.raises(ValueError, match="3 entries"):
        nf.decode([3], "ternary")


def brute(points, weights, count):
    best = math.inf
    for ends in itertools.combinations(range(1, len(points)), count - 1):
        cost = 0.0
        for a, b in itertools.pairwise([0, *ends, len(points)]):
            mean = np.average(points[a:b], weights=weights[a:b])
            cost += float((weights[a:b] * (points[a:b] - mean) ** 2).sum())
        best = min(best, cost)
    return best


def error(x, w, f):
    return float((w * (nf.cast(x, f).astype(np.float64) - x) ** 2).sum())


@pytest.mark.parametrize("seed", range(6))
def test_learned_codebooks_are_optimal(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.standard_normal(11))
    w = rng.uniform(0.1, 3, 11) if seed % 2 else np.ones(11)
    f = nf.learn_codebook(x, 2, w if seed % 2 else None)
    assert len(f.table) == 4
    assert error(x, w, f) == pytest.approx(brute(x, w, 4), rel=1e-6)


def test_learned_codebooks_beat_or_equal_scikit_learn():
    rng = np.random.default_rng(9)
    x = rng.standard_normal(3000)
    w = rng.uniform(0, 1, 3000)
    f = nf.learn_codebook(x, 3, w)
    assert f == nf.learn_codebook(x, 3, w)
    peer = KMeans(8, n_init=3, random_state=0).fit(x[:, None], sample_weight=w)
    assert error(x, w, f) <= peer.inertia_ * (1 + 1e-6)
    binned = nf.learn_codebook(x, 3, w, bins=200)
    assert error(x, w, binned) <= error(x, w, f) * 1.05
    assert nf.encode(torch.from_numpy(x), f).shape == x.shape


def test_learning_from_little():
    assert nf.learn_codebook([1.0, 1.0], 4).table[0] == 1.0
    assert nf.learn_codebook([1.0, 2.0, 5.0], 4).table == (1.0, 2.0, 5.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nf.learn_codebook([], 2), ["empty"]),
        (lambda: nf.learn_codebook([np.nan], 2), ["NaN"]),
        (lambda: nf.learn_codebook([1.0, 2.0], 2, [1.0]), ["weights has 1", "2 of x"]),
        (lambda: nf.learn_codebook([1.0, 2.0], 2, [0.0, 0.0]), ["all zero"]),
        (lambda: nf.learn_codebook([1.0, 2.0], 2, [-1.0, 0.0]), ["not negative"]),
        (lambda: nf.learn_codebook([1.0, 2.0], 0), ["bits=0"]),
        (lambda: nf.learn_codebook([1.0, 2.0], 4, bins=3), ["bins=3", "16"]),
        (lambda: nf.Codebook((1.0, 2.0), 2, "nearest"), ["ties='nearest'", "even"]),
        (lambda: nf.encode([np.nan], "dynamic8"), ["1 value"]),
        (lambda: nf.encode(np.array([np.nan], object), "dynamic8"), ["NaN"]),
        (lambda: nf.encode([1.0], "af4", overflow="nonsat"), ["nonsat", "saturate"]),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def words(count, seed, dtype):
    rng = np.random.default_rng(seed)
    size = np.dtype(dtype).itemsize * 8
    x = rng.integers(0, 1 << (size - 1), count, dtype=np.uint64) | (
        rng.integers(0, 2, count, dtype=np.uint64) << np.uint64(size - 1)
    )
    return x.astype(f"u{size // 8}").view(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["even", "rows", "close", "huge", "zeros"])
def test_the_look_up_is_a_search(kind, dtype):
    rng = np.random.default_rng(4)
    points = {
        "even": np.sort(rng.standard_normal(200)),
        "rows": np.sort(np.concatenate([rng.standard_normal(20000), np.ldexp(1.0, rng.integers(-140, 120, 300))])),
        "close": np.array([-1.0, *(1 + np.arange(9) * 2.0**-23), *(1 + np.arange(9) * 2.0**-52), 7.0]),
        "huge": np.array([-3.4028234663852886e38, -1e-45, 1e-45, 3.4028234663852886e38]),
        "zeros": np.array([-2.0, -5e-324, -0.0, 0.0, 0.0, 5e-324, 1.0]),
    }[kind].astype(dtype)
    edge = keys(np.sort(points) if kind != "zeros" else points)
    edge = np.sort(edge)
    cuts, order = cuts_of(edge)
    stage = Buckets(cuts, dtype == np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        beside = [np.nextafter(points, dtype(np.inf)), np.nextafter(points, dtype(-np.inf))]
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
        x = np.concatenate([points, *beside, -points, special, words(20000, 5, dtype), rng.standard_normal(1000).astype(dtype)])
    out = np.empty(x.size, np.int32)
    stage.look_up(x, order.astype(np.int32), out)
    want = np.where(np.isnan(x), -1, np.searchsorted(edge, keys(x)))
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("change", [1, -1])
def test_a_decision_point_moved_by_one_float_is_noticed(change, monkeypatch):
    """The comparison above can fail: one decision point of NF4 moved to its neighbour."""
    plain = Line.__init__

    def moved(self, points, codes, nan_code):
        points = points.copy()
        points[3] = np.nextafter(np.float32(points[3]), np.float32(change * np.inf))
        plain(self, points, codes, nan_code)

    monkeypatch.setattr(Line, "__init__", moved)
    f = nf.Codebook(nf.parse("nf4").table, 4)
    with pytest.raises(AssertionError):
        check(f, around(f))


def test_first_use_of_a_further_format_compiles_nothing():
    nf.encode(np.ones(3, np.float32), nf.Codebook((0.0, 1.0, 2.0), 2))
    from numfmt.kernels import table

    before = [len(k.signatures) for k in (table.look_up_even, table.look_up_rows, table.look_up_any)]
    nf.encode(np.ones(3, np.float32), nf.Codebook((0.5, 1.0, 2.0), 2))
    nf.encode(np.ones(3, np.float32), "p3109<6,2,se>")
    assert before == [len(k.signatures) for k in (table.look_up_even, table.look_up_rows, table.look_up_any)]
