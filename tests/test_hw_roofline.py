"""Roofline machines: GenZ's and ZigZag's recorded latencies, measured T4 kernels, refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.sources import STATUS
from hwmodel.workloads import frame

VECTORS = Path(__file__).parent / "vectors"
PEERS = pd.read_csv(VECTORS / "roofline_peers.csv")
GENZ = PEERS[PEERS.tool.str.startswith("genz")].to_dict("records")
BITS = {"bf16": 16, "int8": 8, "int4": 4}


def genz(row, **options):
    phase, context = ("prefill", 2048) if "prefill" in row["workload"] else ("decode", 2048 + 256)
    work = hw.workload("llama-2-7b", phase, context)
    return 1e3 * hw.roofline(work, "a100-80gb@genz", BITS[row["options"]], **options).latency_s


@pytest.mark.parametrize("row", GENZ, ids=lambda r: f"{r['workload'][11:18]}-{r['options']}")
@pytest.mark.parametrize("on_chip", ["nothing", "scores", "activations"])
def test_genz_rows_within_five_percent(row, on_chip):
    assert genz(row, on_chip=on_chip) == pytest.approx(float(row["value"]), rel=0.02)


def test_genz_rows_with_its_own_choices():
    """Decode keeps activations on chip; prefill keeps scores on chip and also counts the embedding's look-up as a product."""
    assert len(GENZ) == 6
    for row in GENZ:
        want = float(row["value"])
        if "prefill" in row["workload"]:
            look_up = frame.table([frame.linear("embedding", 1, 2048, 4096, 32000)])
            extra = 1e3 * hw.roofline(look_up, "a100-80gb@genz", BITS[row["options"]]).latency_s
            assert genz(row, on_chip="scores") + extra == pytest.approx(want, rel=2e-5)
        else:
            assert genz(row, on_chip="activations") == pytest.approx(want, rel=3e-5)


CONV = frame.table([frame.conv2d("conv", 1, (256, 256), (14, 14), (3, 3), padding=(2, 2))])
GEMM = frame.table([frame.linear("gemm", 1, 1, 4096, 4096)])


@pytest.mark.parametrize(
    "row", PEERS[PEERS.tool.str.startswith("zigzag")].to_dict("records"), ids=lambda r: r["workload"][:22] + r["metric"]
)
def test_zigzag_rows_are_bounded_by_the_roofline(row):
    work = CONV if row["workload"].startswith("conv") else GEMM
    got = hw.roofline(work, "tpu-like@zigzag", 4 if "W4A8" in row["workload"] else 8, 8)
    theirs = float(row["value"])
    if row["metric"] == "ideal cycles":
        assert got.layers.compute_s[0] * 1e9 == pytest.approx(theirs, rel=1e-12)
        return
    assert got.latency_s * 1e9 <= theirs
    if work is GEMM:  # one mapping is left: all weights pass once. 191 cycles are its first and last tiles
        assert theirs - got.latency_s * 1e9 == pytest.approx(191, abs=1)
    elif "latency" in row["options"]:  # first tiles in and last ones out do not overlap with computing there
        assert got.latency_s * 1e9 == pytest.approx(theirs, rel=0.11)


def test_measured_kernels_stay_under_the_roof_of_a_t4():
    rows = pd.read_csv(VECTORS / "hawqv3_t4.csv")
    assert len(rows) == 71
    layers = []
    for i, r in enumerate(rows.itertuples()):
        size, pad = (r.out_h * r.stride, r.out_w * r.stride), 2 * (r.kernel // 2)
        layers.append(frame.conv2d(str(i), 8, (r.in_ch, r.out_ch), size, (r.kernel,) * 2, (r.stride,) * 2, (pad, pad)))
    work = frame.table(layers)
    assert (work.macs == 8 * rows.macs).all()
    for bits in (4, 8):
        ideal = 1e3 * hw.roofline(work, "t4", bits).layers.time_s
        assert (ideal < rows[f"int{bits}_ms"]).all()


@pytest.mark.parametrize("name", hw.machines())
def test_every_constant_has_a_source(name):
    for fact in hw.machine(name).facts():
        assert fact.status in STATUS
        assert fact.status != "user"
    table = hw.roofline(GEMM, name, 8).sources
    assert list(table.columns) == ["name", "value", "unit", "source", "status"]
    named = table[table.name.str.startswith(("peak_tops", "bandwidth", "on_chip"))]
    assert (named.source.str.len() > 10).all()
    assert (named.unit != "").all()


def test_presets():
    assert set(hw.machines()) == {"h100-sxm", "h100-sm", "t4", "a100-80gb@genz", "tpu-like@zigzag"}
    whole, one = hw.machine("h100-sxm"), hw.machine(" H100-SM ")
    for bits in (8, 16, 32):
        assert one.peak(bits) * 132 == pytest.approx(whole.peak(bits), rel=1e-6)
    assert one.bytes_per_second * 132 == pytest.approx(whole.bytes_per_second, rel=1e-6)
    assert whole.peak(4) == whole.peak(8)
    assert hw.machine("t4").ridge(4) == pytest.approx(260e12 / 320e9)
    assert hw.machine(whole) is whole


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 3000)] * 3), bits=st.sampled_from([4, 8, 16]), count=st.integers(1, 4))
def test_bounds(shape, bits, count):
    work = frame.table([frame.linear("l", count, *shape)])
    t4 = hw.roofline(work, "t4", bits).layers.iloc[0]
    assert t4.time_s == max(t4.compute_s, t4.memory_s)
    assert t4.operations == 2 * work.macs[0]
    assert t4.bytes == count * (shape[0] * shape[2] + shape[1] * shape[2] + shape[0] * shape[1]) * bits / 8
    assert (t4.bound == "compute") == (t4.intensity >= hw.machine("t4").ridge(bits) * (1 - 1e-12))
    assert hw.roofline(work, "t4", bits, overlap=False).latency_s == pytest.approx(t4.compute_s + t4.memory_s)
    if bits > 4:
        assert hw.roofline(work, "t4", bits / 2).latency_s <= t4.time_s


def test_bits_by_layer():
    work = hw.workload("opt-1.3b", "decode")
    mixed = hw.roofline(work, "t4", {"*.q_proj": 4, "*": 8}, kv_bits=16).layers.set_index("layer")
    plain = hw.roofline(work, "t4", 8).layers.set_index("layer")
    assert mixed.bytes["layers.*.q_proj"] < plain.bytes["layers.*.q_proj"]
    assert mixed.bytes["layers.*.k_proj"] == plain.bytes["layers.*.k_proj"]
    assert mixed.bytes["layers.*.attention_qk"] > plain.bytes["layers.*.attention_qk"]


def test_a_convolution_reads_its_image_once():
    got = hw.roofline(CONV, "t4", 8).layers.bytes[0]
    assert got == 256 * 16 * 16 + 256 * 2304 + 256 * 196


def test_a_file_on_top_of_a_preset(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbase: t4\nmemory_efficiency: 0.5\n", encoding="utf-8")
    assert hw.machine(path).bytes_per_second == 160e9
    assert hw.roofline(GEMM, str(path), 8).layers.memory_s[0] == pytest.approx(2 * hw.roofline(GEMM, "t4", 8).layers.memory_s[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", r"line 1|line 2"),
        ("name: mine\nbase: t5\n", r"unknown machine 't5'.*t4"),
        ("name: mine\nbase: t4\nbandwith_gb_s: 3\n", "did you mean bandwidth_gb_s"),
        ("name: mine\nbase: t4\nbandwidth_gb_s: -1\n", "bandwidth_gb_s is -1"),
        ("name: mine\nbase: t4\nbandwidth_gb_s: .nan\n", "bandwidth_gb_s is nan"),
        ("name: mine\nbase: t4\nbandwidth_gb_s: fast\n", "bandwidth_gb_s is 'fast'"),
        ("name: mine\nbase: t4\npeak_tops: {eight: 3}\n", "peak_tops.eight"),
        ("name: mine\nbase: t4\npeak_tops: {8: 0}\n", "peak_tops.8 is 0"),
        ("name: mine\nbase: t4\npeak_tops: {}\n", "peak_tops is empty"),
        ("name: mine\nbase: t4\ncompute_efficiency: 1.5\n", "compute_efficiency is 1.5"),
        ("name: mine\npeak_tops: {8: 1}\n", "bandwidth_gb_s is missing"),
    ],
)
def test_malformed_files(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words) as error:
        hw.machine(path)
    assert "mine.yaml" in str(error.value) or "t5" in text


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"unknown machine 'h100-sx'.*h100-sxm"):
        hw.machine("h100-sx")
    with pytest.raises(FileNotFoundError, match="absent"):
        hw.machine("absent.yaml")
    with pytest.raises(ValueError, match=r"no mode for operands of 32 bits; its modes: 4, 8, 16"):
        hw.roofline(GEMM, "a100-80gb@genz", 32)
    for bits in (0, -4, float("nan"), "8", True):
        with pytest.raises(ValueError, match="weight_bits is"):
            hw.roofline(GEMM, "t4", bits)
    with pytest.raises(ValueError, match="no pattern for layer 'gemm'"):
        hw.roofline(GEMM, "t4", {"conv*": 8})
    with pytest.raises(ValueError, match="on_chip"):
        hw.roofline(GEMM, "t4", on_chip="weights")
    with pytest.raises(ValueError, match="no rows"):
        hw.roofline(GEMM.iloc[:0], "t4")
    with pytest.raises(ValueError, match="lacks the columns macs"):
        hw.roofline(GEMM.drop(columns="macs"), "t4")
    assert np.isfinite(hw.roofline(GEMM, "t4").latency_s)
