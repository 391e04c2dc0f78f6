"""Accelerators and machines with a vector unit: hw.score and hw.roofline take workloads with vector rows."""

import numpy as np
import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.accelerators.vector import vector_unit
from hwmodel.vector_rows import score_with_vectors

WORK = hw.workload("llama-3.2-1b", "prefill", 256, vector_ops=True)
SMALL = WORK[WORK.layer.isin(["layers.*.k_proj", "layers.*.softmax", "layers.*.residual"])].reset_index(drop=True)
PLAIN = hw.workload("llama-3.2-1b", "prefill", 256)
UNIT = "vector_unit: {base: horowitz45-fp16, lanes: 256}\n"


def test_an_accelerator_with_a_vector_unit(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: bitmod@j25\nname: mine\n{UNIT}", encoding="utf-8")
    got = hw.score(WORK, path, "bitmod4/g128")
    want = score_with_vectors(WORK, "bitmod@j25", "bitmod4/g128", vector_unit({"base": "horowitz45-fp16", "lanes": 256}))
    pd.testing.assert_frame_equal(got.layers, want.layers)
    assert got.total.energy_vector_j > 0
    assert sum(got.total[c] for c in got.total.index if c.startswith("energy_") and c != "energy_j") == pytest.approx(got.energy_j)
    assert hw.score(PLAIN, path, "bitmod4/g128").energy_j < got.energy_j
    assert hw.accelerator("bitmod@j25").vector_unit is None


def test_an_accelerator_without():
    with pytest.raises(ValueError, match=r"bitmod@j25 has no vector unit.*vector_unit.*vector_rows='skip'"):
        hw.score(WORK, "bitmod@j25", "bitmod4/g128")
    skipped = hw.score(WORK, "bitmod@j25", "bitmod4/g128", vector_rows="skip")
    pd.testing.assert_frame_equal(skipped.layers, hw.score(PLAIN, "bitmod@j25", "bitmod4/g128").layers)
    with pytest.raises(ValueError, match="vector_rows 'no'"):
        hw.score(WORK, "bitmod@j25", "bitmod4/g128", vector_rows="no")


def test_malformed(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: bitmod@j25\nname: mine\nvector_unit: {base: horowitz45-fp16}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.yaml: field vector_unit\.lanes is missing"):
        hw.accelerator(path)


def test_rooflines(tmp_path):
    with pytest.raises(ValueError, match=r"machine t4 has no vector unit.*vector_tops"):
        hw.roofline(WORK, "t4", 8)
    skipped = hw.roofline(WORK, "t4", 8, vector_rows="skip")
    pd.testing.assert_frame_equal(skipped.layers, hw.roofline(PLAIN, "t4", 8).layers)
    path = tmp_path / "mine.yaml"
    path.write_text("base: t4\nname: mine\nvector_tops: 8.1\n", encoding="utf-8")
    rows = hw.roofline(WORK, path, 8).layers
    own, products = rows[rows.kind == "vector"], rows[rows.kind != "vector"].reset_index(drop=True)
    pd.testing.assert_frame_equal(products, hw.roofline(PLAIN, "t4", 8).layers)
    vector = WORK[WORK.kind == "vector"]
    assert own.bytes.tolist() == (vector.reads + vector.writes + vector.parameters).tolist()
    softmax = own.set_index("layer").loc["layers.*.softmax"]
    elements, vectors = 16 * 32 * 256 * 256, 16 * 32 * 256
    assert softmax.operations == 5 * elements + vectors
    assert softmax.compute_s == pytest.approx(softmax.operations / 8.1e12)
    inside = hw.roofline(WORK, path, 8, on_chip="scores").layers.set_index("layer")
    assert inside.bytes["layers.*.softmax"] == 0
    assert inside.bytes["layers.*.residual"] > 0
    assert np.isfinite(hw.roofline(WORK, path, 8, on_chip="activations").latency_s)
    assert "vector_tops" in set(hw.roofline(WORK, path, 8).sources.name)


@pytest.mark.parametrize("name", ["edge-npu", "tpu", "h100-sm-tensor"])
def test_presets_with_a_unit(name):
    got = hw.score(SMALL, name, "w=int8/channel; a=int8/token" if name != "h100-sm-tensor" else "float16")
    plain = hw.score(SMALL[SMALL.kind != "vector"], name, got.plan)
    rows = got.layers[got.layers.kind == "vector"]
    assert (rows.energy_vector_j > 0).all()
    assert got.energy_j == pytest.approx(plain.energy_j + rows.energy_j.sum())
    parts = [c for c in got.total.index if c.startswith("energy_") and c != "energy_j"]
    assert {"energy_noc_j", "energy_leakage_j", "energy_vector_j"} <= set(parts)
    assert sum(got.total[c] for c in parts) == pytest.approx(got.energy_j)
    lanes = got.sources.set_index("name").loc["vector_unit.lanes"]
    assert (lanes.value, lanes.status) == (hw.accelerator(name).vector_unit.lanes, "inferred")


def test_a_hierarchy_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: eyeriss\nname: mine\nvector_unit: {base: horowitz45-fp16, lanes: 64}\n", encoding="utf-8")
    plan = "w=int8/channel; a=int8/token"
    with pytest.raises(ValueError, match="eyeriss has no vector unit"):
        hw.score(SMALL, "eyeriss", plan)
    skipped = hw.score(SMALL, "eyeriss", plan, vector_rows="skip", objective="latency")
    got = hw.score(SMALL, path, plan, objective="latency")
    assert got.latency_s > skipped.latency_s
    assert got.layers[got.layers.kind != "vector"].cycles.tolist() == skipped.layers.cycles.tolist()
    given = hw.score(SMALL, path, plan, mapping={SMALL.layer[0]: got.layers.mapping[0]})
    assert given.layers.mapping[0] == got.layers.mapping[0]
