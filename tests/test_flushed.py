"""Floats without subnormals: every value, midpoint and neighbour against the exact nearest value."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import numfmt as nf

from .reference import formats as ref

NAMES = [
    "float<4,3,bias=7,fn,nosub>",
    "float<5,2,nosub>",
    "float<3,2,none,nosub>",
    "ufloat<3,3,none,nosub>",
    "float<4,3,bias=8,fnuz,nosub>",
]
MODES = ["ties_even", "ties_away", "ties_zero", "ties_up", "ties_down", "toward_zero", "up", "down", "away", "to_odd"]


class Flushed(ref.FloatModel):
    """The model of floats with its subnormals taken out."""

    def __init__(self, b):
        super().__init__(ref.float_values(b.exp_bits, b.man_bits, b.bias, b.specials, b.signed), b.man_bits, b.bias, b.signed)
        kept = [i for i, c in enumerate(self.codes) if c == 0 or c >= 1 << b.man_bits]
        self.magnitudes, self.codes = [self.magnitudes[i] for i in kept], [self.codes[i] for i in kept]


@pytest.mark.parametrize("overflow", ["saturate", "propagate", "nonsat"])
@pytest.mark.parametrize("name", NAMES)
def test_every_value_midpoint_and_neighbour(name, overflow):
    f = nf.parse(name)
    assert nf.parse(str(f)) == f
    model = Flushed(f.base)
    points = [float(v) for v in model.magnitudes] + [float((a + b) / 2) for a, b in itertools.pairwise(model.magnitudes)]
    top = model.magnitudes[-1]
    points += [float(top * Fraction(33, 32)), float(top * 2), float(f.base.min_positive), 1e300, math.inf]
    x = np.array([w for p in points for w in (p, np.nextafter(p, np.inf), np.nextafter(p, -np.inf))])
    x = np.unique(np.concatenate([x, -x]))
    for mode in MODES:
        for values in (x, np.unique(x.astype(np.float32)) if np.abs(x[np.isfinite(x)]).max() < 3e38 else np.float32([1, 2])):
            got = nf.encode(values, f, mode, overflow)
            for value, code in zip(values.tolist(), got.tolist(), strict=True):
                want = model.encode(value, mode, overflow)
                if want == "nan":
                    assert math.isnan(f.values()[code])
                else:
                    assert code == want, (mode, value, code, want)


def test_flushed_codes_read_as_zero():
    f = nf.parse("float<4,3,bias=7,fn,nosub>")
    values = nf.decode(np.arange(256, dtype=np.uint8), f)
    assert (values[:8] == 0).all()
    assert np.signbit(values[128:136]).all()
    assert f.min_positive == 2.0**-6
    assert nf.cast(np.float32([2.0**-7, 1.5 * 2.0**-7]), f).tolist() == [0.0, 2.0**-6]
    np.testing.assert_array_equal(values[8:127], nf.decode(np.arange(8, 127, dtype=np.uint8), "e4m3fn"))


def test_refusals():
    for bad in ("float<8,23,nosub>", "float<4,0,none,nosub>", "float<4,3,nozero,fn,nosub>"):
        with pytest.raises(ValueError, match="nosub needs"):
            nf.parse(bad)
    with pytest.raises(ValueError, match="subnormals only"):
        nf.parse("float<1,2,bias=0,ieee,nosub>")
