"""The INT8 systolic array against recorded SCALE-Sim runs and a fold-by-fold count."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.accelerators.compute import MODELS, Products
from hwmodel.accelerators.hardware import Hardware
from hwmodel.workloads import frame
from tests.reference import systolic as ref

RUNS = pd.read_csv(Path(__file__).parent / "data" / "scalesim_runs.csv")
SHAPES = {"conv 3x3 256->256 out 14x14 int8 (ifm 16x16 padded)": (196, 2304, 256), "GEMM 1x4096x4096": (1, 4096, 4096)}
PLAN = "w=int8/channel; a=int8/token"


def recorded(metric: str) -> list[tuple[str, str, str, str]]:
    rows = RUNS[RUNS.metric == metric]
    return [(r.workload, re.match(r"\d+x\d+", r.hardware)[0], r.options.split()[0], r.value) for r in rows.itertuples()]


def scored(array: str, flow: str, m: int, k: int, n: int) -> hw.Score:
    return hw.score(frame.table([frame.linear("l", 1, m, n, k)]), f"systolic<{array},{flow}>", PLAN)


@pytest.mark.parametrize(("workload", "array", "flow", "value"), recorded("compute cycles"))
def test_recorded_cycles(workload, array, flow, value):
    assert scored(array, flow, *SHAPES[workload]).total.compute_cycles == int(value)


@pytest.mark.parametrize(("workload", "array", "flow", "value"), recorded("overall utilisation"))
def test_recorded_utilisation(workload, array, flow, value):
    got = scored(array, flow, *SHAPES[workload])
    # the simulator divides by its internal count, one more than the cycles that it reports
    percent = 100 * got.total.macs / ((got.total.compute_cycles + 1) * got.array.size)
    assert percent == pytest.approx(float(value), rel=2e-4)


@pytest.mark.parametrize(("workload", "array", "flow", "value"), recorded("SRAM reads ifm/filter, writes ofm"))
def test_recorded_accesses(workload, array, flow, value):
    inputs, weights, outputs = (int(v) for v in re.findall(r"\d+", value)[:3])
    if "true" in value:  # the recorded count of outputs counts some twice; the true one is noted
        outputs = int(re.search(r"true (\d+)", value)[1])
    m, k, n = SHAPES[workload]
    acc = hw.accelerator(f"systolic<{array},{flow}>")
    one = np.array([1])
    act = MODELS[flow](Products(one, one * m, one * n, one * k), Hardware.of(acc, acc.prefill, 32), one)
    assert (act.activation_words[0], act.weight_words[0], act.partial_sums[0] + m * n) == (inputs, weights, outputs)


@settings(max_examples=150, deadline=None)
@given(
    flow=st.sampled_from(["ws", "os", "is"]),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    m=st.integers(1, 300),
    k=st.integers(1, 300),
    n=st.integers(1, 300),
)
def test_cycles_fold_by_fold(flow, rows, columns, m, k, n):
    got = scored(f"{rows}x{columns}", flow, m, k, n)
    assert got.layers.compute_cycles[0] == ref.cycles(flow, rows, columns, m, k, n)
    assert got.total.macs <= (got.total.compute_cycles + 1) * rows * columns


def test_batched_products_follow_one_another():
    rows = frame.attention("", 1, 2, 8, 4, 64, 1, 100)
    got = hw.score(frame.table(rows), "systolic<16x16,ws>", PLAN)
    assert got.layers.compute_cycles[0] == 2 * 4 * ref.cycles("ws", 16, 16, 2, 64, 100)


def test_element_is_horowitz_int8_multiply_and_int32_add():
    got = scored("32x32", "ws", 10, 64, 64)
    assert got.total.energy_core_j == pytest.approx(0.3e-12 * 1024 * got.total.compute_cycles)
    assert got.area["pe_array"] == pytest.approx(1024 * 419e-6)
    assert got.sources.source.str.contains("Horowitz").any()
    assert (got.sources.status != "").all()


@pytest.mark.parametrize("text", ["systolic<128x128,xs>", "systolic<0x8>", "systolic<8>", "systolic<8x8x8,ws>", "systolic<-8x8>"])
def test_bad_systolic_strings(text):
    with pytest.raises(ValueError, match=r"ws, os, is|systolic<|at least 1"):
        hw.accelerator(text)
