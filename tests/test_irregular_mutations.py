"""The comparisons of irregular formats can fail: one wrong rule in the product, and they notice."""

from dataclasses import replace
from fractions import Fraction

import pytest

import numfmt as nf
from numfmt.formats import float_facts, float_loops, hifloat, p3109, posit
from numfmt.formats.ladder import Ladder
from numfmt.kernels import float_lanes

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


@pytest.fixture
def fresh_facts():
    """The loops' facts are kept for each format: not those made by a wrong rule, nor those made before it."""
    float_loops._choose.cache_clear()
    float_facts.facts.cache_clear()
    yield
    float_loops._choose.cache_clear()
    float_facts.facts.cache_clear()


def test_a_nan_by_overflow_in_a_finite_domain(fresh_facts, monkeypatch):
    plain = p3109.P3109._beyond
    wrong = lambda self, *a: plain(self, *a) if self.extended else self.nan_code  # noqa: E731
    monkeypatch.setattr(p3109.P3109, "_beyond", wrong)
    notices(test_p3109.test_encode_everywhere_small, p3109.P3109(4, 2, True, False))


@pytest.mark.parametrize("wide", [False, True])
def test_ties_of_one_bit_significands_by_the_fraction(fresh_facts, monkeypatch, wide):
    """With P = 1 the fraction has no bits: taking it for even in place of the code's parity, in the loops and in the tables."""
    f, g = p3109.P3109(4, 1, False, False), p3109.P3109(4, 1, False, True)
    test_p3109.check_encode(f, ["ties_even"], ["saturate"], test_p3109.telling(test_p3109.model(f)))
    if wide:  # as for formats whose range float64 does not hold
        limits = Ladder._limits

        def even(self, rounding, negative):
            return limits(self, nf.Rounding.TIES_ZERO if rounding is nf.Rounding.TIES_EVEN else rounding, negative)

        monkeypatch.setattr(p3109, "encode_lanes", lambda *a: None)
        monkeypatch.setattr(Ladder, "_limits", even)
    else:
        facts = float_loops.facts

        def never_odd(*a):
            made = facts(*a)
            words = made.words.copy()
            words[float_lanes.TIE_ODD] = 0
            return replace(made, words=words)

        monkeypatch.setattr(float_loops, "facts", never_odd)
    notices(test_p3109.check_encode, g, ["ties_even"], ["saturate"], test_p3109.telling(test_p3109.model(g)))


def test_a_hifloat_of_another_prefix(monkeypatch):
    """A fresh format each time: the named one keeps its table."""
    want = sorted({abs(v) for v in ref.hif8().values() if isinstance(v, Fraction)})
    assert [v for v, _ in hifloat.HiFloat8()._ascending] == want
    monkeypatch.setattr(hifloat, "_FRACTION_BITS", (3, 3, 3, 2, 2))
    assert [v for v, _ in hifloat.HiFloat8()._ascending] != want
