"""Layers on FPGAs: published rules, exact adder graphs, and searches against all combinations."""

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.fpga import chips, constants, packings
from hwmodel.fpga import layers as fl
from hwmodel.fpga.layers import adders, effective_bits, facts, folding, memory, reuse
from hwmodel.fpga.layers.folded import reported_rtl_dsps, weight_efficiency
from tests.reference import fpga_layers as plain

DATA = Path(__file__).parent / "data"


def rows(name):
    with open(DATA / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# FINN's units


def test_finns_own_check_values():
    common = {"signed": True, "memory": "distributed"}
    in_luts = fl.mvau(4, 4, 1, 1, 2, 2, multiplier="lut", **common)
    in_dsps = fl.mvau(4, 4, 1, 1, 2, 2, multiplier="dsp_hls", **common)
    assert (in_luts.lut, in_luts.dsp, in_luts.bram18) == (317, 0, 0)
    assert (in_dsps.lut, in_dsps.dsp, in_dsps.bram18) == (313, 1, 0)
    assert fl.accumulator_bits(4, 2, 2) == 6
    assert in_luts.cycles == 16


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_matrix_vector_units_by_the_formula(data):
    mh, mw = data.draw(st.integers(1, 64)), data.draw(st.integers(1, 600))
    pe, simd = data.draw(st.sampled_from(folding.divisors(mh))), data.draw(st.sampled_from(folding.divisors(mw)))
    w, a = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    signed, dsp, lutram = data.draw(st.booleans()), data.draw(st.booleans()), data.draw(st.booleans())
    declared, bits = data.draw(st.sampled_from((16, 32))), data.draw(st.sampled_from((0, 2, 4)))
    got = fl.mvau(
        mh,
        mw,
        pe,
        simd,
        w,
        a,
        signed=signed,
        declared=declared,
        multiplier="dsp_hls" if dsp else "lut",
        memory="distributed" if lutram else "block",
        fused_bits=bits,
    )
    assert got.lut == plain.finn_mvau(mh, mw, pe, simd, w, a, signed, declared, dsp, lutram, bits)
    assert got.dsp == (pe * simd * math.ceil((w + a) / 48) if dsp else 0)
    assert got.bram18 == (0 if lutram else plain.finn_bram18(pe * simd * w, mh * mw // (pe * simd)))
    assert got.cycles == mh // pe * (mw // simd)


@given(st.integers(1, 4096), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_accumulators_hold_every_sum(cols, w, a):
    bits = int(fl.accumulator_bits(cols, w, a, True))
    largest = cols * 2 ** (w - 1) * 2 ** (a - 1)  # of a sum of products of two's complement numbers
    assert largest <= 2 ** (bits - 1)
    assert bits == plain.finn_accumulator(cols, w, a, True)


def test_memories():
    for w in (1, 2, 3, 4, 5, 8, 9, 10, 16, 18, 19, 36, 37, 72, 100):
        for d in (1, 16, 511, 512, 513, 1024, 1025, 4096, 20000):
            assert memory.bram18(w, d) == plain.finn_bram18(w, d), (w, d)
            assert memory.bram18_best(w, d) <= memory.bram18(w, d)
            assert memory.bram18_best(w, d) * 18432 >= w * d
            assert memory.uram(w, d) == math.ceil(w / 72) * math.ceil(d / 4096)
    assert memory.lutram(3, 65) == 6
    embedded = fl.mvau(8, 16, 1, 1, 4, 4, embedded=True)  # 128 words
    assert (embedded.bram18, embedded.lut - fl.mvau(8, 16, 1, 1, 4, 4).lut) == (0, 8)
    assert fl.mvau(8, 17, 1, 1, 4, 4, embedded=True).bram18 == 1
    assert weight_efficiency(64, 576, 4, 1, 1) == pytest.approx(4 * 64 * 576 / (9 * 36 * 512))


def test_dsp_blocks_of_units():
    for pe, simd in ((1, 1), (4, 3), (5, 9), (8, 32)):
        assert fl.mvau(pe, simd, pe, simd, 4, 4, multiplier="dsp").dsp == math.ceil(pe / 4) * simd
        assert fl.mvau(pe, simd, pe, simd, 8, 8, multiplier="dsp").dsp == math.ceil(pe / 2) * simd
        assert fl.mvau(pe, simd, pe, simd, 8, 8, multiplier="dsp", dsp="dsp58").dsp == pe * math.ceil(simd / 3)
        assert fl.vvu(pe, simd, pe, simd, 8, 8, multiplier="dsp", dsp="dsp58").dsp == pe * math.ceil(simd / 3)
        assert reported_rtl_dsps("dsp48e2", pe, simd) == math.ceil(pe / 4) * simd
        assert reported_rtl_dsps("dsp58", pe, simd) == pe * math.ceil(simd / 3)
    assert [packings.products_per_block(b, b, "dsp48e2") for b in (2, 4, 5, 8, 9)] == [4, 4, 2, 2, 1]
    assert fl.mvau(2, 3, 2, 3, 32, 32, multiplier="dsp", dsp="dsp48e1").dsp == 6 * 4  # no packing: whole blocks each
    # blocks of one product on 7 series, as Vivado maps them
    for a, b, n in ((8, 8, 1), (16, 16, 1), (16, 24, 1), (16, 32, 2), (32, 32, 4), (64, 64, 16)):
        assert packings.blocks_of_product(a, b, "dsp48e1") == n, (a, b)


def test_thresholds_and_fused_thresholds():
    lone = fl.thresholding(64, 4, 20, memory="distributed")
    assert (lone.lut, lone.bram18, lone.cycles) == (4 * 20 + 4 * 20 * 1, 0, 16)
    assert fl.thresholding(64, 4, 20).bram18 == math.ceil(80 / 16)
    assert fl.thresholding(64, 64, 20).bram18 == 0  # one word a channel needs no memory
    assert fl.thresholding(4096, 2, 20).bram18 == math.ceil(40 / 16) * 2


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_windows_hold_what_a_window_spans(data):
    channels = data.draw(st.sampled_from((4, 6, 64)))
    simd = data.draw(st.sampled_from(folding.divisors(channels)))
    kernel = data.draw(st.sampled_from(((2, 2), (3, 3), (5, 3), (3, 1))))
    dilation = data.draw(st.sampled_from(((1, 1), (2, 2))))
    width = data.draw(st.integers(12, 60))
    out = tuple(width - (k - 1) * d for k, d in zip(kernel, dilation, strict=True))
    got = fl.window(channels, (width, width), kernel, out, simd, 4, dilation=dilation, memory="distributed")
    words = plain.simulated_window_buffer(width, kernel, (1, 1), dilation, channels // simd)
    assert got.lut == 300 + simd * 4 * math.ceil(words / 38)
    assert got.cycles == words + out[0] * max(out[1] * kernel[0] * kernel[1], width) * (channels // simd)
    assert fl.window(channels, (width, width), kernel, out, simd, 4, parallel=True).cycles == width * width * (channels // simd) + 2


def test_windows_in_block_ram_cascade():
    # 16384 words of one bit a block; what is left beyond them takes a wider mode
    from hwmodel.fpga.layers.windows import _bram18

    for across, words in ((4, 512), (36, 512), (37, 512), (8, 16384), (8, 16384 + 500), (8, 16384 + 9000), (64, 40000)):

        def mode(n):
            return next((b for b, d in ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)) if n <= d), 1)

        want = math.ceil(words / 16384) * math.ceil(across / mode(words))
        if words > 16384:
            want -= math.ceil(across / mode(words)) - math.ceil(across / mode(words % 16384))
        assert _bram18(memory.ints(across), memory.ints(words)) == want, (across, words)


# hls4ml's reuse


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_reuse_factors_are_exactly_those_of_the_condition(n_in, n_out):
    want = plain.hls4ml_valid(n_in, n_out)
    assert list(fl.valid_reuse_factors(n_in, n_out)) == want
    assert [rf for rf in range(1, n_in * n_out + 1) if reuse.is_valid(n_in, n_out, rf)] == want


@pytest.mark.parametrize(("n_in", "n_out"), [(16, 64), (64, 32), (784, 10), (32, 5), (27, 16), (64, 64)])
def test_reuse_factors_of_known_layers(n_in, n_out):
    assert list(fl.valid_reuse_factors(n_in, n_out)) == plain.hls4ml_valid(n_in, n_out)


def test_reused_multipliers():
    assert fl.multiplier_limit(16, 64, 4) == 256
    assert fl.multiplier_limit(16, 64, 3, zeros=100) == 342 - 33
    assert fl.reuse_estimate(16, 64, 16, 16, 4, strategy="resource").dsp == 256
    assert fl.reuse_estimate(16, 64, 8, 16, 4, strategy="resource").dsp == 0  # below nine bits: in LUTs
    assert fl.reuse_estimate(16, 64, 18, 32, 4, strategy="resource", dsp="dsp48e1").dsp == 512
    assert fl.reuse_estimate(16, 64, 16, 16, 4, strategy="resource").bram18 == 2 * math.ceil(16 * 1024 / (36 * 4))
    assert fl.reuse_estimate(16, 64, 16, 16, 1, strategy="resource").bram18 == 0
    assert [fl.reuse_estimate(16, 64, 16, 16, rf).ii for rf in (1, 4)] == [1, 4]
    # in logic and not reused, LUTs are EBOPs
    assert fl.reuse_estimate(16, 64, 6, 8, 1).lut == 16 * 64 * 5 * 8
    assert fl.reuse_estimate(16, 64, 6, 8, 1, effective=4000.0).lut == 4000


def test_reuse_factors_that_are_refused():
    with pytest.raises(ValueError, match=r"reuse_factor is 7, .* the nearest that it takes: 4 or 8"):
        fl.reuse_estimate(16, 64, 8, 8, 7, strategy="resource")
    with pytest.raises(ValueError, match="more than the 1024 products"):
        fl.reuse_estimate(16, 64, 8, 8, 1025)
    with pytest.raises(ValueError, match="did you mean latency"):
        fl.reuse_estimate(16, 64, 8, 8, 1, strategy="latenc")


# Effective bit operations


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50))
def test_bits_of_constants(values):
    assert effective_bits.constant_bits(values).tolist() == [plain.set_bits(v) for v in values]


def test_effective_bit_operations():
    w = np.array([[3, 0], [5, -8]])
    assert effective_bits.constant_bits(w).tolist() == [[2, 0], [3, 1]]
    assert fl.ebops(effective_bits.constant_bits(w), [4, 6]) == 2 * 4 + 3 * 4 + 6
    assert fl.ebops(effective_bits.constant_bits(w), 1, positions=10, parallel=2) == 6 * 2
    assert effective_bits.dense_ebops([[2, 0], [3, 1]], 1, [4, 6]) == 6 + 5 * 2
    assert effective_bits.declared_bits([2, -3], [3, 2], 1).tolist() == [6, 1]
    assert effective_bits.sum_ebops([4, 8, 6]) == pytest.approx(0.65 * 14)
    assert effective_bits.difference_ebops(3, 9) == 9
    assert effective_bits.product_ebops(3, 9) == 27
    assert effective_bits.table_ebops(10, 8) == pytest.approx(0.8192)
    assert effective_bits.equivalent(1000, 3) == 1165
    assert effective_bits.luts(1165, dsp=3) == 1000
    assert effective_bits.da4ml_luts(1000) == pytest.approx(1000**0.985)


def test_published_jet_taggers_are_reported_but_recalled():
    table = fl.jet_taggers().set_index("model")
    assert set(table["status"]) == {"recalled"}
    assert table.loc["HGQ-1", "equivalent"] == pytest.approx(0.0053 * 1182240 + 55 * 34.2, rel=1e-3)
    order = table.loc[["HGQ-1", "HGQ-3", "HGQ-6"], "equivalent"]
    assert order.is_monotonic_decreasing


# Adder graphs


@given(st.integers(-(2**50), 2**50))
def test_signed_digits(value):
    found = constants.naf(value)
    assert sum(d << at for at, d in found) == value
    assert all(b - a > 1 for (a, _), (b, _) in itertools.pairwise(found))
    assert len(found) == constants.digits(value)


@given(st.integers(-3000, 3000))
def test_signed_digits_are_fewest(value):
    assert constants.digits(value) == plain.fewest_digits(value)


def test_share_of_weights_with_two_digits():
    for bits, share in ((4, 100), (5, 87.5), (6, 68.75), (7, 50), (8, 34.4)):
        weights = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
        assert 100 * (constants.digits(weights) <= 2).mean() == pytest.approx(share, abs=0.05)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_adder_graphs_compute_the_matrix(data):
    n, m = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    top = data.draw(st.sampled_from((1, 3, 7, 127, 2**20)))
    entry = st.integers(-top - 1, top) if top < 100 or data.draw(st.booleans()) else st.sampled_from((0, 85, -85, 119, 7, -7))
    matrix = np.array(data.draw(st.lists(st.lists(entry, min_size=m, max_size=m), min_size=n, max_size=n)))
    bits, signed = data.draw(st.integers(1, 9)), data.draw(st.booleans())
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    x = np.array(data.draw(st.lists(st.lists(st.integers(low, high), min_size=3, max_size=3), min_size=m, max_size=m)))
    graph = fl.adder_graph(matrix, bits, signed=signed)
    want = matrix.astype(object) @ x.astype(object)
    assert (graph(x) == want).all()
    without = fl.adder_graph(matrix, bits, signed=signed, sharing=False)
    assert (without(x) == want).all()
    assert graph.luts <= without.luts
    digits = [sum(plain.fewest_digits(int(v)) for v in row) for row in matrix]
    assert len(without.adders) <= sum(max(d - 1, 0) for d in digits)
    for out, weights in zip(graph.outputs, matrix, strict=True):  # intervals hold the extremes
        if out.signal is not None:
            known = graph.intervals[out.signal].shifted(out.shift, out.sign)
            most = sum(max(int(w) * low, int(w) * high) for w in weights)
            least = sum(min(int(w) * low, int(w) * high) for w in weights)
            assert known.low <= least <= most <= known.high


def test_adder_graphs_share():
    graph = fl.adder_graph([[5, 3], [10, 6], [5, -3], [0, 0], [-5, -3]], 8)
    # 5x, 3y, their sum and their difference; 10x + 6y is that sum shifted, the last its negative
    assert len(graph.adders) == 4
    assert graph.outputs[3].signal is None
    assert graph.negation_luts == graph.intervals[graph.outputs[4].signal].bits / 2
    assert graph.latency == 2
    assert graph.registers(1) > graph.registers(2) > 0
    wide = fl.adder_graph([[2**40 + 1]], 30)
    assert wide(np.array([[2**28]])).tolist() == [[2**28 * (2**40 + 1)]]


def test_a_term_that_comes_twice_is_doubled_or_vanishes():
    from hwmodel.fpga.layers.sharing import _SIGNAL_BITS, _Builder, _Counts, _put

    counts = _Counts(_Builder(adders.input_intervals(2, 8), 0))
    one = 1 << _SIGNAL_BITS
    row = {3: 1, one | 3: 1, 5: -1}
    _put(row, 3, 1, counts)  # 1 + 1 = 2, and that twice is 4
    assert row == {2 * one | 3: 1, 5: -1}
    _put(row, 5, 1, counts)
    assert row == {2 * one | 3: 1}


def test_adders_cost_what_da4ml_says():
    for r in rows("da4ml_adders"):
        bounds = {name: float(r[name]) for name in ("low_a", "high_a", "step_a", "low_b", "high_b", "step_b")}
        shift = int(r["shift"])
        scale = 2**20  # its steps may be below one
        made = []
        for side in "ab":
            low, high, step = (bounds[f"{name}_{side}"] for name in ("low", "high", "step"))
            made.append(adders.Interval(int(low * scale), int(high * scale), int(math.log2(step * scale))))
        if shift < 0:
            made[0], shift = made[0].shifted(-shift), 0
        assert adders.adder_bits(*made, shift, r["subtract"] == "1") == int(r["cost"]), r


def test_adder_graphs_beside_da4mls():
    ratios = []
    for r in rows("da4ml_matrices"):
        n, m, bits, x = (int(r[c]) for c in ("outputs", "inputs", "weight_bits", "input_bits"))
        matrix = np.random.default_rng(int(r["seed"])).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (n, m))
        graph = fl.adder_graph(matrix, x)
        ratios.append(graph.luts / int(r["cost"]))
        assert graph.latency <= int(r["latency"]) + 2
    assert 0.9 < np.mean(ratios) < 1.05
    assert max(ratios) < 1.25


def test_matrices_that_are_refused():
    for matrix, text in (([[1.5]], "not whole"), ([1, 2], "shape"), ([[2**60]], "too large"), (np.zeros((0, 2)), "shape")):
        with pytest.raises(ValueError, match=text):
            fl.adder_graph(matrix)
    graph = fl.adder_graph([[3, 4]], 4)
    with pytest.raises(ValueError, match=r"x\[1\] leaves its interval \[-8, 7\]"):
        graph(np.array([[0], [8]]))
    with pytest.raises(ValueError, match="one row an input"):
        graph(np.zeros((3, 1), dtype=int))


def test_every_constant_has_a_source():
    for fact in facts.facts().values():
        assert fact.source
        assert fact.status in ("read", "recalled", "inferred", "cross-checked")
    assert (chips.devices().lut > 0).all()
    assert chips.devices().status.isin(("read", "recalled")).all()
