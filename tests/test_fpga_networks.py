"""Networks on FPGAs: foldings by their units, searches against all combinations, and what is refused."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.fpga import layers as fl
from hwmodel.fpga import packings
from hwmodel.fpga.chips import Device
from hwmodel.fpga.chips import device as part_named
from hwmodel.fpga.layers import search, units_of
from hwmodel.workloads import frame
from tests.reference import fpga_layers as plain

DATA = Path(__file__).parent / "data"


def rows(name):
    with open(DATA / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def dense(*shapes, images=1):
    return frame.table([frame.linear(f"fc{i}", 1, images, o, n) for i, (n, o) in enumerate(shapes)], batch=images)


# Whole networks


NET = dense((16, 64), (64, 32), (32, 32), (32, 5))
PLAN = "w=int6/channel; a=int6/token"


def test_a_given_folding_is_scored_by_the_units():
    fold = {"*": (1, 1), "fc1": (4, 16), "fc2": {"pe": 8, "simd": 4, "multiplier": "dsp", "memory": "distributed"}}
    score = hw_score(NET, "xczu3eg", PLAN, fold, thresholds="none")
    table = score.layers.set_index("layer")
    first = fl.mvau(32, 64, 4, 16, 6, 6)
    second = fl.mvau(32, 32, 8, 4, 6, 6, multiplier="dsp", memory="distributed")
    for name, unit in (("fc1", first), ("fc2", second)):
        for resource in ("lut", "dsp", "bram18", "uram"):
            assert table.loc[name, resource] == getattr(unit, resource)
        assert table.loc[name, "ii_cycles"] == unit.cycles
    assert score.total["ii_cycles"] == table["ii_cycles"].max() == 1024
    assert score.latency_s == pytest.approx(table["ii_cycles"].sum() / 100e6)
    assert score.throughput_per_s == pytest.approx(100e6 / 1024)
    assert score.total["lut"] == table["lut"].sum() == score.parts["lut"].sum()
    assert math.isnan(score.energy_j)
    assert score.fits
    assert score.misfit == ""
    again = hw_score(NET, "xczu3eg", PLAN, score.folding, thresholds="none")
    pd.testing.assert_frame_equal(again.layers, score.layers)


def hw_score(work, part, plan, fold=None, architecture="finn", **options):
    return fl.fpga_score(work, part, plan, fold, architecture, **options)


def test_a_shell_takes_its_part():
    alone, within = (hw_score(NET, "xczu9eg", PLAN, {"*": (1, 1)}, shell=shell) for shell in (False, True))
    extra = [int(within.total[r] - alone.total[r]) for r in units_of.RESOURCES]
    assert extra == [33256, 44889, 3, 199, 0]
    assert alone.places
    crowded = hw_score(NET, "xczu3eg", PLAN, {"fc1": (32, 32)})
    assert crowded.fits
    assert not crowded.places


def test_devices_described_elsewhere():
    known = part_named("xczu3eg")
    other = Device("mine", "xcup", "dsp48e2", lut=70560, ff=141120, dsp=360, bram36=216, uram=0)
    assert [getattr(part_named(other), r) for r in units_of.RESOURCES] == [getattr(known, r) for r in units_of.RESOURCES]
    score = hw_score(NET, other, PLAN, {"*": (1, 1)})
    assert score.total["lut"] == hw_score(NET, known, PLAN, {"*": (1, 1)}).total["lut"]
    assert "user" in set(score.sources["status"])
    with pytest.raises(ValueError, match="LUTs of six inputs"):
        hw_score(NET, replace(other, fabric="ice40", block=None), PLAN)
    with pytest.raises(ValueError, match="dsp48e2"):
        replace(other, block="dsp48e3")


def test_repeated_layers_and_batches():
    once = frame.table([frame.linear("a", 1, 1, 8, 8)], batch=1)
    thrice = frame.table([frame.linear("a", 3, 4, 8, 8)], batch=4)
    one, many = (hw_score(w, "xczu3eg", PLAN, {"a": (2, 2)}) for w in (once, thrice))
    assert many.total["lut"] == many.layers["lut"].sum() == 3 * one.total["lut"]
    assert many.total["ii_cycles"] == one.total["ii_cycles"]
    assert many.latency_s == pytest.approx(3 * one.latency_s)


def small_network():
    convolution = frame.conv2d("conv", 1, (4, 6), (9, 9), (3, 3))
    return frame.table([convolution, frame.linear("fc0", 1, 1, 3, 4), frame.linear("fc1", 1, 1, 4, 3)], batch=1)


@pytest.mark.parametrize("room", [(9000, 9000, 40, 40, 4), (2600, 3000, 4, 12, 0), (2400, 3000, 0, 8, 0)])
def test_searches_equal_brute_force(room):
    device = Device("toy", "xcup", "dsp48e2", *room[:3], bram36=room[3] // 2, uram=room[4])
    work, plan = small_network(), "w=int4/channel; a=int4/token"
    from hwmodel.fpga.layers.finn import FINN
    from hwmodel.fpga.layers.network import network

    options = {**FINN.options, "memories": ("distributed", "block")}
    net = network(work, plan)
    every = [FINN.ways(one, device, options) for one in net.layers]
    # brute force over what no other way of the layer beats (checked below to lose nothing)
    ways = []
    for choices in every:
        points = [(int(c), tuple(map(int, r))) for c, r in zip(choices.cycles, choices.resources, strict=True)]
        ways.append(
            [
                p
                for p in set(points)
                if not any(q != p and q[0] <= p[0] and all(a <= b for a, b in zip(q[1], p[1], strict=True)) for q in points)
            ]
        )
    want = plain.best_design(ways, room)
    if want is None:
        with pytest.raises(fl.DoesNotFit) as caught:
            hw_score(work, device, plan, limit=1.0, gap=0, memories=options["memories"])
        assert caught.value.shortage
        return
    got = hw_score(work, device, plan, limit=1.0, gap=0, memories=options["memories"])
    share = sum(got.total[r] / n for r, n in zip(units_of.RESOURCES, room, strict=True) if n)
    assert (got.total["ii_cycles"], share) == (want[0], pytest.approx(want[1], rel=1e-9))
    for most in (want[0], 3 * want[0], 20 * want[0]):
        best = plain.best_design(ways, room, most)
        found = hw_score(work, device, plan, 100e6 / most * 0.999999, limit=1.0, gap=0, memories=options["memories"])
        share = sum(found.total[r] / n for r, n in zip(units_of.RESOURCES, room, strict=True) if n)
        assert share == pytest.approx(best[1], rel=1e-9)
        assert found.total["ii_cycles"] <= most


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_undominated_rows(seed):
    costs = np.random.default_rng(seed).integers(0, 5, (40, 4))
    kept = {tuple(costs[i]) for i in search.undominated(costs)}
    want = {tuple(r) for r in costs if not any((q <= r).all() and (q < r).any() for q in costs)}
    assert kept == want
    assert len(search.undominated(costs)) == len(want)


def test_a_search_of_resnet18():
    work = hw.workload("resnet-18")
    fast = hw_score(work, "xcu250", "w=int3/channel; a=int4/token")
    assert fast.fits
    assert (fast.utilisation["share"] <= fast.utilisation["advised"]).all()
    least = hw_score(work, "xcu250", "w=int3/channel; a=int4/token", 500)
    assert least.throughput_per_s >= 500
    assert least.total["lut"] < fast.total["lut"]


def test_arrays_of_units_are_the_units_one_by_one():
    rng = np.random.default_rng(0)
    pe, simd = 2 ** rng.integers(0, 6, 40), 2 ** rng.integers(0, 6, 40)
    w, a = rng.integers(1, 9, 40), rng.integers(1, 9, 40)
    many = fl.mvau(64, 576, pe, simd, w, a)
    for i in range(len(pe)):
        one = fl.mvau(64, 576, int(pe[i]), int(simd[i]), int(w[i]), int(a[i]))
        assert [int(getattr(many, r)[i]) for r in units_of.RESOURCES] == [int(getattr(one, r)) for r in units_of.RESOURCES]
        assert int(many.cycles[i]) == int(one.cycles)


def test_architectures_of_one_network():
    scores = {name: hw_score(NET, "xcvu9p", PLAN, architecture=name) for name in fl.ARCHITECTURES}
    for name, score in scores.items():
        assert score.architecture == name
        assert score.fits
        assert set(score.sources["status"]) & {"read", "inferred"}
        assert {"lut", "ff", "dsp", "bram18", "uram", "ii_cycles", "latency_s"} <= set(score.layers.columns)
        assert repr(score)
    unrolled = scores["unrolled"]
    assert unrolled.total["lut"] == 4256 * 5 * 6
    assert unrolled.total["dsp"] == 0
    assert unrolled.total["ii_cycles"] == 1
    hls = hw_score(NET, "xcvu9p", "w=int16/channel; a=int16/token", {"*": 1}, "hls4ml", strategy="latency")
    assert hls.total["dsp"] == 4256


def test_unrolled_weights_are_adder_graphs():
    weights = np.random.default_rng(0).integers(-31, 32, (5, 32))
    score = hw_score(NET, "xcvu9p", PLAN, architecture="unrolled", weights={"fc3": weights})
    row = score.layers.set_index("layer").loc["fc3"]
    assert row["lut"] == math.ceil(fl.adder_graph(weights, 6).luts)
    assert row["priced_by"] == "adder graph"
    assert row["lut"] < 5 * 32 * 5 * 6
    with pytest.raises(ValueError, match=r"weights of layer fc3 have shape \(5, 31\)"):
        hw_score(NET, "xcvu9p", PLAN, architecture="unrolled", weights={"fc3": weights[:, 1:]})


def test_systolic_arrays():
    work = hw.workload("resnet-18")
    score = hw_score(work, "xczu3eg", "w=int8/channel; a=int8/token", {"rows": 16, "cols": 8}, "systolic")
    assert score.total["dsp"] == 16 * 4  # two products a block
    from hwmodel.accelerators.systolic import counts

    layer = work.iloc[0]
    assert score.layers["compute_cycles"].iloc[0] == counts("ws", 16, 8, layer["m"], layer["k"], layer["n"]).cycles + 1
    assert score.latency_s == pytest.approx(score.layers["latency_s"].sum())
    four = hw_score(work, "xczu3eg", "w=int4/channel; a=int4/token", (16, 8), "systolic")
    assert four.total["dsp"] == 16 * 2
    versal = hw_score(work, "xcvc1902", "w=int8/channel; a=int8/token", (16, 8), "systolic")
    assert versal.total["dsp"] == 8 * 6
    slow = hw_score(work, "xczu3eg", "w=int8/channel; a=int8/token", {"rows": 16, "cols": 8, "dram_gb_s": 0.01}, "systolic")
    assert slow.latency_s > score.latency_s
    logic = hw_score(work, "xczu3eg", "w=int2/channel; a=int2/token", {"rows": 8, "cols": 8, "pe": "lut"}, "systolic")
    assert logic.total["dsp"] == 0
    assert logic.total["lut"] > 64
    best = hw_score(work, "xczu3eg", "w=int8/channel; a=int8/token", architecture="systolic")
    assert best.latency_s <= score.latency_s
    assert (best.utilisation["share"] <= best.utilisation["advised"]).all()


def test_depthwise_convolutions_and_windows():
    work = hw.workload("mobilenetv2")
    score = hw_score(work, "xczu9eg", "w=int4/channel; a=int4/token", {"*": (1, 1)})
    table = score.layers.set_index("layer")
    depthwise = table[(table["kind"] == "conv2d") & (table["n"] == 1) & (table["batch"] > 1)]
    assert len(depthwise) == 17
    assert (depthwise["ii_cycles"] >= depthwise["batch"] * depthwise["k"] * depthwise["m"]).all()
    assert score.parts.set_index("part").loc["window", "bram18"] > 0
    name, channels, pixels = depthwise.index[0], int(depthwise["batch"].iloc[0]), int(depthwise["m"].iloc[0])
    wide = hw_score(work, "xczu9eg", "w=int4/channel; a=int4/token", {name: (channels, 9)}, thresholds="none")
    unit = fl.vvu(channels, 9, channels, 9, 4, 4, vectors=pixels)
    row = wide.layers.set_index("layer").loc[name]
    assert unit.cycles == pixels
    assert row["lut"] == unit.lut + 300
    # a window of one element a cycle is slower than a unit that takes all outputs at once
    convolution = small_network().iloc[:1]
    slow = hw_score(convolution, "xczu3eg", "w=int4/channel; a=int4/token", {"conv": (6, 1)}).layers.iloc[0]
    assert slow["ii_cycles"] == fl.window(4, (9, 9), (3, 3), (7, 7), 1, 4).cycles > 36 * 49


# What is refused


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"fold": {"fc0": (3, 4)}}, "pe of layer fc0 is 3, which does not divide the 64 outputs; the nearest that do: 2 or 4"),
        ({"fold": {"fc0": (4, 3)}}, "simd of layer fc0 is 3, which does not divide the 16 inputs; the nearest that do: 2 or 4"),
        ({"fold": {"fc9": (1, 1)}}, "did you mean fc"),
        ({"fold": {"fc0": {"pe": 2, "smid": 2}}}, "did you mean simd"),
        ({"fold": {"fc0": (1, 2, 3)}}, r"give \(pe, simd\)"),
        ({"fold": {"fc0": (0, 1)}}, "at least 1"),
        ({"fold": {"fc0": 7}, "architecture": "hls4ml"}, "the nearest that it takes: 4 or 8"),
        ({"fold": "much"}, "inferences a second"),
        ({"fold": 1e12}, "no folding of finn exceeds"),
        ({"architecture": "fin"}, "did you mean finn"),
        ({"multiplier": "lut"}, "unknown option"),
        ({"multipliers": "lits"}, "did you mean lut"),
        ({"memories": "blok"}, "did you mean block"),
        ({"memories": "ultra"}, "has no URAM"),
        ({"clock_mhz": 0}, "clock_mhz is 0"),
        ({"limit": 1.5}, "a share of the device"),
        ({"limit": {"luts": 0.5}}, "did you mean lut"),
        ({"fold": {"rows": 4, "dataflow": "is2"}, "architecture": "systolic"}, "did you mean is"),
        ({"fold": {"rows": 4, "cools": 2}, "architecture": "systolic"}, "did you mean cols"),
        ({"plan": "float16"}, "multiplies integers"),
        ({"plan": "w=int4/g128; a=int8/token"}, "scales inside the sum"),
        ({"plan": "w=nf4/channel; a=int8/token"}, "no numbers that a multiplier"),
        ({"plan": "w=int4/channel; a=int8/token+asym"}, "zero point"),
        ({"plan": "w=e2m1/channel; a=int8/token", "architecture": "systolic"}, "integers or floats, not both"),
        ({"plan": "w=e2m1/channel; a=e4m3fn/token", "fold": (4, 4), "architecture": "systolic"}, "pe='lut'"),
        ({"part": "xczu3e"}, "did you mean xczu3eg"),
        ({"part": 7}, "FPGA part or board"),
        ({"work": 3}, "give the DataFrame"),
        ({"work": NET.assign(kind="vector")}, "vector rows are not modelled"),
        ({"work": NET.assign(kind="lineer")}, "did you mean linear"),
        ({"work": NET.assign(n=0)}, "whole numbers of at least 1"),
        ({"work": NET.iloc[:0]}, "nothing to score"),
    ],
)
def test_bad_input(kwargs, text):
    kwargs = {"work": NET, "part": "xczu3eg", "plan": PLAN, **kwargs}
    with pytest.raises(ValueError, match=text):
        hw_score(**kwargs)


def test_designs_that_do_not_fit_say_what_is_missing():
    work = hw.workload("resnet-18")
    plan = "w=int8/channel; a=int8/token"
    with pytest.raises(fl.DoesNotFit, match="BRAM18 blocks beyond the 345") as caught:
        hw_score(work, "xczu3eg", plan)
    bits = 8 * work["weights"].sum()
    assert caught.value.shortage["bram18"] > 0.9 * (bits / 18432 - 432)
    given_anyway = hw_score(work, "xczu3eg", plan, {"*": (1, 1)})
    assert not given_anyway.fits
    row = given_anyway.utilisation.set_index("resource").loc["bram18"]
    assert row["missing"] == row["used"] - 432 > 0
    assert f"{row['missing']:.0f} BRAM18 blocks ({row['used']:.0f} of 432)" in given_anyway.misfit
    streamed = hw_score(work, "xczu3eg", "w=int4/channel; a=int4/token", memories=("distributed", "external"))
    assert streamed.fits
    with pytest.raises(ValueError, match="attention has none"):
        hw_score(attention_work(), "xcu250", plan)


def attention_work():
    return frame.table(frame.attention("a.", 1, 1, 2, 2, 8, 4, 4), batch=1)


def test_simd_of_a_convolution_follows_its_channels():
    work = small_network()
    plan = "w=int4/channel; a=int4/token"
    hw_score(work, "xczu3eg", plan, {"conv": (2, 12)})  # three pixels of four channels
    with pytest.raises(ValueError, match=r"simd of layer conv is 6, .*nearest that do: 4 or 12"):
        hw_score(work, "xczu3eg", plan, {"conv": (2, 6)})


def test_four_lanes_on_seven_series_need_narrow_weights():
    """Four lanes of a DSP48E1 hold -7 to 7; weights of full range get the two lanes of eight bits. A DSP48E2 has room for both."""
    full, narrow, three = ("w=int4/channel+full; a=int4/token", "w=int4/channel; a=int4/token", "w=int3/channel+full; a=int4/token")

    def blocks(part, plan, **options):
        return int(hw.score(NET, part, plan, **options).total["dsp"])

    array = {"architecture": "systolic", "folding": (16, 16)}
    assert [blocks("xc7z020", plan, **array) for plan in (full, narrow, three)] == [128, 64, 64]
    assert [blocks("xczu3eg", plan, **array) for plan in (full, narrow, three)] == [64, 64, 64]
    one = dense((16, 32))
    units = {"folding": {"*": (8, 1)}, "multipliers": "dsp"}
    assert [int(hw.score(one, "xc7z020", plan, **units).total["dsp"]) for plan in (full, narrow, three)] == [4, 2, 2]
    assert [packings.products_per_block(4, 4, "dsp48e1", fits) for fits in (True, False)] == [4, 2]
    assert [packings.blocks_for(8, 4, 4, "dsp48e1", fits) for fits in (True, False)] == [2, 4]
    # the two lanes that are priced do compute what four would get wrong
    lanes = packings.packing("int8x2.e1")
    weights = np.stack(np.meshgrid(np.arange(-8, 8), np.arange(-8, 8)), -1).reshape(-1, 2)
    for x in range(-8, 8):
        assert (lanes.multiply(weights, np.full(len(weights), x)) == weights * x).all()
    with pytest.raises(ValueError, match="at least -7"):
        packings.packing("int4x4.e1").pack([-8, 0, 0, 0])


def test_inferred_constants_of_hls4ml_are_in_the_sources():
    wide, slim = (
        fl.fpga_score(NET, "xczu3eg", f"w=int{bits}/channel; a=int{bits}/token", {}, "hls4ml", strategy=s)
        for bits, s in ((16, "resource"), (6, "latency"))
    )
    for made in (wide, slim):
        known = made.sources.set_index("name")["status"]
        named = ("hls4ml.lut_per_bit_product", "hls4ml.lut_per_adder_bit", "hls4ml.ff_per_bit", "hls4ml.multiplier_cycles")
        assert set(known[list(named)]) == {"inferred"}
        assert any("inferred" in note for note in made.notes)
    assert not any("inferred" in note for note in fl.fpga_score(NET, "xczu3eg", PLAN, {"*": (1, 1)}).notes[:1])


BARE = Device("mine", "xcup", None, 500000, 1000000, 0, 500, 0)


def test_devices_without_dsp_blocks():
    made = hw.score(NET, BARE, PLAN, folding={"*": (1, 1)})
    assert (int(made.total["dsp"]), set(made.layers["multiplier"])) == (0, {"lut"})
    assert hw.score(NET, BARE, PLAN).total["dsp"] == 0
    assert hw.score(NET, BARE, PLAN, architecture="hls4ml").total["dsp"] == 0
    array = {"rows": 4, "cols": 4, "pe": "lut"}
    assert hw.score(NET, BARE, PLAN, folding=array, architecture="systolic").total["dsp"] == 0


def test_unsigned_weights_need_a_bit_more_in_signed_multipliers():
    array = {"folding": (16, 16), "architecture": "systolic"}
    unsigned, signed = (hw.score(NET, "xczu3eg", f"w={w}/channel; a=int8/token", **array).total["dsp"] for w in ("uint8", "int8"))
    assert (unsigned, signed) == (256, 128)
    with pytest.raises(ValueError, match="no multiplier among dsp"):
        hw.score(NET, "xczu3eg", "w=uint4/channel; a=int4/token", folding={"*": (1, 1)}, multipliers="dsp")


@pytest.mark.parametrize(
    ("part", "plan", "options", "words"),
    [
        ("xczu3eg", PLAN, {"memories": ()}, "no memory style is allowed; name at least one of distributed"),
        ("xczu3eg", PLAN, {"multipliers": ()}, "no multiplier is allowed; name at least one of lut"),
        ("xczu3eg", PLAN, {"architecture": "unrolled", "levels": 0}, "levels is 0"),
        ("xczu3eg", PLAN, {"architecture": "unrolled", "folding": {"fc0": {"par": 1}}}, "folding field of layer fc0 'par'"),
        (BARE, PLAN, {"multipliers": "dsp"}, "mine has no DSP blocks .* allow 'lut'"),
        (BARE, PLAN, {"architecture": "systolic", "folding": (4, 4)}, "mine has no DSP blocks; use pe='lut'"),
        (BARE, "w=int16/channel; a=int16/token", {"architecture": "hls4ml"}, "at most 8 bits"),
    ],
)
def test_more_bad_input(part, plan, options, words):
    with pytest.raises(ValueError, match=words):
        hw.score(NET, part, plan, **options)
