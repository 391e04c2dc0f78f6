"""Phases of language models: keys and values, recorded layers one by one, mixtures of experts."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.workloads import transformers
from hwmodel.workloads.llm import distinct

RECORDED = pd.read_csv(Path(__file__).parent / "vectors" / "workloads.csv")


@pytest.mark.parametrize("name", sorted(n for n, t in transformers().items() if t.family == "decoder"))
def test_keys_and_values(name):
    t = transformers()[name]
    work = hw.workload(name, "decode", 500, 3)
    each = t.kv_heads * t.head_dim
    cached = work[work.kind.str.startswith("attention")]
    # what a step reads: keys and values of every token and layer, once a sequence
    assert (cached["count"] * cached.batch * cached.n * cached.k).sum() == 3 * 500 * 2 * each * t.layers
    assert (cached.m == t.heads // t.kv_heads).all()
    # what a step appends is what the projections of keys and values put out
    appended = work[work.layer.str.endswith((".k_proj", ".v_proj"))]
    assert (appended["count"] * appended.m * appended.n).sum() == 3 * 2 * each * t.layers
    prefill = hw.workload(name, "prefill", 500, 3)
    appended = prefill[prefill.layer.str.endswith((".k_proj", ".v_proj"))]
    assert (appended["count"] * appended.m * appended.n).sum() == 3 * 500 * 2 * each * t.layers


CACHE = {"llama-2-7b": 512, "llama-3-8b": 128, "yi-6b": 64}  # KiB a token at 16 bits


@pytest.mark.parametrize("name", CACHE)
def test_published_sizes_of_the_cache(name):
    work = hw.workload(name, "decode", 1)
    cached = work[work.kind.str.startswith("attention")]
    assert 2 * (cached["count"] * cached.batch * cached.n * cached.k).sum() == CACHE[name] * 1024


def test_decode_macs_of_hardware_md():
    t, context, batch = transformers()["llama-3-8b"], 333, 5
    work = hw.workload(t.name, "decode", context, batch)
    h, f, a, k, d = t.hidden, t.intermediate, t.heads, t.kv_heads, t.head_dim
    linear = t.layers * batch * (h * a * d * 2 + 2 * h * k * d + 3 * h * f) + batch * t.vocab * h
    attention = t.layers * 2 * batch * a * context * d
    assert work.macs.sum() == linear + attention


def layer_name(text):
    return text.split(" ")[0].replace("attn_qk", "attention_qk").replace("attn_av", "attention_pv")


@pytest.mark.parametrize("network", sorted(n for n in set(RECORDED.network) if "@" in n))
def test_recorded_language_layers_one_by_one(network):
    """Every recorded row of decode, prefill and BERT, except the experts of Mixtral's prefill: there two experts are counted
    for all tokens, here all that the tokens reach. (Rows of image networks: tests/test_hw_readers.py.)"""
    name, _, phase = network.partition(" ")
    name, _, length = name.partition("@seq")
    context = int(length or 2048)
    options = {} if length else {"lm_head": "last"}
    work = hw.workload(name, phase.split("@")[0] or "prefill", context, **options)
    ours = {re.sub(r"^layers\.\*\.(experts\.)?(busy\.)?(window\.)?", "", r["layer"]): r for r in work.to_dict("records")}
    for wanted in RECORDED[RECORDED.network == network].to_dict("records"):
        if wanted["layer"] == "qkv":  # recorded as one product, here three
            parts = [ours[f"{p}_proj"] for p in "qkv"]
            assert sum(p["n"] for p in parts) == wanted["gemm_N"]
            assert sum(p["macs"] for p in parts) == wanted["macs_total"]
            continue
        got = _recorded(ours, layer_name(wanted["layer"]))
        if name.startswith("Mixtral") and wanted["layer"] in ("gate_proj", "up_proj", "down_proj") and "prefill" in phase:
            assert got["macs"] == wanted["macs_total"]
            continue
        assert (got["m"], got["n"], got["k"]) == (wanted["gemm_M"], wanted["gemm_N"], wanted["gemm_K"]), wanted["layer"]
        assert got["count"] * got["batch"] == wanted["count"], wanted["layer"]
        assert (got["macs"], got["weights"]) == (wanted["macs_total"], wanted["weights_total"])


def _recorded(ours, name):
    alias = {"attn_proj": "o_proj", "ffn_up": "fc1", "ffn_down": "fc2"}
    return ours[alias.get(name, name)]


# experts


def test_expected_experts():
    t = transformers()["mixtral-8x7b"]
    assert distinct(t, 1) == 2
    assert distinct(t, 4) == pytest.approx(8 * (1 - 0.75**4))
    for tokens in (1, 2, 3, 4, 17, 100):
        work, spread = (hw.workload(t.name, "decode", 64, tokens, experts=e) for e in ("expected", "balanced"))
        up = work[work.layer.str.contains("experts") & work.layer.str.endswith("up_proj")]
        assert up["count"].sum() == round(32 * distinct(t, tokens))
        assert (up["count"] * up.m).sum() == 32 * 2 * tokens  # every pair of token and expert, once
        assert work.macs.sum() == spread.macs.sum()
        assert work.weights.sum() <= spread.weights.sum()  # random tokens meet; balanced ones do not


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(1, 40))
def test_expected_experts_unfolded(batch):
    folded, each = (hw.workload("mixtral-8x7b", "decode", 8, batch, experts="expected", fold=f) for f in (True, False))
    assert folded.weights.sum() == each.weights.sum()
    assert folded.macs.sum() == each.macs.sum()
    assert each.layer.is_unique


def test_expected_experts_against_random_routing():
    # 400 batches of 6 tokens that each draw 2 of 8 experts
    rng = np.random.default_rng(1)
    reached = [len({e for _ in range(6) for e in rng.choice(8, 2, replace=False)}) for _ in range(400)]
    mean, error = np.mean(reached), np.std(reached) / 20
    assert abs(mean - distinct(transformers()["mixtral-8x7b"], 6)) < 4 * error


def test_bad_experts():
    with pytest.raises(ValueError, match=r"experts 'random'.*balanced"):
        hw.workload("mixtral-8x7b", experts="random")
