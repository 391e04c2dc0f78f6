"""Scores: plans on elements, dequantizers, bits charged, refusals."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
import numfmt as nf
from hwmodel.scoring import SUMMED
from hwmodel.workloads import frame

DECODE = hw.workload("llama-2-7b", "decode")
LINEAR = ~DECODE.kind.str.startswith("attention")
ADDED = "scheme activation datapath native weight_bits weight_bits_exact activation_bits compute_cycles dram_cycles"
ADDED += " cycles latency_s energy_core_j energy_sram_read_j energy_sram_write_j energy_dram_j energy_dequant_j energy_j"
COLUMNS = [*ADDED.split(), "dram_bytes"]


def test_report_has_the_columns_and_they_add_up():
    got = hw.score(DECODE, "bitmod@j25", "bitmod4/g128")
    assert list(got.layers.columns) == [*DECODE.columns, *COLUMNS]
    pd.testing.assert_frame_equal(got.layers[list(DECODE.columns)], DECODE, check_dtype=False)
    for name in SUMMED:
        assert got.total[name] == got.layers[name].sum()
    parts = [c for c in COLUMNS if c.startswith("energy_") and c != "energy_j"]
    assert np.allclose(got.layers[parts].sum(axis=1), got.layers.energy_j, rtol=1e-14)
    assert got.energy_j == got.total.energy_j
    assert got.latency_s == got.total.latency_s == pytest.approx(got.total.cycles * 1e-9)
    assert got.area_mm2 == sum(got.area.values())
    assert (got.layers.cycles == np.maximum(got.layers.compute_cycles, got.layers.dram_cycles)).all()
    assert list(got.sources.columns) == ["name", "value", "unit", "source", "status"]
    assert {"pe.energy_pj", "dram.energy_pj_per_bit"} <= set(got.sources.name)
    assert "bitmod@j25" in repr(got)


@pytest.mark.parametrize(
    ("acc", "plan", "native"),
    [
        ("fp16@j25", "float16", True),
        ("fp16@j25", "int8/channel", False),
        ("fp16@j25", "nf4/g64", False),
        ("bitmod@j25", "bitmod3/g128", True),
        ("bitmod@j25", "mxfp4/g32", True),
        ("bitmod@j25", "int8/g128", True),
        ("bitmod@j25", "nf4/g64", False),
        ("bitmod@j25", "int4/g128+asym", False),
        ("ant@j25", "flint4/channel", True),
        ("ant@j25", "mixed<int4,flint4>/g128", True),
        ("ant@j25", "e2m1/g32", False),
        ("olive@h25", "int4/g128", True),
        ("olive@h25", "int5/g128", False),
    ],
)
def test_native_or_dequantized(acc, plan, native):
    got = hw.score(DECODE, acc, plan)
    assert (got.layers.native[LINEAR] == native).all()
    assert ((got.layers.energy_dequant_j[LINEAR] > 0) == (not native)).all()
    assert ("dequantizers" in got.area) == (not native)
    assert got.sources.name.str.contains("dequantizer of").any() == (not native)


def test_dequantizing_keeps_the_traffic_and_runs_float16():
    acc = "bitmod@j25"
    nf4, fp4 = hw.score(DECODE, acc, "nf4/g128"), hw.score(DECODE, acc, "bitmod4/g128")
    assert (nf4.layers.dram_bytes == fp4.layers.dram_bytes).all()
    assert (nf4.layers.compute_cycles[LINEAR] == 4 * fp4.layers.compute_cycles[LINEAR]).all()
    assert nf4.sources.name.str.contains("float16 weights in the element").any()
    # the fp16 array itself has no cycles to lose
    assert hw.score(DECODE, "fp16@j25", "nf4/g128").total.compute_cycles == hw.score(DECODE, "fp16@j25").total.compute_cycles


def test_dequantizer_energy_is_a_weight_times_each_fetch_into_the_array():
    work = hw.workload("phi-2", "prefill", 256)
    got = hw.score(work, "fp16@j25", "int4/g128")
    linear = got.layers[got.layers.kind == "linear"]
    fetches = linear.weights * np.ceil(linear.m / got.array.width)
    each = linear.energy_dequant_j / fetches
    assert np.allclose(each, each.iloc[0], rtol=1e-12)
    row = got.sources.set_index("name").loc["dequantizer of int4/g128"]
    assert each.iloc[0] * 1e12 == pytest.approx(row.value)
    assert row.value > 1.5 * 0.49  # the published FP16 multiplier with place and route, and a converter


def test_float16_needs_no_converter_where_it_is_not_native():
    got = hw.score(DECODE, "bitmod@j25", "float16")
    assert not got.layers.native[LINEAR].any()
    assert got.total.energy_dequant_j == 0


def test_bits_charged_and_exact():
    exact = nf.scheme("bitmod4/g128").bits_per_element((4096, 4096))
    got = hw.score(DECODE, "bitmod@h25", "bitmod4/g128").layers
    assert (got.weight_bits[LINEAR] == 4.0625).all()
    assert np.allclose(got.weight_bits_exact[LINEAR], exact)
    assert (got.weight_bits[~LINEAR] == 16).all()
    got = hw.score(DECODE, "fp16@h25", "int4/g128").layers
    assert (got.weight_bits == got.weight_bits_exact).all()
    assert (got.weight_bits[LINEAR] == 4.25).all()
    assert (hw.score(DECODE, "bitmod@h25", "int4/channel").layers.weight_bits[LINEAR] == 4).all()


def test_keys_and_values():
    assert (hw.score(DECODE, "bitmod@j25", "bitmod4/g128").layers.weight_bits[~LINEAR] == 8).all()
    quantized = hw.score(DECODE, "fp16@j25", "w=float16; kv=int8/token").layers[~LINEAR]
    assert np.allclose(quantized.weight_bits, 8 + 32 / 4096)
    assert not quantized.native.any()
    four = hw.score(DECODE, "bitmod@j25", "w=bitmod4/g128; kv=int4/token").layers[~LINEAR]
    eight = hw.score(DECODE, "bitmod@j25", "w=bitmod4/g128; kv=int8/token").layers[~LINEAR]
    assert (four.compute_cycles * 2 == eight.compute_cycles).all()
    assert (four.scheme == "int4/token").all()


def test_plans_per_layer():
    work = hw.workload("opt-1.3b", "decode", fold=False)
    plan = nf.Plan.parse({"default": {"w": "bitmod4/g128"}, "layers": {"layers.0.*": {"w": "int8/g128"}}})
    got = hw.score(work, "bitmod@j25", plan).layers
    first = got.layer.str.startswith("layers.0.") & (got.kind == "linear")
    assert (got.weight_bits[first] == 8.0625).all()
    assert (got.weight_bits[(got.kind == "linear") & ~first] == 4.0625).all()
    row = got.set_index("layer").compute_cycles
    assert row["layers.0.q_proj"] == 2 * row["layers.1.q_proj"]


def test_imposed_bits():
    one = hw.score(DECODE, "olive@h25", "int4/channel", weight_bits=3.75).layers
    assert (one.weight_bits[LINEAR] == 3.75).all()
    some = hw.score(DECODE, "olive@h25", "int4/channel", weight_bits={"layers.*": 4, "lm_head": 8}).layers
    bits = some.set_index("layer").weight_bits
    assert (bits["lm_head"], bits["layers.*.q_proj"]) == (8, 4)
    assert some.weight_bits[~LINEAR].eq(16).all()


def test_phase_chooses_the_array():
    assert str(hw.score(DECODE, "fp16@j25").array) == "64x12"
    assert str(hw.score(DECODE, "fp16@j25", phase="prefill").array) == "32x24"
    bare = DECODE.copy()
    bare.attrs = {}
    assert hw.score(bare, "fp16@j25").phase == "decode"
    bare = hw.workload("phi-2", "prefill", 7)
    bare.attrs = {}
    assert hw.score(bare, "fp16@j25").phase == "prefill"


def test_rows_may_be_selected_and_only_attention_scored():
    got = hw.score(DECODE[DECODE.kind != "linear"], "bitmod@h25", "bitmod4/g128")
    assert len(got.layers) == 2
    full = hw.score(DECODE[LINEAR], "bitmod@h25", "bitmod4/g128")
    assert full.total.dram_bytes < hw.score(DECODE, "bitmod@h25", "bitmod4/g128").total.dram_bytes


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 600),
    n=st.integers(1, 5000),
    groups=st.integers(1, 50),
    name=st.sampled_from(["fp16@j25", "ant@h25", "olive@j25", "bitmod@h25"]),
)
def test_fewer_bits_never_cost_more_traffic_and_more_tokens_never_less(m, n, groups, name):
    def run(bits: float, tokens: int) -> pd.Series:
        work = frame.table([frame.linear("l", 1, tokens, n, 128 * groups)])
        return hw.score(work, name, "int4/g128", phase="prefill", weight_bits=bits).total

    low, high, more = run(4, m), run(8, m), run(4, m + 32)
    assert low.dram_bytes <= high.dram_bytes
    assert more.compute_cycles >= low.compute_cycles
    assert more.dram_bytes > low.dram_bytes
    # no schedule moves less than every operand once
    assert low.dram_bytes >= n * 64 * groups + 2 * m * (128 * groups + n)


def bad(column: str, value: float) -> pd.DataFrame:
    work = DECODE.copy()
    work[column] = work[column].astype(float)
    work.loc[3, column] = value
    return work


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (DECODE.iloc[:0], "no rows"),
        (DECODE.drop(columns="k"), "lacks the columns k"),
        ("llama-2-7b", "DataFrame"),
        (bad("m", math.nan), "'m' holds nan"),
        (bad("n", -5), "'n' holds -5"),
        (bad("k", 0), "'k' holds 0"),
        (bad("count", 1.5), "'count' holds 1.5"),
        (bad("heads", math.inf), "'heads' holds inf"),
        (DECODE.assign(k="many"), "'k' holds 'many'"),
        (DECODE.assign(kind="lstm"), "layer kind 'lstm'"),
    ],
)
def test_bad_workloads(work, words):
    with pytest.raises(ValueError, match=words):
        hw.score(work, "fp16@j25", "float16")


@pytest.mark.parametrize(
    ("acc", "plan", "words"),
    [
        ("systolic", "w=nf4/g64; a=int8/token", "no float16 mode"),
        ("systolic", "w=float16; a=int8/token", "no float16 mode"),
        ("systolic", "int8/channel", "activations of scheme 'float16'"),
        ("systolic", "w=int8/channel; a=int8/token; kv=nf4/g64", "attention_qk.*no float16 mode"),
        ("bitmod@j25", "w=int4/g128; a=int8/token", "activations of scheme 'int8/token'"),
        ("fp16@j25", "w=int4/g128; path=fp32", "computes fp16, the plan asks for path=fp32"),
        ("fp16@j25", "bfloat16", "bfloat16.*float16"),
        ("fp16@j25", "float32", "float32.*float16"),
        ("fp16@j25", "float32/channel", "float32.*float16"),
        ("fp16@j25", "int4/g96", "layer layers.*q_proj: group size 96"),
        ("fp16@j25", "int5x/g128", "int5x"),
        ("fp17@j25", "float16", "fp16@j25"),
    ],
)
def test_plans_that_the_element_cannot_run(acc, plan, words):
    with pytest.raises(ValueError, match=words):
        hw.score(DECODE, acc, plan)


@pytest.mark.parametrize("bits", [math.nan, -4, 0, math.inf, "four", True, 0.5, 65, {"layers.0.*": 4}, {"lm_head": math.nan}])
def test_bad_imposed_bits(bits):
    with pytest.raises(ValueError, match="weight_bits"):
        hw.score(DECODE, "ant@h25", "int4/channel", weight_bits=bits)


def test_bad_phase():
    with pytest.raises(ValueError, match="phase 'decoding'"):
        hw.score(DECODE, "fp16@j25", phase="decoding")


def test_the_accelerators_own_path_may_be_named():
    assert (hw.score(DECODE, "fp16@j25", "w=float16; path=fp16").layers.datapath == "fp16").all()
    assert hw.score(DECODE, "bitmod@j25", "w=int4/g128; path=bitmod.paper>fp32").layers.datapath[0] == "bitmod.paper>fp32"


def test_missing_dequantizer_technology_is_refused():
    acc = replace(hw.accelerator("fp16@j25"), name="bare", dequantizer_technology="")
    with pytest.raises(ValueError, match="dequantizer_technology"):
        hw.score(DECODE, acc, "int4/g128")
    other = replace(acc, name="at 45 nm", dequantizer_technology="nangate45")
    assert hw.score(DECODE, other, "int4/g128").total.energy_dequant_j > 0


def test_a_score_leaves_its_workload_alone():
    before = DECODE.copy()
    layers = hw.score(DECODE, "bitmod@h25", "bitmod4/g128").layers
    layers.loc[:, "m"] = 0
    pd.testing.assert_frame_equal(DECODE, before)
    assert DECODE.attrs == before.attrs
