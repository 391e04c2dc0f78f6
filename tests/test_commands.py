"""Commands beside `score` and `show`: compare, cost, study, list."""

import json
import sys

import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.cli import main


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


HEADLINE = "float16 on fp16@h25, mixed<int4,flint4>/g128 on ant@h25, bitmod4 on bitmod@h25"


def test_compare_prints_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("hwmodel.report.plots.comparison_pictures", lambda made: [])
    outs = [tmp_path / f"c.{suffix}" for suffix in ("csv", "json", "parquet", "html", "svg")]
    arguments = [a for out in outs for a in ("--out", out)]
    code, text, err = run(capsys, "compare", "--model", "phi-2", "--schemes", HEADLINE, *arguments)
    assert code == 0, err
    assert "mixed<int4,flint4>/g128 on ant@h25" in text
    assert "Phi-2, decode, context 256, batch 1" in text
    assert {p.name for p in tmp_path.iterdir()} >= {out.name for out in outs}
    frame = pd.read_csv(tmp_path / "c.csv")
    made = hw.compare(hw.workload("phi-2", "decode"), {"fp16@h25": "float16", "bitmod@h25": "bitmod4"}).frame
    assert frame["energy_j"].iloc[[0, 2]].tolist() == pytest.approx(made["energy_j"].tolist(), rel=1e-15)


def test_compare_of_every_pair_and_json(tmp_path, capsys):
    arguments = ("--accelerators", "fp16@h25,systolic", "--schemes", "int4/g128, w=int8/channel; a=int8/token")
    code, text, err = run(capsys, "compare", *arguments)
    assert (code, text) == (2, "")
    assert "int8/channel, a=int8/token on fp16@h25" in err
    assert "--skip" in err
    code, text, err = run(capsys, "compare", *arguments, "--skip", "--json", "--batch", "2", "--context", "64")
    said = json.loads(text)
    assert [(r["accelerator"], r["macs"] > 0) for r in said["frame"]] == [("fp16@h25", True), ("systolic", True)]
    assert len(said["refused"]) == 2
    code, text, err = run(capsys, "compare", *arguments, "--skip")
    assert err.count("left out: ") == 2
    code, text, err = run(capsys, "compare", "--model", "resnet-18", "--schemes", "w=int8/channel; a=int8/token on systolic")
    assert (code, "ResNet-18" in text) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--schemes", "bitmod4"), ("bitmod4 on NAME", "--accelerators")),
        (("--schemes", " ,"), ("names no scheme",)),
        (("--schemes", "bitmod4", "--accelerators", "bitmod@h52"), ("bitmod@h52", "bitmod@h25")),
        (("--schemes", "bitmood4 on bitmod@h25"), ("bitmood4",)),
        (("--schemes", "bitmod4 on bitmod@h25", "--accelerators", "fp16@h25"), ("no plan for accelerator 'fp16@h25'",)),
        (("--schemes", "bitmod4 on systolic"), ("systolic", "bitmod4")),
        (("--schemes", "bitmod4 on bitmod@h25", "--out", "c.gif"), ("'.gif'", ".html")),
        (("--schemes", "bitmod4 on bitmod@h25", "--out", "no/such/c.csv"), ("cannot be written",)),
        (("--schemes", "bitmod4 on bitmod@h25", "--model", "llama-2-7"), ("Llama-2-7B",)),
        (("--schemes", "bitmod4 on bitmod@h25", "--context", "5000"), ("at most 4096",)),
    ],
)
def test_compare_refuses_in_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, text, err = run(capsys, "compare", *arguments)
    assert (code, text) == (2, "")
    assert err.startswith("hwmodel: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_cost_of_components_and_datapaths(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    code, text, err = run(capsys, "cost", "int_mul", "W=8", "A=8", "--technology", "nangate45", "--flow", "area")
    assert code == 0, err
    made = hw.unit("int_mul", W=8, A=8).cost("nangate45", "area")
    assert f"{made.area_um2:.4g}" in text
    for part in made.breakdown["part"]:
        assert part in text
    for source in made.sources["source"]:
        assert source in text
    code, text, err = run(capsys, "cost", "fp32", "weight=e2m1", "activation=float16", "--technology", "nangate45,ihp130", "--json")
    said = json.loads(text)
    assert [c["technology"] for c in said["costs"]] == ["nangate45", "ihp130"]
    for one in said["costs"]:
        assert sum(p["area_um2"] for p in one["breakdown"]) == pytest.approx(one["area_um2"])
        assert {"name", "value", "unit", "source", "status"} == set(one["sources"][0])
    assert said["costs"][1]["leakage_nw"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("int_mull", "W=8"), ("int_mull", "int_mul")),
        (("int_mul", "W=8"), ("needs A",)),
        (("int_mul", "W=8", "A"), ("'A' is not NAME=VALUE",)),
        (("int_mul", "W=8", "W=9"), ("given twice",)),
        (("int_mul", "W=8", "A=x"), ("A of int_mul is 'x'",)),
        (("int_mul", "W=8", "A=8", "--technology", "nangate54"), ("nangate54", "nangate45")),
        (("int_mul", "W=8", "A=8", "--technology", ","), ("names none",)),
        (("fp32", "weight=e2m1"), ("activation=",)),
    ],
)
def test_cost_refuses_in_one_line(capsys, arguments, words):
    code, text, err = run(capsys, "cost", *arguments)
    assert (code, text) == (2, "")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_studies_of_synthesis_and_scalesim(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "110")
    code, text, err = run(capsys, "study", "synthesis")
    assert code == 0, err
    assert "int_mul" in text
    assert "nangate45, area" in text
    mine = tmp_path / "mine.csv"
    mine.write_text("kind,params,lib,flow\nint_mul,W=8;A=8;S=1,nangate45,area\n")
    code, text, err = run(capsys, "study", "synthesis", "--frame", mine)
    assert text.splitlines()[0].startswith("kind,params,lib,flow,area_um2")
    code, text, err = run(capsys, "study", "scalesim", "--model", "resnet-18", "--array", "16x16")
    assert "layer4.0.down" in text
    code, text, err = run(capsys, "study", "scalesim", "--rows")
    assert len(text.splitlines()) == 1 + 3 * 21
    mine.write_text("rows,cols,dataflow,m,k,n\n32,32,ws,196,2304,256\n128,128,os,196,2304,256\n")
    code, text, err = run(capsys, "study", "scalesim", "--frame", mine)
    assert [line.split(",")[6] for line in text.splitlines()[1:]] == ["167039", "10231"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bitmod", "--frame", "x.csv"), ("--frame belongs to",)),
        (("synthesis", "--model", "resnet-18"), ("--model belongs to",)),
        (("scalesim", "--array", "32"), ("ROWSxCOLUMNS",)),
        (("scalesim", "--frame", "absent.csv"), ("absent.csv",)),
        (("scalesim", "--frame", "empty.csv"), ("not a CSV table",)),
        (("scalesim", "--frame", "other.csv"), ("lacks the columns",)),
        (("scalesim", "--frame", "other.csv", "--array", "3x3"), ("leave --model and --array out",)),
        (("scalesim", "--model", "resnet-19"), ("ResNet-18",)),
    ],
)
def test_studies_refuse_in_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    code, text, err = run(capsys, "study", *arguments)
    assert (code, text) == (2, "")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize("what", ["technologies", "machines", "units", "workloads"])
def test_lists(monkeypatch, capsys, what):
    monkeypatch.setenv("COLUMNS", "100")
    code, text, err = run(capsys, "list", what)
    assert code == 0, err
    for name in {"technologies": ("nangate45",), "machines": hw.machines(), "units": ("int_mul",), "workloads": ("VGG-16",)}[what]:
        assert name in text


def test_cost_on_fpgas(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    code, text, err = run(capsys, "cost", "int_mac", "W=8", "A=8", "K=32", "--technology", "xc7,xcup", "--stages", "2", "--no-dsp")
    assert (code, err) == (0, "")
    made = hw.unit("int_mac", W=8, A=8, K=32).cost("xc7", dsp=False, stages=2)
    for word in ("pipeline_depth", "pipeline registers", f"{made.fmax_mhz:.1f}", "xcup: stages", "clock to q"):
        assert word in text
    code, text, err = run(
        capsys, "cost", "fp32", "weight=e2m1", "activation=float16", "--technology", "xc7", "--clock-mhz", "100", "--json"
    )
    said = json.loads(text)["costs"][0]
    assert said["fmax_mhz"] >= 100
    assert (said["pipeline_depth"], said["ff"]) == (len(said["stages"]), sum(p["ff"] for p in said["breakdown"]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--stages", "2"), ("--stages is for FPGAs", "xc7")),
        (("--technology", "xc7", "--stages", "two"), ("'two'", "'max'")),
        (("--technology", "xc7", "--clock-mhz", "900"), ("MHz at most on xc7",)),
        (("--technology", "xc7,nangate45"), ("ask apart",)),
        (("--technology", "xc7", "--flow", "area"), ("cell libraries",)),
        (("--technology", "ice41"), ("ice41",)),
    ],
)
def test_cost_on_fpgas_refuses_in_one_line(capsys, arguments, words):
    code, text, err = run(capsys, "cost", "int_mac", "W=8", "A=8", "K=32", *arguments)
    assert (code, text, err.count("\n")) == (2, "", 1)
    for word in words:
        assert word in err


def test_compare_with_fpgas(capsys):
    plan = "w=int4/channel; a=int4/token"
    arguments = ("compare", "--model", "resnet-18", "--schemes", plan, "--accelerators", "u250,pynq-z2", "--memories", "external")
    code, text, err = run(capsys, *arguments, "--skip", "--json")
    assert (code, err) == (0, "")
    found = json.loads(text)["frame"]
    assert [row["accelerator"] for row in found] == ["xcu250", "xc7z020"]
    assert all(row["fits"] and row["lut"] > 0 and row["energy_j"] is None for row in found)
    code, _, err = run(capsys, "score", "--accelerator", "xczu3eg")
    assert (code, err.count("\n")) == (2, 1)
    assert "hwmodel compare --accelerators" in err
    code, _, err = run(capsys, "compare", "--model", "resnet-18", "--schemes", plan, "--accelerators", "xczu3egg")
    assert "did you mean xczu3eg" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["allocate", "--model", "digits", "--schemes", "int8/channel, int4/channel", "--budget", "size_mib=40%"],
        ["compare", "--model", "resnet-18", "--accelerators", "xczu3eg", "--schemes", "w=int8/channel; a=int8/tensor"],
    ],
)
def test_a_missing_optional_package_is_one_line_with_its_remedy(arguments, monkeypatch, capsys):
    for name in ("scipy", "scipy.optimize"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert "needs scipy" in err
    assert "pip install" in err
    assert "Traceback" not in err
