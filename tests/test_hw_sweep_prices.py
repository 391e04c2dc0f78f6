"""hw.sweep without a function of the caller's: prices equal to those of hw.score and hw.evaluate, bad spaces refused."""

import re
from dataclasses import replace

import pytest

import hwmodel as hw

from .reference import sweeps as plain

SMALL = {"model": "phi-2", "phase": "decode", "context": 64}


def changed(acc, point, phase="decode"):
    """The accelerator with the numbers of a point, made by hand."""
    from hwmodel.accelerators import Array
    from hwmodel.sources import Fact

    def fact(value):
        return Fact("x", float(value), "1", "test", "user")

    shape = Array(point.get("height", acc.decode.height), point.get("width", acc.decode.width))
    clock = point.get("clock_ghz", acc.clock_ghz.value)
    bits = 8 * point["dram_gb_s"] / clock if "dram_gb_s" in point else acc.dram.bits_per_cycle.value
    return replace(
        acc,
        decode=shape,
        prefill=shape,
        weight_buffer=replace(acc.weight_buffer, capacity_kib=point.get("weight_buffer_kib", acc.weight_buffer.capacity_kib)),
        dram=replace(acc.dram, bits_per_cycle=fact(bits)),
        clock_ghz=fact(clock),
    )


def test_numbers_of_hardware_cost_what_hw_score_says():
    axes = {
        "height": [8, 32],
        "width": [1, 4],
        "weight_buffer_kib": [128, 512],
        "dram_gb_s": [25.6, 102.4],
        "clock_ghz": [0.5, 1.0],
    }
    fixed = {"accelerator": "bitmod@j25", "plan": "bitmod4", **SMALL}
    frame = hw.sweep({**axes, **fixed}).frame()
    assert list(frame.columns[:5]) == list(axes)
    work = hw.workload("phi-2", phase="decode", context=64)
    for point, row in zip(plain.points(axes), frame.to_dict("records"), strict=True):
        made = hw.score(work, changed(hw.accelerator("bitmod@j25"), point), "bitmod4")
        assert {n: row[n] for n in axes} == point
        for name, value in {"area_mm2": made.area_mm2, **made.total.to_dict()}.items():
            assert row[name] == pytest.approx(value, rel=1e-12), (name, point)


def test_names_of_hardware_cost_what_hw_score_says():
    axes = {"accelerator": ["bitmod@j25", "fp16@j25"], "scheme": ["bitmod4", "nf4/g64"], "context": [64, 256], "batch": [1, 2]}
    made = hw.sweep({**axes, "model": "phi-2", "phase": ["decode", "prefill"]})
    pairs = plain.points({**axes, "phase": ["decode", "prefill"]})
    frame, failures = made.frame(), made.failures
    assert len(frame) + len(failures) == len(pairs)
    for number, point in enumerate(pairs):
        work = hw.workload("phi-2", **{n: point[n] for n in ("context", "batch", "phase")})
        if number in failures.index:
            with pytest.raises(ValueError, match=re.escape(failures.loc[number, "error"])):
                hw.score(work, point["accelerator"], point["scheme"])
            continue
        want = hw.score(work, point["accelerator"], point["scheme"])
        assert frame.loc[number, "energy_j"] == pytest.approx(want.energy_j, rel=1e-12)
        assert frame.loc[number, "latency_s"] == pytest.approx(want.latency_s, rel=1e-12)


def test_buffers_that_no_table_holds_fail_alone():
    axes = {"height": [8, 16], "weight_buffer_kib": [128, 100, 512, 512000], "width": [1, 2]}
    fixed = {"accelerator": "bitmod@j25", "plan": "bitmod4", **SMALL}
    made = hw.sweep({**axes, **fixed})
    points = plain.points(axes)
    assert made.frame()["weight_buffer_kib"].isin([128, 512]).all()
    assert made.failures.index.tolist() == [i for i, p in enumerate(points) if p["weight_buffer_kib"] in (100, 512000)]
    assert made.failures["error"].str.contains("KiB|kib|capacity").all()
    fitted = hw.sweep({**axes, **fixed, "buffers": "fit"})
    assert len(fitted.frame()) + len(fitted.failures) == len(points)
    assert len(fitted.frame()) > len(made.frame())


def test_width_of_accumulators_sets_price_and_area():
    plan = "w=int8/channel; a=int8/token"
    fixed = {"accelerator": "systolic", "plan": plan, "technology": "nangate45", **SMALL}
    frame = hw.sweep({"path": "int{acc}", "acc": [16, 20, 24, 32], **fixed}).frame()
    units = [hw.unit(f"int{acc}", weight="int8", activation="int8").cost("nangate45") for acc in (16, 20, 24, 32)]
    base = hw.accelerator("systolic")
    other = hw.score(hw.workload("phi-2", phase="decode", context=64), base, plan)
    for row, unit in zip(frame.to_dict("records"), units, strict=True):
        grown = (unit.area_um2 - base.pe.area_um2.value) * base.decode.size * 1e-6
        assert row["area_mm2"] == pytest.approx(other.area_mm2 + grown, rel=1e-12)
        per_pj = row["energy_core_j"] / unit.energy_pj
        assert per_pj == pytest.approx(frame["energy_core_j"].iloc[0] / units[0].energy_pj, rel=1e-12)
    assert frame["area_mm2"].is_monotonic_increasing
    lanes = {"accelerator": "fp16@j25", "path": ["fp16"], "technology": "28nm", "lanes": [1, 4], "plan": "float16", **SMALL}
    pair = hw.sweep({**lanes, "height": 8, "width": 1, "buffers": "fit"}).frame()
    one = hw.unit("fp16", weight="float16", activation="float16").cost("28nm")
    assert pair["compute_cycles"].iloc[0] > 3 * pair["compute_cycles"].iloc[1]
    assert pair["energy_core_j"].tolist() == pytest.approx(
        [one.energy_pj * n * 8 * c * 1e-12 for n, c in zip((1, 4), pair["compute_cycles"], strict=True)]
    )


def test_dram_kinds_and_linked_axes():
    space_ = {"dram": ["lpddr4", "hbm2"], "dram_channels": [2, 1], "linked": [["dram", "dram_channels"]]}
    frame = hw.sweep({**space_, "accelerator": "bitmod@j25", "plan": "bitmod4", **SMALL}).frame()
    for row, channels in zip(frame.to_dict("records"), (2, 1), strict=True):
        kind = hw.technology.dram(row["dram"])
        assert row["energy_dram_j"] == pytest.approx(row["dram_bytes"] * 8 * kind.energy_pj_per_bit * 1e-12)
        seconds = row["dram_cycles"] / 1e9 / hw.accelerator("bitmod@j25").clock_ghz.value
        assert row["dram_bytes"] / seconds / 1e9 == pytest.approx(kind.bandwidth_gb_s * channels, rel=1e-4)


def test_hierarchies_and_fpgas_point_by_point():
    work = hw.workload("resnet-18").iloc[[3, 4]]
    plan = "w=int8/channel; a=int8/token"
    frame = hw.sweep({"accelerator": ["edge-npu", "systolic"], "objective": [None, "latency"], "plan": plan}, work=work)
    assert frame.failures["error"].str.contains("leave objective out").tolist() == [True]
    rows = frame.frame()
    assert rows["latency_s"].iloc[1] == hw.score(work, "edge-npu", plan, objective="latency").latency_s
    assert rows["energy_j"].iloc[2] == pytest.approx(hw.score(work, "systolic", plan).energy_j, rel=1e-12)
    plan = "w=int4/channel; a=int4/token"
    made = hw.sweep({"device": ["xczu3eg", "u250"], "clock_mhz": [100, 200], "plan": plan}, work=work).frame()
    for row in made.to_dict("records"):
        want = hw.score(work, hw.device(row["device"]), plan, clock_mhz=row["clock_mhz"])
        assert (row["lut"], row["dsp"], row["latency_s"], row["fits"]) == (
            want.total["lut"],
            want.total["dsp"],
            want.latency_s,
            want.fits,
        )


def test_quality_of_a_real_network_beside_its_price():
    plan = "w=int8/channel; a=int8/token"
    axes = {"acc": [12, 24], "height": [16, 32]}
    fixed = {"path": "int{acc}", "technology": "nangate45", "network": "digits", "samples": 40, "accelerator": "systolic"}
    frame = hw.sweep({**axes, **fixed, "plan": plan}).frame()
    assert frame["accuracy"].iloc[0] < frame["accuracy"].iloc[2]
    assert frame["sqnr_db"].iloc[0] == frame["sqnr_db"].iloc[1]  # numbers do not depend on the size of the array
    assert frame["area_mm2"].iloc[0] < frame["area_mm2"].iloc[1]
    base = hw.accelerator("systolic")
    pe = replace(base.pe, datapath="int12", weights=("int8",), activations=("int8",), float16_weights="")
    want = hw.evaluate("digits", plan, replace(base, pe=pe), samples=40)
    assert frame["accuracy"].iloc[0] == want.quality["accuracy"]
    assert frame["sqnr_db"].iloc[0] == want.summary["sqnr_db"]
    assert frame["latency_s"].iloc[3] < frame["latency_s"].iloc[2]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hieght": [1, 2]}, "unknown axis 'hieght': did you mean height"),
        ({"height": [8, -1]}, "height of the space is -1"),
        ({"height": [8, 2.5]}, "height of the space is 2.5"),
        ({"clock_ghz": [0, 1]}, "clock_ghz of the space is 0"),
        ({"accelerator": ["bitmod@h52"]}, "bitmod@h52"),
        ({"plan": ["bitmod4", "bitmood4"]}, "bitmood4"),
        ({"scheme": ["int4/g128"]}, "names plan and scheme"),
        ({"dram_gb_s": [10], "dram_bits_per_cycle": 64}, "names dram_bits_per_cycle and dram_gb_s"),
        ({"path": ["int16"]}, "names path without technology"),
        ({"device": ["u250"]}, "names device and accelerator"),
        ({"folding": [1, 2]}, "names folding without device"),
        ({"samples": [1, 2]}, "names samples without network"),
        ({"dram": ["ddr9"]}, "ddr9"),
        ({"technology": ["nangate54"], "height": [1]}, "nangate54"),
        ({"phase": ["decod"]}, "did you mean decode"),
        ({"buffers": ["fitt"]}, "did you mean fit"),
        ({"model": [3]}, "model of the space is 3"),
        ({"height": [None, 1]}, "height of the space is None"),
    ],
)
def test_spaces_that_cannot_be_priced(given, words):
    with pytest.raises(ValueError, match=words):
        hw.sweep({"accelerator": "bitmod@j25", "plan": "bitmod4", "model": "phi-2", "height": [1, 2]} | given)


def test_spaces_without_workload_or_hardware():
    with pytest.raises(ValueError, match="names no workload"):
        hw.sweep({"accelerator": "bitmod@j25", "height": [1, 2]})
    with pytest.raises(ValueError, match="names no hardware"):
        hw.sweep({"model": "phi-2", "height": [1, 2]})
    with pytest.raises(ValueError, match="names model, but a workload is given"):
        hw.sweep({"accelerator": "bitmod@j25", **SMALL, "height": [1]}, work=hw.workload("phi-2"))
