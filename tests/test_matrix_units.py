"""Matrix units against words recorded on GPUs, an exact model in integers, and mmaemu."""

import json
import re
import warnings

import ml_dtypes
import numba
import numpy as np
import pytest

import numfmt as nf
from numfmt.arith import cublas, unit_rule

from .reference import matrix_units as ref
from .unit_vectors import NAMES, SELECTED, compute, fields, operand, same_words, sets, shared

H100 = np.load(SELECTED / "h100.npz")
STEMS = sorted({name.split("/")[0] for name in H100})
PUBLIC = np.load(SELECTED / "public_north.npz")


def test_every_recorded_instruction_and_set_is_in_the_selection():
    assert len(STEMS) == 48
    if shared():
        files = sorted((shared() / "h100").glob("*mma_*.npz"))
        assert [f.stem for f in files] == STEMS
        for f in files:
            assert sets(np.load(f)) == sets({n.split("/")[1] for n in H100 if n.startswith(f.stem + "/")}), f.stem


@pytest.mark.parametrize("stem", STEMS)
def test_h100_words(stem):
    for name in sets({n.split("/")[1] for n in H100 if n.startswith(stem + "/")}):
        a, b, c, d = (H100[f"{stem}/{name}_{x}"] for x in "ABCD")
        same_words(compute(stem, a, b, c), d, f"{stem} {name}")


@pytest.mark.exhaustive
@pytest.mark.skipif(shared() is None, reason="the full recordings are not beside this checkout")
def test_all_h100_words():
    count = 0
    for stem in STEMS:
        arrays = np.load(shared() / "h100" / f"{stem}.npz")
        for name in sets(arrays):
            a, b, c, d = (arrays[f"{name}_{x}"] for x in "ABCD")
            same_words(compute(stem, a, b, c), d, f"{stem} {name}")
            count += d.size
    assert count == 1_453_568


def library(arrays):
    """Checks every result of a gemm_torch file; returns the number of words."""
    count = 0
    for name in [n for n in arrays if n.endswith("_D")]:
        found = re.fullmatch(r"((fp8|bf16|fp16)_(\d+)x(\d+)x(\d+))_(?:(s\d)_(fast|slow)_(bf16|f32)_|(f32)_|)D", name)
        base, kind, m, k, n, scale, speed, fp8_out, plain_out = found.groups()
        a, b = arrays[f"{base}_A"], arrays[f"{base}_B"]
        m, k, n = int(m), int(k), int(n)
        parts = cublas.split_of("fp8" if kind == "fp8" else "16bit", m, k, n).parts  # a selection has fewer rows than the call had
        if kind == "fp8":
            scales = (1.0, 1.0) if scale == "s1" else (np.float32(0.37), np.float32(1.9))
            dtype = {"bf16": "bfloat16", "f32": "float32"}[fp8_out]
            x, y = operand(a, "e4m3"), operand(b, "e4m3", 0)
            made = nf.scaled_mm(x, y, *scales, out_dtype=dtype, use_fast_accum=speed == "fast", splitk=parts)
            words = made.view(np.uint16 if fp8_out == "bf16" else np.uint32)
            if a.shape[0] == m:
                again = nf.scaled_mm(x, y, *scales, out_dtype=dtype, use_fast_accum=speed == "fast")
                np.testing.assert_array_equal(again.view(words.dtype), words)
        else:
            fmt = {"bf16": "bfloat16", "fp16": "float16"}[kind]
            words = nf.matmul(
                nf.from_codes(a, fmt), nf.from_codes(b, fmt, 0), f"cublas.h100.16bit<splitk={parts}>", returns="codes"
            )
            if plain_out is None:
                words = nf.encode(words.view(np.float32), fmt)
        same_words(words, arrays[name], name)
        count += words.size
    return count


def test_library_products():
    assert library(np.load(SELECTED / "gemm_torch.npz")) > 1000
    if shared():
        assert library(np.load(shared() / "h100" / "gemm_torch.npz")) == 115_712


def public_path(gpu, fmt, result, k):
    """The instruction that the public data of a GPU was taken with."""
    if gpu == "h200":
        fp8 = fmt in ("e4m3", "e5m2") and result == "f32"
        return f"h100.wgmma_m64n8k32_{fmt}_{fmt}_f32" if fp8 else f"h100.mma_m16n8k{k}_{fmt}_{fmt}_{result}"
    if gpu == "v100":
        return f"v100.mma_m8n8k4_f16_f16_{result}"
    return f"{'ada' if gpu in ('l40s', 'ada_rtx1000') else gpu}.mma_m16n8k{k}_{fmt}_{fmt}_{result}"


def public_words(arrays, gpu):
    """Checks every dot product of a public file; returns their number."""
    count = 0
    for key in [n for n in arrays if re.search(r"_D_f(16|32)$", n)]:
        fmt, _, result = key.split("_")
        a, b, c, d = arrays[f"{fmt}_A"], arrays[f"{fmt}_B"], arrays[f"{fmt}_C"], arrays[key]
        path = public_path(gpu, fmt, result, a.shape[1])
        if path.startswith("h100.wgmma"):
            c = np.zeros_like(c)  # taken without accumulator
        if result == "f16":
            with np.errstate(over="ignore"):
                c = c.view(np.float32).astype(np.float16).view(np.uint16)
        x, y, z = operand(a[:, None], fmt), operand(b[:, :, None], fmt, -2), operand(c[:, None, None], result)
        same_words(nf.matmul(x, y, path, c=z, returns="codes")[:, 0, 0], d, f"{gpu} {path}")
        count += d.size
    return count


@pytest.mark.parametrize("gpu", ["v100", "a100", "ada_rtx1000", "l40s", "h200", "b200"])
def test_public_words_of_other_gpus(gpu):
    arrays = {n.split("/")[1]: PUBLIC[n] for n in PUBLIC if n.startswith(gpu + "/")}
    assert public_words(arrays, gpu) >= 1000


@pytest.mark.exhaustive
@pytest.mark.skipif(shared() is None, reason="the full recordings are not beside this checkout")
def test_all_public_words_of_other_gpus():
    count = public_words(np.load(shared() / "b200" / "dot_public_north.npz"), "b200")
    for file in sorted((shared() / "other_gpus").glob("*.npz")):
        count += public_words(np.load(file), file.stem.removeprefix("dot_public_north_"))
    assert count == 36 * 5000


def test_public_tcgen05_words():
    """54 words: dense and integer ones by the product, the block-scaled ones by the exact model (no datapath takes these yet)."""
    for case in json.loads((SELECTED / "tcgen05_words.json").read_text())["cases"]:
        fa, fb, a, b = case["a_format"], case["b_format"], case["a"], case["b"]
        if case["kind"] in ("dense", "i8"):
            path = f"b200.tcgen05_k{len(a)}_{fa}_{fb}_{case['d']}" + ("_satfinite" if case.get("saturate") else "")
            x, y = operand(np.array([a], np.uint32), fa), operand(np.array(b, np.uint32)[:, None], fb, 0)
            got = nf.matmul(x, y, path, c=operand(np.array([[case["c"]]], np.uint32), case["d"]), returns="codes")[0, 0]
        else:
            x, y = [ref.decode(w, fa) for w in a], [ref.decode(w, fb) for w in b]
            scales = list(zip(case["scale_a"], case["scale_b"], strict=True))
            got = (
                ref.mxf8f6f4(x, y, case["c"], scales)
                if case["kind"] == "mxf8f6f4"
                else ref.mxf4(x, y, case["c"], scales, case["scale"])
            )
        assert int(got) == case["d_bits"], case["kind"]


# -- against the exact model -----------------------------------------------------------------------------------------------------

SHORT = {v: k for k, v in NAMES.items()} | {"e5m2": "e5m2", "float32": "f32"}


def draw(rng, fmt, shape, kind):
    """Words of a format: 'normal' values, uniformly random 'bits' (specials included), or 'odd' ones."""
    f = nf.parse(fmt)
    if kind == "normal":
        return nf.encode(rng.standard_normal(shape), f).astype(np.uint32)
    if kind == "bits":
        return rng.integers(0, 1 << f.bits, shape, dtype=np.uint64).astype(np.uint32)
    sign = 1 << (f.bits - 1)
    pool = np.array(
        [0, sign, 1, sign | 1, f.max_magnitude_code, sign | f.max_magnitude_code, f.max_magnitude_code + 1, 1 << f.man_bits]
    )
    pool = pool[pool < 1 << f.bits]
    words = np.where(rng.random(shape) < 0.5, rng.choice(pool, shape), draw(rng, fmt, shape, "normal"))
    return words.astype(np.uint32)


def model(rule, a, b, c):
    """The exact model's words of a rule."""
    out = np.empty((len(a), len(b[0])), np.int64)
    fa, fb = SHORT.get(rule.a, rule.a), SHORT.get(rule.b, rule.b)
    rows = [[ref.decode(int(w), fa) for w in row] for row in a]
    columns = [[ref.decode(int(w), fb) for w in column] for column in np.asarray(b).T]
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            start = int(c[i, j])
            if rule.through_half:
                out[i, j] = ref.emulated_fp8(row, column, start, rule.k, rule.output)
            else:
                out[i, j] = ref.aligned(row, column, start, rule.terms, rule.frac_bits, rule.floor, rule.output)
    return out


NAMED = ["h100.mma_m16n8k16_f16_f16_f32", "h100.mma_m16n8k16_bf16_bf16_f32", "h100.mma_m16n8k8_f16_f16_f16"]
NAMED += ["h100.mma_m16n8k32_e4m3_e5m2_f32", "h100.mma_m16n8k16_e5m2_e4m3_f16", "h100.wgmma_m64n8k32_e5m2_e4m3_f32"]
NAMED += ["h100.wgmma_m64n8k32_e4m3_e4m3_f16", "v100.mma_m8n8k4_f16_f16_f16", "ada.mma_m16n8k32_e4m3_e4m3_f16"]
NAMED += ["b200.tcgen05_k32_e2m3_e3m2_f32", "a100.mma_m16n8k8_bf16_bf16_f32", "h100.mma_m16n8k4_tf32_tf32_f32"]


@pytest.mark.parametrize("kind", ["normal", "bits", "odd"])
@pytest.mark.parametrize("path", NAMED)
def test_named_units_follow_the_exact_model(path, kind):
    rng = np.random.default_rng(len(path) * 7 + len(kind))
    rule = nf.datapath(path).inner.rule("", "")
    fa, fb = ("float32" if x == "tf32" else x for x in (rule.a, rule.b))
    for k in (1, rule.k, 2 * rule.k + 5):  # chained instructions; missing terms are zeros
        a, b = draw(rng, fa, (3, k), kind), draw(rng, fb, (k, 4), kind)
        c = draw(rng, rule.result, (3, 4), kind)
        got = nf.matmul(nf.from_codes(a, fa), nf.from_codes(b, fb, 0), path, c=nf.from_codes(c, rule.result), returns="codes")
        same_words(got, model(rule, a, b, c), f"{path} {kind} k={k}")


@pytest.mark.parametrize("output", ["rz", "short", "f16_rne"])
@pytest.mark.parametrize("fmt", ["float16", "bfloat16", "e4m3fn", "e2m1", "float32"])
def test_aligned_primitive_with_any_parameters(fmt, output):
    rng = np.random.default_rng(3)
    for terms, frac, floor in (
        (1, 10, None),
        (4, 23, -10),
        (5, 7, -130),
        (16, 25, -133),
        (16, 25, 3),
        (40, 26, None),
        (3, 40, -20),
    ):
        path = f"aligned<{terms},{frac},{'' if floor is None else f'e0={floor},'}{output}>"
        inner = nf.datapath(path).inner
        assert str(nf.datapath(str(inner))) == str(inner)
        rule = inner.rule(fmt, fmt)
        for kind in ("normal", "bits", "odd"):
            a, b, c = draw(rng, fmt, (2, 23), kind), draw(rng, fmt, (23, 3), kind), draw(rng, rule.result, (2, 3), kind)
            got = nf.matmul(nf.from_codes(a, fmt), nf.from_codes(b, fmt, 0), path, c=nf.from_codes(c, rule.result), returns="codes")
            same_words(got, model(rule, a, b, c), f"{path} {fmt} {kind}")


def test_a_zero_term_does_not_align_the_others():
    """A zero times the largest value leaves small terms alone: MMA-Sim (commit c785138) lets its exponent count and loses them."""
    a, b = np.zeros((1, 16), np.float16), np.zeros((16, 1), np.float16)
    a[0, 0], b[0, 0] = 0.0, 65504.0
    a[0, 1], b[1, 0] = 2.0**-14, 2.0**-14
    assert nf.matmul(a, b, "h100.mma_m16n8k16_f16_f16_f32") == 2.0**-28


def test_minus_zero_is_never_produced():
    minus = np.full((2, 16), -0.0, np.float16)
    for path in ("h100.mma_m16n8k16_f16_f16_f32", "h100.mma_m16n8k16_f16_f16_f16"):
        got = nf.matmul(minus, np.ones((16, 2), np.float16), path, c=np.full((2, 2), -0.0, np.float32))
        assert not np.signbit(got).any()


# -- kernels: tiling, threads, order, rare operands --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["h100.mma_m16n8k16_bf16_bf16_f32", "h100.wgmma_m64n8k32_e4m3_e4m3_f32", "cublas.h100.fp8_slow<splitk=2>"]
)
def test_results_do_not_depend_on_threads_tiles_or_memory_order(path):
    rng = np.random.default_rng(5)
    fmt = "bfloat16" if "bf16" in path else "e4m3fn"
    a, b = draw(rng, fmt, (67, 300), "normal"), draw(rng, fmt, (300, 531), "normal")
    before = numba.get_num_threads()
    results = []
    for threads in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(threads)
        results.append(nf.matmul(nf.from_codes(a, fmt), nf.from_codes(b, fmt, 0), path, returns="codes"))
    numba.set_num_threads(before)
    turned = nf.from_codes(np.asfortranarray(a), fmt), nf.from_codes(np.asfortranarray(b), fmt, 0)
    results.append(nf.matmul(*turned, path, returns="codes"))
    results.append(
        np.concatenate([nf.matmul(nf.from_codes(a[i : i + 9], fmt), turned[1], path, returns="codes") for i in range(0, 67, 9)])
    )
    results.append(nf.matmul(nf.decode(a, fmt), nf.decode(b, fmt), path, returns="codes"))
    for other in results[1:]:
        same_words(other, results[0])
    few = nf.matmul(nf.from_codes(a[60:63], fmt), nf.from_codes(b[:, 509:513], fmt, 0), path, returns="codes")
    same_words(few, results[0][60:63, 509:513])


def test_rare_operands_do_not_touch_their_neighbours(monkeypatch):
    rng = np.random.default_rng(6)
    path = "h100.mma_m16n8k16_bf16_bf16_f32"
    a, b = rng.standard_normal((20, 70)).astype(ml_dtypes.bfloat16), rng.standard_normal((70, 300)).astype(ml_dtypes.bfloat16)
    a[3, 5], a[7, 1], b[2, 17], b[4, 290], b[0, 30] = np.inf, np.nan, -np.inf, 1e-38, 3e38
    c = rng.standard_normal((20, 300)).astype(np.float32)
    c[11, 4], c[12, 5] = np.nan, 3e38
    fast = nf.matmul(a, b, path, c=c, returns="codes")
    monkeypatch.setattr(unit_rule, "_reach", lambda rule: (False, False, 0))
    same_words(fast, nf.matmul(a, b, path, c=c, returns="codes"))


@pytest.mark.parametrize("fmt", ["bfloat16", "float32"])
@pytest.mark.parametrize(
    ("left", "right", "kernel"), [(-60, 55, True), (70, -90, True), (50, 48, True), (-70, -60, False), (90, 10, True)]
)
def test_operands_of_any_scale(monkeypatch, fmt, left, right, kernel):
    """Exponents far from 0 stay with the SIMD kernel as long as their products are in range, and do not change a word."""
    rng = np.random.default_rng(left + 200)
    path = "h100.mma_m16n8k16_bf16_bf16_f32" if fmt == "bfloat16" else "h100.mma_m16n8k8_tf32_tf32_f32"
    a = nf.encode(rng.standard_normal((9, 50)) * 2.0 ** (left + rng.integers(-9, 9, (9, 50))), fmt)
    b = nf.encode(rng.standard_normal((50, 20)) * 2.0**right, fmt)
    a[2, 3] = 1  # a subnormal
    c = (rng.standard_normal((9, 20)) * 2.0 ** rng.integers(left + right - 30, left + right + 9, (9, 20))).astype(np.float32)
    x, y = nf.from_codes(a, fmt), nf.from_codes(b, fmt, 0)
    careful = []
    run = unit_rule.aligned_careful.careful_rows
    monkeypatch.setattr(unit_rule.aligned_careful, "careful_rows", lambda *given: (careful.append(given[5].size), run(*given)))
    fast = nf.matmul(x, y, path, c=c, returns="codes")
    assert (sum(careful) < 9) == kernel
    monkeypatch.setattr(unit_rule, "_reach", lambda rule: (False, False, 0))
    same_words(fast, nf.matmul(x, y, path, c=c, returns="codes"))
    rule = nf.datapath(path).inner.rule("", "")
    same_words(fast[1:4, :5], model(rule, a[1:4], b[:, :5], c[1:4, :5].view(np.uint32)))


def test_parts_of_a_split_hold_whole_tiles():
    """Parts of k are whole tiles of 64 (16-bit) or 128 (FP8), added in order in float32."""
    rng = np.random.default_rng(8)
    for fmt, order, cut in (("float16", "16bit", 128), ("e4m3fn", "fp8_fast", 256)):
        depth = cut + cut // 2  # three tiles in two parts: two and one
        a, b = draw(rng, fmt, (3, depth), "normal"), draw(rng, fmt, (depth, 4), "normal")
        chains = [
            nf.matmul(nf.from_codes(a[:, k], fmt), nf.from_codes(b[k], fmt, 0), f"cublas.h100.{order}<splitk=1>")
            for k in (slice(0, cut), slice(cut, depth))
        ]
        got = nf.matmul(nf.from_codes(a, fmt), nf.from_codes(b, fmt, 0), f"cublas.h100.{order}<splitk=2>")
        np.testing.assert_array_equal(got, chains[0] + chains[1])


def test_overflow_within_a_chain_stays_infinite():
    a, b = np.full((1, 64), 2.0**100, np.float32), np.full((64, 3), 2.0**27, np.float32)
    b[8:] = -b[8:]
    assert np.isposinf(nf.matmul(a, b, "h100.mma_m16n8k8_tf32_tf32_f32")).all()
    x = np.full((2, 64), 200.0, np.float16)
    assert np.isposinf(nf.matmul(x, x.T, "h100.mma_m16n8k16_f16_f16_f16")).all()


# -- the public face --------------------------------------------------------------------------------------------------------------


def test_operands_and_results():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = "h100.mma_m16n8k16_f16_f16_f32"
    np.testing.assert_array_equal(nf.matmul(a, a.T, path), a @ a.T)
    np.testing.assert_array_equal(nf.matmul(a, a.T, path, c=np.ones((2, 2))), a @ a.T + 1)
    np.testing.assert_array_equal(nf.matmul(np.stack([a, a + 1]), a.T, path)[1], (a + 1) @ a.T)
    out = np.empty((2, 2), np.float32)
    assert nf.matmul(a, a.T, path, out=out) is out
    assert nf.matmul(a, a.T, "h100.mma_m16n8k16_f16_f16_f16", returns="codes").dtype == np.uint16
    assert nf.matmul(np.zeros((2, 0)), np.zeros((0, 3)), path).tolist() == [[0, 0, 0]] * 2
    scaled = nf.quantize(np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32), "mxfp8_e4m3")
    got = nf.matmul(scaled, scaled.T, "h100.wgmma_m64n8k32_e4m3_e4m3_f32>fp32")
    np.testing.assert_allclose(got, scaled.dequantize() @ scaled.dequantize().T, rtol=1e-2, atol=1e-2)
    assert nf.explain(a, a.T, path)[0].kernel == "aligned_matmul"
    halves = a.astype(np.float16)
    assert nf.explain(halves, halves.T, "cublas.h100.16bit")[0].kernel == "aligned_matmul"
    assert nf.explain(scaled, scaled.T, "h100.wgmma_m64n8k32_e4m3_e4m3_f32>fp32")[0].kernel == "aligned_matmul"
    integers = nf.matmul(np.full((1, 64), -128), np.full((64, 1), 127), "h100.mma_m16n8k32_s8_s8_s32", c=np.array([[-(2**31)]]))
    assert integers.item() == 2**31 - 64 * 128 * 127


def test_named_rows_have_evidence():
    rows = nf.datapaths().set_index("name")
    for stem in STEMS:
        assert rows.loc[f"h100.{stem}", "status"] == "measured"
    for k, status in ((8, "fits public data"), (16, "literature")):  # the public data have K = 8
        assert rows.loc[f"a100.mma_m16n8k{k}_f16_f16_f32", "status"] == status
    assert rows.loc["turing.mma_m16n8k8_f16_f16_f32", "status"] == "literature"
    for name in rows.index:
        assert str(nf.datapath(name)) == name or f"({nf.datapath(name)})" in rows.loc[name, "models"]
        assert nf.datapath(name) == nf.datapath(str(nf.datapath(name)))
    assert len(rows.index) == len(set(rows.index))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nf.datapath("h100.mma_m16n8k16_f16_f16_bf16"), "unknown datapath"),
        (lambda: nf.datapath("aligned<16>"), "aligned<terms,frac_bits"),
        (lambda: nf.datapath("aligned<16,25,up>"), "option 'up'"),
        (lambda: nf.datapath("aligned<0,25>"), "terms=0"),
        (lambda: nf.matmul(np.ones((2, 3)), np.ones((4, 2)), "h100.mma_m16n8k16_f16_f16_f32"), "inner dimensions"),
        (lambda: nf.matmul(np.full((1, 1), 1e-9), np.ones((1, 1)), "h100.mma_m16n8k16_f16_f16_f32"), "float16 does not hold"),
        (lambda: nf.matmul(nf.from_codes([[1]], "e5m2"), np.ones((1, 1)), "h100.wgmma_m64n8k32_e4m3_e4m3_f32"), "takes e4m3fn"),
        (lambda: nf.matmul(np.full((1, 1), np.nan), np.ones((1, 1)), "h100.mma_m16n8k32_s8_s8_s32"), "not integers"),
        (lambda: nf.matmul(np.full((1, 1), 200), np.ones((1, 1)), "h100.mma_m16n8k32_s8_s8_s32"), "beyond int8"),
        (lambda: nf.matmul(np.ones((1, 1)), np.ones((1, 1)), "h100.mma_m16n8k16_f16_f16_f16", c=[[1e9]]), "float16 does not hold"),
        (lambda: nf.matmul(np.ones((1, 1)), np.ones((1, 1)), "h100.mma_m16n8k16_f16_f16_f32", c=np.ones((2, 2))), "broadcast"),
        (lambda: nf.matmul(np.ones((1, 1)), np.ones((1, 1)), "cublas.h100.16bit"), "needs to know the format"),
        (lambda: nf.matmul(np.ones((9, 9), np.float16), np.ones((9, 9), np.float16), "cublas.h100.16bit"), "no recording"),
        (lambda: nf.scaled_mm(np.ones((2, 2)), np.ones((2, 2)), 1, 1, out_dtype="float32"), "takes e4m3fn and e5m2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- a second witness --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "preset"), [("h100", "hopper"), ("ada", "ada")])
@pytest.mark.parametrize("kind", ["normal", "bits", "odd"])
def test_fp8_against_mmaemu(profile, preset, kind):
    """mmaemu's chains of FP8 instructions, of an H100's library kernels and of an RTX 4060."""
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chain = pytest.importorskip("mmaemu.model.chain")
        rng = np.random.default_rng(9)
        for fa, fb in (("e4m3", "e4m3"), ("e4m3", "e5m2"), ("e5m2", "e4m3"), ("e5m2", "e5m2")):
            a, b = draw(rng, NAMES.get(fa, fa), (7, 96), kind), draw(rng, NAMES.get(fb, fb), (96, 9), kind)
            if kind != "normal":  # chains take finite codes
                for words, fmt in ((a, fa), (b, fb)):
                    words[~np.isfinite(nf.decode(words, NAMES.get(fmt, fmt)))] = 0
            codes = (torch.from_numpy(np.ascontiguousarray(x).astype(np.uint8)) for x in (a, b.T))
            want = chain.chain_gemm(*codes, fmt_a=fa, fmt_b=fb, preset=preset).numpy().view(np.uint32)
            path = f"h100.wgmma_m64n8k32_{fa}_{fb}_f32" if profile == "h100" else f"ada.mma_m16n8k32_{fa}_{fb}_f32"
            same_words(nf.matmul(operand(a, fa), operand(b, fb, 0), path, returns="codes"), want, f"{path} {kind}")


def test_selected_formats_cover_the_fields_of_every_stem():
    assert {fields(s)[4] for s in STEMS} == {"f16", "f32", "f64", "s32"}
