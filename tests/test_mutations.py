"""The important tests can fail: one change in the product, and the comparison that is meant to notice it does."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from numba import njit

import numfmt as nf
from numfmt.arith import bitserial, float_steps, integer_steps, proof
from numfmt.blocks import engine, fast, files, mx, rules, scaled
from numfmt.formats import float_facts, float_loops, modes
from numfmt.kernels import bitserial as bitserial_kernels
from numfmt.kernels import float_lanes, float_wide, packing, steps
from numfmt.kernels import scale as scale_kernels
from numfmt.layers import linear

from . import test_bitserial, test_float_casts, test_layers, test_matmul, test_packing, test_schemes

product = import_module("numfmt.arith.matmul")  # the package shows the function of that name


def notices(check, *arguments):
    """The check fails by an assertion (or by an error that was expected and did not come), not by a crash."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(*arguments)


def with_candidates(monkeypatch, change):
    """nf.quantize with every codebook of a scheme changed."""
    plain = nf.quantize

    def changed(x, spec, *arguments, **options):
        made = nf.scheme(spec)
        return plain(x, replace(made, candidates=tuple(map(change, made.candidates))), *arguments, **options)

    monkeypatch.setattr(nf, "quantize", changed)


def by_the_general_engine(monkeypatch):
    """No fused kernel: they are held to the engine's bits by tests of their own."""
    monkeypatch.setattr(fast, "quantize_groups", lambda *_: None)


@pytest.mark.parametrize("index", [0, 3, 8, 15])
def test_one_bit_of_the_nf4_table(monkeypatch, index):
    def flip(fmt):
        table = list(fmt.table)
        table[index] = float((np.float32(table[index]).view(np.uint32) ^ np.uint32(1)).view(np.float32))
        return replace(fmt, table=tuple(table))

    with_candidates(monkeypatch, flip)
    notices(test_schemes.test_nf4_equals_the_plain_rule)


def test_the_tie_rule_of_codebooks(monkeypatch):
    by_the_general_engine(monkeypatch)
    with_candidates(monkeypatch, lambda fmt: replace(fmt, ties="upper"))
    notices(test_schemes.test_bitmod_vectors, "int3")
    notices(test_schemes.test_nf4_equals_recorded_bitsandbytes_words)


def test_division_in_place_of_the_reciprocal(monkeypatch):
    by_the_general_engine(monkeypatch)
    plain = scale_kernels.divide
    monkeypatch.setattr(engine.kernels, "divide", lambda x, s, out, half, _: plain(x, s, out, half, False))
    notices(test_schemes.test_nf4_equals_recorded_bitsandbytes_words)


def test_the_error_of_the_published_choice(monkeypatch):
    by_the_general_engine(monkeypatch)
    monkeypatch.setattr(engine.kernels, "half_errors", scale_kernels.squared_errors)
    notices(test_schemes.test_bitmod_mixture_equals_the_plain_float16_model, 4, 0.005, "fp16")


def test_a_rounding_down_of_the_scale_bounds(monkeypatch):
    by_the_general_engine(monkeypatch)
    monkeypatch.setattr(rules, "HALF_SCALE_MIN", 2.0**-17)
    notices(test_schemes.test_integers_follow_the_rule, 8, "g16", "float16")


def test_a_logarithm_in_the_mx_rule(monkeypatch):
    plain = mx.k.quantize_power

    def rounded(groups, codes, scales, facts, reals):
        magnitude = np.abs(groups).max(axis=1)
        with np.errstate(divide="ignore"):
            scales[...] = np.clip(np.floor(np.log2(magnitude)) - facts[mx.k.S_TOP] + 127, 0, 254).astype(np.uint8)
        facts[mx.k.S_RULE] = mx.k.GIVEN
        return plain(groups, codes, scales, facts, reals)

    monkeypatch.setattr(mx.k, "quantize_power", rounded)
    notices(test_schemes.test_mxfp4_trap_of_the_logarithm)


def test_files_that_are_not_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "_check", lambda *_: None)
    monkeypatch.setattr(scaled.Scaled, "check", lambda *_: None)
    notices(test_schemes.test_tampered_files_are_refused, tmp_path)


def test_a_step_rounding(monkeypatch):
    for wrong in (steps.ZERO, steps.NEAREST_AWAY):
        monkeypatch.setitem(float_steps.MODES, nf.Rounding.TIES_EVEN, wrong)
        notices(test_matmul.test_numpy_scalars_witness_fp16_and_fp32, "ties")


def test_sums_rounded_twice(monkeypatch):
    monkeypatch.setattr(float_wide, "odd", njit(lambda x, y, zero: x + y, error_model="numpy"))
    for name in ("_full", "chain64"):
        monkeypatch.setattr(float_wide, name, njit(getattr(float_wide, name).py_func, error_model="numpy"))
    notices(test_matmul.test_float_accumulators_round_at_each_step, "fp32", "rz", True)


def test_an_off_by_one_bit_in_the_proof(monkeypatch):
    plain = proof.Bound.exact_in
    monkeypatch.setattr(proof.Bound, "exact_in", lambda self, bits: plain(self, bits + 1))
    with np.errstate(all="ignore"):
        notices(test_matmul.test_the_proof_near_2_to_the_24_and_53)


def test_a_proof_blind_to_the_exponent_range(monkeypatch):
    def blind(self, bits):
        return (self.largest_a / self.quantum_a) * (self.largest_b / self.quantum_b) * self.terms < 2.0**bits

    monkeypatch.setattr(proof.Bound, "exact_in", blind)
    with np.errstate(all="ignore"):
        notices(test_matmul.test_the_proof_regards_the_exponent_range)


def test_runs_that_ignore_a_change_of_scale(monkeypatch):
    monkeypatch.setattr(product, "runs", lambda a, b: [(0, a.depth)])
    notices(test_matmul.test_scaled_operands_run_by_run)


def test_integers_that_saturate_at_the_end(monkeypatch):
    def late(self, a, b, start, stop, limits, c):
        return np.clip((a.values @ b.values.T).astype(np.int64) + c.astype(np.int64), self.low, self.high)

    monkeypatch.setattr(integer_steps.IntAccumulator, "_steps", late)
    notices(test_matmul.test_saturation_is_at_each_step)


def element(seed=0, mode="paper", scheme="bitmod4/g16"):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((2, 16)).astype(np.float32)
    test_bitserial.check_product(test_bitserial.activations(rng, "normal", (2, 16)), w, scheme, mode)


def compile_anew(monkeypatch):
    """The kernel compiled again, with the constants that its module holds now."""
    monkeypatch.setattr(bitserial_kernels, "bitserial_run", njit(bitserial_kernels.bitserial_run.py_func, error_model="numpy"))


def test_dropped_guard_bits(monkeypatch):
    element()
    monkeypatch.setattr(bitserial_kernels, "GUARD_BITS", 2)
    monkeypatch.setattr(bitserial_kernels, "FRACTION", 27)
    compile_anew(monkeypatch)
    notices(element)


def test_a_wider_accumulator(monkeypatch):
    monkeypatch.setattr(bitserial_kernels, "KEPT_BITS", 15)
    compile_anew(monkeypatch)
    notices(element)


def test_the_order_of_terms(monkeypatch):
    plain = bitserial.term_table

    def reversed_terms(fmt):
        table, bsig, unit = plain(fmt)
        return table[::-1], bsig[::-1], unit

    monkeypatch.setattr(bitserial, "term_table", reversed_terms)
    notices(element, 0, "paper", "int8/g16")


def test_the_published_element_in_place_of_the_papers(monkeypatch):
    plain = bitserial.run
    monkeypatch.setattr(bitserial, "run", lambda fields, terms, bsig, unit, rtl, options: plain(fields, terms, bsig, unit, not rtl))
    notices(element)


def test_a_bias_rounded_twice(monkeypatch):
    monkeypatch.setattr(linear, "add_bias", lambda y, bias: (y.astype(np.float64) + bias).astype(np.float32))
    notices(test_layers.test_the_bias_is_added_with_one_rounding)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("NEAREST", lambda w: 1 - w), ("TIE_ODD", lambda w: 0), ("EMIN", lambda w: w + (1 << 23)), ("OVER", lambda w: w - 1),
        ("SIGN_OF_ZERO", lambda w: 0), ("CODE_SHIFT", lambda w: w - 1), ("SHIFT", lambda w: w + (1 << 23)), ("NAN", lambda w: 0),
    ],
)  # fmt: skip
def test_one_fact_of_a_float_format(monkeypatch, place, change):
    plain = float_loops.facts

    def changed(fmt, rounding, overflow, width, carrier):
        known = plain(fmt, rounding, overflow, width, carrier)
        words = known.words.copy()
        if carrier is float_facts.SINGLE:  # float64 input stays right, so the test compares every path by itself
            words[getattr(float_lanes, place)] = change(int(words[getattr(float_lanes, place)]))
        return replace(known, words=words)

    monkeypatch.setattr(float_loops, "facts", changed)
    float_loops._choose.cache_clear()
    try:
        # e5m2 takes the short loops, the unsigned format the general ones
        name = "ufloat<3,2,bias=3,ieee>" if place == "TIE_ODD" else "e5m2"
        notices(test_float_casts.test_every_point_of_small_formats, name)
    finally:
        float_loops._choose.cache_clear()


def test_one_constant_of_the_random_generator(monkeypatch):
    plain = modes.philox_runs
    monkeypatch.setattr(modes, "philox_runs", lambda out, run, seed: plain(out, run, seed ^ np.uint64(1)))
    notices(test_float_casts.test_which_bits_an_element_takes, 8, 8)


def test_the_order_of_nibbles(monkeypatch):
    plain = packing.pack_nibbles
    monkeypatch.setattr(packing, "pack_nibbles", lambda codes, low_first, out: plain(codes, not low_first, out))
    notices(test_packing.test_low_first_is_one_dense_stream, 4)
    notices(test_packing.test_high_first_fills_bytes_from_the_top, 4)
