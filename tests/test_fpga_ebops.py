"""Effective bit operations of networks, the published relation both ways, and adder graphs beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.fpga import layers as fl
from hwmodel.fpga.layers import effective_bits
from hwmodel.workloads import frame

NET = frame.table([frame.linear(f"fc{i}", 1, 1, n, k) for i, (k, n) in enumerate(((6, 8), (8, 4)))], batch=1)


def plain_ebops(matrix, bits):
    """Weight bits from the highest to the lowest one bit, times activation bits, summed."""
    return sum(len(bin(abs(int(v)))[2:].strip("0")) * bits for row in matrix for v in row)


def quantized(weight, bits):
    rows = np.asarray(weight, float).reshape(len(weight), -1)
    return np.rint(rows / np.abs(rows).max(1, keepdims=True) * (2 ** (bits - 1) - 1)).astype(int)


@pytest.fixture(scope="module")
def digits():
    return hw.load_network("digits").network


def test_ebops_of_a_network_by_its_types():
    table = fl.network_ebops(NET, "w=int4/channel; a=int8/token")
    assert table["ebops"].tolist() == [6 * 8 * 3 * 8, 8 * 4 * 3 * 8]  # three bits without sign
    assert table["bits_per_weight"].tolist() == [3, 3]


def test_ebops_with_weights_are_those_of_the_products():
    matrix = np.random.default_rng(3).integers(-7, 8, (8, 6))
    table = fl.network_ebops(NET, "w=int4/channel; a=int8/token", {"fc0": matrix}).set_index("layer")
    assert table.loc["fc0", "ebops"] == plain_ebops(matrix, 8)
    assert table.loc["fc1", "ebops"] == 8 * 4 * 3 * 8
    assert table.loc["fc0", "ebops"] == pytest.approx(table.loc["fc0", "bits_per_weight"] * 48 * 8)


def test_a_convolution_counts_every_position(digits):
    work = hw.workload_from_network(digits)
    table = fl.network_ebops(work, "w=int4/channel; a=int8/token").set_index("layer")
    assert table.loc["conv1", "ebops"] == 64 * table.loc["conv1", "ebops_per_position"] == 64 * 288 * 3 * 8
    scored = hw.score(work, "xcvu9p", "w=int4/channel; a=int8/token", architecture="unrolled", folding={"*": 1})
    assert scored.layers["lut"].tolist() == table["ebops_per_position"].tolist()  # without weights EBOPs are the LUTs


@given(st.floats(1, 1e7), st.integers(0, 1000))
def test_the_relation_both_ways(lut, dsp):
    assert effective_bits.luts(fl.implied_ebops(lut, dsp), dsp) == pytest.approx(lut)
    assert fl.implied_ebops(lut, dsp) == pytest.approx(lut + 55 * dsp)
    assert effective_bits.da4ml_luts(fl.implied_ebops(lut, toolflow="da4ml")) == pytest.approx(lut)
    assert fl.implied_ebops(lut, toolflow="da4ml") >= lut  # EBOPs bound the LUTs


def test_published_points_have_implied_ebops_and_stay_recalled():
    table = fl.jet_taggers().set_index("model")
    assert set(table["status"]) == {"recalled"}
    hgq = table.loc[["HGQ-1", "HGQ-3", "HGQ-6"]]
    assert hgq["implied_hls4ml"].tolist() == hgq["lut"].tolist() == [6266, 1537, 236]  # 0.53, 0.13, 0.02 % of 1182240
    assert (hgq["implied_hls4ml"] <= hgq["equivalent"]).all()
    assert (hgq["implied_da4ml"] > hgq["lut"]).all()
    # more effective bits, better accuracy
    assert hgq["accuracy_percent"].is_monotonic_decreasing
    assert hgq["implied_da4ml"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("weight_bits", "activation_bits", "low", "high"), [(3, 4, 0.70, 0.85), (4, 8, 0.53, 0.68), (6, 4, 0.50, 0.65)]
)
def test_adder_graphs_stay_below_ebops(digits, weight_bits, activation_bits, low, high):
    """The published rule: EBOPs bound the LUTs of da4ml. Random matrices and the classifier's own weights in one band."""
    rng, top = np.random.default_rng(0), 2 ** (weight_bits - 1) - 1
    made = {f"random {n}x{k}": rng.integers(-top, top + 1, (n, k)) for n, k in ((8, 8), (16, 16), (16, 24))}
    made |= {"conv1": quantized(digits.layers["conv1"].weight, weight_bits)}
    made |= {"fc2": quantized(digits.layers["fc2"].weight, weight_bits)[:, :64]}
    table = fl.ebops_relation(made, activation_bits)
    for row, matrix in zip(table.itertuples(), made.values(), strict=True):
        assert row.ebops == plain_ebops(matrix, activation_bits)
    assert (table["luts"] < table["ebops"]).all()
    assert table["ratio"].between(low, high).all(), table
    assert (table["da4ml_luts"] < table["ebops"]).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fl.implied_ebops(-1), "lut is -1"),
        (lambda: fl.implied_ebops(10, 1, "da4ml"), "no DSP blocks"),
        (lambda: fl.implied_ebops(10, 0, "da4mll"), "did you mean da4ml"),
        (lambda: fl.network_ebops(NET, "w=int4/channel; a=int8/token", {"fc9": [[1]]}), "fc9"),
        (lambda: fl.network_ebops(NET, "w=int4/channel; a=int8/token", {"fc0": [[1]]}), r"give integers of shape \(8, 6\)"),
        (lambda: fl.network_ebops(NET, "w=e2m1/channel; a=int8/token"), "are floats"),
        (lambda: fl.network_ebops([1], "w=int4/channel; a=int8/token"), "work is list"),
        (lambda: fl.network_ebops(hw.workload("phi-2"), "w=int4/channel; a=int8/token"), "attention"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
