"""Scales from batches: each observer against a plain model of its rule."""

import math
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf

RULES = ["absmax", "moving_average", "percentile", "mse", "entropy"]


def batches(seed=0, count=4):
    rng = np.random.default_rng(seed)
    return [(rng.standard_t(4, (16, 32)) * (1 + n / 4)).astype(np.float32) for n in range(count)]


def scale_of(magnitude, limit=127):
    return np.float32(np.float32(magnitude) / np.float32(limit))


def test_absmax_is_the_scale_of_all_batches_at_once():
    held = batches()
    whole = np.concatenate(held)
    for scheme in ("int8/tensor", "e4m3fn/tensor", "int8/tensor+scale=bfloat16", "int8/tensor+floor"):
        found = nf.observers.absmax(held, scheme)
        assert found.shape == (1, 1)
        assert found.dtype == np.float32
        q = nf.quantize(whole, scheme)
        np.testing.assert_array_equal(found, q.scales)
        assert nf.quantize(whole, scheme, scales=found) == q


def test_moving_average():
    held = batches(1)
    for rate in (0.01, 0.5, 1.0):
        mean = float(np.abs(held[0]).max())
        for b in held[1:]:
            mean += rate * (float(np.abs(b).max()) - mean)
        assert nf.observers.moving_average(held, "int8/tensor", rate)[0, 0] == scale_of(mean)
    assert nf.observers.moving_average(iter(held), "int8/tensor", 1.0)[0, 0] == scale_of(np.abs(held[-1]).max())


def test_moving_average_is_pytorchs():
    torch = pytest.importorskip("torch")
    observer = torch.ao.quantization.MovingAverageMinMaxObserver(
        averaging_constant=0.125, qscheme=torch.per_tensor_symmetric, dtype=torch.qint8, quant_min=-127, quant_max=127
    )
    held = batches(2)
    for b in held:
        b[0, 0] = -np.abs(b).max() - np.float32(0.25)  # both ends grow alike, so that min and max average to one magnitude
        b[0, 1] = -b[0, 0]
        observer(torch.from_numpy(b))
    want = float(observer.calculate_qparams()[0])
    assert math.isclose(nf.observers.moving_average(held, "int8/tensor", 0.125)[0, 0], want, rel_tol=1e-6)


def test_percentile():
    held = batches(3)
    ordered = sorted(abs(float(v)) for b in held for v in b.reshape(-1))
    for percent in (50, 99, 99.99, 100):
        place = Fraction(str(percent)) / 100 * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        want = ordered[low] + (ordered[high] - ordered[low]) * float(place - low)
        assert math.isclose(nf.observers.percentile(held, "int8/tensor", percent)[0, 0], scale_of(want), rel_tol=1e-6)


def test_mse_is_the_least_of_all_factors():
    held = batches(4)
    top = max(float(np.abs(b).max()) for b in held)
    best = None
    for factor in np.linspace(1, 0.2, 100):
        scale = scale_of(top * factor, 7)
        error = 0.0
        for b in held:
            codes = np.clip(np.rint(b / scale), -7, 7).astype(np.float64)
            error += float((((codes * float(scale)).astype(np.float32) - b.astype(np.float64)) ** 2).sum())
        if best is None or error < best[0] * (1 - 1e-12):
            best = (error, scale)
    assert nf.observers.mse(held, "int4/tensor")[0, 0] == best[1]
    assert nf.observers.mse(held, "int4/tensor")[0, 0] < nf.observers.absmax(held, "int4/tensor")[0, 0]


def test_entropy_is_the_least_divergence():
    held = batches(5)
    bins, levels = 64, 8
    top = max(float(np.abs(b).max()) for b in held)
    counts = [0.0] * bins
    for b in held:
        for v in np.abs(b.astype(np.float64)).reshape(-1):
            counts[min(int(v / top * bins), bins - 1)] += 1
    counts[0] = 0.0
    best = None
    for cut in range(levels, bins + 1):
        p = counts[:cut]
        p = [*p[:-1], p[-1] + sum(counts[cut:])]
        q = [0.0] * cut
        for level in range(levels):
            inside = [i for i in range(cut) if i * levels // cut == level]
            filled = [i for i in inside if counts[i] > 0]
            for i in filled:
                q[i] = sum(counts[j] for j in inside) / len(filled)
        if any(pi > 0 and qi == 0 for pi, qi in zip(p, q, strict=True)) or sum(q) == 0:
            continue
        total = sum((pi / sum(p)) * math.log((pi / sum(p)) / (qi / sum(q))) for pi, qi in zip(p, q, strict=True) if pi > 0)
        if best is None or total < best[0] - 1e-12:
            best = (total, cut)
    assert nf.observers.entropy(held, "int4/tensor", bins=bins)[0, 0] == scale_of(best[1] * top / bins, 7)


def test_minmax_gives_scale_and_zero_point():
    held = [np.abs(b) + np.float32(0.5) for b in batches(6)]
    scale, zero = nf.observers.minmax(held, "int8/tensor+asym")
    whole = nf.quantize(np.concatenate(held), "int8/tensor+asym")
    np.testing.assert_array_equal(scale, whole.scales)
    np.testing.assert_array_equal(zero, whole.zero_points)
    assert nf.quantize(np.concatenate(held), "int8/tensor+asym", scales=scale, zero_points=zero) == whole


@pytest.mark.parametrize("rule", RULES)
def test_all_zero_batches_and_torch_tensors(rule):
    observer = getattr(nf.observers, rule)
    assert observer([np.zeros((4, 4), np.float32)], "int8/tensor")[0, 0] == 1
    torch = pytest.importorskip("torch")
    held = batches(7)
    np.testing.assert_array_equal(observer([torch.from_numpy(b) for b in held], "int8/tensor"), observer(held, "int8/tensor"))


@pytest.mark.parametrize("rule", RULES)
def test_refusals(rule):
    observer = getattr(nf.observers, rule)
    for scheme in ("int8/token", "int8/tensor+asym", "mixed<int4,flint4>/tensor", "bitnet/tensor"):
        with pytest.raises(ValueError, match="one scale"):
            observer(batches(), scheme)
    with pytest.raises(ValueError, match="at least one"):
        observer([], "int8/tensor")
    with pytest.raises(ValueError, match="batch 1 is empty or holds NaN"):
        observer([np.ones(3), np.array([np.nan])], "int8/tensor")


def test_refused_arguments():
    with pytest.raises(ValueError, match="above 0 and up to 100"):
        nf.observers.percentile(batches(), "int8/tensor", 0)
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        nf.observers.moving_average(batches(), "int8/tensor", 1.5)
    with pytest.raises(ValueError, match="fewer than the 128 levels"):
        nf.observers.entropy(batches(), "int8/tensor", bins=100)
    with pytest.raises(ValueError, match="equal steps"):
        nf.observers.entropy(batches(), "e4m3fn/tensor")
    with pytest.raises(ValueError, match="steps of 1 or more"):
        nf.observers.mse(batches(), "int8/tensor", steps=0)
    with pytest.raises(ValueError, match="asymmetric"):
        nf.observers.minmax(batches(), "int8/tensor")


@pytest.mark.parametrize("arith", ["float16", "float32", "float64"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_observed_extremes_are_read_as_quantize_reads_them(arith, dtype):
    rng = np.random.default_rng(5)
    for _ in range(40):
        x = (rng.standard_normal(64) * 2.0 ** rng.integers(-6, 6) + rng.integers(-2, 3)).astype(dtype)
        q = nf.quantize(x, f"int8/tensor+arith={arith}")
        assert nf.observers.absmax([x[:32], x[32:]], q.scheme).item() == q.scales.item()
        q = nf.quantize(x, f"int8/tensor+asym+arith={arith}")
        scale, zero = nf.observers.minmax([x[:32], x[32:]], q.scheme)
        assert (scale.item(), zero.item()) == (q.scales.item(), q.zero_points.item())
