"""The `hwmodel` command: reports, refusals with exit code 2, Ctrl-C without leftovers."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

import hwmodel as hw
from hwmodel.cli import main

from .small_llama import CONFIG, random_tensors, write_folder

FAST = ("--samples", "1", "--schemes", "bitmod4, nf4 on fp16@j25, w=int8/channel; a=int8/token on systolic")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = {**CONFIG, "hidden_size": 64, "intermediate_size": 96}
    return write_folder(tmp_path_factory.mktemp("llama"), config, random_tensors(config))


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_score_writes_a_full_report(tmp_path, capsys):
    out = tmp_path / "report"
    code, text, err = run(capsys, "score", *FAST, "--out", out)
    assert code == 0, err
    assert "bitmod4/g128" in text
    assert str(out / "index.html") in err.replace("\n", "")
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert {"index.html", "summary.csv", "summary.parquet", "layers.csv", "layers.parquet", "sources.csv", "report.json"} <= names
    assert any(n.endswith(".svg") for n in names)
    assert any(n.endswith(".png") for n in names)
    summary = pd.read_csv(out / "summary.csv")
    assert list(summary["accelerator"]) == ["bitmod@j25", "fp16@j25", "systolic"]
    layers = pd.read_parquet(out / "layers.parquet")
    for row in summary.itertuples():
        part = layers[layers.label == row.label]
        assert part["energy_j"].sum() * 1e6 == pytest.approx(row.energy_uj)
        assert part["latency_s"].sum() * 1e6 == pytest.approx(row.latency_us)
    assert not layers[layers.scheme == "nf4/g64"]["native"].any()
    facts = json.loads((out / "report.json").read_text())
    assert facts["settings"]["model"] == "pydoc-lm"
    # the same command again replaces the report and gives the same numbers
    code, _, err = run(capsys, "score", *FAST, "--out", out)
    assert code == 0, err
    pd.testing.assert_frame_equal(pd.read_csv(out / "summary.csv"), summary)


def test_score_of_a_model_folder(tmp_path, capsys, folder, monkeypatch):
    monkeypatch.setattr("hwmodel.report.plots.study_pictures", lambda study: ([], {"pareto.svg": b"<svg/>"}))  # drawn above
    out = tmp_path / "report"
    code, text, err = run(capsys, "score", "--model", folder, "--out", out, "--json")
    assert code == 0, err
    rows = json.loads(text)
    assert [r["scheme"] for r in rows] == [
        "float16", "int8/channel", "int4/g128", "nf4/g64", "mixed<int4,flint4>/g128", "mxfp4/g32", "int6/g128+scale=float16",
        "bitmod4/g128", "bitmod3/g128",
    ]  # fmt: skip
    assert all("perplexity" not in r for r in rows)
    assert "g32 instead of g128" in err.replace("\n", " ")
    layers = pd.read_csv(out / "layers.csv")
    weighted = layers[layers.kind == "linear"]
    assert set(weighted.layer) == set(hw.load_network(str(folder)).network.layers)
    assert weighted["sqnr_db"].notna().all()


def test_score_of_a_safetensors_file(tmp_path, capsys):
    rng = np.random.default_rng(0)
    path = tmp_path / "layers.safetensors"
    save_file(
        {"a.weight": rng.standard_normal((8, 64)).astype(np.float32), "b.weight": rng.standard_normal((8, 128)).astype(np.float16)},
        path,
    )
    code, text, err = run(capsys, "score", "--model", path, "--schemes", "int4/g64", "--out", tmp_path / "r", "--json")
    assert code == 0, err
    assert json.loads(text)[0]["accelerator"] == "bitmod@j25"


@pytest.mark.parametrize("model", ["folder", pytest.param("pydoc-lm", marks=pytest.mark.exhaustive)])
def test_phase_context_and_accelerator(tmp_path, capsys, folder, model, monkeypatch):
    monkeypatch.setattr("hwmodel.report.plots.study_pictures", lambda study: ([], {"pareto.svg": b"<svg/>"}))  # costs alone matter
    model = folder if model == "folder" else model
    arguments = ("score", "--model", model, "--samples", "1", "--schemes", "bitmod3/g32", "--json", "--out", tmp_path / "r")
    energies = {}
    for name, extra in {
        "decode": (),
        "long": ("--context", "512"),
        "prefill": ("--phase", "prefill"),
        "h25": ("--accelerator", "bitmod@h25"),
    }.items():
        code, text, err = run(capsys, *arguments, *extra)
        assert code == 0, err
        energies[name] = json.loads(text)[0]["energy_uj"]
    assert energies["decode"] < energies["long"] < energies["prefill"]
    assert energies["h25"] != energies["decode"]


def test_default_schemes_on_one_accelerator_leave_out_what_it_cannot_run(tmp_path, capsys, folder):
    code, text, err = run(
        capsys, "score", "--model", folder, "--accelerator", "systolic<8x8,os>", "--out", tmp_path / "r", "--json"
    )
    assert code == 0, err
    assert [r["scheme"] for r in json.loads(text)] == ["int8/channel", "int4/g128"]
    assert "bitmod4/g128 was left out" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--schemes", "bitmood4"), ("bitmood4", "bitmod4")),
        (("--schemes", "e4m3/channel"), ("ambiguous", "e4m3fn")),
        (("--schemes", "int4/g100"), ("group size 100", "128", "g32")),
        (("--schemes", "bitmod4 on bitmod@j26"), ("bitmod@j26", "bitmod@j25")),
        (("--schemes", "bitmod4 on systolic"), ("systolic", "bitmod4")),
        (("--schemes", "bitmod4 on systolic", "--accelerator", "fp16@j25"), ("only one",)),
        (("--schemes", " , "), ("names no scheme",)),
        (("--schemes", "w=int4/g128; x=1"), ("'x'",)),
        (("--accelerator", "no/such.yaml"), ("no/such.yaml",)),
        (("--model", "pydoc-ml"), ("pydoc-lm",)),
        (("--model", "no/such/folder"), ("no/such/folder",)),
    ],
)
def test_bad_input_is_one_clear_error(tmp_path, capsys, arguments, words):
    out = tmp_path / "report"
    code, text, err = run(capsys, "score", "--samples", "1", "--out", out, *arguments)
    assert code == 2
    assert text == ""
    assert err.startswith("hwmodel: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not out.exists()
    assert list(tmp_path.iterdir()) == []


def test_broken_model_files(tmp_path, capsys, folder):
    whole = (folder / "model.safetensors").read_bytes()
    broken = write_folder(tmp_path / "broken", json.loads((folder / "config.json").read_text()))
    (broken / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    for path in (broken, broken / "model.safetensors"):
        code, _, err = run(capsys, "score", "--model", path, "--out", tmp_path / "r")
        assert code == 2
        assert "not a complete safetensors file" in err
    tensors = {"a.weight": np.array([[1.0, np.nan]], np.float32)}
    save_file(tensors, tmp_path / "nan.safetensors")
    code, _, err = run(capsys, "score", "--model", tmp_path / "nan.safetensors", "--out", tmp_path / "r")
    assert code == 2
    assert "a.weight" in err
    assert "NaN" in err
    save_file({"a.weight": np.zeros((0, 4), np.float32)}, tmp_path / "empty.safetensors")
    code, _, err = run(capsys, "score", "--model", tmp_path / "empty.safetensors", "--out", tmp_path / "r")
    assert code == 2
    assert not (tmp_path / "r").exists()


def test_output_folder_is_checked_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "report", foreign):
        code, _, err = run(capsys, "score", "--out", out)
        assert code == 2
        assert str(out) in err or str(tmp_path / "file") in err
    assert (foreign / "thesis.tex").read_text() == "x"


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a child process")
def test_interrupt_leaves_nothing(tmp_path):
    out = tmp_path / "report"
    command = [sys.executable, "-m", "hwmodel", "score", "--out", str(out), "--samples", "50"]
    # a test run in the background of a shell ignores Ctrl-C, and so would its children
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **heard)
    time.sleep(6)  # in the middle of the work: 50 windows of nine schemes take longer
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == -signal.SIGINT, err  # a shell shows 130, and its loops stop
    assert "interrupted" in err
    assert list(tmp_path.iterdir()) == []


def test_show_list_and_study(capsys):
    code, text, _ = run(capsys, "show", "e2m1")
    assert code == 0
    assert "-1.5" in text
    code, text, _ = run(capsys, "show", "e4m3fn", "--json")
    facts = json.loads(text)
    assert (facts["max"], facts["bits"], facts["values"][0x7F]) == (448.0, 8, "nan")
    for name in ("float16", "int4", "nf4", "e8m0", "fixed<16,6>", "float64"):
        assert run(capsys, "show", name)[0] == 0
    code, _, err = run(capsys, "show", "e4m3f")
    assert (code, "e4m3fn" in err) == (2, True)
    for what in ("formats", "datapaths", "accelerators", "machines", "technologies", "devices", "units", "workloads"):
        code, text, _ = run(capsys, "list", what)
        assert code == 0
        assert len(text.splitlines()) > 4
    code, text, _ = run(capsys, "study", "bitmod")
    assert "speedup_ly_vs_ant" in text
    code, text, _ = run(capsys, "study", "bitmod", "--rows")
    assert len(text.splitlines()) == 121


@pytest.mark.parametrize(
    ("name", "word", "column"), [("pe", "FP16 FMA", "published"), ("peers", "zigzag", "mapping"), ("xtramac", "lut", "dsp")]
)
def test_studies_beside_the_published(capsys, name, word, column):
    code, text, _ = run(capsys, "study", name)
    assert (code, word in text) == (0, True)
    code, text, _ = run(capsys, "study", name, "--rows")
    frame = pd.read_csv(io.StringIO(text))
    assert (code, column in frame.columns, len(frame) > 5) == (0, True, True)
    if name != "xtramac":
        code, _, err = run(capsys, "study", name, "--frame", "x.csv")
        assert (code, "--frame belongs to the studies synthesis and scalesim and xtramac" in err) == (2, True)


def test_usage_errors_exit_with_2(capsys):
    for arguments in (["score", "--samples", "0"], ["score", "--phase", "x"], ["nonsense"], []):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert capsys.readouterr().err


def test_show_compares_lists_and_draws(tmp_path, capsys):
    code, text, _ = run(capsys, "show", "e4m3fn", "int4", "posit8")
    assert code == 0
    assert "posit8" in text
    assert "above 464" in text.replace("\n", " ")
    code, text, _ = run(capsys, "show", "e4m3fn", "fixed<64,3>", "--json")
    first, second = json.loads(text)
    assert (first["name"], first["fields"]) == ("e4m3fn", {"sign": "1", "exponent": "4", "mantissa": "3"})
    assert second["max"] == "9223372036854775807*2**-61"
    code, text, _ = run(capsys, "show", "ternary", "--json")
    assert json.loads(text)["values"] == [-1.0, 0.0, 1.0, None]
    code, text, _ = run(capsys, "show", "float16", "--values")
    assert len(text.splitlines()) == 65537
    assert text.splitlines()[0x3C01 + 1] == "0x3c01\t0 01111 0000000001\t1.0009765625\tnormal"
    head = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    for (suffix, first_bytes), theme in zip(head.items(), ("light", "dark", "light"), strict=True):
        path = tmp_path / f"{theme}{suffix}"
        assert run(capsys, "show", "e4m3fn", "nf4", "--json", "--plot", path, "--theme", theme, "--width", "wide")[0] == 0
        assert path.read_bytes().startswith(first_bytes)
    content = (tmp_path / "light.svg").read_bytes()
    assert run(capsys, "show", "e4m3fn", "nf4", "--plot", tmp_path / "light.svg", "--width", "wide")[0] == 0
    assert (tmp_path / "light.svg").read_bytes() == content  # the same bytes every time
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nope",), ("unknown format 'nope'",)),
        (("e4m3fn", "e4m3"), ("ambiguous", "float8_e4m3fnuz")),
        (("e4m3fn", "--plot", "a.gif"), ("'.gif'", ".svg")),
        (("e4m3fn", "--plot", "no/such/folder/a.svg"), ("cannot be written",)),
        (("float32", "--values"), ("2**32 codes", "nf.decode")),
        ((*(f"int{b}" for b in range(2, 11)), "--plot", "a.svg"), ("9 formats", "1 to 8")),
    ],
)
def test_show_refuses_in_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, text, err = run(capsys, "show", *arguments)
    assert (code, text) == (2, "")
    assert err.startswith("hwmodel: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_show_draws_a_line_of_values_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("e2m1", "p3109<16,1,ue>", "fixed<0,0>", "ternary", "takum64"):
        code, text, _ = run(capsys, "show", name)
        assert code == 0
        assert ("█" in text) == (name != "fixed<0,0>")
