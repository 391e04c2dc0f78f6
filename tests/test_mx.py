"""OCP MX: scales and elements against exact models, recorded words of torchao, gfloat's blocks, the general engine; NaN rules."""

from fractions import Fraction
from pathlib import Path

import gfloat
import gfloat.formats
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf

from .reference import mx as ref

F = np.float32
RULES = ("floor", "ceil", "rceil", "even")
NAMES = tuple(ref.FLOATS)
TOP = {name: float(ref.magnitudes(name)[-1]) for name in NAMES}
MXL = np.load(Path(__file__).parent / "vectors" / "microxcaling.npz")
AO = np.load(Path(__file__).parent / "vectors" / "torchao.npz")


def every_maximum(step=1):
    """Powers of two of float32 from the smallest on, their neighbours, and values that round up to a power."""
    powers = np.ldexp(F(1), np.arange(-149, 128, step)).astype(F)
    parts = [powers, np.nextafter(powers, F(0)), np.nextafter(powers, F(np.inf))]
    parts += [powers * F(f) for f in (1.25, 1.5, 1.75, 1.875, 1.9375, 1.96875, 1.999)]
    found = np.concatenate([*parts, [np.finfo(F).max]]).astype(F)
    return found[np.isfinite(found)]


def ties(name):
    """Values, midpoints and their float32 neighbours, of both signs, a little beyond the maximum too."""
    grid = np.array([float(v) for v in ref.magnitudes(name)])
    points = np.concatenate([grid, (grid[1:] + grid[:-1]) / 2, [grid[-1] * 1.01, grid[-1] * 1.9]]).astype(F)
    near = np.concatenate([points, np.nextafter(points, F(-1)), np.nextafter(points, F(np.inf))])
    return np.concatenate([near, -near])


def blocks_of(values, size=32):
    return np.concatenate([values, np.zeros(-values.size % size, F)]).reshape(-1, size).astype(F)


def check_against_model(x, name, rule):
    q = nf.quantize(x, f"{name}/g{x.shape[1]}+{rule}")
    for row, codes, scale in zip(x, q.codes.tolist(), q.part("scales").reshape(-1).tolist(), strict=True):
        assert (codes, scale) == ref.mx_block(row, name, rule), (name, rule, row.tolist())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_every_scale(name, rule):
    tops = every_maximum()
    x = np.zeros((tops.size, 32), F)
    x[np.arange(tops.size), np.arange(tops.size) % 32] = tops * np.where(np.arange(tops.size) % 3, F(1), F(-1))
    _, man_bits, _, _ = ref.FLOATS[name]
    found = nf.quantize(x, f"{name}+{rule}").part("scales").reshape(-1)
    top = ref.magnitudes(name)[-1]
    assert found.tolist() == [ref.scale_code(a, top, man_bits, rule) for a in tops]
    assert len(set(found.tolist())) > 200
    assert found.max() <= 254


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_blocks_equal_the_exact_model(name, rule):
    rng = np.random.default_rng(1)
    tops = every_maximum(17)
    x = (tops[:, None] * rng.uniform(-1, 1, (tops.size, 16)) * 2.0 ** rng.integers(-9, 1, (tops.size, 16))).astype(F)
    x[:, 3] = tops
    x[::5, 4:8] = -0.0
    check_against_model(np.concatenate([x, np.zeros((1, 16), F), np.full((1, 16), -0.0, F)]), name, rule)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("code", [0, 1, 2, 100, 127, 160, 230])
def test_all_tie_points_under_given_scales(name, code):
    power = 2.0 ** (code - 127)
    with np.errstate(over="ignore", under="ignore"):
        x = blocks_of((ties(name).astype(np.float64) * power).astype(F))
    x[~np.isfinite(x)] = 0
    q = nf.quantize(x, name, scales=np.full((x.shape[0], 1), power))
    assert (q.part("scales") == code).all()
    exp_bits, man_bits, _, _ = ref.FLOATS[name]
    for row, codes in zip(x, q.codes.tolist(), strict=True):
        assert codes == ref.element_codes(row, code, ref.magnitudes(name), 1 + exp_bits + man_bits)


@pytest.mark.parametrize("name", NAMES)
def test_every_code_under_every_scale_is_kept(name):
    values = np.array([float(v) for v in ref.magnitudes(name)])
    codes = np.arange(values.size, dtype=np.uint8)
    sign = np.uint8(1 << (nf.scheme(name).element_bits - 1))
    words = blocks_of(np.concatenate([codes, codes | sign])).astype(np.uint8)
    for scale in (0, 1, 60, 127, 200, 254 - 16):
        stored = {"codes": words, "scales": np.full((words.shape[0], 1), scale, np.uint8)}
        q = nf.QuantizedTensor(nf.scheme(name), words.shape, 1, stored)
        x = q.dequantize()
        want = nf.decode(words, nf.scheme(name).candidates[0]).astype(np.float64) * 2.0 ** (scale - 127)
        assert np.array_equal(x.view(np.uint32), want.astype(F).view(np.uint32))
        assert np.array_equal(nf.quantize(x, name, like=q).codes, words)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_general_engine(name, rule):
    """The bits that mxfp* had before they got kernels of their own: the engine still carries out any format with such a rule."""
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((64, 96)) * 2.0 ** rng.integers(-150, 120, (64, 1))).clip(-3e38, 3e38).astype(F)
    x[3], x[4, :40], x[5, ::2] = 0, -0.0, -0.0
    element = str(nf.scheme(name).candidates[0])
    for grain in ("g32", "channel", "g6", "b4x8", "tensor", "flat64"):
        a, b = nf.quantize(x, f"{name}/{grain}+{rule}"), nf.quantize(x, f"{element}/{grain}+{rule}")
        assert a.scheme.family == "shared"
        assert b.scheme.family == "scaled"
        assert np.array_equal(a.codes, b.codes)
        assert np.array_equal(a.part("scales"), b.part("scales"))
        assert np.array_equal(a.dequantize().view(np.uint32), b.dequantize().view(np.uint32))


# -- peers ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_equals_torchao(name, rule):
    x, codes, scales = AO["mx_x"], AO[f"mx_{name}_{rule}_codes"], AO[f"mx_{name}_{rule}_scales"]
    q = nf.quantize(x, f"{name}+{rule}")
    found = q.part("scales").reshape(-1)
    agree = found == scales
    if rule != "rceil":
        assert agree.all()
    told = agree & ((scales > 0) | (np.abs(x).max(1) == 0))
    assert told.sum() > 290
    assert np.array_equal(q.codes[told], codes[told])


@pytest.mark.parametrize("rule", ["floor", "ceil", "even"])
@pytest.mark.parametrize("name", NAMES)
def test_torchao_018_divides_by_another_scale_than_it_stores(name, rule):
    """Where it stores code 0, 2**-127, torchao 0.18 divides by 2**-126. The specification says P = V / X, torchao@36027d8 too."""
    low = (AO[f"mx_{name}_{rule}_scales"] == 0) & (np.abs(AO["mx_x"]).max(1) > 0)
    x = np.ldexp(AO["mx_x"][low], 60)
    assert low.sum() > 5
    codes = AO[f"mx_{name}_{rule}_codes"][low]
    as_torchao = nf.quantize(x, name, scales=np.full((x.shape[0], 1), 2.0 ** (60 - 126)))
    assert np.array_equal(as_torchao.codes, codes)
    right = nf.quantize(AO["mx_x"][low], f"{name}+{rule}")
    as_stored = nf.quantize(x, name, scales=np.full((x.shape[0], 1), 2.0 ** (60 - 127)))
    assert np.array_equal(right.codes, as_stored.codes)
    assert not np.array_equal(right.codes, codes)


def test_torchao_018_rceil_takes_a_logarithm_in_float32():
    """ceil(log2(y)) is one too small for y just above a power of two, so that the largest element is clipped: a fault."""
    seen = False
    for name in NAMES:
        x, scales = AO["mx_x"], AO[f"mx_{name}_rceil_scales"]
        found = nf.quantize(x, f"{name}+rceil").part("scales").reshape(-1)
        differs = found != scales
        seen = seen or differs.any()
        assert (found[differs] == scales[differs].astype(int) + 1).all()
        for a, code in zip(np.abs(x[differs]).max(1), scales[differs].tolist(), strict=True):
            assert Fraction(float(a)) / ref.magnitudes(name)[-1] > Fraction(2) ** (code - 127)
    assert seen


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NAMES)
def test_specials_as_torchao(name, rule):
    x, codes, scales = AO["special_x"], AO[f"special_{name}_{rule}_codes"], AO[f"special_{name}_{rule}_scales"]
    q = nf.quantize(x, f"{name}+{rule}+nan=torchao")
    assert np.array_equal(q.part("scales").reshape(-1), scales)
    top = int(np.log2(TOP[name]))
    assert set(scales) == {255, 254 if rule == "rceil" else 255 - top}
    sign = np.uint8(1 << (nf.scheme(name).element_bits - 1))
    made_nan = np.isnan(x) | ((scales == 255)[:, None] & (np.isinf(x) | (rule == "rceil")))
    assert np.array_equal(q.codes[~made_nan], codes[~made_nan])
    assert np.array_equal(q.codes[made_nan] & ~sign, codes[made_nan] & ~sign)  # the sign of a NaN depends on the machine
    assert np.isnan(q.dequantize()[scales == 255]).all()


@pytest.mark.parametrize("name", [*NAMES, "mxint8", "msfp12", "bfp16ebs8"])
def test_a_nan_or_infinity_makes_its_block_nan(name):
    grain = nf.scheme(name).granularity.size
    x = np.random.default_rng(3).standard_normal((6, 2 * grain)).astype(F)
    plain = nf.quantize(x, name)
    x[1, 3], x[2, grain + 1], x[4, 0], x[4, 1] = np.nan, np.inf, -np.inf, np.nan
    q = nf.quantize(x, f"{name}+nan=block")
    bad = np.isnan(q.dequantize()).reshape(6, 2, grain)
    assert np.array_equal(bad.all(2), bad.any(2))
    assert np.argwhere(bad.all(2)).tolist() == [[1, 0], [2, 1], [4, 0]]
    assert (q.part("scales")[bad.all(2)] == 255).all()
    kept = ~bad.all(2)
    assert np.array_equal(q.dequantize().reshape(6, 2, grain)[kept], plain.dequantize().reshape(6, 2, grain)[kept])
    with pytest.raises(ValueError, match=r"4 NaN or infinite.*nan=block"):
        nf.quantize(x, name)


@pytest.mark.parametrize("name", NAMES)
def test_gfloat_blocks_agree_where_their_logarithm_is_right(name):
    info = gfloat.formats.format_info_ocp_e2m1 if name == "mxfp4" else None
    info = (
        info
        or {
            "mxfp6_e2m3": gfloat.formats.format_info_ocp_e2m3,
            "mxfp6_e3m2": gfloat.formats.format_info_ocp_e3m2,
            "mxfp8_e4m3": gfloat.formats.format_info_ocp_e4m3,
            "mxfp8_e5m2": gfloat.formats.format_info_ocp_e5m2,
        }[name]
    )
    block = gfloat.BlockFormatInfo(name, info, 32, gfloat.formats.format_info_ocp_e8m0)
    rng = np.random.default_rng(4)
    x = (rng.standard_normal((30, 32)) * 2.0 ** rng.integers(-60, 60, (30, 1))).astype(F)
    q = nf.quantize(x, name)
    for row, codes, scale in zip(x, q.codes.tolist(), q.part("scales").reshape(-1).tolist(), strict=True):
        wide = row.astype(np.float64)
        power = gfloat.compute_scale_amax(int(np.log2(TOP[name])), wide)
        assert list(gfloat.encode_block(block, power, wide / power)) == [scale, *codes]


@pytest.mark.parametrize("name", [*NAMES, "mxint8"])
def test_values_equal_microxcaling(name):
    assert np.array_equal(nf.quantize(MXL["x"], name).dequantize(), MXL[name])
    special = nf.quantize(MXL["special_x"], f"{name}+nan=block").dequantize()
    assert np.array_equal(special, MXL[f"special_{name}"], equal_nan=True)
    assert np.isnan(special).all(1).tolist() == [True, True, False, True, False, False]


def test_gfloat_blocks_take_a_logarithm():
    """formats.md, trap 1: floor(log2) in floating point is one too large below a power of two; the rule clips nothing there."""
    x = np.full((1, 32), np.nextafter(F(2.0**100), F(0)))
    assert gfloat.compute_scale_amax(2, x[0]) == 2.0**98
    assert nf.quantize(x, "mxfp4").scales.item() == 2.0**97


# -- integers, strings, storage ----------------------------------------------------------------------------------------------------


def test_mxint8_equals_the_exact_model():
    rng = np.random.default_rng(5)
    tops = every_maximum(9)
    x = (tops[:, None] * rng.integers(-256, 257, (tops.size, 32)) / 256).astype(F)
    x[:, 0] = tops
    q = nf.quantize(x, "mxint8")
    for row, codes, scale in zip(x, q.codes.tolist(), q.part("scales").reshape(-1).tolist(), strict=True):
        assert scale == ref.scale_code(np.abs(row).max(), Fraction(127, 64), 6, "floor")
        assert codes == ref.integer_block(row, 8, scale)
    assert 0x80 not in q.codes


def test_the_rules_at_pred_of_eight():
    """formats.md section 4: FLOOR 121, the others 122 for E4M3."""
    x = np.zeros((1, 32), F)
    x[0, 0] = np.nextafter(F(8), F(0))
    assert [nf.quantize(x, f"mxfp8_e4m3+{r}").part("scales").item() for r in RULES] == [121, 122, 122, 122]


def test_even_keeps_a_scale_below_infinity():
    """The maximum may round up to 2**128; torchao@36027d8 makes the block NaN there, torchao 0.18 and this rule keep it finite."""
    x = np.full((1, 32), np.finfo(F).max)
    q = nf.quantize(x, "mxfp8_e4m3+even")
    assert q.part("scales").item() == 247
    assert (q.codes == 0x78).all()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_error_and_fixed_point(data):
    name = data.draw(st.sampled_from([*NAMES, "mxint8"]))
    rule = data.draw(st.sampled_from(("ceil", "rceil")))
    x = np.array(data.draw(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=32, max_size=32)), F).reshape(1, 32)
    q = nf.quantize(x, f"{name}+{rule}")
    y = q.dequantize()
    assert np.array_equal(nf.quantize(y, q.scheme, like=q).codes & 0x7F, q.codes & 0x7F)
    values = np.sort(nf.scheme(name).candidates[0].values()) * float(q.scales.item())
    values = values[np.isfinite(values)]
    nearest = np.abs(values[None] - x.reshape(-1, 1)).min(1)
    inside = np.abs(x[0]) <= values[-1]
    assert (np.abs(y - x)[0][inside] <= nearest[inside] * (1 + 1e-6)).all()


@pytest.mark.parametrize("spec", ["mxfp4", "mxfp8_e5m2/g16+rceil+nan=block", "mxint8/b8x4", "mxfp6_e2m3/channel+even"])
def test_strings_files_and_packing(spec, tmp_path):
    made = nf.scheme(spec)
    assert nf.scheme(str(made)) == made
    q = nf.quantize(np.random.default_rng(6).standard_normal((8, 64)).astype(F), spec)
    q.save(tmp_path / "a.safetensors")
    for other in (nf.load(tmp_path / "a.safetensors"), q.pack().unpack()):
        assert np.array_equal(other.codes, q.codes)
        assert np.array_equal(other.dequantize(), q.dequantize())
    half = q[:8:1] if made.granularity.kind == "block" else q[2:6]
    assert np.array_equal(half.dequantize(), q.dequantize()[:8] if made.granularity.kind == "block" else q.dequantize()[2:6])


def test_clear_refusals():
    x = np.ones((2, 32), F)
    with pytest.raises(ValueError, match="torchao has no mxint8"):
        nf.scheme("mxint8+nan=torchao")
    with pytest.raises(ValueError, match="floor, ceil, rceil, even, nan=refuse"):
        nf.scheme("mxfp4+best")
    with pytest.raises(ValueError, match="beyond the range of float32"):
        nf.quantize(np.full((1, 32), 1e300), "mxfp4")
    with pytest.raises(ValueError, match="e8m0 does not hold"):
        nf.quantize(x, "mxfp4", scales=np.full((2, 1), 3.0))
    with pytest.raises(ValueError, match="does not divide"):
        nf.quantize(np.ones((2, 33), F), "mxfp4")
    assert nf.quantize(np.ones((2, 33), F), "mxfp4+pad").dequantize().tolist() == np.ones((2, 33)).tolist()


def test_threads_change_nothing():
    x = np.random.default_rng(7).standard_normal((700, 512)).astype(F)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = [nf.quantize(x, s) for s in ("mxfp4", "mxfp8_e4m3/b4x4")]
        numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
        two = [nf.quantize(x, s) for s in ("mxfp4", "mxfp8_e4m3/b4x4")]
    finally:
        numba.set_num_threads(before)
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.codes, b.codes)
        assert np.array_equal(a.dequantize(), b.dequantize())
