"""XtraMAC: errors on configurations unseen, DSP blocks, the order of accumulators, refusals."""

import pandas as pd
import pytest

import hwmodel as hw
from hwmodel import fpga
from hwmodel.fpga import xtramac as model

pytest.importorskip("scipy")
from tools import fit_xtramac as fitting


@pytest.fixture(scope="module")
def rows():
    return model.published()


def test_published_rows():
    table = hw.studies.xtramac()
    assert len(table) == 105
    assert (table.dsp == table.dsp_measured).all()
    for name, median, worst in (("lut", 0.05, 0.20), ("ff", 0.08, 0.22), ("fmax_mhz", 0.13, 0.50)):
        error = (table[name] / table[f"{name}_measured"] - 1).abs()
        assert error.median() <= median
        assert error.max() <= worst


def test_configurations_left_out(rows):
    table = fitting.left_out(rows, ["a", "b", "accumulator", "lanes"])
    assert table.lut.abs().median() <= 0.05
    assert table.lut.abs().max() <= 0.20
    assert table.ff.abs().median() <= 0.10
    assert table.fmax_mhz.abs().median() <= 0.15
    assert table.fmax_mhz.abs().max() <= 0.50
    assert (table.dsp == 0).all()


def test_accumulators_left_out(rows):
    assert fitting.left_out(rows, ["accumulator"]).lut.abs().median() <= 0.10


def test_order_of_accumulators():
    """Larger where the published one is larger, wherever the same operands, lanes and cycles have two accumulators."""
    table = hw.studies.xtramac()
    pairs = table.merge(table, on=["a", "b", "lanes", "cycles"], suffixes=("", "_2"))
    pairs = pairs[pairs.lut_measured > pairs.lut_measured_2]
    assert len(pairs) >= 30
    assert (pairs.lut > pairs.lut_2).all()
    lane = table.assign(lane=table.lut / table.lanes).groupby("accumulator").lane.mean()
    assert lane["fp32"] > max(lane["fp16"], lane["bf16"])
    assert min(lane["fp16"], lane["bf16"]) > lane["fp8"] > lane["int32"]


def test_coefficients_come_from_the_fit(rows):
    found = fitting.fit(rows)
    fitted = [f for f in model.facts() if f.source.startswith("tools")]
    assert len(fitted) == 8 + 2  # those of the lanes; speed and wires of the fabric
    for f in fitted:
        assert found[f.name] == pytest.approx(f.value, rel=0.02)
    assert {"read"} == set(rows.status)


def test_clocks_are_those_of_pipelines():
    rows = hw.studies.xtramac().head(3)
    for row, m in zip(rows.itertuples(), model.macs_of(rows), strict=True):
        assert row.fmax_mhz == fpga.pipelined(model.block(m), "xcup", row.cycles).fmax_mhz


def test_monotone():
    def lut(accumulator, lanes=2, b="fp8e4m3"):
        return model.predict([model.mac("fp8e4m3", b, accumulator, lanes, 5)]).lut.iloc[0]

    assert lut("fp8") < lut("fp16") < lut("fp32")
    assert lut("bf16", 1) * 4 == pytest.approx(lut("bf16", 4))
    assert lut("fp16", b="fp16") > lut("fp16", b="fp8e4m3")


def test_frames():
    frame = pd.DataFrame([("int", "bf16", "bf16", 2, 5, 487)], columns=[*model.COLUMNS, "lut"], index=[3])
    out = hw.studies.xtramac(frame)
    assert out.index.tolist() == [3]
    assert out.lut_measured.tolist() == [487]
    assert hw.studies.xtramac(frame.iloc[:0]).empty


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": "fp8e4m4"}, "fp8e4m3"),
        ({"lanes": 3}, "lanes is 3"),
        ({"cycles": 7}, "cycles is 7"),
        ({"a": "bf16", "lanes": 4}, "at most 2 lanes"),
        ({"accumulator": "int32"}, "float accumulator"),
        ({"accumulator": "fp"}, "accumulator"),
    ],
)
def test_refusals(change, words):
    row = {"a": "fp8e4m3", "b": "bf16", "accumulator": "fp32", "lanes": 2, "cycles": 5} | change
    with pytest.raises(ValueError, match=words):
        hw.studies.xtramac(pd.DataFrame([row]))


def test_missing_columns():
    with pytest.raises(ValueError, match="lacks the columns b, accumulator, lanes, cycles"):
        hw.studies.xtramac(pd.DataFrame({"a": ["fp16"]}))
