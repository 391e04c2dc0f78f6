"""hw.score on an FPGA: the face of a score, its plot, page and files."""

import json
import math

import pytest

import hwmodel as hw
from hwmodel.fpga.layers import FpgaScore, fpga_score
from hwmodel.workloads import frame

NET = frame.table([frame.linear(f"fc{i}", 1, 1, n, k) for i, (k, n) in enumerate(((16, 64), (64, 32)))], batch=1)
PLAN = "w=int4/channel; a=int4/token"
PART = hw.device("xczu3eg")


@pytest.fixture(scope="module")
def made():
    return hw.score(NET, PART, PLAN, folding={"*": (1, 1)}, clock_mhz=150)


def test_score_of_a_device(made):
    assert isinstance(made, FpgaScore)
    assert made.layers.equals(fpga_score(NET, PART, PLAN, {"*": (1, 1)}, clock_mhz=150).layers)
    assert math.isnan(made.area_mm2)
    assert math.isnan(made.energy_j)
    assert hw.score(NET, PART, PLAN, folding=(4, 4), architecture="systolic").architecture == "systolic"


def test_options_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="takes no phase"):
        hw.score(NET, PART, PLAN, phase="decode")
    with pytest.raises(ValueError, match="takes no folding"):
        hw.score(NET, "systolic", PLAN, folding=3)


def test_files(made, tmp_path):
    made.to_json(tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["device"] == "xczu3eg"
    assert found["area_mm2"] is None
    assert [r["lut"] for r in found["layers"]] == made.layers["lut"].tolist()
    made.to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.utilisation.csv").exists()
    assert (tmp_path / "a.sources.csv").exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_plot_and_page(made, theme):
    pytest.importorskip("matplotlib")
    assert made.plot(theme, "narrow").axes
    assert "xczu3eg" in made.to_html()


def test_heads_of_a_page_are_written_as_the_field_writes_them():
    from hwmodel.report.fpga_page import _head

    assert [_head(c) for c in ("pe", "simd", "ii_cycles", "reuse_factor")] == ["PE", "SIMD", "II cycles", "Reuse factor"]


def test_parts_by_name():
    made = hw.score(NET, "ultra96", PLAN, folding={"*": (1, 1)}, clock_mhz=150)
    assert str(made.device) == "xczu3eg"
    assert made.layers.equals(hw.score(NET, PART, PLAN, folding={"*": (1, 1)}, clock_mhz=150).layers)


def test_vector_rows_are_refused_or_noted():
    work = hw.workload("phi-2", "decode", vector_ops=True)
    rows = int((work["kind"] == "vector").sum())
    options = {"plan": "w=int8/channel; a=int8/token; kv=int8/token", "architecture": "systolic", "folding": (8, 8)}
    for run in (hw.score, fpga_score):
        with pytest.raises(ValueError, match=rf"has {rows} of them .* vector_rows='skip'"):
            run(work, PART, **options)
        made = run(work, PART, **options, vector_rows="skip")
        assert made.notes[0].startswith(f"{rows} vector rows")
        assert made.total.equals(run(hw.workload("phi-2", "decode"), PART, **options).total)
        with pytest.raises(ValueError, match="vector_rows 'no'"):
            run(work, PART, **options, vector_rows="no")
    page = made.to_html()
    assert f"{rows} vector rows" in page


def test_what_is_not_modelled_is_said(made, tmp_path):
    assert [note.split()[0] for note in made.notes] == ["energy_j", "area_mm2"]
    made.to_json(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["notes"] == list(made.notes)


@pytest.mark.parametrize("part", ["xczu3eg", " Ultra96", hw.device("xcu250")])
def test_tables_of_designs_name_the_remedy_for_parts(part):
    for given in (({"clock_ghz": [1, 2]}, part), ({"accelerator": [part, "bitmod@j25"]},)):
        with pytest.raises(ValueError, match=r"is an FPGA part, .* hw\.score or hw\.compare"):
            hw.score_many(hw.workload("resnet-18"), *given)
