"""hw.evaluate and the study behind `hwmodel score`: emulation, quality and cost of the same layers."""

import math

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
import numfmt as nf
from hwmodel.emulation import Emulator, cache_scheme, decibel
from hwmodel.evaluation import baseline_quality, workload_of
from hwmodel.study import DEFAULT_PLANS, Entry, default_entries, fit, matching_accelerator, run_study
from numfmt.layers.network import LayerBag, LayerSpec

from .small_llama import CONFIG, random_tensors, write_folder


@pytest.fixture(scope="module")
def lm():
    return hw.load_network("pydoc-lm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random Llama whose rows are multiples of 32."""
    config = {**CONFIG, "hidden_size": 64, "intermediate_size": 96}
    return write_folder(tmp_path_factory.mktemp("llama"), config, random_tensors(config))


def test_every_layer_is_what_matmul_gives(folder):
    """The emulator's layer equals quantize + matmul called by hand, for native and dequantized weights."""
    model = hw.load_network(str(folder))
    network = model.network
    name = "model.layers.0.mlp.up_proj"
    w = network.layers[name].weight
    x = np.random.default_rng(0).standard_normal((1, 5, w.shape[1])).astype(np.float32)
    half = nf.quantize(x[0], "float16")

    got = Emulator(network, nf.Plan.parse("bitmod4/g32"), hw.accelerator("bitmod@j25")).apply(name, x)
    want = nf.matmul(half, nf.quantize(w, "bitmod4/g32").T, "bitmod.paper>fp32")
    np.testing.assert_array_equal(got[0], want)

    got = Emulator(network, nf.Plan.parse("w=int8/channel; a=int8/token"), hw.accelerator("systolic")).apply(name, x)
    want = nf.matmul(nf.quantize(x[0], "int8/token"), nf.quantize(w, "int8/channel").T, "int32>fp32")
    np.testing.assert_array_equal(got[0], want)

    got = Emulator(network, nf.Plan.parse("nf4/g32"), hw.accelerator("fp16@j25")).apply(name, x)
    dequantized = nf.cast(nf.quantize(w, "nf4/g32").dequantize().astype(np.float64), "float16")
    np.testing.assert_array_equal(got[0], nf.matmul(half, dequantized.T, "fp16"))


def test_error_figures_are_those_of_the_results(folder):
    network = hw.load_network(str(folder)).network
    emulator = Emulator(network, nf.Plan.parse("int4/g32"), hw.accelerator("ant@j25"))
    name = "model.layers.1.self_attn.q_proj"
    spec = network.layers[name]
    rng = np.random.default_rng(1)
    parts = [rng.standard_normal((1, 4, spec.weight.shape[1])).astype(np.float32) for _ in range(2)]
    results = [emulator.apply(name, x) for x in parts]
    exact = np.concatenate([x.astype(float) @ spec.weight.T.astype(float) for x in parts])
    error = np.concatenate(results) - exact
    note = emulator.errors[name]
    assert note.sqnr_db == pytest.approx(10 * math.log10((exact**2).sum() / (error**2).sum()), rel=1e-9)
    assert note.largest == np.abs(error).max()
    stored = nf.quantize(spec.weight, "int4/g32").dequantize().astype(float)
    weights = spec.weight.astype(float)
    assert note.weight_sqnr_db == pytest.approx(10 * math.log10((weights**2).sum() / ((stored - weights) ** 2).sum()))
    assert decibel(1.0, 0.0) == math.inf
    assert math.isnan(decibel(0.0, 0.0))


def test_language_model_quality_falls_with_the_bits(lm):
    base = baseline_quality(lm.network, lm.evaluate_data, 2)
    plans = [("float16", "fp16@j25"), ("bitmod4", "bitmod@j25"), ("bitmod3", "bitmod@j25")]
    runs = [hw.evaluate(lm, plan, acc, samples=2, baseline=base) for plan, acc in plans]
    perplexities = [r.quality["perplexity"] for r in runs]
    assert base["perplexity"] == pytest.approx(perplexities[0], rel=1e-3)
    assert perplexities[0] < perplexities[1] < perplexities[2] < 1.2 * perplexities[0]
    assert [r.summary["delta"] for r in runs] == [p - base["perplexity"] for p in perplexities]
    sqnr = [r.summary["sqnr_db"] for r in runs]
    assert sqnr[0] > 50 > sqnr[1] > sqnr[2] > 15
    for run in runs:
        score = hw.score(workload_of(lm.network, None, None), run.accelerator, run.plan)
        pd.testing.assert_frame_equal(
            run.layers[list(score.layers.columns.drop("datapath"))], score.layers.drop(columns="datapath")
        )
        assert run.energy_j == pytest.approx(run.layers["energy_j"].sum())
        weighted = run.layers[run.layers.kind == "linear"]
        assert len(weighted) == len(lm.network.layers)
        assert weighted[["sqnr_db", "max_abs_error", "weight_sqnr_db"]].notna().all().all()
        assert run.layers[run.layers.kind != "linear"]["sqnr_db"].isna().all()


def test_evaluations_repeat_to_the_bit(lm):
    first, second = (hw.evaluate(lm, "mxfp4", "bitmod@j25", samples=1) for _ in range(2))
    assert first.quality == second.quality
    pd.testing.assert_frame_equal(first.layers, second.layers)


def test_dequantized_weights_are_said_and_charged(lm):
    run = hw.evaluate(lm, "nf4/g64", "fp16@j25", samples=1)
    weighted = run.layers[run.layers.kind == "linear"]
    assert not weighted["native"].any()
    assert set(weighted["datapath"]) == {"fp16"}
    assert (weighted["energy_dequant_j"] > 0).all()
    assert run.score.area["dequantizers"] > 0
    assert run.summary["native"] is False
    on_bitmod = hw.evaluate(lm, "nf4/g64", "bitmod@j25", samples=1)
    assert set(on_bitmod.layers[on_bitmod.layers.kind == "linear"]["datapath"]) == {"fp16"}


def test_classifier_accuracy():
    model = hw.load_network("digits")
    entries, notes = default_entries(model.network, None)
    assert len(entries) == len(DEFAULT_PLANS)
    assert any("int4/g128" in note for note in notes)  # rows of 9 weights take one scale a channel
    study = run_study(model, entries, samples=100)
    table = study.summary()
    assert study.baseline["accuracy"] >= 0.96
    assert (table["accuracy"] >= 0.9).all()
    assert table["pareto"].any()
    assert set(study.rows()["kind"]) == {"conv2d", "linear"}
    assert study.settings["samples"] == 100


def test_kv_cache_is_held_as_the_accelerator_or_plan_says():
    layer = nf.Plan.parse("bitmod4").default
    assert str(cache_scheme(hw.accelerator("bitmod@j25"), layer)) == "int8/token"
    assert str(cache_scheme(hw.accelerator("fp16@j25"), layer)) == "float16"
    assert str(cache_scheme(hw.accelerator("fp16@j25"), nf.Plan.parse("w=bitmod4; kv=int4/token").default)) == "int4/token"


def test_networks_without_data(folder):
    model = hw.load_network(str(folder))
    run = hw.evaluate(model, "int8/channel", "ant@j25")
    assert run.quality == {}
    assert "perplexity" not in run.summary
    assert run.summary["sqnr_db"] > 25
    rng = np.random.default_rng(0)
    specs = {
        "a": LayerSpec("a", "linear", rng.standard_normal((8, 32)).astype(np.float32)),
        "c": LayerSpec("c", "conv2d", rng.standard_normal((4, 3, 3, 3)).astype(np.float32), padding=1),
    }
    done = []
    run = hw.evaluate(LayerBag("bag", specs), "int8/channel", "ant@j25", progress=done.append)
    assert done == [1, 2]
    assert run.layers.set_index("layer")["sqnr_db"].min() > 25


def test_groups_shrink_where_they_do_not_divide(folder):
    rng = np.random.default_rng(0)
    specs = {f"k{k}": LayerSpec(f"k{k}", "linear", rng.standard_normal((4, k)).astype(np.float32)) for k in (128, 96, 48, 9)}
    plan, changed = fit(nf.Plan.parse("w=bitmod4/g128; kv=int8/token"), LayerBag("bag", specs))
    assert [str(plan.for_layer(n).weight) for n in specs] == ["bitmod4/g128", "bitmod4/g32", "bitmod4/g16", "bitmod4/channel"]
    assert str(plan.for_layer("k9").kv) == "int8/token"
    assert "g32 instead of g128 in 1 layer" in changed
    same, nothing = fit(nf.Plan.parse("int8/channel"), LayerBag("bag", specs))
    assert (str(same), nothing) == (str(nf.Plan.parse("int8/channel")), "")


@pytest.mark.parametrize(
    ("plan", "accelerator"),
    [("float16", "fp16@j25"), ("bitmod3", "bitmod@j25"), ("mxfp4", "bitmod@j25"), ("nf4", "fp16@j25"),
     ("mixed<int4,flint4>/g128", "ant@j25"),
     ("w=int8/channel; a=int8/token", "systolic"), ("int4/g128+asym", "fp16@j25")],
)  # fmt: skip
def test_matching_accelerator(plan, accelerator):
    assert str(matching_accelerator(nf.Plan.parse(plan))) == accelerator


def test_refusals(lm, folder):
    with pytest.raises(ValueError, match=r"systolic.*float16"):
        hw.evaluate(lm, "bitmod4", "systolic", samples=1)
    with pytest.raises(ValueError, match=r"int8/token.*a=float16"):
        hw.evaluate(lm, "w=int8/channel; a=int8/token", "bitmod@j25", samples=1)
    with pytest.raises(ValueError, match=r"group size 100 does not divide"):
        hw.evaluate(lm, "int4/g100", "ant@j25", samples=1)
    with pytest.raises(ValueError, match="did you mean"):
        hw.evaluate(lm, "int4/g128", "bitmood@j25", samples=1)
    entries = [
        Entry(nf.Plan.parse("bitmod4"), hw.accelerator("bitmod@j25")),
        Entry(nf.Plan.parse("bitmod4"), hw.accelerator("systolic")),
    ]
    started = []
    with pytest.raises(ValueError, match="systolic"):
        run_study(lm, entries, samples=1, step=lambda *what: started.append(what))
    assert started == []  # refused before the long part


def test_pareto_front():
    frame = pd.DataFrame({"e": [1.0, 2, 3, 3, math.nan, 2], "p": [9.0, 5, 4, 6, 1, 5], "t": list("abcdef")})
    assert list(hw.pareto(frame, ["e", "p"])["t"]) == ["a", "b", "c", "f"]
    assert list(hw.pareto(frame, ["e"], maximize=["p"])["t"]) == ["a"]
    with pytest.raises(ValueError, match="did you mean"):
        hw.pareto(frame, ["ee", "p"])
    with pytest.raises(ValueError, match="not numbers"):
        hw.pareto(frame, ["t"])
    with pytest.raises(ValueError, match="at least one"):
        hw.pareto(frame, [])
