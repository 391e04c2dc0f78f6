"""The comparisons of irregular formats can fail: one wrong rule in the product, and they notice."""

from fractions import Fraction

import pytest

import numfmt as nf
from numfmt.formats import hifloat, p3109, posit
from numfmt.formats.ladder import Ladder

from . import test_p3109, test_tapered
from .reference import irregular as ref


def notices(check, *arguments):
    """The check fails by an assertion, not by a crash."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(*arguments)


def test_a_posit_rounded_to_the_arithmetic_middle(monkeypatch):
    monkeypatch.setattr(posit.Posit, "middle_floors", Ladder.middle_floors)
    monkeypatch.setattr(posit.Posit, "middle", Ladder.middle)
    notices(test_tapered.test_posits_everywhere, 6, 3)


def test_a_nan_by_overflow_in_a_finite_domain(monkeypatch):
    plain = p3109.P3109.outside
    wrong = lambda self, *a: plain(self, *a) if self.extended else self.nan_code  # noqa: E731
    monkeypatch.setattr(p3109.P3109, "outside", wrong)
    notices(test_p3109.test_encode_everywhere_small, p3109.P3109(4, 2, True, False))


def test_ties_of_one_bit_significands_by_the_fraction(monkeypatch):
    """With P = 1 the fraction has no bits: taking it for even in place of the code's parity."""

    f = p3109.P3109(4, 1, False, False)
    test_p3109.check_encode(f, ["ties_even"], ["saturate"], test_p3109.telling(test_p3109.model(f)))
    g = p3109.P3109(4, 1, False, True)
    plain = Ladder._limits

    def even(self, rounding, negative):
        return plain(self, nf.Rounding.TIES_ZERO if rounding is nf.Rounding.TIES_EVEN else rounding, negative)

    monkeypatch.setattr(Ladder, "_limits", even)
    notices(test_p3109.check_encode, g, ["ties_even"], ["saturate"], test_p3109.telling(test_p3109.model(g)))


def test_a_hifloat_of_another_prefix(monkeypatch):
    """A fresh format each time: the named one keeps its table."""
    want = sorted({abs(v) for v in ref.hif8().values() if isinstance(v, Fraction)})
    assert [v for v, _ in hifloat.HiFloat8()._ascending] == want
    monkeypatch.setattr(hifloat, "_FRACTION_BITS", (3, 3, 3, 2, 2))
    assert [v for v, _ in hifloat.HiFloat8()._ascending] != want
