"""Transformer and network workloads against published totals."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel._data import csv_rows
from hwmodel.workloads import transformers
from hwmodel.workloads.frame import COLUMNS

MODELS = csv_rows("hwmodel.workloads", "llm_models")


@pytest.mark.parametrize("row", MODELS, ids=lambda r: r["model"])
def test_weights_and_macs_of_every_model(row):
    work = hw.workload(row["model"], "prefill", context=1)
    linear = work[~work.kind.str.startswith("attention")]
    router = int(work.weights[work.layer.str.contains("router")].sum())
    head = int(row["vocab"]) * int(row["hidden"])
    if row["experts"] == "1":
        assert linear.weights.sum() == int(row["linear_params_total"]) + head
        assert linear.macs.sum() == int(row["macs_per_token_linear_plus_lmhead"])
    else:  # one token reaches two experts: their weights are read, the others' not
        assert linear.macs.sum() - router == int(row["macs_per_token_linear_plus_lmhead"])
        full = hw.workload(row["model"], "prefill", context=256).weights.sum()
        assert full - router == int(row["linear_params_total"]) + head


def test_all_models_are_there():
    assert len(transformers()) == 22
    assert {t.status for t in transformers().values()} == {"cross-checked", "recalled"}


def test_columns_and_types():
    work = hw.workload("llama-2-7b")
    assert tuple(work.columns) == COLUMNS
    assert all(work[c].dtype == np.int64 for c in COLUMNS[2:])
    assert work.attrs["phase"] == "prefill"
    assert work.attrs["context"] == 256


def test_attention_macs_and_grouped_heads():
    # B a T S d products each for QK^T and PV; the query heads of one key-value head share its keys
    work = hw.workload("Llama-3-8B", "decode", context=300, batch=3).set_index("kind")
    for kind in ("attention_qk", "attention_pv"):
        assert work.macs[kind] == 32 * 3 * 32 * 300 * 128
        assert (work.batch[kind], work.m[kind]) == (3 * 8, 4)
    assert (work.n["attention_qk"], work.k["attention_qk"]) == (300, 128)
    assert (work.n["attention_pv"], work.k["attention_pv"]) == (128, 300)


def test_unfolded_layers_add_up_to_the_folded_ones():
    for name in ("gemma-2-2b", "mistral-7b-v0.1", "mixtral-8x7b", "opt-1.3b"):
        folded, each = (hw.workload(name, "decode", context=8000 if name != "opt-1.3b" else 9, fold=f) for f in (True, False))
        for column in ("macs", "weights"):
            assert folded[column].sum() == each[column].sum()
        assert each.layer.is_unique
        assert folded.layer.is_unique
        assert each["count"].sum() <= folded["count"].sum()


def test_sliding_windows():
    gemma = hw.workload("gemma-2-2b", "decode", context=8192)
    qk = gemma[gemma.kind == "attention_qk"]
    assert dict(zip(qk.context, qk["count"], strict=True)) == {8192: 13, 4096: 13}
    mistral = hw.workload("mistral-7b-v0.1", "decode", context=30000)
    assert mistral[mistral.kind == "attention_qk"].context.tolist() == [4096]


def test_experts_share_the_tokens():
    work = hw.workload("mixtral-8x7b", "prefill", context=3)
    up = work[work.layer.str.contains("experts") & work.layer.str.endswith("up_proj")]
    # 6 pairs of token and expert on 8 experts: 6 experts with one token each
    assert (up["count"].tolist(), up.m.tolist()) == ([32 * 6], [1])
    work = hw.workload("mixtral-8x7b", "prefill", context=5)
    up = work[work.layer.str.contains("experts") & work.layer.str.endswith("up_proj")]
    assert sorted(zip(up["count"], up.m, strict=True)) == [(32 * 2, 2), (32 * 6, 1)]


def test_lm_head_options():
    assert hw.workload("phi-2", lm_head="none").layer.ne("lm_head").all()
    assert hw.workload("phi-2", batch=4, lm_head="last").set_index("layer").m["lm_head"] == 4
    assert hw.workload("phi-2", batch=4).set_index("layer").m["lm_head"] == 4 * 256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "llama-2-7"}, "Llama-2-7B"),
        ({"model": "phi-2", "phase": "decoding"}, "decode"),
        ({"model": "phi-2", "context": 0}, "context is 0"),
        ({"model": "phi-2", "context": 2.5}, "context is 2.5"),
        ({"model": "phi-2", "context": float("nan")}, "context is nan"),
        ({"model": "phi-2", "context": 4096}, "at most 2048"),
        ({"model": "phi-2", "batch": -1}, "batch is -1"),
        ({"model": "phi-2", "batch": True}, "batch is True"),
        ({"model": "phi-2", "lm_head": "first"}, "lm_head"),
        ({"model": "bert-base", "phase": "decode"}, "encoder"),
        ({"model": ""}, "known"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        hw.workload(**arguments)


@dataclass(frozen=True)
class Spec:
    kind: str
    weight: np.ndarray
    stride: int = 1
    padding: int = 0


def network(**layers: Spec) -> SimpleNamespace:
    return SimpleNamespace(name="net", layers=dict(layers))


def test_convolutions_become_products():
    net = network(a=Spec("conv2d", np.zeros((16, 3, 3, 3)), padding=1), b=Spec("conv2d", np.zeros((32, 16, 3, 3)), stride=2))
    net.layers["fc"] = Spec("linear", np.zeros((10, 288)))
    work = hw.workload_from_network(net, batch=2, input_hw=(8, 8)).set_index("layer")
    assert work.loc["a", ["m", "n", "k"]].tolist() == [2 * 64, 16, 27]
    assert work.loc["b", ["m", "n", "k"]].tolist() == [2 * 9, 32, 144]
    assert work.loc["fc", ["m", "n", "k"]].tolist() == [2, 10, 288]
    assert work.weights["b"] == 32 * 16 * 9
    pooled = hw.workload_from_network(net, input_hw={"a": (8, 8), "b": (4, 4)}).set_index("layer")
    assert pooled.m["b"] == 1
    net.image_shape = (3, 8, 8)
    pd.testing.assert_frame_equal(hw.workload_from_network(net, batch=2).set_index("layer"), work)


def test_language_network_gets_its_attention_rows():
    names = [f"model.layers.{i}.{part}" for i in range(2) for part in ("q_proj", "o_proj")]
    net = network(**{name: Spec("linear", np.zeros((64, 64))) for name in names})
    net.shape = SimpleNamespace(num_attention_heads=8, num_key_value_heads=2, head_dim=8, num_hidden_layers=2)
    work = hw.workload_from_network(net, 10, "decode", context=50, batch=3)
    attention = work[work.kind.str.startswith("attention")]
    assert attention.layer.tolist() == [f"model.layers.{i}.attention_{p}" for i in range(2) for p in ("qk", "pv")]
    assert attention.macs.tolist() == [3 * 8 * 50 * 8] * 4
    assert work.m[0] == 3
    same = hw.workload_from_network(
        net, 10, "decode", context=50, batch=3, config={"heads": 8, "kv_heads": 2, "hidden": 64, "layers": 2}
    )
    pd.testing.assert_frame_equal(same, work)
    assert hw.score(work, "fp16@j25", "int4/channel").phase == "decode"


@pytest.mark.parametrize(
    ("net", "arguments", "words"),
    [
        (network(), {}, "no layers"),
        (network(a=Spec("lstm", np.zeros((2, 2)))), {}, "lstm"),
        (network(a=Spec("conv2d", np.zeros((2, 2, 3, 3)))), {}, "input_hw"),
        (network(a=Spec("conv2d", np.zeros((2, 2, 3, 3)))), {"input_hw": (2, 2)}, "does not fit"),
        (network(a=Spec("linear", np.zeros((2, 2)))), {"tokens": 0}, "tokens is 0"),
        (network(a=Spec("linear", np.zeros((2, 2)))), {"phase": "train"}, "train"),
        (
            network(a=Spec("linear", np.zeros((2, 2)))),
            {"config": {"heads": 3, "kv_heads": 2, "hidden": 6, "layers": 1}},
            "divide",
        ),
    ],
)
def test_network_refusals(net, arguments, words):
    with pytest.raises(ValueError, match=words):
        hw.workload_from_network(net, **arguments)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_networks_of_the_package_are_workloads(phase):
    work = hw.workload("pydoc-lm", phase=phase, context=128)
    network = hw.load_network("pydoc-lm").network
    linear = work[work.kind == "linear"]
    assert list(linear.layer) == list(network.layers)
    assert set(linear.m) == {128 if phase == "prefill" else 1}
    assert int(linear.weights.sum()) == sum(spec.weight.size for spec in network.layers.values())
    assert len(work) - len(linear) == 2 * network.shape.num_hidden_layers
    images = hw.workload("digits", phase=phase, batch=3)
    assert set(images.kind) == {"conv2d", "linear"}
    with pytest.raises(ValueError, match="at most 256"):
        hw.workload("pydoc-lm", context=257)
    with pytest.raises(ValueError, match="pydoc-lm"):
        hw.workload("pydoc-ml")
