"""Vector rows of workloads, what they cost on a vector unit, and the phases of language models."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
import numfmt as nf
from hwmodel.accelerators.vector import (
    CLASSES,
    VectorUnit,
    is_vector,
    op_facts,
    operations,
    refuse,
    vector_cost,
    vector_unit,
    vector_units,
)  # fmt: skip
from hwmodel.report.ceilings import of_score
from hwmodel.report.parts import energy_parts
from hwmodel.sources import STATUS
from hwmodel.vector_rows import score_with_vectors
from hwmodel.workloads import frame, transformers
from hwmodel.workloads.vector import architectures, row, vector_ops

from .reference.vector_rows import INPUTS, STEPS, llama_elements, walk

RECORDED = pd.read_csv(Path(__file__).parent / "vectors" / "workloads.csv")
UNIT = {"base": "horowitz45-fp16", "lanes": 64}


def vector(work):
    return work[work.kind == "vector"]


# rows


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("name", sorted(transformers()))
def test_products_stay_as_they_are(name, phase):
    t = transformers()[name]
    if phase == "decode" and t.family == "encoder":
        return
    for fold in (True, False):
        plain = hw.workload(name, phase, 64, 2, fold=fold)
        work = hw.workload(name, phase, 64, 2, fold=fold, vector_ops=True)
        products = work[work.kind != "vector"].reset_index(drop=True)
        pd.testing.assert_frame_equal(products[list(plain.columns)], plain)
        rows = vector(work)
        assert rows.layer.is_unique
        assert (rows[["macs", "weights"]] == 0).all().all()
        assert (rows.elements == rows["count"] * rows.m * rows.n).all()
        assert set(rows.op) <= set(vector_ops())
        known = architectures()[t.architecture]
        assert ("rope" in set(rows.op)) == (known.rotary_share > 0)
        assert (work.elements[work.kind != "vector"] == 0).all()


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize(("phase", "context", "batch"), [("prefill", 300, 3), ("decode", 300, 3), ("decode", 1, 1)])
@pytest.mark.parametrize("name", ["llama-2-7b", "llama-3-8b", "yi-6b", "llama-3.2-1b"])
def test_elements_of_llama(name, phase, context, batch, fold):
    t = transformers()[name]
    rows = vector(hw.workload(name, phase, context, batch, fold=fold, vector_ops=True))
    queries = context if phase == "prefill" else 1
    shape = (t.hidden, t.intermediate, t.heads, t.kv_heads, t.head_dim, t.layers)
    want = llama_elements(*shape, batch * queries, queries, context, batch)
    assert rows.groupby("op").elements.sum().to_dict() == want
    for op, part in rows.groupby("op"):
        assert part.reads.sum() == INPUTS.get(op, 1) * want[op]
        assert part.writes.sum() == want[op]
    norms = rows[rows.op == "rmsnorm"]
    assert norms.parameters.sum() == (2 * t.layers + 1) * t.hidden
    assert rows[rows.op == "rope"].parameters.sum() == t.layers * queries * t.head_dim


def test_models_differ_as_their_definitions_do():
    def elements(name, phase="decode", context=100):
        rows = vector(hw.workload(name, phase, context, vector_ops=True))
        return rows.groupby("op").elements.sum().to_dict()

    opt, phi, gemma, bert = elements("opt-1.3b"), elements("phi-2"), elements("gemma-2-2b"), elements("bert-base", "prefill", 128)
    assert opt["layernorm"] == (2 * 24 + 1) * 2048
    assert opt["relu"] == 24 * 8192
    assert opt["add"] == (2 * 24 + 1) * 2048  # residuals, and learned positions
    assert "rope" not in opt
    assert phi["layernorm"] == 33 * 2560  # one norm a parallel block
    assert phi["rope"] == 32 * 64 * 32  # 0.4 of 80 dimensions, queries and keys
    assert gemma["rmsnorm"] == (4 * 26 + 1) * 2304
    assert gemma["softcap"] == 26 * 8 * 100 + 256000
    assert gemma["scale"] == 2304
    assert "gelu_tanh" in gemma
    assert bert["softmax"] == 12 * 12 * 128 * 128
    assert bert["layernorm"] == 25 * 128 * 768


def test_softmax_of_windows_and_experts():
    rows = vector(hw.workload("gemma-2-2b", "decode", 8192, vector_ops=True)).set_index("layer")
    assert rows.elements["layers.*.softmax"] == 13 * 8 * 8192
    assert rows.elements["layers.*.window.softmax"] == 13 * 8 * 4096
    rows = vector(hw.workload("mixtral-8x7b", "decode", 64, 3, vector_ops=True)).set_index("layer")
    assert rows.elements["layers.*.activation"] == 32 * 3 * 2 * 14336
    assert rows.elements["layers.*.router_softmax"] == 32 * 3 * 8
    assert rows.elements["layers.*.experts.sum"] == 32 * 3 * 4096


def test_counts_are_those_of_the_programs_that_numfmt_runs():
    layers = {
        "layernorm": nf.layers.LayerNorm(np.ones(4), np.zeros(4), fmt="float16", division="rsqrt"),
        "rmsnorm": nf.layers.RMSNorm(np.ones(4), fmt="float16", division="rsqrt"),
        "softmax": nf.layers.Softmax("float16", division="reciprocal"),
        "gelu": nf.layers.GELU("float16", method="steps"),
        "gelu_tanh": nf.layers.GELU("float16", approximate="tanh", method="steps"),
        "silu": nf.layers.SiLU("float16", method="multiply"),
    }
    for op, layer in layers.items():
        lines = [line.partition(" = ")[2] for line in layer.program.splitlines() if " = " in line]
        known = vector_ops()[op]
        every = {c: known.each[c] + known.row[c] for c in CLASSES}
        found = dict.fromkeys(CLASSES, 0)
        for line in lines:
            found["compare"] += line.count("max(")
            found["special"] += len(re.findall(r"\b(exp|erf|tanh|rsqrt|reciprocal)\(|^1\.0 / ", line)) + (line.startswith("1 / "))
            found["multiply"] += line.count(" * ") + line.count(" / n")
            found["add"] += line.count(" + ") + line.count(" - ") + line.count("sum(")
        assert found == every, (op, lines)


@pytest.mark.parametrize("op", sorted(STEPS))
def test_operations_element_by_element(op):
    work = frame.table([row("a", op, 1, 3, 17), frame.linear("b", 1, 3, 17, 5)])
    found = operations(work)
    want = walk(op, 3, 17)
    assert {c: int(found[c][0]) for c in CLASSES} == {c: want[c] for c in CLASSES}
    assert all(found[c][1] == 0 for c in CLASSES)
    assert set(STEPS) == set(vector_ops())


def test_every_count_has_a_source():
    for known in vector_ops().values():
        assert known.status in STATUS
        assert len(known.source) >= 10
    for known in architectures().values():
        assert known.status == "recalled"
        assert len(known.source) > 10
    names = {f.name for f in op_facts(frame.table([row("a", "softmax", 1, 2, 3)]))}
    assert names == {"softmax: add an element", "softmax: multiply an element", "softmax: compare an element",
                     "softmax: special an element", "softmax: special a vector"}  # fmt: skip


def test_configurations():
    llama = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 96}
    llama |= {"vocab_size": 100, "max_position_embeddings": 64, "hidden_act": "silu"}
    rows = vector(hw.workload_from_config(llama, "decode", 10, vector_ops=True))
    assert rows[rows.op == "rope"].elements.sum() == 2 * 2 * 64
    half = vector(hw.workload_from_config({**llama, "partial_rotary_factor": 0.5}, "decode", 10, vector_ops=True))
    assert half[half.op == "rope"].elements.sum() == 2 * 64
    tanh = vector(hw.workload_from_config({**llama, "hidden_act": "gelu_pytorch_tanh"}, "decode", 10, vector_ops=True))
    assert "gelu_tanh" in set(tanh.op)
    for fields, words in (
        ({"model_type": "qwen3"}, "architecture 'qwen3'"),
        ({"hidden_act": "xielu"}, "activation function .*'xielu'"),
        ({"partial_rotary_factor": 2}, "partial_rotary_factor is 2"),
    ):
        with pytest.raises(ValueError, match=words):
            hw.workload_from_config({**llama, **fields}, "decode", 10, vector_ops=True)


def test_who_cannot_take_vector_rows_says_so():
    work = hw.workload("opt-1.3b", "decode", vector_ops=True)
    for write in (hw.to_scalesim, hw.to_zigzag):
        with pytest.raises(ValueError, match="without vector_ops"):
            write(work)
    with pytest.raises(ValueError, match="vector_ops of resnet-18"):
        hw.workload("resnet-18", vector_ops=True)
    error = refuse("accelerator fp16@h25", 12)
    for words in ("fp16@h25", "12 vector rows", "vector_unit", "vector_ops", "vector_rows='skip'"):
        assert words in str(error)
    with pytest.raises(ValueError, match=r"layer kind 'vector'|no vector unit"):
        hw.score(work, "fp16@h25")
    with pytest.raises(ValueError, match="without the columns op"):
        is_vector(work.drop(columns="op"))
    with pytest.raises(ValueError, match=r"vector operation 'geglu'.*gelu"):
        operations(work.assign(op="geglu"))
    with pytest.raises(ValueError, match=r"vector operation 'swish'"):
        row("a", "swish", 1, 2, 3)


# the unit


def test_cycles_energy_and_traffic_by_hand():
    unit = vector_unit(UNIT)
    work = frame.table([row("s", "softmax", 2, 3, 100), frame.linear("l", 1, 3, 17, 5), row("r", "add", 1, 1, 65)])
    found = vector_cost(work, unit)
    # softmax of 300 elements: 600 additions, 300 products, 300 comparisons, 303 special ones at half a cycle a lane
    assert found.cycles.tolist() == [2 * (10 + 5 + 5 + 10), 0, 2]
    assert found.energy_pj[0] == pytest.approx(2 * (600 * 0.4 + 300 * 1.1 + 300 * 0.05 + 303 * 3.0))
    assert found.energy_pj[2] == pytest.approx(65 * 0.4)
    assert found.operations.tolist() == [2 * 1503, 0, 65]
    assert found.bytes.tolist() == [2 * 600 * 2, 0, 3 * 65 * 2]
    streamed = vector_cost(work, replace(unit, place="streamed"))
    assert streamed.bytes.tolist() == [0, 0, 0]
    assert (streamed.cycles == found.cycles).all()


def test_parameters_are_read_in_each_case():
    work = frame.table([row("n", "layernorm", 3, 5, 64)])
    for place, moved in (("memory", 2 * 3 * 5 * 64 + 3 * 2 * 64), ("streamed", 3 * 2 * 64)):
        found = vector_cost(work, vector_unit(UNIT | {"place": place, "bits": 8}))
        assert found.bytes.tolist() == [moved]
        assert found.reads.tolist() == [3 * 5 * 64 + 3 * 2 * 64]


@settings(max_examples=60, deadline=None)
@given(
    op=st.sampled_from(sorted(STEPS)), count=st.integers(1, 5), vectors=st.integers(1, 40), width=st.integers(1, 300),
    lanes=st.integers(1, 300),
)  # fmt: skip
def test_bounds(op, count, vectors, width, lanes):
    work = frame.table([row("a", op, count, vectors, width)])
    unit = vector_unit(UNIT | {"lanes": lanes})
    found, one = vector_cost(work, unit), vector_cost(work.assign(count=1), unit)
    steps = walk(op, 1, width)
    lower = count * vectors * sum(steps[c] / (lanes * unit.per_cycle[c].value) for c in CLASSES)
    assert lower <= found.cycles[0] * (1 + 1e-12)
    assert found.cycles[0] <= lower + 4 * count
    assert found.cycles[0] == count * one.cycles[0]
    assert found.energy_pj[0] == pytest.approx(count * vectors * sum(steps[c] * unit.energy_pj[c].value for c in CLASSES))
    more = vector_cost(work, vector_unit(UNIT | {"lanes": lanes + 1}))
    assert more.cycles[0] <= found.cycles[0]
    assert more.energy_pj[0] == found.energy_pj[0]


def test_units_of_the_package():
    assert vector_units() == ("horowitz45-fp16", "horowitz45-fp32", "jouppi7-fp16")
    for name in vector_units():
        unit = vector_unit({"base": name, "lanes": 8, "area_um2": 100})
        for fact in unit.facts():
            assert fact.status in STATUS
            assert fact.unit
            assert len(fact.source) > 10 or fact.name == "vector_unit.area_um2"
    assert vector_unit(UNIT).area_mm2 == pytest.approx(64 * 3000e-6)
    mine = vector_unit(UNIT | {"energy_pj": {"special": {"value": 5, "source": "measured here", "status": "measured"}}})
    assert (mine.energy_pj["special"].value, mine.energy_pj["special"].status) == (5, "measured")
    assert mine.energy_pj["add"].value == 0.4
    own = vector_unit({"lanes": 2, "area_um2": 1, "energy_pj": dict.fromkeys(CLASSES, 1.0)})
    assert own.per_cycle["special"].value == 1
    assert own.energy_pj["add"].status == "user"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (None, "give a mapping"),
        ({"lanes": 4}, "lacks area_um2, energy_pj.add"),
        ({"base": "jouppi7-fp16", "lanes": 4}, "lacks area_um2"),
        ({"base": "horowitz45-fp16"}, "vector_unit.lanes is missing"),
        ({"base": "horowitz45-fp61", "lanes": 4}, "did you mean horowitz45-fp16"),
        (UNIT | {"lane": 4}, "did you mean vector_unit.lanes"),
        (UNIT | {"lanes": 0}, "lanes is 0"),
        (UNIT | {"lanes": 2.5}, "lanes is 2.5"),
        (UNIT | {"bits": -1}, "bits is -1"),
        (UNIT | {"place": "cache"}, "place"),
        (UNIT | {"energy_pj": 3}, "energy_pj is 3"),
        (UNIT | {"energy_pj": {"sqrt": 3}}, r"vector_unit\.energy_pj\.sqrt"),
        (UNIT | {"energy_pj": {"add": -1}}, r"energy_pj\.add is -1"),
        (UNIT | {"energy_pj": {"add": math.nan}}, r"energy_pj\.add is nan"),
        (UNIT | {"per_cycle": {"add": 0}}, r"per_cycle\.add is 0"),
        (UNIT | {"per_cycle": {"add": {"value": 1}}}, "value, source and status"),
        (UNIT | {"per_cycle": {"add": {"value": 1, "source": "x", "status": "sure"}}}, "status"),
    ],
)
def test_malformed_units(fields, words):
    with pytest.raises(ValueError, match=words) as error:
        vector_unit(fields, "mine.yaml")
    assert "mine.yaml" in str(error.value) or "status" in words
    assert isinstance(vector_unit(UNIT), VectorUnit)


# scores of both


def test_a_score_of_products_and_vectors():
    work = hw.workload("llama-3.2-1b", "prefill", 256, vector_ops=True)
    unit = vector_unit(UNIT | {"lanes": 256})
    both = score_with_vectors(work, "bitmod@j25", "bitmod4/g128", unit)
    alone = hw.score(work[work.kind != "vector"], "bitmod@j25", "bitmod4/g128")
    rows = both.layers
    assert rows.layer.tolist() == work.layer.tolist()
    products = rows[rows.kind != "vector"].reset_index(drop=True)
    pd.testing.assert_frame_equal(products[list(alone.layers.columns)], alone.layers, check_dtype=False)
    own = vector(rows)
    assert (own[["macs", "weights", "energy_core_j", "energy_dequant_j", "weight_bits"]] == 0).all().all()
    assert (own.cycles == np.maximum(own.compute_cycles, own.dram_cycles)).all()
    found = vector_cost(vector(work), unit)
    assert own.energy_vector_j.tolist() == pytest.approx((found.energy_pj * 1e-12).tolist())
    assert own.dram_bytes.tolist() == found.bytes.tolist()
    assert own.energy_dram_j.tolist() == pytest.approx((found.bytes * 8 * 18.75e-12).tolist())
    parts = [c for c in rows if c.startswith("energy_") and c.endswith("_j") and c != "energy_j"]
    assert np.allclose(rows[parts].sum(axis=1), rows.energy_j, rtol=1e-12)
    assert both.energy_j == pytest.approx(alone.energy_j + own.energy_j.sum())
    assert both.latency_s == pytest.approx(alone.latency_s + own.latency_s.sum())
    assert both.area_mm2 == pytest.approx(alone.area_mm2 + 256 * 3000e-6)
    assert {"vector_unit.energy_pj.special", "softmax: special an element"} <= set(both.sources.name)
    assert list(energy_parts(both.columns)) == ["core", "vector", "sram", "dram", "dequant"]
    assert "Vector unit" in [t.get_text() for t in both.plot().legends[0].get_texts()]
    assert len(of_score(both).spots) == len(alone.layers)


def test_without_a_unit():
    work = hw.workload("llama-3.2-1b", "decode", 256, vector_ops=True)
    with pytest.raises(ValueError, match=r"bitmod@j25 has no vector unit.*vector_rows='skip'"):
        score_with_vectors(work, "bitmod@j25", "bitmod4", None)
    skipped = score_with_vectors(work, "bitmod@j25", "bitmod4", None, vector_rows="skip")
    plain = hw.score(hw.workload("llama-3.2-1b", "decode", 256), "bitmod@j25", "bitmod4")
    pd.testing.assert_frame_equal(skipped.layers, plain.layers)
    with pytest.raises(ValueError, match="vector_rows 'ignore'"):
        score_with_vectors(work, "bitmod@j25", "bitmod4", None, vector_rows="ignore")
    with pytest.raises(ValueError, match="vector rows only"):
        score_with_vectors(vector(work), "bitmod@j25", "bitmod4", vector_unit(UNIT))
