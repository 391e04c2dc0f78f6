"""Datapaths as hardware: every family has a price or a refusal, and what decides the numerics decides the price."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
import numfmt as nf
from numfmt.arith.datapath import FloatAccumulator
from numfmt.formats.flushed import FlushedFloat

FLOATS = ("float16", "float16")
INTS = ("int8", "int8")
PATHS = {
    **dict.fromkeys(("fp32", "fp16", "bf16", "e5m2", "fp32+fma", "fp16+rz", "bf16+ru", "fp16+rd", "fp16+rna+fma"), FLOATS),
    **dict.fromkeys(("bf16+sr8", "fp16+fma+sr4", "fp32+kahan", "fp16+fma+kahan", "fp16+pairwise", "fp16+fma+pairwise"), FLOATS),
    **dict.fromkeys(("fp16+product=fp32", "exact", "exact:fp32", "fp16>bf16", "fp16>fp32+rz", "fp16+chunk64"), FLOATS),
    **dict.fromkeys(("fp16+chunk64>fp32", "fp16+splitk4", "fp16+order<2,0,3,1>", "fp32|bias|relu|cast=bf16"), FLOATS),
    **dict.fromkeys(("aligned<16,25,rz>", "aligned<8,13,e0=-20,f16_rne>", "fp16+lmul", "fp32+lmul<fp16>=formula"), FLOATS),
    **dict.fromkeys(("int32", "int24+saturate", "int16+saturate+pairwise", "int32+pairwise", "int32>bf16", "exact:fp16"), INTS),
    **dict.fromkeys(
        ("int16+saturate+chunk4>int32", "int32+table<exact8s>", "fp32+table<drum6_8s>", "int32|clip=0:6|cast=uint4"), INTS
    ),
    **dict.fromkeys(("tflite", "hawqv3", "fbgemm", "qnnpack", "tosa", "onnxruntime", "x86.vpmaddubsw", "table<mitchell8s>"), INTS),
    "int32+table<kulkarni8u>": ("uint8", "uint8"),
    "int32+table<trunc4_8u>": ("uint8", "uint8"),
    "int32+shift": ("pot4", "int8"),
    "int16+saturate+shift=rne": ("pot4", "int8"),
    "hls4ml": ("ap_fixed<8,3>", "ap_fixed<8,3>"),
    **{f"ap_fixed<16,6,{q},{o}>": ("ap_fixed<8,3>", "ap_fixed<10,4>") for q, o in (("AP_RND", "AP_SAT"), ("AP_TRN", "AP_WRAP"))},
    "ap_fixed<16,6,AP_RND_CONV,AP_SAT_SYM>+full": ("ap_fixed<8,3>", "ap_fixed<10,4>"),
    **dict.fromkeys(("bitmod.paper", "bitmod.rtl", "bitmod.ideal", "bitmod.paper>fp32"), ("int4", "float16")),
    "bitmod.paper<guard=5,kept=20,nearest,down>": ("int6", "float16"),
}


@pytest.mark.parametrize("path", PATHS)
def test_every_family_has_a_price(path):
    weight, activation = PATHS[path]
    made = hw.unit(path, weight=weight, activation=activation)
    assert made.macs > 0
    for flow in (None, "area", "delay"):
        cost = made.cost("nangate45", flow)
        table = cost.breakdown
        assert table.part.is_unique
        for column in ("area_um2", "area_ge", "energy_pj", "leakage_nw"):
            assert table[column].sum() == pytest.approx(getattr(cost, column))
            assert (table[column] > 0).all()
        assert 100 < cost.delay_ps < 50000
        assert table.part.str.contains("register").any()


def test_every_named_datapath_has_a_price_or_a_reason():
    refused = {}
    for name in nf.datapaths()["name"]:
        for operands in ({}, dict(zip(("weight", "activation"), ("int4", "float16"), strict=True)), *_others()):
            try:
                hw.unit(name, **operands).cost()
            except ValueError as error:
                refused[name] = str(error)
            else:
                refused.pop(name, None)
                break
    assert set(refused) == {
        "dsp48e1",
        "dsp48e2",
        "dsp58",
        "dsp48e2.int8x2",
        *(f"cublas.h100.{x}" for x in ("fp8_fast", "fp8_slow", "16bit")),
    }
    assert all(("FPGA" in why and "int48" in why) or ("library" in why and "wgmma" in why) for why in refused.values())


def _others():
    pairs = INTS, FLOATS, ("pot4", "int8"), ("fixed<8,3>", "fixed<8,3>")
    return [{"weight": w, "activation": a} for w, a in pairs]


SCHEMES = ("int4/g128", "int4/g128+asym", "mxfp4", "mxfp8_e4m3", "mxint8", "nvfp4", "nf4/g64", "bitmod4/g128", "ternary/g128")
SCHEMES += ("int8/channel", "razer_fp4", "mixed<int4,e2m1>/g32", "af4/flat64", "llmfp4/channel")


@pytest.mark.parametrize("weight", SCHEMES)
def test_schemes_give_element_scale_and_group(weight):
    made = hw.unit("fp32>fp32", weight=weight, activation="bfloat16")
    found = nf.scheme(weight)
    assert made.weight == str(found)
    held = dict(made.parameters)
    assert held["scales"] == (str(found.scale or nf.parse("float32")),)
    assert held["group"] == (found.granularity.size or 128)
    table = made.cost(flow="area").breakdown
    assert table.part.str.startswith("scale").any()
    assert table.part.str.startswith("outer").any()


def test_scales_of_powers_of_two_take_no_multiplier():
    area = {
        s: hw.unit("fp32>fp32", weight="e2m1", activation="e2m1", group=32, scale=s).cost().area_um2
        for s in ("e8m0", "e4m3fn", "float16", "float32")
    }
    assert list(area) == sorted(area, key=area.get)
    parts = hw.unit("fp32", weight="mxfp4", activation="mxfp8_e4m3").cost().breakdown.part
    assert not parts.str.contains("scale: significand").any()


def test_refusals_of_operands():
    for path, operands, words in (
        ("int32", {"weight": "e2m1", "activation": "int8"}, "sums integers"),
        ("int32+shift", {"weight": "int4", "activation": "int8"}, "powers of two"),
        ("hls4ml", {"weight": "float16", "activation": "float16"}, "fixed-point types"),
        ("bitmod.paper", {"weight": "int4", "activation": "bfloat16"}, "float16 activations"),
        ("bitmod.paper", {"weight": "int4", "activation": "float16", "lanes": 6}, "lanes is 6"),
        ("h100.wgmma_m64n8k16_f16_f16_f32", {"weight": "bfloat16"}, "takes float16"),
        ("aligned<16,25,rz>", {"weight": "int8", "activation": "int8"}, "aligned sum"),
        ("fp32", {"weight": "float16", "activation": "float16", "scales": "e8m0"}, "scale"),
        ("fp32", {"weight": "float16"}, "activation="),
        ("fp32", {"weight": "float16", "activation": "float16", "lanes": 0}, "lanes is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            hw.unit(path, **operands)


# numerics and price


def test_integer_widths_are_the_ones_that_hold_the_sum():
    """One bit fewer than the exact unit's accumulator wraps on the worst operands."""
    for bits, group in ((8, 4), (8, 128), (4, 64), (3, 100)):
        fmt = f"int{bits}"
        width = hw.unit("exact", weight=fmt, activation=fmt, group=group).widths["accumulator"]
        worst = np.full((1, group), -(1 << (bits - 1)))
        enough, short = (nf.overflow_report(worst, worst.T, f"int{k}") for k in (width, width - 1))
        assert enough.wraps == 0 < short.wraps
        assert enough.exact_accumulator == f"int{width}"


@pytest.mark.parametrize("fmt", ["e4m3fn", "e5m2", "e2m1", "e3m2", "float16", "posit8", "e4m3fnuz"])
def test_kulisch_widths_are_the_ones_that_hold_the_sum(fmt):
    group = 7  # 7 full products and a little have three bits more than one
    f = nf.parse(fmt)
    width = hw.unit("exact", weight=fmt, activation=fmt, group=group + 1).widths["accumulator"]
    a = np.array([[f.max] * group + [f.min_positive]])
    b = np.array([[f.max] * group + [f.min_positive]]).T
    found = nf.overflow_report(a.astype(np.float32), b.astype(np.float32), "exact").exact_accumulator
    held = int(found.partition("<")[2].split(",")[0])
    assert held <= width <= held + 1  # group + 1 full products may need a bit more than these


def test_aligned_widths_are_those_that_keep_a_bit():
    one = np.array([[1.0, 2.0**-6]], np.float16)
    b = np.array([[1.0], [2.0**-6]], np.float16)
    found, area = {}, {}
    for fraction in (11, 12, 13):
        made = hw.unit(f"aligned<4,{fraction},rz>", weight="float16", activation="float16")
        assert made.widths["aligned"] == fraction + 2
        found[fraction] = float(made.compute(one, b).item()) - 1.0
        area[fraction] = made.cost().area_um2
    assert found == {11: 0.0, 12: 2.0**-12, 13: 2.0**-12}
    assert area[11] < area[12] < area[13]


def test_bit_serial_widths_are_those_that_keep_a_bit():
    x = np.array([[1.0, 2.0**-12, 0.0, 0.0]], np.float32)
    w = np.array([[1.0], [1.0], [0.0], [0.0]], np.float32)
    found = {}
    for guard in (1, 2, 3):
        made = hw.unit(f"bitmod.paper<guard={guard}>", weight="int4", activation="float16")
        assert made.widths["aligned"] == 11 + guard
        assert made.widths["accumulator"] == 15
        found[guard] = float(made.compute(x, nf.from_codes(w.T.astype(np.uint8), "int4").T).item()) - 1.0
    assert found[1] == 0.0 != found[2] == found[3]
    wide = [hw.unit(f"bitmod.paper<kept={k}>", weight="int4", activation="float16") for k in (8, 14, 24)]  # a bit may save a stage
    assert [u.widths["accumulator"] for u in wide] == [9, 15, 25]
    assert sorted(u.cost().area_um2 for u in wide) == [u.cost().area_um2 for u in wide]


def test_fixed_widths():
    made = hw.unit("ap_fixed<12,6,AP_TRN,AP_SAT>", weight="ap_fixed<8,4>", activation="ap_fixed<8,4>")
    assert made.widths["accumulator"] == 12
    x = nf.quantize(np.full((1, 8), 3.5), "ap_fixed<8,4>")
    assert float(made.compute(x, nf.quantize(np.full((8, 1), 2.0), "ap_fixed<8,4>")).item()) == (2**11 - 1) / 2**6
    rounded = hw.unit("ap_fixed<12,6,AP_RND,AP_SAT>", weight="ap_fixed<8,4>", activation="ap_fixed<8,4>")
    wrapped = hw.unit("ap_fixed<12,6,AP_TRN,AP_WRAP>", weight="ap_fixed<8,4>", activation="ap_fixed<8,4>")
    assert wrapped.cost().area_um2 < made.cost().area_um2 < rounded.cost().area_um2
    names = made.cost().breakdown.part.tolist()
    assert "sum: saturate" in names  # each assignment settles
    assert "product: saturate" in names
    assert not [n for n in wrapped.cost().breakdown.part if "saturate" in n]


def areas(paths, weight="float16", activation="float16", flow=None, **options):
    return [hw.unit(p, weight=weight, activation=activation, **options).cost(flow=flow).area_um2 for p in paths]


def test_what_decides_the_numerics_decides_the_price():
    for cheaper in (
        ("fp16+rz", "fp16", "fp16+product=fp32", "fp32"),
        ("bf16", "bf16+sr4", "bf16+sr8"),
        ("fp16", "fp16+kahan"),
        ("fp16", "fp16>fp32"),
        ("fp16", "fp16+splitk2", "fp16+splitk2+order<1,0>", "fp16+splitk2+order<2,0,3,1>"),
        ("bitmod.rtl", "bitmod.paper", "bitmod.paper<nearest>", "bitmod.paper<nearest,guard=8>"),
        ("aligned<4,13,short>", "aligned<4,25,rz>", "aligned<8,25,rz>", "aligned<16,25,rz>"),
        ("fp32+lmul<fp16>", "fp32+lmul<fp16>=formula", "fp32"),
    ):
        weight = "int4" if "bitmod" in cheaper[0] else "float16"
        found = areas(cheaper, weight)
        assert found == sorted(found), cheaper
        assert len(set(found)) == len(found), cheaper
    inside, beyond = (hw.unit("fp16", weight=f, activation=f).cost().breakdown.part.tolist() for f in ("e2m1", "e4m3fn"))
    assert "product limits" not in inside  # 6 * 6 is no overflow, 448 * 448 is
    assert "product limits" in beyond
    promoted = hw.unit("fp16+chunk128>fp32", weight="float16", activation="float16").cost().breakdown.part
    assert not promoted.str.startswith("scale").any()  # pieces are added, not scaled
    for cheaper in (("int16", "int24", "int32", "int32+saturate"), ("int32", "int32|relu", "int32|relu|cast=int8", "tflite")):
        found = areas(cheaper, "int8", "int8")
        assert found == sorted(found)
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("flow", [None, "area"])
def test_policies_of_the_operands(flow):
    """NaN and infinities, subnormals: flushed formats and those without special values are cheaper."""
    plain, fn, ieee = (nf.Float(4, 3, 7, s) for s in ("none", "fn", "ieee"))
    found = areas(["fp16"], plain, plain, flow) + areas(["fp16"], fn, fn, flow)
    assert found == sorted(found)
    assert found[0] < found[1]
    assert areas(["fp16"], ieee, ieee, flow)[0] > found[0]
    half = nf.parse("float16")
    flushed, kept = (areas(["fp16"], w, w, flow)[0] for w in (FlushedFloat(half), half))
    assert flushed < kept
    units = [nf.Float(5, 10, 15, s) for s in ("none", "ieee")]
    totals = [hw.unit(nf.Datapath(FloatAccumulator(f)), weight=plain, activation=plain).cost(flow=flow).area_um2 for f in units]
    assert totals[0] < totals[1]


def test_without_special_values_the_calibrated_units():
    plain, target = nf.Float(4, 3, 7, "none"), nf.Float(5, 10, 15, "none")
    made = hw.unit(nf.Datapath(FloatAccumulator(target, fused=True)), weight=plain, activation=plain)
    same = hw.unit("fp_mac_float", E1=4, M1=3, E2=4, M2=3, E=5, M=10)
    held = made.structure.cells()
    assert held.pop("dff") == 16
    assert held == same.structure.cells()
    assert made.structure.path == same.structure.path


@settings(max_examples=120, deadline=None)
@given(data=st.data(), flow=st.sampled_from([None, "area", "delay"]))
def test_more_bits_are_never_cheaper(data, flow):
    """One more bit anywhere: area and energy grow or stay, where no part goes."""
    e, m, g = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 9)), data.draw(st.integers(1, 7))
    kind = data.draw(st.sampled_from(["float", "fma", "exact", "int", "saturate", "fixed", "aligned", "bitmod"]))
    more = data.draw(st.sampled_from([0, 1]))

    def made(step):
        one, other = (step, 0) if more else (0, step)
        group = 1 << g
        if kind in ("float", "fma"):
            tail = "+fma" if kind == "fma" else ""
            w = f"float<{e},{m + one}>"
            return hw.unit(f"float<6,{m + 3 + other}>{tail}", weight=w, activation=f"float<{e},{m}>")
        if kind == "exact":
            return hw.unit("exact", weight=f"float<{min(e, 5)},{m + one}>", activation="e4m3fn", group=group)
        if kind in ("int", "saturate"):
            tail = "+saturate" if kind == "saturate" else ""
            return hw.unit(f"int{16 + m + other}{tail}", weight=f"int{m + 1 + one}", activation="int8")
        if kind == "fixed":
            return hw.unit(f"fixed<{16 + other},{8 + other}>", weight=f"fixed<{m + 3 + one},3>", activation="fixed<8,3>")
        if kind == "aligned":
            return hw.unit(f"aligned<{g},{12 + m + other},rz>", weight=f"float<{e},{m + one}>", activation="float16")
        return hw.unit(f"bitmod.paper<guard={m + one},kept={12 + g + 8 * other}>", weight="int4", activation="float16")

    def least(step):
        """Area and energy but for the rounding of products and subnormal ones: they go where the sum holds these exactly."""
        parts = made(step).cost(flow=flow).breakdown
        kept = parts[~parts.part.str.startswith(("product round", "product denormalise"))]
        return kept.area_um2.sum(), kept.energy_pj.sum()

    for small, large in zip(least(0), least(1), strict=True):
        assert large >= small * (1 - 1e-9)


@pytest.mark.parametrize(
    ("path", "operands"), [("fp32", FLOATS), ("int32", INTS), ("exact", ("e4m3fn", "e4m3fn")), ("fp16+pairwise", FLOATS)]
)
def test_lanes_scale(path, operands):
    costs = {n: hw.unit(path, weight=operands[0], activation=operands[1], lanes=n) for n in (1, 2, 4, 8)}
    areas = [c.cost().area_um2 for c in costs.values()]
    assert [c.macs for c in costs.values()] == [1, 2, 4, 8]
    if path == "fp32":  # elements side by side
        assert np.allclose(areas, np.array([1, 2, 4, 8]) * areas[0])
    elif path != "fp16+pairwise":  # one accumulator for all
        each = np.array(areas) / [1, 2, 4, 8]
        assert (np.diff(each) < 0).all()


def test_unit_of_a_matrix_instruction():
    made = hw.unit("h100.wgmma_m64n8k16_bf16_bf16_f32")
    assert (made.weight, made.activation, made.macs) == ("bfloat16", "bfloat16", 16)
    table = made.cost(flow="area").breakdown.set_index("part")
    assert table.area_um2["align"] > table.area_um2["accumulator align"]
    fp8 = hw.unit("h100.wgmma_m64n8k32_e4m3_e4m3_f32")
    each = [u.cost(flow="area").area_um2 / u.macs for u in (fp8, made)]
    assert each[0] < each[1]  # 13 fraction bits and four-bit significands
    assert (
        hw.unit("h100.mma_m8n8k4_f64_f64_f64").cost().area_um2
        > hw.unit("fp32+fma", weight="float32", activation="float32").cost().area_um2
    )


def test_encoders_and_outer_accumulators_are_shared():
    few, many = (
        hw.unit("bitmod.paper>fp32", weight="bitmod4/g128", activation="float16", share=n).cost().breakdown.set_index("part")
        for n in (1, 8)
    )
    shared = [p for p in few.index if p.startswith(("encoder", "outer"))]
    assert len(shared) > 5
    assert np.allclose(few.area_um2[shared], 8 * many.area_um2[shared])
    assert np.allclose(few.area_um2.drop(shared), many.area_um2.drop(shared))
    assert hw.unit("bitmod.paper", weight="int8", activation="float16").macs == 1.0
    assert hw.unit("bitmod.paper", weight="int4", activation="float16").macs == 2.0


# units compute


# those whose stages or random bits are arguments of their own, or whose kernels take seconds to compile
APART = ("bitmod", "|", "tflite", "hawq", "fbgemm", "qnnpack", "tosa", "onnx", "+sr", "SAT_SYM", "AP_TRN")


@pytest.mark.parametrize("path", [p for p in PATHS if not any(word in p for word in APART)])
def test_datapaths_compute_what_numfmt_does(path):
    rng = np.random.default_rng(0)
    weight, activation = PATHS[path]
    a, b = nf.quantize(rng.standard_normal((3, 16)) * 3, activation), nf.quantize(rng.standard_normal((2, 16)) * 3, weight).T
    made = hw.unit(path, weight=weight, activation=activation)
    assert np.array_equal(made.compute(a, b), nf.matmul(a, b, path))
    values = made.compute(a.dequantize(), b.dequantize())
    assert np.array_equal(values, nf.matmul(a, b, path))


def test_schemes_compute():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((4, 64)).astype(np.float32), rng.standard_normal((64, 3)).astype(np.float32)
    made = hw.unit("int32>fp32", weight="int4/g32", activation="int8/token")
    assert np.array_equal(
        made.compute(x, w), nf.matmul(nf.quantize(x, "int8/token"), nf.quantize(w.T.copy(), "int4/g32").T, "int32>fp32")
    )
    out = hw.unit("int32|bias|relu", **dict(zip(("weight", "activation"), INTS, strict=True)))
    sums = np.array([[3, -4]]), np.array([[5, 1], [2, -9]])
    assert out.compute(*sums, bias=[1, 1]).tolist() == [[8, 40]]
    stochastic = hw.unit("bf16+sr8", weight="bfloat16", activation="bfloat16").compute(x, w, seed=3)
    assert stochastic.shape == (4, 3)


def test_components_compute():
    rng = np.random.default_rng(2)
    a, b, c = rng.integers(-128, 128, (50, 4)), rng.integers(-8, 8, (50, 4)), rng.integers(-2000, 2000, 50)
    unit = hw.unit
    assert np.array_equal(unit("int_mul", W=4, A=8).compute(a, b), a * b)
    wrapped = (c + (a * b).sum(-1) + 2048) % 4096 - 2048
    assert np.array_equal(unit("int_dot", L=4, W=4, A=8, K=12).compute(a, b, c), wrapped)
    assert np.array_equal(
        unit("tern_mac", L=4, A=8, K=12).compute(a, np.sign(b), c), (c + (a * np.sign(b)).sum(-1) + 2048) % 4096 - 2048
    )
    u = a & 255
    assert unit("lzc", N=8).compute(u).tolist() == [[8 - int(v).bit_length() for v in row] for row in u]
    assert unit("int_add", N=8).compute(u, u).tolist() == (2 * u).tolist()
    assert unit("xnor_popcount", N=8).compute(u, 255 - u).tolist() == np.zeros_like(u).tolist()
    assert unit("shifter", N=8).compute(u, np.full_like(u, 3)).tolist() == (u << 3 & 255).tolist()
    assert unit("shifter", N=8, AR=1).compute(a, np.full_like(a, 3)).tolist() == (a >> 3).tolist()
    assert unit("shift_mac", W=4, A=8, K=16).compute(3, 0b1011, 7).item() == 7 - 3 * 4
    assert unit("requant", A=16, MB=8, O=8, SB=4).compute(1000, 3, 5).item() == (3000 + 16) >> 5
    x, y = (rng.standard_normal(100).astype(np.float32) for _ in range(2))
    for kind, operation in (("fp_add", nf.add), ("fp_mul", nf.multiply)):
        assert np.array_equal(unit(kind, E=5, M=10).compute(x, y), operation(x, y, "float16"))
    assert unit("lmul", E=4, M=3).compute(1.5, 1.25) == nf.lmul(1.5, 1.25, nf.Float(4, 3, 7, "none"))
    with pytest.raises(ValueError, match="8 bits hold"):
        unit("int_add", N=8).compute(300, 1)
    with pytest.raises(ValueError, match="2 operands"):
        unit("int_add", N=8).compute(3)
    with pytest.raises(ValueError, match="function of component"):
        unit("decoder", N=8).compute(3)


def _per_gate(path, **options):
    """fJ of an operation and gate equivalent, by part, as synthesised."""
    table = hw.unit(path, **options).cost("nangate45", "area").breakdown.set_index("part")
    return 1e3 * table.energy_pj / table.area_ge


@pytest.mark.parametrize(
    ("path", "operands"),
    [
        ("fp32", "e4m3fn"),
        ("fp32+fma", "e4m3fn"),
        ("fp32+rz", "e4m3fn"),
        ("fp32+product=bf16", "e4m3fn"),
        ("fp32+lmul<float<6,3>>", "e4m3fn"),
        ("fp32+lmul", "e4m3fn"),
        ("fp32+table<drum6_8s>", "int8"),
    ],
)
def test_a_running_sum_toggles_alike_behind_every_product(path, operands):
    """As that of `fp_mac_float` was measured; two independent words as those of `fp_add`."""
    found = _per_gate(path, weight=operands, activation=operands)
    measured = _per_gate("fp_mac_float", E1=4, M1=3, E2=4, M2=3, E=8, M=23)
    for part in ("magnitude compare", "align", "significand sum", "carry"):
        assert found[part] == pytest.approx(measured[part])
    independent = _per_gate("fp32+pairwise", weight="float16", activation="float16", group=2)
    adder = _per_gate("fp_add", E=8, M=23)
    for part in ("magnitude compare", "align", "significand sum", "carry"):
        assert 2 * independent[f"tree level 1: {part}"] == pytest.approx(adder[part])  # one addition for two products
        assert adder[part] > 2 * found[part]


def test_what_works_once_a_group_does_so_behind_a_zero_point_and_in_many_lanes():
    values = {f.name: f.value for f in hw.unit("int_add", N=8).cost(flow="area").facts}
    for lanes in (1, 2):
        for weight in ("int4/g64", "int4/g64+asym"):
            found = _per_gate("exact:fp16", weight=weight, activation="int8", lanes=lanes)
            assert 64 * found["output normalise"] == pytest.approx(values["fj shift"])
            assert 64 * found["output round"] == pytest.approx(values["fj data"])
    for lanes in (1, 3):
        found = _per_gate("h100.mma_m16n8k32_e4m3_e4m3_f32", lanes=lanes)
        assert 2 * found["outer: align"] == pytest.approx(values["fj float sum"])  # poured after two blocks


def test_operands_are_made_words_of_the_l_mul_adders_format():
    def front(path, weight, activation="bfloat16"):
        made = hw.unit(path, weight=weight, activation=activation).cost().breakdown
        chosen = made[made.part.str.startswith(("weight to", "activation to"))]
        return {part.split(": ")[1] for part in chosen.part}, chosen.area_um2.sum()

    assert front("fp32+lmul<bf16>", "bfloat16") == (set(), 0)
    assert front("fp32+lmul<bf16>", "float<8,3>")[0] == set()  # the same exponents: zeros below the mantissa
    names, kept = front("fp32+lmul<bf16>", "e4m3fn")
    assert names == {"hidden bit", "hidden bit, upper levels", "leading zeros", "normalise", "exponent"}
    names, flushed = front("fp32+lmul<bf16>", FlushedFloat(nf.parse("e4m3fn")))
    assert names == {"exponent"}  # no subnormals, a new bias
    assert 0 < flushed < kept
    assert front("fp32+lmul<bf16>", "int8")[0] >= {"magnitude", "leading zeros", "normalise", "exponent"}
    both = front("fp32+lmul<float<6,3>>", "e4m3fn", "e4m3fn")[1]
    assert both == pytest.approx(2 * front("fp32+lmul<float<6,3>>", "e4m3fn", "float<6,3>")[1])
    flags = hw.unit("fp32+lmul<bf16>", weight="bfloat16", activation="bfloat16").cost().breakdown.part
    assert "special products" in set(flags)
    plain = nf.Float(4, 3, 7, "none")
    assert (
        not hw.unit("fp32+lmul<float<4,3>>", weight=plain, activation=plain)
        .cost()
        .breakdown.part.str.contains("special prod")
        .any()
    )
