"""Integer recipes, one and two bits, searched and learned schemes against plain models of their rules."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import numfmt as nf

from .reference import recipes as ref


def samples(seed=0, shape=(4, 64), sigma=0.1):
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(4, shape) * sigma).astype(np.float32)
    x[0, : shape[1] // 2] = 0.0
    x[1:2] = np.abs(x[1:2]) + np.float32(sigma)
    x[2:3] = rng.integers(-15, 16, shape[1]) / np.float32(2)
    return x


def groups(x, size):
    return x.reshape(-1, size)


@pytest.mark.parametrize("rule", ["gptq", "omniquant"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_zero_point_rules(bits, rule):
    x = samples(bits)
    q = nf.quantize(x, f"int{bits}/g32+asym+zp={rule}")
    for g, w in enumerate(groups(x, 32)):
        codes, scale, zero = ref.int_zero_rule(w, bits, rule)
        np.testing.assert_array_equal(groups(q.codes, 32)[g], codes)
        assert q.scales.reshape(-1)[g] == scale
        assert q.zero_points.reshape(-1)[g] == zero


def test_a_group_whose_least_element_is_zero_starts_at_code_zero():
    # outputs of ReLU, and rows that end in padding: only a group of zeros alone spans -1 to 1
    for row in ([0.0, 1.0, 1.5, 2.0], [0.0, -1.0, -1.5, -2.0], [0.0] * 4):
        x = np.array([row], np.float32)
        q = nf.quantize(x, "int4/g4+asym+zp=gptq")
        codes, scale, zero = ref.int_zero_rule(x[0], 4, "gptq")
        np.testing.assert_array_equal(q.codes[0], codes)
        assert (q.scales[0, 0], q.zero_points[0, 0]) == (scale, zero)
        found = nf.observers.minmax([x], "int4/tensor+asym+zp=gptq")
        assert (found[0][0, 0], found[1][0, 0]) == (scale, zero)


def test_zero_points_beyond_the_codes():
    x = (np.linspace(100, 101, 32, dtype=np.float32)).reshape(1, 32)
    assert nf.quantize(x, "int4/g32+asym+zp=omniquant").zero_points[0, 0] == -1500
    assert nf.quantize(x, "int4/g32+asym").zero_points[0, 0] == 0
    q = nf.quantize(x, "int4/g32+asym+zp=omniquant", packed=True)
    assert np.abs(q.dequantize() - x).max() < 1 / 15


@pytest.mark.parametrize(
    ("scheme", "model"), [("int4/g32+reciprocal+eps=1e-8", ref.hawq), ("int4/g32+full+eps=1e-5", ref.awq_symmetric)]
)
def test_hawq_and_awq(scheme, model):
    x = samples(1)
    q = nf.quantize(x, scheme)
    for g, w in enumerate(groups(x, 32)):
        codes, scale = model(w, 4)
        np.testing.assert_array_equal(groups(q.row_values(), 32)[g], codes)
        assert q.scales.reshape(-1)[g] == scale


def test_the_reciprocal_is_not_the_division():
    # PyTorch's published case: 0.273939937 / 0.00214854861 rounds to 127 by division and to 128 by the reciprocal
    x, scale = np.array([[0.273939937]], np.float32), np.array([[0.00214854861]], np.float32)
    assert nf.quantize(x, "int16/tensor+reciprocal", scales=scale).codes[0, 0] == 128
    assert nf.quantize(x, "int16/tensor", scales=scale).codes[0, 0] == 127


@pytest.mark.parametrize("scale", ["float32", "float16", "bfloat16", "e5m2", "dyadic8"])
@pytest.mark.parametrize("bits", [3, 5, 8])
def test_exact_arithmetic_rounds_the_scale_alone(bits, scale):
    facts = {"float32": (24, -126), "float16": (11, -14), "bfloat16": (8, -126), "e5m2": (3, -14), "dyadic8": (8, -126)}
    rng = np.random.default_rng(bits)
    x = np.concatenate([samples(3), (rng.standard_normal((4, 64)) * 2.0 ** rng.integers(-6, 9, (4, 1))).astype(np.float32)])
    q = nf.quantize(x, f"int{bits}/g16+arith=exact+scale={scale}")
    for g, w in enumerate(groups(x, 16)):
        codes, wanted = ref.exact_symmetric(w, bits, *facts[scale])
        assert Fraction(float(q.scales.reshape(-1)[g])) == wanted
        np.testing.assert_array_equal(groups(q.row_values(), 16)[g], codes)


def test_float64_arithmetic_keeps_the_tail_of_x():
    x = np.array([[1.0, 0.5 + 2.0**-40]])
    assert nf.quantize(x, "int2/channel+arith=float64").row_values()[0, 1] == 1
    assert nf.quantize(x, "int2/channel").row_values()[0, 1] == 0  # 0.5 in float32: a tie, to even
    with pytest.raises(ValueError, match="arith=float64"):
        nf.quantize(x, "int2/channel+arith=exact")


@pytest.mark.parametrize("rule", ["floor", "ceil", "rceil"])
@pytest.mark.parametrize("element", ["int4", "e2m1", "flint4"])
def test_powers_of_two_for_any_element(element, rule):
    x = samples(4)
    x[3, :5] = [np.nextafter(np.float32(8), np.float32(0)), 8, 7, 14, 28]
    q = nf.quantize(x, f"{element}/g16+{rule}")
    limit = Fraction(nf.scheme(f"{element}/g16").limit())
    for g, w in enumerate(groups(x, 16)):
        top = max(abs(Fraction(float(v))) for v in w)
        if not top:
            assert q.scales.reshape(-1)[g] == 2.0**-127
            continue
        floor = int(np.frexp(float(top))[1]) - 1
        floor_limit = int(np.frexp(float(limit))[1]) - 1
        if rule == "rceil":
            product = Fraction(float(np.float32(float(top)) * (np.float32(1) / np.float32(float(limit)))))
            exponent = next(e for e in range(-140, 140) if Fraction(2) ** e >= product)
        else:
            exponent = floor - floor_limit + (rule == "ceil" and Fraction(2) ** floor != top)
        assert q.scales.reshape(-1)[g] == 2.0**exponent, (w, exponent)


@pytest.mark.parametrize("scale", ["e4m3fn", "bfloat16", "e5m2"])
def test_scales_in_a_format(scale):
    dtype = {"e4m3fn": ml_dtypes.float8_e4m3fn, "bfloat16": ml_dtypes.bfloat16, "e5m2": ml_dtypes.float8_e5m2}[scale]
    x = samples(5, sigma=2.0)
    q = nf.quantize(x, f"e2m1/g16+scale={scale}")
    for g, w in enumerate(groups(x, 16)):
        want = (np.abs(w).max() / np.float32(6)).astype(dtype).astype(np.float32)
        assert q.scales.reshape(-1)[g] == (want or (1 if not w.any() else nf.parse(scale).min_positive))
    assert q.part("scales").dtype == (np.uint16 if scale == "bfloat16" else np.uint8)
    with pytest.raises(ValueError, match="beyond e4m3fn"):
        nf.quantize(x * 1e5, "e2m1/g16+scale=e4m3fn")


@pytest.mark.parametrize("scheme", ["int4/g16", "e2m1/g32", "int3/g16+floor"])
def test_the_mse_search_is_the_minimum(scheme):
    x = samples(6)
    plain = nf.scheme(scheme)
    if plain.rule != "absmax":
        with pytest.raises(ValueError, match="mse"):
            nf.scheme(scheme + "+mse")
        return
    q = nf.quantize(x, scheme + "+mse")
    size = plain.granularity.size
    for g, w in enumerate(groups(x, size)):
        top = np.abs(w).max()
        best = None
        for k in range(64, 15, -1):
            scale = np.float32(top * np.float32(k / 64)) / np.float32(plain.limit())
            scale = scale or np.float32(1)
            y = nf.quantize(w[None], plain, scales=np.array([[scale]])).dequantize()[0]
            error = ref_error(y, w, scale, plain)
            if best is None or error < best[0]:
                best = (error, scale)
        assert q.scales.reshape(-1)[g] == best[1]


def ref_error(y, w, scale, made):
    values = np.array([float(v) for v in y], np.float64)
    codes = values / float(scale)
    exact = np.rint(codes * 2) / 2 * float(scale)  # code values are multiples of a half
    total = 0.0
    for v, x in zip(exact.tolist(), w.tolist(), strict=True):
        total += (v - x) * (v - x)
    return total


def test_percentile_scales():
    x = samples(7, (3, 128))
    q = nf.quantize(x, "int4/channel+percentile=97.5")
    for row, scale in zip(x, q.scales[:, 0], strict=True):
        ordered = np.sort(np.abs(row)).astype(np.float64)
        place = 0.975 * 127
        low = int(place)
        want = ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low)
        assert scale == np.float32(np.float32(want) / np.float32(7))


def test_dgq():
    x = samples(8, (5, 128))
    q = nf.quantize(x, "dgq4/g32")
    for r, row in enumerate(x):
        weights, channel = ref.dgq(row, 32)
        np.testing.assert_array_equal(q.row_values()[r], weights)
        assert q.scales[r, 0] == channel
    assert np.abs(q.row_values()).max() <= 127
    # a product of INT8 integers with one scale a channel: no group boundaries are left
    a = nf.quantize(samples(9, (3, 128)), "int8/token")
    got = nf.matmul(a, q.T, "int32>fp32")
    whole = a.row_values().astype(np.int64) @ q.row_values().astype(np.int64).T
    want = whole.astype(np.float64) * (a.row_scales.astype(np.float64) * q.scales.astype(np.float64).T)
    np.testing.assert_array_equal(got, want.astype(np.float32))


@pytest.mark.parametrize("rounding", ["ties_even", "ties_up", "floor"])
@pytest.mark.parametrize("low", [2, 3, 4, 6])
def test_nested_widths(low, rounding):
    codes = np.arange(-128, 128, dtype=np.float32).reshape(1, 256)
    q = nf.quantize(codes, f"nested<8,{low}>/channel+narrow={rounding}", scales=np.ones((1, 1)))
    want = [ref.narrow(int(c), 8, low, rounding) for c in codes[0]]
    np.testing.assert_array_equal(q.dequantize()[0], np.array(want) * 2 ** (8 - low))
    stored = nf.quantize(codes, "int8/channel+full", scales=np.ones((1, 1)))
    small = nf.narrow(stored, low, rounding)
    np.testing.assert_array_equal(small.row_values()[0], want)
    np.testing.assert_array_equal(small.dequantize(), q.dequantize())
    assert small.scheme == nf.scheme(f"int{low}/channel+full")


def test_how_many_codes_the_tie_rule_of_nested_widths_touches():
    # reference: 32 / 8 / 4 / 2 of the 256 codes differ between ties to even and ties up for 6 / 4 / 3 / 2 bits
    q = nf.quantize(np.arange(-128, 128, dtype=np.float32).reshape(1, 256), "int8/channel+full", scales=np.ones((1, 1)))
    for low, count in ((6, 32), (4, 8), (3, 4), (2, 2)):
        even, up = (nf.narrow(q, low, r).codes for r in ("ties_even", "ties_up"))
        assert int((even != up).sum()) == count
    with pytest.raises(ValueError, match="use 2 to 7"):
        nf.narrow(q, 8)
    with pytest.raises(ValueError, match="symmetric integers"):
        nf.narrow(nf.quantize(np.ones((1, 64)), "nf4"), 2)


@pytest.mark.parametrize("grain", ["tensor", "channel", "g16"])
@pytest.mark.parametrize("name", ["bitnet", "bitnet_median", "trilm", "xnor", "bitnet1"])
def test_means_as_scales(name, grain):
    x = samples(10)
    q = nf.quantize(x, f"{name}/{grain}")
    size = {"tensor": x.size, "channel": 64, "g16": 16}[grain]
    for g, w in enumerate(groups(x, size)):
        codes, scale = ref.mean_scaled(w, name)
        assert q.scales.reshape(-1)[g] == scale
        np.testing.assert_array_equal(groups(q.row_values(), size)[g], codes)


def test_ties_of_bitnet_go_to_even():
    x = np.array([[1.0, 1.0, 0.5, -0.5, 1.5, 1.5, -1.0, -1.0]], np.float32)  # mean magnitude 1: 0.5 is a tie
    assert nf.quantize(x, "bitnet/tensor").row_values().tolist() == [[1, 1, 0, 0, 1, 1, -1, -1]]


def test_two_binaries():
    x = samples(11)
    y = nf.quantize(x, "dbllm/g16").dequantize()
    for g, w in enumerate(groups(x, 16)):
        np.testing.assert_array_equal(groups(y, 16)[g], ref.two_binaries(w))


def test_partial_binarization():
    x = samples(12, (6, 64))
    for scheme, model, size, percent in (
        ("ptq161/g16", ref.structured, 16, 20),
        ("ptq161/channel+salient=33", ref.structured, 64, 33),
        ("ptq161/g32+salient=0", ref.structured, 32, 0),
        ("pbllm/channel", ref.unstructured, 64, 10),
        ("pbllm/g16+salient=30", ref.unstructured, 16, 30),
    ):
        np.testing.assert_array_equal(nf.quantize(x, scheme).dequantize(), model(x, size, percent), err_msg=scheme)
    assert nf.quantize(samples(1, (128, 4096)), "ptq161/g128").bits_per_element < 2.0


@pytest.mark.parametrize("shape", [(2, 8), pytest.param((3, 12), marks=pytest.mark.exhaustive)])
def test_ant(shape):
    for seed, sigma in ((13, 0.1), (14, 1.0)):
        x = samples(seed, shape, sigma)
        factors = [np.float32(k / 100) for k in range(75, 150)]
        limits = {kind: max(grid) for kind, grid in ref.ANT4.items()}
        kind, scales = ref.search(x, ref.ANT4, np.abs(x).max(axis=1), factors, limits)
        q = nf.quantize(x, "ant4/channel")
        assert list(ref.ANT4)[int(q.choice[0, 0])] == kind
        np.testing.assert_array_equal(q.scales[:, 0], scales)
        for row, got, scale in zip(x, q.row_values(), scales, strict=True):
            np.testing.assert_array_equal(got, [ref.nearest_upper(v / scale, ref.ANT4[kind]) for v in row])


def test_each_ant_type_is_taken_by_its_own_data():
    rng = np.random.default_rng(0)
    uniform = rng.uniform(-1, 1, (2, 256)).astype(np.float32)
    gauss = rng.standard_t(4, (2, 256)).astype(np.float32)
    wide = (np.exp(rng.normal(0, 3.0, (2, 256))) * rng.choice([-1, 1], (2, 256))).astype(np.float32)
    assert [int(nf.quantize(x, "ant4/channel").choice[0, 0]) for x in (uniform, gauss, wide)] == [0, 1, 2]


@pytest.mark.parametrize("rows", [[0, 2], pytest.param([0, 1, 2], marks=pytest.mark.exhaustive)])
def test_olive(rows):
    x = samples(15, (3, 32))
    x[0, [3, 8, 9, 21]] = [2.0, -3.0, 2.5, 1.0]
    x = x[rows]
    factors = [np.float32(k / 100) for k in range(75, 250, 2)]
    grids = {kind: sorted([*grid, *ref.OUTLIERS]) for kind, (grid, _) in ref.OLIVE.items()}
    wide = x.astype(np.float64)
    mean, spread = wide.mean(axis=1), wide.std(axis=1, ddof=1)
    bases = np.maximum(np.abs(mean + 3 * spread), np.abs(mean - 3 * spread)).astype(np.float32)
    kind, scales = ref.search(x, grids, bases, factors, {kind: limit for kind, (_, limit) in ref.OLIVE.items()})
    q = nf.quantize(x, "olive4/channel")
    assert list(ref.OLIVE)[int(q.choice[0, 0])] == kind
    np.testing.assert_array_equal(q.scales[:, 0], scales)
    for row, got, scale in zip(x, q.row_values(), scales, strict=True):
        np.testing.assert_array_equal(got, ref.olive_row(row, kind, scale))
    assert (np.abs(q.row_values()) > 32).any()


@pytest.mark.parametrize("chosen", [0, 1])
def test_olive_pairs_ties_and_victims(chosen):
    rng = np.random.default_rng(chosen)
    x = rng.choice(np.arange(-400, 401, 2), (8, 64)).astype(np.float32)
    x[:4] /= 8
    scales = np.ones((8, 1), np.float32)
    q = nf.quantize(x, "olive4/channel", scales=scales, choice=[[chosen]])
    for row, got in zip(x, q.row_values(), strict=True):
        np.testing.assert_array_equal(got, ref.olive_row(row, list(ref.OLIVE)[chosen], np.float32(1)))
    assert q.part("codes").max() <= 15
    with pytest.raises(ValueError, match="odd"):
        nf.quantize(x[:, :63], "olive4/channel")


@pytest.mark.parametrize("shape", [(2, 12), pytest.param((2, 32), marks=pytest.mark.exhaustive)])
def test_llm_fp4_is_the_search_over_all_splits(shape):
    x = samples(16, shape)
    x[0] = np.linspace(-1, 1, shape[1])
    magnitudes = {"e1m2": range(8), "e2m1": (0, 0.5, 1, 1.5, 2, 3, 4, 6), "e3m0": (0, 1, 2, 4, 8, 16, 32, 64)}
    grids = {kind: ref.signed(values) for kind, values in magnitudes.items()}
    factors = [np.float32(f) for f in np.linspace(0.01, 1.2, 100)]
    kind, scales = ref.search(x, grids, np.abs(x).max(axis=1), factors, {k: max(v) for k, v in magnitudes.items()})
    q = nf.quantize(x, "llmfp4/channel")
    chosen = int(q.choice[0, 0])
    assert list(grids)[chosen] == kind
    unit = nf.scheme("llmfp4/channel").candidates[chosen].max / max(magnitudes[kind])
    np.testing.assert_array_equal(q.scales[:, 0].astype(np.float64) * unit, np.array(scales, np.float64))
    for row, got, scale in zip(x, q.row_values(), scales, strict=True):
        want = [ref.nearest_even_code(v / scale, list(magnitudes[kind])) for v in row]
        np.testing.assert_array_equal(got / unit, want)


@pytest.mark.parametrize("bits", [3, 4])
def test_power_quant(bits):
    x = samples(17, (3, 32))
    q = nf.quantize(x, f"powerquant{bits}/channel")
    best = None
    for k in range(20, 0, -1):
        levels, points = ref.power_tables(bits, k)
        values, total = [], 0.0
        for row in x:
            scale = np.abs(row).max() or np.float32(1)
            ranks = [sum(np.abs(v) / scale > p for p in points) for v in row]
            values.append([np.copysign(levels[r], v) * (r > 0) for r, v in zip(ranks, row, strict=True)])
            total += float(
                np.sum([(float(levels[r]) * float(scale) - abs(float(v))) ** 2 for r, v in zip(ranks, row, strict=True)])
            )
        if best is None or total < best[0] * (1 - 1e-12):
            best = (total, k, values)
    assert q.part("exponent")[0, 0] == best[1]
    np.testing.assert_array_equal(q.row_values(), np.array(best[2]))


def test_squeezellm_codebooks_are_optimal_and_outliers_exact():
    x = samples(18, (3, 24))
    q = nf.quantize(x, "squeezellm2/channel+outliers=5")
    y = q.dequantize()
    kept = np.argsort(-np.abs(x).reshape(-1), kind="stable")[: round(x.size * 0.05)]
    np.testing.assert_array_equal(y.reshape(-1)[kept], x.reshape(-1)[kept])
    mask = np.zeros(x.size, bool)
    mask[kept] = True
    mask = mask.reshape(x.shape)
    for row, got, out in zip(x, y, mask, strict=True):
        error = float(((got[~out].astype(np.float64) - row[~out]) ** 2).sum())
        assert error <= ref.best_codebook(row[~out], 4) * (1 + 1e-5) + 1e-12
    sparse = nf.outliers(q)
    np.testing.assert_array_equal(sparse.toarray(), np.where(mask, x, 0))
    with pytest.raises(ValueError, match="keeps no outliers"):
        nf.outliers(nf.quantize(x, "int4/channel"))


def test_weights_move_the_codebook():
    x = samples(19, (1, 256))
    fisher = np.where(np.abs(x) > 0.1, 100.0, 0.01)
    plain, weighed = (nf.quantize(x, "squeezellm2/channel+outliers=0", weights=w).dequantize() for w in (None, fisher))
    error = [float((fisher * (y - x) ** 2).sum()) for y in (plain, weighed)]
    assert error[1] < error[0]
    with pytest.raises(ValueError, match="leave it out"):
        nf.quantize(x, "int4/channel", weights=fisher)
    with pytest.raises(ValueError, match="shape of x"):
        nf.quantize(x, "kvquant3/channel", weights=fisher[:, :3])


def test_kvquant():
    x = samples(20, (4, 100))
    q = nf.quantize(x, "kvquant3/channel+outliers=4")
    y = q.dequantize()
    table = q.part("centroids")[0]
    for r, row in enumerate(x):
        order = np.argsort(row, kind="stable")
        out = np.concatenate([order[:2], order[-2:]])
        rest = row[order[2:-2]]
        offset = (rest[-1] + rest[0]) / np.float32(2)
        spread = (rest[-1] - rest[0]) / np.float32(2)
        for c, v in enumerate(row):
            if c in out:
                assert y[r, c] == v
                continue
            normal = (v - offset) / spread
            best = min(table, key=lambda t: (abs(Fraction(float(t)) - Fraction(float(normal))), t))
            assert y[r, c] == np.float32(best * spread) + offset


def test_vector_codebooks():
    x = samples(21, (8, 64))
    q = nf.quantize(x, "vptq<4,16>/tensor")
    table = q.part("centroids").astype(np.float32)
    vectors = x.reshape(-1, 4)
    for v, code in zip(vectors, q.part("codes").reshape(-1), strict=True):
        distances = []
        for c in table:
            total = np.float32(0)
            for a, b in zip(v, c, strict=True):
                total = total + (a - b) * (a - b)
            distances.append(total)
        assert int(np.argmin(distances)) == code
    np.testing.assert_array_equal(q.dequantize().reshape(-1, 4), table[q.part("codes").reshape(-1)])
    # more iterations, more entries and a residual codebook do not make it worse
    errors = [
        float(((nf.quantize(x, s).dequantize() - x) ** 2).sum())
        for s in ("vptq<4,16>/tensor+iterations=1", "vptq<4,16>/tensor", "vptq<4,64>/tensor", "vptq<4,64,16>/tensor")
    ]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(ValueError, match="do not divide"):
        nf.quantize(x[:, :62], "vptq<4,16>/tensor")


def test_ksort_keeps_inner_products():
    rng = np.random.default_rng(0)
    w_k, w_q = (rng.standard_normal((16, 32)).astype(np.float32) for _ in range(2))
    w_k[5] *= 30
    k, q, order = nf.ksort(w_k, w_q)
    norms = (k.astype(np.float64) ** 2).sum(axis=1)
    assert (np.diff(norms) <= 0).all()
    x, y = rng.integers(-4, 5, (2, 32)).astype(np.float64)
    assert np.isclose((w_k @ x) @ (w_q @ y), (k @ x) @ (q @ y))
    back = nf.blocks.ksort_inverse(order)
    np.testing.assert_array_equal(k[back], w_k)
    np.testing.assert_array_equal(q[back], w_q)
    _, _, paired = nf.ksort(w_k, w_q, pairs=True)
    assert ((paired[0::2] % 2 == 0) & (paired[1::2] == paired[0::2] + 1)).all()
    # channels of like size share a block: fewer of them are lost beside the large one
    outliers = rng.standard_normal((64, 8)).astype(np.float32)
    outliers[::8] *= 50
    lost = [
        float(((nf.quantize(w, "mxfp4/g16", axis=0).dequantize() - w) ** 2).sum())
        for w in (outliers, nf.ksort(outliers, outliers)[0])
    ]
    assert lost[1] < lost[0]
    with pytest.raises(ValueError, match="no permutation"):
        nf.blocks.ksort_inverse([0, 0, 1])
    with pytest.raises(ValueError, match="even number"):
        nf.ksort(w_k[:15], w_q[:15], pairs=True)


def test_two_dimensional_and_flat_blocks_are_regrouped_rows():
    x = samples(22, (32, 64))
    block = nf.quantize(x, "int4/b16x16")
    regrouped = x.reshape(2, 16, 4, 16).swapaxes(1, 2).reshape(8, 256)
    rows = nf.quantize(regrouped, "int4/channel")
    np.testing.assert_array_equal(block.scales, rows.scales.reshape(2, 4))
    np.testing.assert_array_equal(block.codes.reshape(2, 16, 4, 16).swapaxes(1, 2).reshape(8, 256), rows.codes)
    flat = nf.quantize(x[:, :50], "int4/flat96")
    ends = np.concatenate([x[:, :50].reshape(-1), np.zeros(32, np.float32)])  # 1600 = 16 * 96 + 64
    rows = nf.quantize(ends.reshape(17, 96), "int4/channel")
    np.testing.assert_array_equal(flat.codes.reshape(-1), rows.codes.reshape(-1)[:1600])
    np.testing.assert_array_equal(flat.scales.reshape(-1), rows.scales.reshape(-1))
    assert flat.bits_per_element == 4 + 32 * 17 / 1600


def test_matmul_of_two_dimensional_blocks():
    x, w = samples(23, (4, 64)), samples(24, (32, 64))
    a, b = nf.quantize(x, "int8/token"), nf.quantize(w, "int4/b16x16")
    want = np.zeros((4, 32), np.float32)
    for start in range(0, 64, 16):
        part = a.row_values()[:, start : start + 16].astype(np.float64) @ b.row_values()[:, start : start + 16].astype(np.float64).T
        scale = a.scales.astype(np.float64) * np.repeat(b.scales[:, start // 16], 16).astype(np.float64)
        want = want + (part * scale).astype(np.float32)
    np.testing.assert_array_equal(nf.matmul(a, b.T, "int32>fp32"), want)


SPECIALS = [5.0, -5.0, 8.0, -8.0]


@pytest.mark.parametrize("kind", ["fp4", "mxfp4", "nvfp4"])
def test_razer(kind):
    x = samples(25, (4, 64))
    x[3] *= 2.0**-30
    q = nf.quantize(x, f"razer_{kind}/g16")
    wanted = ref.razer(groups(x, 16), kind)
    np.testing.assert_array_equal(q.choice.reshape(-1), [SPECIALS.index(special) for _, special, _ in wanted])
    np.testing.assert_array_equal(groups(q.row_values(), 16) / 2, [values for values, _, _ in wanted])
    scales = np.array([scale for _, _, scale in wanted])
    if kind != "nvfp4":
        np.testing.assert_array_equal(q.scales.reshape(-1) * 2, scales)
        return
    empty = ~groups(x, 16).any(axis=1)
    tensor = max(scales[~empty].max() / np.float32(448), np.float32(1e-7))
    stored = np.where(empty, np.float32(0), scales / tensor).astype(ml_dtypes.float8_e4m3fn)
    np.testing.assert_array_equal(q.part("scales").reshape(-1), stored.view(np.uint8))
    assert q.part("tensor_scale")[0, 0] == tensor
    exact = stored.astype(np.float64) * float(tensor)
    want = (np.array([values for values, _, _ in wanted]) * exact[:, None]).astype(np.float32)
    np.testing.assert_array_equal(groups(q.dequantize(), 16), want)


def test_razer_weights_keep_six_bits_of_scale():
    x = samples(26, (4, 64))
    q = nf.quantize(x, "razer_nvfp4_e3m3/g16")
    tensor = np.abs(x).max() / np.float32(168)
    grid = sorted({m * 2.0**e for e in range(-2, 5) for m in np.arange(8, 16) / 8} | set(np.arange(8) / 32))

    def stored(scale):
        ratio = min(max(scale / tensor, np.float32(2.0**-5)), np.float32(28))
        near = sorted(grid, key=lambda v: (abs(Fraction(v) - Fraction(float(ratio))), grid.index(v) % 2))[0]
        return np.float32(near) * tensor

    x_groups = groups(x, 16)
    full = [g for g in range(len(x_groups)) if x_groups[g].any()]
    wanted = ref.razer(x_groups[full], stored)
    np.testing.assert_array_equal(q.choice.reshape(-1)[full], [SPECIALS.index(special) for _, special, _ in wanted])
    np.testing.assert_array_equal(groups(q.row_values(), 16)[full] / 2, [values for values, _, _ in wanted])
    assert q.parts["scales"].bits + q.parts["choice"].bits == 8
    assert q.dequantize()[0, :16].any() == x[0, :16].any()


@pytest.mark.parametrize(
    "scheme", ["int4/g16+asym+arith=float16", "int6/g16+arith=float16", "mixed<int4,flint4>/g16+arith=float16"]
)
def test_second_level_scales_of_any_float16_scheme(scheme):
    x = samples(27, (5, 64))
    one, two = nf.quantize(x, scheme), nf.quantize(x, scheme + "+s8")
    np.testing.assert_array_equal(two.codes, one.codes)
    scales = one.scales.astype(np.float16)
    channel = scales.max(axis=1, keepdims=True) / np.float16(255)
    np.testing.assert_array_equal(two.part("channel_scales"), channel.view(np.uint16))
    multiples = np.clip(np.rint(scales / channel), 0, 255)
    np.testing.assert_array_equal(two.part("scales"), multiples)
    np.testing.assert_array_equal(two.scales, channel.astype(np.float32) * multiples.astype(np.float32))
    if "asym" in scheme:
        np.testing.assert_array_equal(two.zero_points, one.zero_points)
    assert two.bits_per_element < one.bits_per_element


def test_dgq_keeps_int8_where_a_code_would_leave_it():
    x = np.linspace(-68, 127, 32, dtype=np.float32)[None]  # integer scale 13: 127 / 13 rounds to 10, and 10 * 13 is beyond INT8
    q = nf.quantize(x, "dgq4/g32")
    weights, _ = ref.dgq(x[0], 32)
    np.testing.assert_array_equal(q.row_values()[0], weights)
    assert q.part("group_scales")[0, 0] == 13
    assert q.row_values().max() == 117


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_ties_of_ant_go_to_the_larger_value(chosen):
    grid = np.array(list(ref.ANT4.values())[chosen], np.float32)
    middles = (grid[1:] + grid[:-1]) / 2
    q = nf.quantize(middles[None], "ant4/channel", scales=np.ones((1, 1)), choice=[[chosen]])
    np.testing.assert_array_equal(q.dequantize()[0], grid[1:])


@pytest.mark.parametrize(("element", "limit"), [("int4", 7), ("e2m1", 6), ("flint4", 16)])
def test_rceil_is_the_least_power_that_clips_nothing(element, limit):
    inverse = np.float32(1) / np.float32(limit)
    for k in (-20, 0, 9):
        for offset in range(-3, 4):
            top = np.float32(limit * 2.0**k)
            for _ in range(abs(offset)):
                top = np.nextafter(top, np.float32(np.inf if offset > 0 else 0))
            product = Fraction(float(top * inverse))
            want = next(e for e in range(-140, 140) if Fraction(2) ** e >= product)
            x = np.zeros((1, 16), np.float32)
            x[0, 5] = top
            assert nf.quantize(x, f"{element}/g16+rceil").scales[0, 0] == 2.0**want
