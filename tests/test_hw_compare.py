"""Comparisons of accelerators, exports with their sources, roofline plots."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.report import save
from hwmodel.report.parts import energy_parts, ordered, part_colours, part_name
from hwmodel.report.theme import THEMES
from hwmodel.report.view import plan_label

DECODE = hw.workload("llama-2-7b", "decode")
PAIRS = {"fp16@h25": "float16", "ant@h25": "mixed<int4,flint4>/g128", "bitmod@h25": ["bitmod4/g128", "bitmod3/g128"]}


@pytest.fixture(scope="module")
def four():
    return hw.compare(DECODE, PAIRS)


def files(folder):
    return sorted(p.name for p in folder.iterdir())


# comparisons


def test_a_row_is_its_score(four):
    frame = four.frame
    assert frame["accelerator"].tolist() == ["fp16@h25", "ant@h25", "bitmod@h25", "bitmod@h25"]
    for row, one in zip(frame.itertuples(), four.scores, strict=True):
        alone = hw.score(DECODE, row.accelerator, row.plan)
        assert (row.energy_j, row.latency_s, row.area_mm2) == (alone.energy_j, alone.latency_s, alone.area_mm2)
        assert row.edp_js == alone.energy_j * alone.latency_s
        assert (row.macs, row.cycles) == (alone.total.macs, alone.total.cycles)
        assert one.plan == row.plan
    parts = [c for c in frame if c.startswith("energy_") and c.endswith("_j") and c != "energy_j"]
    assert np.allclose(frame[parts].sum(axis=1), frame["energy_j"], rtol=1e-12)
    for name in ("energy", "latency", "area", "edp"):
        unit = {"energy": "j", "latency": "s", "area": "mm2", "edp": "js"}[name]
        assert np.allclose(frame[f"{name}_relative"] * frame[f"{name}_{unit}"].iloc[0], frame[f"{name}_{unit}"], rtol=1e-14)
        assert frame[f"{name}_relative"].iloc[0] == 1


def test_layers_and_sources_name_their_accelerator(four):
    layers = four.layers
    assert list(layers.columns[:2]) == ["accelerator", "plan"]
    sums = layers.groupby(["accelerator", "plan"], sort=False)["energy_j"].sum()
    assert np.allclose(sums.to_numpy(), four.frame["energy_j"], rtol=1e-12)
    assert list(four.sources.columns) == ["accelerator", "name", "value", "unit", "source", "status"]
    assert set(four.sources["accelerator"]) == set(PAIRS)
    for one in four.scores:
        assert set(one.sources["name"]) <= set(four.sources["name"][four.sources.accelerator == str(one.accelerator)])


def test_pairs_that_cannot_run():
    plans = ["bitmod4/g128", "w=int8/channel; a=int8/token"]
    with pytest.raises(ValueError, match=r"^int8/channel, a=int8/token on fp16@h25: .*float16.*skip=True"):
        hw.compare(DECODE, ["fp16@h25", "systolic"], plans)
    made = hw.compare(DECODE, ["fp16@h25", "systolic"], plans, skip=True)
    assert [(p.accelerator, p.plan) for p in made.refused] == [
        ("fp16@h25", "int8/channel, a=int8/token"), ("systolic", "bitmod4/g128"),
    ]  # fmt: skip
    assert len(made.frame) == 2
    assert "2 pairs refused" in repr(made)
    with pytest.raises(ValueError, match="no accelerator can run its plan"):
        hw.compare(DECODE, "systolic", "bitmod4", skip=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], "float16"), "nothing to compare"),
        (("fp16@h25", []), "nothing to compare"),
        (("fp16@h26", "float16"), "fp16@h25"),
        (("fp16@h25", "int5x"), "int5x"),
        (("bitmod@h25", ["bitmod4", "bitmod4/g128"]), "asked for twice"),
        (({"bitmod@h25": ["bitmod4", "float33"]},), "float33"),
    ],
)
def test_bad_comparisons(arguments, words):
    for skip in (False, True):
        with pytest.raises(ValueError, match=words):
            hw.compare(DECODE, *arguments, skip=skip)


def test_one_of_each_and_a_bad_workload():
    one = hw.compare(DECODE, "fp16@h25")
    assert one.frame["plan"].tolist() == ["w=float16; a=float16; kv=float16"]
    with pytest.raises(ValueError, match="no rows"):
        hw.compare(DECODE.iloc[:0], "fp16@h25")
    with pytest.raises(ValueError, match="phase 'decoding'"):
        hw.compare(DECODE, "fp16@h25", phase="decoding")


# parts of the energy, whatever an accelerator names them


def test_parts_add_up_with_any_levels():
    layers = hw.score(DECODE, "fp16@h25", "int4/g128").layers
    parts = energy_parts(layers)
    assert list(parts) == ["core", "sram", "dram", "dequant"]
    assert np.allclose(sum(parts.values()), layers["energy_j"], rtol=1e-12)
    # levels that refine a part are left out; levels that come beside the others are parts of their own
    finer = layers.assign(energy_weight_buffer_j=layers["energy_sram_read_j"])
    assert list(energy_parts(finer)) == list(parts)
    more = layers.assign(energy_register_file_j=1e-6, energy_j=layers["energy_j"] + 1e-6)
    found = energy_parts(more)
    assert list(found) == ["core", "sram", "register_file", "dram", "dequant"]
    assert np.allclose(sum(found.values()), more["energy_j"], rtol=1e-12)
    assert part_name("register_file") == "Register file"
    assert ordered(["dram", "x", "core"]) == ["core", "x", "dram"]
    for theme in THEMES.values():
        colours = part_colours(list(found), theme)
        assert len(set(colours.values())) == len(found)


def test_a_score_with_further_levels_is_drawn():
    one = hw.score(DECODE, "fp16@h25", "int4/g128")
    more = np.full(len(DECODE), 1e-4)
    columns = {**one.columns, "energy_global_buffer_j": more, "energy_j": one.columns["energy_j"] + more}
    grown = replace(one, columns=columns)
    made = replace(hw.compare(DECODE, "fp16@h25"), scores=(one, grown))
    assert made.frame["energy_global_buffer_j"].tolist() == [0.0, pytest.approx(1e-4 * len(DECODE))]
    drawn = made.plot()
    assert "Global buffer" in [t.get_text() for legend in drawn.legends for t in legend.get_texts()]


@pytest.mark.parametrize(
    ("plan", "short"),
    [
        ("w=float16; a=float16; kv=float16", "float16"),
        ("w=int4/g128; a=int8/token; kv=int8/token; path=int32>fp32", "int4/g128, a=int8/token, kv=int8/token"),
        ("w=bitmod4/g128; a=float16; kv=float16 | layers.0.*: w=int8/g128; a=float16; kv=float16", "bitmod4/g128 + 1 pattern"),
    ],
)
def test_plans_in_short(plan, short):
    assert plan_label(plan) == short


# exports


def test_csv_of_a_score_with_its_sources(tmp_path):
    one = hw.score(DECODE, "bitmod@j25", "bitmod4/g128")
    one.to_csv(tmp_path / "s.csv")
    assert files(tmp_path) == ["s.csv", "s.sources.csv"]
    layers = pd.read_csv(tmp_path / "s.csv")
    pd.testing.assert_frame_equal(layers, one.layers, check_dtype=False, rtol=1e-15)
    sources = pd.read_csv(tmp_path / "s.sources.csv")
    pd.testing.assert_frame_equal(sources, one.sources, check_dtype=False)


def test_json_of_a_score(tmp_path):
    one = hw.score(DECODE, "bitmod@j25", "bitmod4/g128")
    one.to_json(tmp_path / "s.json")
    said = json.loads((tmp_path / "s.json").read_text(), parse_constant=pytest.fail)
    assert (said["accelerator"], said["plan"], said["phase"]) == ("bitmod@j25", one.plan, "decode")
    assert (said["energy_j"], said["latency_s"], said["area_mm2"]) == (one.energy_j, one.latency_s, one.area_mm2)
    pd.testing.assert_frame_equal(pd.DataFrame(said["layers"]), one.layers, check_dtype=False, rtol=1e-15)
    pd.testing.assert_frame_equal(pd.DataFrame(said["sources"]), one.sources, check_dtype=False)
    assert sum(said["area"].values()) == one.area_mm2
    assert said["versions"]["python"]


def test_parquet_of_a_score(tmp_path):
    from pyarrow import parquet

    one = hw.score(DECODE, "bitmod@j25", "bitmod4/g128")
    one.to_parquet(tmp_path / "s.parquet")
    assert files(tmp_path) == ["s.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), one.layers, check_dtype=False)
    said = json.loads(parquet.read_schema(tmp_path / "s.parquet").metadata[b"hwmodel"])
    assert said["energy_j"] == one.energy_j
    pd.testing.assert_frame_equal(pd.DataFrame(said["sources"]), one.sources, check_dtype=False)


def test_page_of_a_comparison(tmp_path):
    made = hw.compare(DECODE, ["fp16@h25", "bitmod@h25"], "int4/g128")
    text = made.to_html(tmp_path / "c.html")
    assert (tmp_path / "c.html").read_text() == text
    assert text.count("<figure") == 2
    assert text.count("<picture>") == 2
    assert not re.findall(r"https?://", text)  # asks the network for nothing
    for word in ("int4/g128", "bitmod@h25", "Least energy", "relative"):
        assert word in text


def test_exports_of_a_comparison(four, tmp_path, monkeypatch):
    monkeypatch.setattr("hwmodel.report.plots.comparison_pictures", lambda made: [])
    for suffix in ("csv", "json", "parquet", "html"):
        getattr(four, f"to_{suffix}")(tmp_path / f"c.{suffix}")
    csvs, parquets = ["c.csv", "c.layers.csv", "c.sources.csv"], ["c.layers.parquet", "c.parquet"]
    assert files(tmp_path) == sorted([*csvs, *parquets, "c.html", "c.json"])
    back = pd.read_csv(tmp_path / "c.csv")
    pd.testing.assert_frame_equal(back, four.frame, check_dtype=False, rtol=1e-15)
    said = json.loads((tmp_path / "c.json").read_text())
    assert len(said["layers"]) == len(four.layers) == len(pd.read_parquet(tmp_path / "c.layers.parquet"))
    assert said["refused"] == []
    page = (tmp_path / "c.html").read_text()
    assert "bitmod3/g128 on bitmod@h25" in page
    assert page.count("<details>") == 4


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "html"])
@pytest.mark.parametrize("before", [True, False])
def test_files_are_whole_or_as_they_were(four, tmp_path, monkeypatch, kind, error, before):
    target = tmp_path / f"c.{kind}"
    if before:
        for name in (target.name, f"c.layers.{kind}", f"c.sources.{kind}"):
            (tmp_path / name).write_text("mine")
    kept = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    replace_, calls = os.replace, []

    def failing(source, place):
        calls.append(place)
        if len(calls) == 2 or kind in ("json", "html"):
            monkeypatch.setattr(save.os, "replace", replace_)
            raise error
        replace_(source, place)

    monkeypatch.setattr(save.os, "replace", failing)
    if kind == "html":
        monkeypatch.setattr("hwmodel.report.plots.comparison_pictures", lambda made: [])
    with pytest.raises(type(error)):
        getattr(four, f"to_{kind}")(target)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == kept


def test_places_that_cannot_be_written(four, tmp_path):
    for path in (tmp_path / "absent" / "c.csv", tmp_path):
        with pytest.raises(OSError, match="cannot be written"):
            four.scores[0].to_csv(path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("missing", ["pyarrow", "matplotlib"])
def test_missing_packages(four, tmp_path, monkeypatch, missing):
    import sys

    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "pyarrow":
        with pytest.raises(ImportError, match="pip install matplotlib pyarrow"):
            four.to_parquet(tmp_path / "c.parquet")
        assert files(tmp_path) == []
    else:
        assert "The plots were left out" in four.to_html()
        with pytest.raises(ImportError, match="matplotlib"):
            four.plot()


# FPGAs beside accelerators

NET = hw.workload("resnet-18")
INT4, INT8 = "w=int4/channel; a=int4/token", "w=int8/channel; a=int8/token"


@pytest.fixture(scope="module")
def both():
    return hw.compare(NET, {"systolic": INT8, "xczu3eg": INT4, "pynq-z2": INT4}, folding={"*": (1, 1)}, architecture="finn")


def test_rows_of_fpgas(both):
    frame = both.frame
    assert frame["accelerator"].tolist() == ["systolic", "xczu3eg", "xc7z020"]
    for row, one in list(zip(frame.itertuples(), both.scores, strict=True))[1:]:
        alone = hw.score(NET, row.accelerator, INT4, folding={"*": (1, 1)})
        assert one.folding == alone.folding
        assert [getattr(row, r) for r in ("lut", "ff", "dsp", "bram18", "uram")] == alone.total[:5].tolist()
        assert (row.latency_s, row.throughput_per_s, row.fits) == (alone.latency_s, alone.throughput_per_s, alone.fits)
        assert row.macs == frame["macs"].iloc[0]
    blank = [c for c in frame if c.startswith(("energy_", "edp", "area", "dram", "compute"))]
    assert frame.loc[1:, blank].isna().all().all()
    assert frame.loc[0, blank].notna().all()
    assert frame.loc[0, ["lut", "ff", "dsp", "bram18", "uram", "fits", "throughput_per_s"]].isna().all()
    assert frame["latency_relative"].iloc[1] == frame["latency_s"].iloc[1] / frame["latency_s"].iloc[0]
    assert "lut" in repr(both)


def test_a_batch_on_an_fpga_takes_an_interval_an_image():
    one, four = (hw.compare(hw.workload("resnet-18", batch=b), "u250", INT4, folding={"*": (1, 1)}) for b in (1, 4))
    found = four.scores[0]
    assert found.latency_cycles == one.scores[0].latency_cycles
    assert four.frame["cycles"].iloc[0] == found.latency_cycles + 3 * found.ii_cycles
    assert four.frame["latency_s"].iloc[0] == pytest.approx(four.frame["cycles"].iloc[0] / 100e6)


def test_files_and_pictures_with_fpgas(both, tmp_path, monkeypatch):
    both.plot(path=tmp_path / "c.png")
    words = [t.get_text() for axes in both.plot().axes for t in axes.texts]
    assert words.count("not modelled") == 2
    assert len(both.roofline().axes) == 1
    monkeypatch.setattr("hwmodel.report.plots.comparison_pictures", lambda made: [])
    for suffix in ("csv", "json", "parquet"):
        getattr(both, f"to_{suffix}")(tmp_path / f"c.{suffix}")
    said = json.loads((tmp_path / "c.json").read_text(), parse_constant=pytest.fail)
    assert [r["energy_j"] is None for r in said["frame"]] == [False, True, True]
    assert len(pd.read_parquet(tmp_path / "c.layers.parquet")) == 3 * len(NET)
    page = both.to_html()
    for word in ("BRAM18", "Fits", "xczu3eg: energy_j is NaN", "SIMD"):
        assert word in page


def test_fpgas_alone(both):
    pair = hw.compare(NET, ["xczu3eg", "xc7z020"], INT4, folding={"*": (1, 1)})
    assert pair.plot().axes
    assert "Least latency" in pair.to_html()
    assert pair.frame["energy_relative"].isna().all()
    with pytest.raises(ValueError, match="no roofline"):
        pair.roofline()
    last = hw.compare(NET, {"xczu3eg": INT4, "systolic": INT8}, folding={"*": (1, 1)})
    assert last.plot().axes
    assert last.frame["latency_relative"].iloc[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"accelerators": "xczu3ge"}, "unknown accelerator or FPGA part 'xczu3ge': did you mean xczu3eg"),
        ({"accelerators": "xczu3eg", "architecture": "fin"}, "did you mean finn"),
        ({"accelerators": "systolic", "folding": 3}, "no part is compared"),
        ({"accelerators": "xczu3eg"}, r"^int8/channel, a=int8/token on xczu3eg: no folding .* BRAM18 blocks beyond"),
        ({"accelerators": "ice40hx8k"}, "LUTs of six inputs"),
    ],
)
def test_bad_comparisons_with_fpgas(arguments, words):
    with pytest.raises(ValueError, match=words):
        hw.compare(NET, plans=INT8, **arguments)


def test_names_of_parts_and_accelerators_differ():
    from hwmodel.fpga.chips import device_names

    assert not set(device_names()) & set(hw.presets())
    with pytest.raises(ValueError, match=r"xczu3eg is an FPGA, on which hw\.evaluate"):
        hw.evaluate(hw.load_network("digits"), INT8, "xczu3eg")
