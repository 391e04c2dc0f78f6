"""NVFP4 against float32 models of each stack, recorded words of torchao and of NVIDIA's published code, and its own edges."""

from pathlib import Path

import ml_dtypes
import numba
import numpy as np
import pytest

import numfmt as nf

from .reference import mx as ref

F = np.float32
VECTORS = Path(__file__).parent / "vectors"
AO = np.load(VECTORS / "torchao.npz")
NV = np.load(VECTORS / "nvfp4.npz")
MODELS = {
    "nvfp4": ref.te_block,
    "nvfp4+torchao": ref.torchao_block,
    "nvfp4+modelopt": lambda block, amax: ref.modelopt_block(block, amax, False),
    "nvfp4+modelopt_floor": lambda block, amax: ref.modelopt_block(block, amax, True),
} | {
    f"nvfp4+4over6={mode}+bound={bound}+err={err}": (
        lambda block, amax, bound=bound, mode=mode, err=err: ref.four_over_six_block(
            block, amax, bound, mode == "mse", err == "fast"
        )
    )
    for mode in ("mae", "mse")
    for bound in (256, 448)
    for err in ("plain", "fast")
}
STACKS = ("nvfp4", "nvfp4+torchao", "nvfp4+modelopt", "nvfp4+modelopt_floor")


def tensors():
    """Ordinary rows, rows of very different size, ties at many block scales, zeros of both signs, subnormal and huge values."""
    rng = np.random.default_rng(11)
    normal = rng.standard_normal((16, 48)).astype(F)
    wide = (rng.standard_normal((40, 32)) * 2.0 ** -np.arange(40)[:, None]).astype(F)
    wide[3], wide[4, :16], wide[6, ::2] = 0, -0.0, -0.0
    points = np.float32([0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6])
    near = np.concatenate([points, np.nextafter(points, F(9)), -np.nextafter(points, F(0)), -points])
    rows = np.concatenate([np.resize(near, (8, 15)), np.full((8, 1), 6, F)], 1)
    ties = np.concatenate([rows * F(448), rows * F(2.0**-3), rows * F(2.0**-9), rows * F(7)])
    tiny = (rng.standard_normal((4, 16)) * 2.0**-140).astype(F)
    huge = (rng.uniform(-1, 1, (6, 16)) * float(ref.MOST)).astype(F)
    powers = np.ldexp(F(1), np.arange(-60, 60)).astype(F)
    edges = np.resize(np.concatenate([powers, np.nextafter(powers, F(0))]), (15, 16)).astype(F)
    made = {"normal": normal, "wide": wide, "ties": ties, "tiny": tiny, "huge": huge, "edges": edges}
    return made | {f"scales{n}": AO[f"nvfp4_{n}_x"] for n in (6, 7, 8, 9)}  # at midpoints of E4M3 and E2M1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("spec", "kind"), [(s, k) for s in MODELS for k in tensors() if s in STACKS or not k.startswith("scales")])
def test_equals_the_float32_model(spec, kind):
    x = tensors()[kind]
    q = nf.quantize(x, spec)
    amax = np.abs(x).max()
    for at, block in enumerate(x.reshape(-1, 16)):
        if kind in ("scales6", "scales7", "scales8") and at % 3:
            continue  # the recorded words hold them all
        codes, scale = MODELS[spec](block, amax)
        assert q.part("scales").reshape(-1)[at] == scale, (at, block.tolist())
        if kind == "tiny" and spec == "nvfp4+torchao":
            continue  # the reciprocal of the tensor scale is infinite: see test_torchao_below_the_smallest_tensor_scale
        assert q.codes.reshape(-1, 16)[at].tolist() == codes, (at, block.tolist())


@pytest.mark.parametrize("number", range(10))
def test_equals_torchao(number):
    x = AO[f"nvfp4_{number}_x"]
    q = nf.quantize(x, "nvfp4+torchao")
    assert q.part("tensor_scale").item() == AO[f"nvfp4_{number}_scale"][0]
    assert np.array_equal(q.part("scales"), AO[f"nvfp4_{number}_scales"])
    with np.errstate(over="ignore", divide="ignore"):
        defined = np.isfinite(F(1) / q.part("tensor_scale")) | (x != 0)
    assert np.array_equal(q.codes[defined], AO[f"nvfp4_{number}_codes"][defined])
    want = nf.decode(q.codes, "e2m1") * np.repeat(q.part("tensor_scale") * nf.decode(q.part("scales"), "e4m3fn"), 16, axis=1)
    assert np.array_equal(q.dequantize(), want)


def published():
    """(spec, name of the recorded words) of tools/record_nvfp4.py."""
    yield "nvfp4", "te"
    yield "nvfp4/b16x16", "te_2d"
    yield "nvfp4+modelopt", "modelopt"
    yield "nvfp4+modelopt_floor", "modelopt_floor"
    for mode in ("mae", "mse"):
        yield f"nvfp4/b16x16+4over6={mode}", f"over_{mode}_2d"
        for bound in (256, 448):
            for err in ("plain", "fast"):
                yield f"nvfp4+4over6={mode}+bound={bound}+err={err}", f"over_{mode}_{bound}_{err}"


@pytest.mark.parametrize(("spec", "name"), list(published()))
def test_equals_the_published_code(spec, name):
    for number in range(10):
        x = NV[f"{number}_x"]
        q = nf.quantize(x, spec)
        assert np.array_equal(q.part("scales"), NV[f"{number}_{name}_scales"])
        codes = q.codes
        if "modelopt" not in spec:  # TransformerEngine's Python maps -0.0 to +0; its kernels, and this package, keep the sign
            codes = np.where((x == 0) & np.signbit(x), 0, codes)
        assert np.array_equal(codes, NV[f"{number}_{name}_codes"])


def test_transformer_engine_keeps_minus_zero():
    x = np.resize(F([1, -0.0, -1e-30, 0]), (1, 16))
    assert nf.quantize(x, "nvfp4").codes[0, :4].tolist() == [7, 8, 8, 0]
    assert nf.quantize(x, "nvfp4+torchao").codes[0, :4].tolist() == [7, 8, 8, 0]
    assert nf.quantize(x, "nvfp4+modelopt").codes[0, :4].tolist() == [7, 0, 8, 0]


def test_zero_blocks_of_each_stack():
    """formats.md section 5: scale bytes 00, 08, 38; a zero tensor has NaN scales in torchao and modelopt."""
    x = np.ones((1, 32), F)
    x[0, 16:] = 0
    assert [nf.quantize(x, s).part("scales")[0, 1] for s in STACKS] == [0x00, 0x08, 0x38, 0x38]
    for spec in STACKS:
        assert not nf.quantize(x, spec).dequantize()[0, 16:].any()
    zeros = np.zeros((2, 16), F)
    assert [nf.quantize(zeros, s).part("scales")[0, 0] for s in STACKS] == [0x00, 0x7F, 0x7F, 0x7F]
    assert not nf.quantize(zeros, "nvfp4").dequantize().any()
    assert np.isnan(nf.quantize(zeros, "nvfp4+modelopt").dequantize()).all()
    assert not nf.quantize(zeros, "nvfp4+4over6").dequantize().any()


def test_blocks_below_the_smallest_scale():
    x = np.ones((1, 32), F)
    x[0, 16:] = 2.0**-30
    scales = [nf.quantize(x, s).part("scales")[0, 1] for s in STACKS]
    assert scales == [0x00, 0x08, 0x00, 0x01]
    assert (nf.quantize(x, "nvfp4+modelopt").codes[0, 16:] == 7).all()  # a division by zero, clipped at 6


def test_torchao_below_the_smallest_tensor_scale():
    """1 / S is infinite: zeros become NaN there, whose conversion depends on the machine; here they stay zeros."""
    x = np.resize(F([1e-42, 0, -1e-42, -0.0]), (1, 16))
    q = nf.quantize(x, "nvfp4+torchao")
    assert q.codes[0, :4].tolist() == [7, 0, 15, 0]


def test_static_maximum():
    x = np.random.default_rng(12).standard_normal((8, 32)).astype(F)
    fixed = nf.quantize(x, "nvfp4+amax=2.5")
    assert fixed.part("tensor_amax").item() == 2.5
    for at, block in enumerate(x.reshape(-1, 16)):
        codes, scale = ref.te_block(block, F(2.5))
        assert fixed.codes.reshape(-1, 16)[at].tolist() == codes
        assert fixed.part("scales").reshape(-1)[at] == scale
    own = np.abs(x).max()
    assert np.array_equal(nf.quantize(x, f"nvfp4+amax={own:.9g}").codes, nf.quantize(x, "nvfp4").codes)


@pytest.mark.parametrize("spec", [*STACKS, "nvfp4/b16x16", "nvfp4+4over6=mse", "nvfp4/g32+torchao", "nvfp4/b16x16+4over6"])
def test_decoding_files_and_like(spec, tmp_path):
    x = (np.random.default_rng(13).standard_normal((32, 64)) * 2.0 ** -np.arange(32)[:, None]).astype(F)
    q = nf.quantize(x, spec)
    assert nf.scheme(str(q.scheme)) == q.scheme
    assert np.array_equal(nf.quantize(x, spec, like=q).codes, q.codes)
    q.save(tmp_path / "a.safetensors")
    other = nf.load(tmp_path / "a.safetensors")
    assert np.array_equal(other.codes, q.codes)
    assert np.array_equal(other.dequantize(), q.dequantize())
    assert np.array_equal(q.pack().dequantize(), q.dequantize())
    assert np.array_equal(q[16:].dequantize(), q.dequantize()[16:])
    scales = q._spread(q.row_scales)
    want = (q.codes.astype(np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float64) * scales).astype(F)
    assert np.array_equal(q.dequantize(), want)
    if "tensor_amax" in q.stored:  # dequantize_nvfp4.cuh: (scale * amax) * float32(1 / (6 * bound))
        bound = 256 if "4over6" in spec else 448
        block = nf.decode(q.part("scales"), "e4m3fn")
        assert np.array_equal(q.row_scales, block * q.part("tensor_amax") * (F(1) / F(6 * bound)))


def test_four_over_six_never_loses_by_its_own_measure():
    x = np.random.default_rng(14).standard_normal((64, 64)).astype(F)
    plain, chosen = nf.quantize(x, "nvfp4"), nf.quantize(x, "nvfp4+4over6=mse+bound=448")
    errors = [((q.dequantize() - x) ** 2).reshape(-1, 16).sum(1) for q in (plain, chosen)]
    assert errors[1].sum() < errors[0].sum()
    differs = (chosen.part("scales") != plain.part("scales")).reshape(-1)
    assert 0 < differs.sum() < differs.size


def test_clear_refusals():
    x = np.ones((2, 32), F)
    for text, message in (
        ("nvfp4/tensor", "use g16 or b16x16"),
        ("nvfp4+torchao+4over6", "TransformerEngine's"),
        ("nvfp4+bound=448", "belong to 4over6"),
        ("nvfp4+amax=-1", "above zero"),
        ("nvfp4+floor", "te, torchao, modelopt"),
    ):
        with pytest.raises(ValueError, match=message):
            nf.scheme(text)
    bad = x.copy()
    bad[0, 0] = np.inf
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        nf.quantize(bad, "nvfp4")
    with pytest.raises(ValueError, match="like="):
        nf.quantize(x, "nvfp4", scales=np.ones((2, 2)))
    with pytest.raises(ValueError, match="does not divide"):
        nf.quantize(np.ones((2, 24), F), "nvfp4")
    assert nf.quantize(np.ones((2, 24), F), "nvfp4+pad").dequantize().shape == (2, 24)


def test_threads_change_nothing():
    x = np.random.default_rng(15).standard_normal((704, 512)).astype(F)
    before = numba.get_num_threads()
    made = []
    try:
        for count in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(count)
            made.append([nf.quantize(x, s) for s in ("nvfp4", "nvfp4/b16x16+torchao")])
    finally:
        numba.set_num_threads(before)
    for a, b in zip(*made, strict=True):
        assert np.array_equal(a.codes, b.codes)
        assert np.array_equal(a.dequantize(), b.dequantize())
