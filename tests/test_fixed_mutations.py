"""The fixed-point tests can fail: one change in the rules, and the vectors or the exact model notice it."""

import numpy as np
import pytest

import numfmt as nf
from numfmt.formats import fixed, fixed_fast, fixed_ops
from numfmt.kernels import fixed as kernels
from numfmt.kernels import fixed_simd

from . import test_fixed, test_fixed_vectors


def notices(check, *arguments):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(*arguments)


def interpreted(monkeypatch, changes):
    """The exact loops of kernels/fixed.py as plain Python, with some of their functions changed."""
    for name in ("round_shift", "fixed_code", "encode_integers"):
        monkeypatch.setattr(kernels, name, getattr(kernels, name).py_func)
    for name, change in changes.items():
        monkeypatch.setattr(kernels, name, change)


def casts_of_bytes():
    """A part of the rows of cast_fixed whose source has 8 bits, with every fifth word."""
    v = test_fixed_vectors.load("cast_fixed")
    rows = np.flatnonzero(v["src_W"] == 8)[:147]
    for c in rows:
        f = test_fixed_vectors.destination(v, c)
        source = nf.Fixed(8, int(v["src_I"][c]), bool(v["src_signed"][c]))
        raws = v["src_raw"][v["input_row"][c]][::5]
        np.testing.assert_array_equal(fixed_ops.cast(raws, source, f), v["raw"][c][::5])


def test_the_interpreted_kernel_is_right(monkeypatch):
    with np.errstate(over="ignore"):
        interpreted(monkeypatch, {})
        casts_of_bytes()


@pytest.mark.parametrize("name", ["wrap_bits", "wrap_sign_magnitude_bits", "rounds_away"])
def test_a_rule_of_the_exact_kernel(monkeypatch, name):
    plain = getattr(kernels, name)
    changes = {
        "wrap_bits": lambda word, negative, width, signed, n: plain(word, not negative, width, signed, n),
        "wrap_sign_magnitude_bits": lambda word, negative, above, width, n: plain(word, negative, not above, width, n),
        "rounds_away": lambda mode, place, half, odd, negative: plain(mode, place, half, odd, not negative),
    }
    with np.errstate(over="ignore"):
        interpreted(monkeypatch, {name: changes[name]})
        notices(casts_of_bytes)


def test_a_threshold_of_the_simd_kernel(monkeypatch):
    fixed_fast._steps.cache_clear()
    monkeypatch.setitem(fixed_fast._STEPS, nf.Rounding.TIES_UP, (fixed_fast._HALF, fixed_fast._HALF))
    notices(test_fixed_vectors.test_casts_of_doubles)
    fixed_fast._steps.cache_clear()


def test_a_wrap_that_is_not_reduced(monkeypatch):
    plain = fixed_simd.store_integers
    monkeypatch.setattr(
        fixed_fast, "store_integers", lambda whole, out, unit, mask, low, high, _: plain(whole, out, unit, mask, low, high, -1.0)
    )
    notices(test_fixed_vectors.test_casts_of_doubles)


def test_one_rounding_too_many(monkeypatch):
    plain = fixed_fast.round_fixed
    monkeypatch.setattr(fixed_fast, "round_fixed", lambda x, *rest: plain(x.astype(np.float32), *rest))
    with np.errstate(over="ignore"):
        notices(test_fixed_vectors.test_casts_of_doubles)


def test_the_sign_of_mixed_operands(monkeypatch):
    plain = fixed_ops.result

    def unsigned(operation, a, b=None):
        made = plain(operation, a, b)
        return made if made.width > 63 else nf.Fixed(made.width - 1, made.int_bits - 1, made.signed, made.rounding, made.overflow)

    monkeypatch.setattr(fixed_ops, "result", unsigned)
    notices(test_fixed_vectors.test_operations)


def test_a_mode_lost_from_the_string(monkeypatch):
    from . import test_fixed_strings

    plain = fixed.Fixed.__str__
    monkeypatch.setattr(fixed.Fixed, "__str__", lambda self: plain(self).replace("saturate_zero", "saturate"))
    notices(test_fixed_strings.test_every_mode_survives_its_string)


def test_a_swapped_mode_of_the_small_sweep(monkeypatch):
    monkeypatch.setattr(test_fixed, "rounded", lambda width, mode, random=None, plain=test_fixed.rounded: plain(width, "ties_even"))
    notices(test_fixed.test_every_small_format_under_every_mode, 2, True)
