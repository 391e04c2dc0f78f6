"""`hw.studies.scalesim` and the stall model against runs of SCALE-Sim 3.0.0 (tools/record_scalesim.py)."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.accelerators.stalls import Memory, conv_addresses, product_addresses, stalled_cycles
from hwmodel.accelerators.systolic import counts
from tests.reference import systolic as ref

RECORDED = pd.read_csv(Path(__file__).parent / "vectors" / "scalesim.csv")
CALC, USER = (RECORDED[RECORDED["mode"] == mode].reset_index(drop=True) for mode in ("CALC", "USER"))
RUNS = pd.read_csv(Path(__file__).parent / "data" / "scalesim_runs.csv")
SHAPES = {"conv 3x3 256->256 out 14x14 int8 (ifm 16x16 padded)": (196, 2304, 256), "GEMM 1x4096x4096": (1, 4096, 4096)}
PADDED = (16, 16, 3, 3, 256, 256, 1)


def test_the_recording_is_wide():
    assert len(CALC) == 360
    assert len(USER) == 240
    assert (USER.stall_cycles > 0).sum() >= 110
    for rows in (CALC, USER):
        assert set(rows.dataflow) == {"ws", "os", "is"}
        assert (rows.k_h > 0).sum() >= 40


def test_every_recorded_run_without_bandwidth_limit():
    got = hw.studies.scalesim(CALC[["rows", "cols", "dataflow", "m", "k", "n"]])
    assert (got.compute_cycles == CALC.compute_cycles).all()
    assert (CALC.stall_cycles == 0).all()
    assert np.allclose(got.overall_utilisation, CALC.overall_util, rtol=1e-12)
    assert np.allclose(got.mapping_efficiency, CALC.mapping_eff, rtol=1e-12)
    assert (got.ifmap_reads == CALC.ifmap_reads).all()
    assert (got.filter_reads == CALC.filter_reads).all()


@pytest.mark.parametrize("rows", [CALC, USER], ids=["CALC", "USER"])
def test_scalesim_counts_output_writes_of_os_twice(rows):
    # systolic_compute_os.py adds the height and the width of each fold's padded outputs to the words written
    got = hw.studies.scalesim(rows[["rows", "cols", "dataflow", "m", "k", "n"]])
    folds = -(-rows.m // rows.rows) * -(-rows.n // rows.cols)
    slip = folds * (rows.rows + rows.cols) * (rows.dataflow == "os")
    assert (got.ofmap_writes + slip == rows.ofmap_writes).all()


@pytest.mark.parametrize("row", USER.to_dict("records"), ids=lambda r: f"{r['dataflow']}-{r['m']}x{r['k']}x{r['n']}")
def test_every_recorded_run_with_stalls_to_the_cycle(row):
    kib, wide = ([int(row[f"{part}_{what}"]) for part in ("ifmap", "filter", "ofmap")] for what in ("kib", "bw"))
    got = hw.studies.scalesim(pd.DataFrame([row]).drop(columns="compute_cycles"), bandwidth=wide, memory_kib=kib)
    assert (got.total_cycles[0], got.stall_cycles[0]) == (row["compute_cycles"], row["stall_cycles"])


def grid(rows):
    out = []
    for r in rows.itertuples():
        size = [int(v) for v in re.match(r"(\d+)x(\d+)", r.hardware).groups()]
        out.append((*size, r.options.split()[0], *SHAPES[r.workload]))
    return pd.DataFrame(out, columns=["rows", "cols", "dataflow", "m", "k", "n"])


@pytest.mark.parametrize(
    ("metric", "column", "digits"),
    [
        ("compute cycles", "compute_cycles", 0),
        ("overall utilisation", "overall_utilisation", 4),
        ("mapping efficiency", "mapping_efficiency", 5),
    ],
)
def test_large_recorded_layers(metric, column, digits):
    rows = RUNS[RUNS.metric == metric]
    assert len(rows) == 6
    for ours, theirs in zip(hw.studies.scalesim(grid(rows))[column], rows.value, strict=True):
        places = len(theirs.partition(".")[2])
        assert round(float(ours), min(places, digits)) == float(theirs)


def test_large_recorded_accesses():
    rows = RUNS[RUNS.metric.str.startswith("SRAM")]
    assert len(rows) == 6
    got = hw.studies.scalesim(grid(rows))
    for i, text in enumerate(rows.value):
        inputs, weights, outputs = (int(v) for v in re.findall(r"\d+", text)[:3])
        if found := re.search(r"true (\d+)", text):
            outputs = int(found[1])
        assert tuple(got.loc[i, ["ifmap_reads", "filter_reads", "ofmap_writes"]]) == (inputs, weights, outputs)


def test_a_large_layer_at_ten_words_a_cycle_is_mostly_stalls():
    memory = Memory(64 * 1024, 10)
    total, stalls = stalled_cycles("ws", 32, 32, *conv_addresses(*PADDED), (memory,) * 3)
    assert total - stalls <= 167039
    assert 4 < stalls / 167039 < 8


@settings(max_examples=40, deadline=None)
@given(
    flow=st.sampled_from(["ws", "os", "is"]),
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    words=st.sampled_from([1024, 4096]),
    bandwidth=st.integers(1, 32),
)
def test_stalls_never_speed_an_array_up(flow, rows, cols, shape, words, bandwidth):
    plain = int(counts(flow, rows, cols, *shape).cycles)
    assert plain == ref.cycles(flow, rows, cols, *shape)
    total, stalls = stalled_cycles(flow, rows, cols, *product_addresses(*shape), (Memory(words, bandwidth),) * 3)
    assert total >= plain
    assert stalls >= total - plain
    fits = max(shape[0] * shape[1], shape[1] * shape[2]) <= words // 2 and bandwidth >= cols
    if fits:  # nothing is fetched twice, and outputs leave as fast as they come
        assert stalls == 0


def test_the_frame_is_kept():
    frame = pd.DataFrame({"name": ["a", "b"], "dataflow": [" WS", "os"], "m": 9.0, "k": 9, "n": 9}, index=[5, 3])
    frame = frame.assign(rows=8, cols=8)
    got = hw.studies.scalesim(frame)
    assert got.index.tolist() == [5, 3]
    assert got.name.tolist() == ["a", "b"]
    assert "compute_cycles" not in frame
    assert got.compute_cycles.dtype == np.int64
    assert len(hw.studies.scalesim(frame.iloc[:0])) == 0


GOOD = {"rows": 8, "cols": 8, "dataflow": "ws", "m": 9, "k": 9, "n": 9}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 0}, "rows is 0 in row 0"),
        ({"cols": -4}, "cols is -4"),
        ({"m": float("nan")}, "m is nan"),
        ({"k": 2.5}, "k is 2.5"),
        ({"n": float("inf")}, "n is inf"),
        ({"n": "many"}, "n is 'many'"),
        ({"m": True}, "m is True"),
        ({"m": 2**40}, "2147483647"),
        ({"m": 2**31 - 1, "k": 2**31 - 1, "n": 2**31 - 1}, "64 bits"),
        ({"dataflow": "wss"}, r"unknown dataflow 'wss'.*ws"),
    ],
)
def test_bad_rows(change, words):
    with pytest.raises(ValueError, match=words):
        hw.studies.scalesim(pd.DataFrame([GOOD | change]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bandwidth": 0}, "bandwidth is 0"),
        ({"bandwidth": (1, 2)}, "bandwidth"),
        ({"bandwidth": 1.5}, "bandwidth is 1.5"),
        ({"bandwidth": 4, "memory_kib": -1}, "memory_kib is -1"),
    ],
)
def test_bad_options(arguments, words):
    with pytest.raises(ValueError, match=words):
        hw.studies.scalesim(pd.DataFrame([GOOD]), **arguments)


def test_bad_frames():
    with pytest.raises(ValueError, match="lacks the columns k, n"):
        hw.studies.scalesim(pd.DataFrame([GOOD]).drop(columns=["k", "n"]))
    with pytest.raises(ValueError, match="DataFrame"):
        hw.studies.scalesim([GOOD])
    with pytest.raises(ValueError, match="too many words"):
        hw.studies.scalesim(pd.DataFrame([GOOD | {"m": 20000, "k": 20000}]), bandwidth=8)
    with pytest.raises(ValueError, match="does not fit"):
        conv_addresses(2, 2, 3, 3, 1, 1, 1)
