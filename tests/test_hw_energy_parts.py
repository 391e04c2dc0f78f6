"""Plots of energies draw every part of it: array, vector unit, memories, wires, leakage, DRAM, dequantizers."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

import hwmodel as hw
from hwmodel.evaluation import evaluate
from hwmodel.report.energy_plot import energy_breakdown, score_breakdown
from hwmodel.report.parts import energy_parts
from hwmodel.study import Study

from .small_llama import CONFIG, random_tensors, write_folder

mpl.use("Agg")
WORK = hw.workload("llama-3.2-1b", "prefill", 128, vector_ops=True)
SMALL = WORK[WORK.layer.isin(["layers.*.k_proj", "layers.*.softmax", "layers.*.residual"])].reset_index(drop=True)
W8A8 = "w=int8/channel; a=int8/token"
NAMES = {"Core", "Vector unit", "SRAM", "On-chip wires", "Leakage", "DRAM"}


def drawn(axes):
    """Length of each stacked bar, and of what stands between its parts."""
    ends: dict[float, list[tuple[float, float]]] = {}
    for bar in axes.patches:
        ends.setdefault(round(bar.get_y(), 6), []).append((bar.get_x(), bar.get_width()))
    for parts in ends.values():
        for (x, w), (nxt, _) in itertools.pairwise(parts):
            assert nxt == pytest.approx(x + w)
    return [sum(w for _, w in parts) for _, parts in sorted(ends.items())]


def legend(figure):
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_layers_of_a_score():
    made = hw.score(SMALL, "tpu", W8A8)
    figure = score_breakdown(made)
    assert legend(figure) == NAMES
    found = np.array(drawn(figure.axes[0]))
    assert found / found[0] == pytest.approx((made.layers.energy_j / made.layers.energy_j[0]).to_numpy(), rel=1e-9)
    parts = energy_parts(made.columns)
    assert list(parts) == ["core", "vector", "sram", "noc", "leakage", "dram", "dequant"]
    assert np.allclose(sum(parts.values()), made.columns["energy_j"], rtol=1e-12)


def test_a_comparison():
    """One accelerator with levels and a vector unit beside one that has neither."""
    plain = SMALL[SMALL.kind != "vector"]
    made = hw.compare(plain, {"tpu": W8A8, "systolic": W8A8})
    figure = made.plot()
    assert legend(figure) == NAMES - {"Vector unit"}
    assert drawn(figure.axes[0]) == pytest.approx(made.frame.energy_relative.tolist(), rel=1e-9)
    parts = [c for c in made.frame if c.startswith("energy_") and c not in ("energy_j", "energy_relative")]
    assert made.frame[parts].sum(axis=1).tolist() == pytest.approx(made.frame.energy_j.tolist())
    assert made.frame.energy_noc_j[1] == 0 < made.frame.energy_noc_j[0]


def test_evaluations_of_a_study(tmp_path):
    config = {**CONFIG, "hidden_size": 64, "intermediate_size": 96}
    model = hw.load_network(str(write_folder(tmp_path, config, random_tensors(config))))
    runs = [evaluate(model, W8A8, acc, samples=1) for acc in ("systolic", "tpu")]
    study = Study("llama", "a study", None, {}, runs, {})
    summary = study.summary()
    parts = [c for c in summary if c.startswith("energy_") and c != "energy_uj"]
    assert summary[parts].sum(axis=1).tolist() == pytest.approx(summary.energy_uj.tolist())
    assert summary.energy_noc_uj[0] == 0 < summary.energy_noc_uj[1]
    figure = energy_breakdown(study)
    assert legend(figure) == NAMES - {"Vector unit"}
    found = np.array(drawn(figure.axes[0]))
    assert found / found[0] == pytest.approx((summary.energy_uj / summary.energy_uj[0]).to_numpy(), rel=1e-9)
