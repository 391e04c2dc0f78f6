"""What the notebooks read from files: recorded rows and published figures."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

import numfmt as nf
from tools import smollm2_accumulators as tool

DATA = Path(__file__).parents[1] / "notebooks" / "data"


def test_recorded_rows_are_those_that_the_tool_runs():
    rows = pd.read_csv(DATA / "smollm2_accumulators.csv", comment="#")
    known = {(weight, activation, path) for weight, activation, paths in tool.RUNS for path in paths}
    keys = list(rows[["weight", "activation", "path"]].itertuples(index=False, name=None))
    assert set(keys) == known
    assert not rows.duplicated(["weight", "path", "window"]).any()
    overflowed = rows.note == "sums overflowed to infinity"
    assert rows[~overflowed].nats_per_token.between(0, math.inf, inclusive="neither").all()
    assert rows[overflowed].nats_per_token.isna().all()
    wide = rows[rows.path == "int32"].set_index("window").nats_per_token
    narrow = rows[rows.path == "int22+saturate"].set_index("window").nats_per_token
    assert narrow.equals(wide)  # nothing saturates at 22 bits: the same sums, the same bits


def test_elements_of_the_tool_compute_what_their_rows_say():
    for weight, activation, paths in tool.RUNS[1:]:
        for path in paths:
            made = tool.engine(weight, activation, path)
            assert nf.datapath(made.pe.datapath) == nf.datapath(path)
            assert (made.pe.weights, made.pe.activations) == ((weight.split("/")[0],), (activation.split("/")[0],))
            assert made.kv_bits == 16


def test_rows_survive_writing_and_reading(tmp_path):
    file = tmp_path / "rows.csv"
    assert tool.read(file) == []
    row = dict.fromkeys(tool.COLUMNS, "") | {
        "weight": "int8/channel",
        "path": "int16+saturate",
        "window": "3",
        "nats_per_token": "0.25",
    }
    tool.write(file, [row, row | {"window": "4"}], "a file")
    assert tool.read(file) == [row, row | {"window": "4"}]
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


def test_published_datatypes_have_the_bits_of_their_rows():
    rows = pd.read_csv(DATA / "bitmod_perplexity.csv", comment="#")
    for row in rows.itertuples():
        assert nf.scheme(row.scheme).element_bits == row.bits
    fp16 = rows[rows.datatype == "FP16"].iloc[0]
    for column in rows.columns[3:]:
        assert (rows[column].dropna() >= fp16[column]).all()
