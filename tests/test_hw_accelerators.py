"""Accelerator descriptions: presets, YAML files, SRAM points, clear refusals."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.accelerators.native import weight_mode
from hwmodel.sources import STATUS, Fact
from hwmodel.technology import rows, sram
from numfmt import scheme

PRESETS = [f"{name}@{rev}" for name in ("ant", "bitmod", "fp16", "olive") for rev in ("h25", "j25")]


def test_presets_are_the_four_designs_in_both_revisions_and_the_systolic_array():
    nested = {"tpu", "tpu@zigzag", "eyeriss", "simple-ws@timeloop", "bitfusion", "stripes", "edge-npu", "h100-sm-tensor"}
    assert set(hw.presets()) == {*PRESETS, "systolic", *nested}


@pytest.mark.parametrize(
    ("name", "count", "lanes", "energy", "area", "array_mm2"),
    [
        ("fp16", 768, 1, 0.77, 1968.7, 1.512),
        ("ant", 1024, 1, 0.56, 1318.6, 1.350),
        ("olive", 1152, 1, 0.613, 1318.6, 1.519),
        ("bitmod", 1024, 4, 0.56, 1507.7, 1.544),
    ],
)
@pytest.mark.parametrize("rev", ["h25", "j25"])
def test_published_configurations(name, count, lanes, energy, area, array_mm2, rev):
    acc = hw.accelerator(f"{name}@{rev}")
    assert acc.prefill.size == acc.decode.size == count
    assert (acc.pe.lanes, acc.pe.energy_pj.value, acc.pe.area_um2.value) == (lanes, energy, area)
    assert acc.pe.place_and_route.value == 1.5
    assert acc.dram.energy_pj_per_bit.value * 64 == 1200
    assert acc.kv_bits == (8 if (name, rev) == ("bitmod", "j25") else 16)
    assert acc.attention == rev
    got = hw.score(hw.workload("opt-1.3b", "decode"), acc, "float16" if name == "fp16" else "int4/channel")
    assert got.area["pe_array"] == pytest.approx(array_mm2, abs=6e-4)
    assert set(got.sources.status) <= set(STATUS)
    assert (got.sources.source.str.len() > 5).all()


@pytest.mark.parametrize("name", [*PRESETS, "systolic"])
def test_every_constant_of_a_preset_has_a_source(name):
    for fact in hw.accelerator(name).facts():
        assert fact.status in STATUS
        assert fact.status != "user"
        assert len(fact.source) > 10
        assert fact.unit


def test_equal_descriptions_are_equal_and_names_ignore_case():
    assert hw.accelerator("BitMoD@H25") == hw.accelerator("bitmod@h25")
    assert hash(hw.accelerator("bitmod@h25")) == hash(hw.accelerator(" bitmod@h25 "))
    assert hw.accelerator("bitmod@h25") != hw.accelerator("bitmod@j25")
    assert hw.accelerator(hw.accelerator("ant@j25")).name == "ant@j25"


def test_unknown_name_lists_the_nearest():
    with pytest.raises(ValueError, match=r"unknown accelerator 'bitmod@h24'.*bitmod@h25"):
        hw.accelerator("bitmod@h24")
    with pytest.raises(FileNotFoundError, match="no_such"):
        hw.accelerator("no_such.yaml")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_on_top_of_a_preset(tmp_path):
    path = write(tmp_path, "name: mine\nbase: bitmod@j25\narrays: {decode: 128x8}\ndram: {energy_pj_per_bit: 4}\n")
    acc = hw.accelerator(path)
    assert (str(acc), str(acc.decode), str(acc.prefill)) == ("mine", "128x8", "32x32")
    assert acc.dram.energy_pj_per_bit == Fact("dram.energy_pj_per_bit", 4.0, "pJ/bit", str(path), "user")
    assert acc.dram.bits_per_cycle.value == 256
    ours = hw.score(hw.workload("phi-2", "decode"), str(path), "bitmod4/g128")
    base = hw.score(hw.workload("phi-2", "decode"), "bitmod@j25", "bitmod4/g128")
    assert ours.total.energy_dram_j == pytest.approx(base.total.energy_dram_j * 4 / 18.75)


BASE = "name: mine\nbase: fp16@j25\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [1, 2\npe: {", ("line", "mine.yaml")),
        ("- 1\n- 2\n", ("mapping", "mine.yaml")),
        ("name: mine\n", ("pe", "missing")),
        (BASE + "pe: 3\n", ("field pe ", "3")),
        (BASE + "pee: {}\n", ("pee", "did you mean pe")),
        (BASE + "pe: {lanes: two}\n", ("pe.lanes", "two")),
        (BASE + "pe: {lanes: 0}\n", ("pe.lanes", "0")),
        (BASE + "pe: {weights: int4}\n", ("pe.weights", "int4")),
        (BASE + "pe: {energy_pj: -1}\n", ("pe.energy_pj", "-1")),
        (BASE + "pe: {energy_pj: .nan}\n", ("pe.energy_pj", "nan")),
        (BASE + "pe: {energy_pj: {value: 1, source: me, status: guessed}}\n", ("guessed", "inferred")),
        (BASE + "pe: {energy_pj: {value: 1}}\n", ("pe.energy_pj.source", "missing")),
        (BASE + "arrays: {prefill: 32}\n", ("arrays.prefill", "32x32")),
        (BASE + "arrays: {prefill: '0x8'}\n", ("height", "0")),
        (BASE + "compute: magic\n", ("magic", "bit_serial")),
        (BASE + "attention: h26\n", ("h26", "h25")),
        (BASE + "weight_buffer: {capacity_kib: 500}\n", ("500 KiB", "512 KiB")),
        (BASE + "weight_buffer: {table: cacti29}\n", ("cacti29", "cacti28")),
        (BASE + "dram: {bits_per_cycle: 0}\n", ("dram.bits_per_cycle", "0")),
        (BASE + "clock_ghz: fast\n", ("clock_ghz", "fast")),
        (BASE + "kv_bits: 1.5\n", ("kv_bits", "1.5")),
        (BASE + "scale_bits_per_group: -8\n", ("scale_bits_per_group", "-8")),
        ("name: mine\nbase: fp17@j25\n", ("fp17@j25", "fp16@j25")),
    ],
)
def test_malformed_files_name_the_field(tmp_path, text, words):
    with pytest.raises(ValueError) as error:
        hw.accelerator(write(tmp_path, text))
    for word in words:
        assert word in str(error.value), str(error.value)


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        *((name, True) for name in ("e2m1/g32", "int4/g128", "int8/channel", "flint4/g128", "bitmod4", "bitmod3", "mxfp4")),
        *((name, False) for name in ("nf4", "uint4/g128", "e2m3/g32", "float16", "int4/g128+asym", "mixed<int4,flint4>/g128")),
    ],
)  # fmt: skip
def test_the_bit_serial_element_takes_what_its_decoder_takes(name, takes):
    assert weight_mode(hw.accelerator("bitmod@j25"), scheme(name)).native is takes


# memories


def test_table_rows_are_returned_as_they_are():
    for row in rows("sram_28nm"):
        point = sram("cacti28", int(row["capacity_kib"]), int(row["banks"]), int(row["word_bits"]))
        assert (point.read_pj, point.write_pj, point.area_mm2) == tuple(float(row[c]) for c in ("read_pj", "write_pj", "area_mm2"))
        assert point.status == "measured"
    assert sram("cacti45", 512, 1, 64).read_pj == 59.9027


@settings(deadline=None)
@given(width=st.integers(16, 4096))
def test_other_widths_lie_between_their_neighbours_and_say_so(width):
    known = {int(r["word_bits"]): r for r in rows("sram_28nm") if (r["capacity_kib"], r["banks"]) == ("512", "8")}
    point = sram("cacti28", 512, 8, width)
    if width in known:
        return
    assert point.status == "inferred"
    low = max((w for w in known if w < width), default=None)
    high = min((w for w in known if w > width), default=None)
    if low and high:
        ends = float(known[low]["read_pj"]), float(known[high]["read_pj"])
        assert min(ends) <= point.read_pj <= max(ends)
        share = np.log(width / low) / np.log(high / low)
        assert point.read_pj == pytest.approx(ends[0] ** (1 - share) * ends[1] ** share)
    assert ("extrapolated" in point.source) == (not (low and high))
    assert point.write64_pj == pytest.approx(point.write_pj * 64 / width)


def test_bad_memories():
    with pytest.raises(ValueError, match="cacti28"):
        sram("cacti", 512, 8, 64)
    with pytest.raises(ValueError, match="300 KiB in 8 banks; it holds"):
        sram("cacti28", 300, 8, 64)
    with pytest.raises(ValueError, match="only with 64-bit words"):
        sram("cacti45", 512, 1, 128)
    with pytest.raises(ValueError, match="word_bits"):
        sram("cacti28", 512, 8, 0)


@pytest.mark.parametrize("name", ["cells", "coefficients", "components", "published_pes", "sram_28nm", "sram_cacti"])
def test_every_data_row_has_source_and_status(name):
    assert rows(name)
    for row in rows(name):
        assert row["source"].strip(), row
        assert row["status"] in STATUS, row
        assert None not in row, row
