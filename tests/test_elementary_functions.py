"""Elementary functions against mpmath's digits and crfix's fixed point; programs against a step-by-step model in fractions."""

import math
from fractions import Fraction

import crfix
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.formats.functions import FUNCTIONS

from .reference import formats as ref

DIGITS = {
    "exp": mpmath.exp, "exp2": lambda x: mpmath.power(2, x), "log": mpmath.log, "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "tanh": mpmath.tanh, "sqrt": mpmath.sqrt, "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "reciprocal": lambda x: 1 / x, "erf": mpmath.erf, "gelu": lambda x: x * mpmath.ncdf(x),
    "gelu_tanh": lambda x: x / (1 + mpmath.exp(-mpmath.sqrt(8 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
}  # fmt: skip


def exact(name, x):
    """Value of the function as a Fraction, good to some 240 digits: far closer than any decision point that is not hit.

    What these digits cannot tell from its asymptote (one, or x) lies strictly below it in magnitude.
    """
    if name == "log2" and math.frexp(x)[0] == 0.5:
        return Fraction(math.frexp(x)[1] - 1)
    with mpmath.workdps(260):
        value = DIGITS[name](mpmath.mpf(x))
        sign, mantissa, exponent, _ = value._mpf_
    if abs(exponent) > 200000:  # as good as any value that far out
        return (-1) ** sign * Fraction(2) ** (200000 if exponent > 0 else -200000)
    result = (-1) ** sign * Fraction(int(mantissa)) * Fraction(2) ** exponent
    asymptote = {
        "tanh": 1,
        "erf": 1,
        "sigmoid": 1,
        "gelu": abs(Fraction(x)),
        "gelu_tanh": abs(Fraction(x)),
        "silu": abs(Fraction(x)),
    }
    return result * (1 - Fraction(1, 2**900)) if abs(result) == asymptote.get(name) else result


def expected(model, value, mode, overflow):
    """Code of an exact value rounded once, by the exact model."""
    if value == 0:
        return model.encode(0.0, mode, overflow)
    negative = value < 0
    code = model._round(abs(value), mode, negative)
    sign = model.half if negative else 0
    if code is None:
        return model.encode(-1e300 if negative else 1e300, mode, overflow)
    return code | sign if code or model.minus_zero else 0


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize(("source", "target"), [("e4m3fn", "e5m2"), ("e5m2", "e4m3fn"), ("int8", "float8_e3m4")])
def test_every_8_bit_argument_in_every_rounding(source, target, name):
    f, g = nf.parse(source), nf.parse(target)
    model = ref.FloatModel(ref.float_values(g.exp_bits, g.man_bits, g.bias, g.specials), g.man_bits, g.bias, True)
    codes = np.arange(1 << f.bits, dtype=np.uint8)
    values = nf.decode(codes, f)
    inside = [x for x in values.tolist() if math.isfinite(x) and x != 0 and not (FUNCTIONS[name].positive_only and x < 0)]
    wanted = {x: exact(name, x) for x in inside}
    for mode in ("ties_even", "ties_away", "toward_zero", "up", "down", "away", "to_odd"):
        got = nf.elementary(name, codes, g, source=f, operands="codes", returns="codes", rounding=mode)
        for x, code in zip(values.tolist(), got.tolist(), strict=True):
            if x not in wanted:
                continue
            want = expected(model, wanted[x], mode, str(g.overflow))
            assert code == want, (name, mode, x, code, want)


@pytest.mark.parametrize("mode", ["nearest", "up", "down", "zero"])
@pytest.mark.parametrize("name", sorted(crfix.FUNCTIONS))
def test_fixed_point_equals_crfix(name, mode):
    """All 16-bit arguments to nearest, every eleventh under the other modes."""
    equals_crfix(name, mode, 1 if mode == "nearest" else 11)


@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", ["up", "down", "zero"])
@pytest.mark.parametrize("name", sorted(crfix.FUNCTIONS))
def test_every_argument_in_fixed_point_equals_crfix(name, mode):
    equals_crfix(name, mode, 1)


def equals_crfix(name, mode, step):
    """Where logarithms, roots and the reciprocal have no value crfix chooses one, and we refuse."""
    own = {"recip": "reciprocal"}.get(name, name)
    raw = np.arange(-(1 << 15), 1 << 15, step)
    if own == "reciprocal":
        raw = raw[raw != 0]
    elif FUNCTIONS[own].positive_only:
        raw = raw[raw > 0]
    want = crfix.eval(name, raw.astype(np.int32), 11, 12, bits=16, mode=mode)
    rounding = {"nearest": "ties_even", "zero": "toward_zero"}.get(mode, mode)
    codes = nf.elementary(
        own, raw.astype(np.uint16), "fixed<16,4>", source="fixed<16,5>", operands="codes", returns="codes", rounding=rounding
    )
    np.testing.assert_array_equal(codes.view(np.int16), want)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_limits_and_signs(name):
    low, minus, plus, high = FUNCTIONS[name].limits
    got = nf.elementary(name, np.array([-np.inf, -0.0, 0.0, np.inf, np.nan]), "float16")
    np.testing.assert_array_equal(got, [low, minus, plus, high, math.nan])
    number = ~np.isnan(got)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(np.array([low, minus, plus, high, math.nan])[number]))
    if FUNCTIONS[name].positive_only:
        assert np.isnan(nf.elementary(name, np.array([-1.0]), "float16"))[0]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("target", ["float32", "float64", "fixed<24,8>"])
def test_wide_arguments(target, name):
    """Random float64 arguments, tiny and huge ones among them; nearest results must lie within half a step of the digits."""
    g = nf.parse(target)
    rng = np.random.default_rng(len(name))
    x = np.concatenate([rng.standard_normal(12) * 4, rng.standard_normal(6) * 2.0 ** rng.integers(-80, 8, 6)])
    if FUNCTIONS[name].positive_only:
        x = np.abs(x)
    got = nf.elementary(name, x, g, returns="codes")
    for value, code in zip(x.tolist(), got, strict=True):
        result = exact(name, value)
        want = nf.encode(np.array([result], object), g)[0]
        assert code == want, (name, value)


def test_stochastic_results_bracket_the_value():
    x = np.full(4096, 1.5, np.float32)
    got = nf.elementary("exp", x, "e4m3fn", rounding="stochastic_c", seed=7, random_width=16)
    value = math.exp(1.5)
    assert set(got.tolist()) == {4.0, 4.5}
    assert abs(got.mean() - value) < 0.02


def test_sources():
    x = np.linspace(-4, 4, 1000, dtype=np.float32)
    through = nf.elementary("tanh", x, "float16", source="e4m3fn")
    np.testing.assert_array_equal(through, nf.elementary("tanh", nf.cast(x, "e4m3fn"), "float16"))
    half = x.astype(np.float16)
    np.testing.assert_array_equal(nf.elementary("tanh", half, "float16"), nf.elementary("tanh", half.astype(np.float64), "float16"))
    out = np.empty(1000, np.float32)
    assert nf.elementary("silu", x, "bfloat16", source="bfloat16", out=out) is out
    with pytest.raises(ValueError, match="operands='codes' needs source"):
        nf.elementary("exp", np.zeros(3, np.uint8), "float16", operands="codes")
    with pytest.raises(ValueError, match="function='cos'"):
        nf.elementary("cos", x, "float16")
    with pytest.raises(ValueError, match="log gives 1 result"):
        nf.elementary("log", np.array([-1.0, 2.0]), "e2m1")
    with pytest.raises(ValueError, match="log2 gives 500 result"):
        nf.elementary("log2", x, "e2m1", source="float16")


def fraction_program(text, x, round_to):
    """A model of programs: Python evaluates the lines in fractions that round at every operator."""

    class Number:
        def __init__(self, value):
            self.value = Fraction(round_to(Fraction(value)))

        def _with(self, other, function):
            other = other if isinstance(other, Number) else Number(other)
            return Number(function(self.value, other.value))

        def __add__(self, other):
            return self._with(other, lambda a, b: a + b)

        def __sub__(self, other):
            return self._with(other, lambda a, b: a - b)

        def __mul__(self, other):
            return self._with(other, lambda a, b: a * b)

        def __truediv__(self, other):
            return self._with(other, lambda a, b: a / b)

        def __rsub__(self, other):
            return Number(other) - self

        def __radd__(self, other):
            return Number(other) + self

        def __rmul__(self, other):
            return Number(other) * self

    names = {"x": Number(x)}
    for line in text.replace(";", "\n").splitlines():
        name, expression = line.split("=")
        result = names[name.strip()] = eval(expression.strip(), {}, names)
    return result.value


PROGRAMS = ["t = x * x; u = t * 0.25 + 1; y = x / u", "a = 1 - x; b = a * a - 0.3; y = b + a / 3", "y = (x + 1.1) * (x - 0.7)"]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PROGRAMS), st.sampled_from(["e4m3fn", "float16", "bfloat16"]), st.integers(-64, 64))
def test_programs_round_at_every_step(text, fmt, code):
    f = nf.parse(fmt)
    x = code / 16

    def round_to(value):
        return nf.cast(np.array([value], object), f).tolist()[0]

    got = nf.Program.parse(text)(np.array([x]), f)[0]
    assert Fraction(float(got)) == fraction_program(text, x, round_to)


def test_program_text_and_counts():
    program = nf.Program.polynomial([1, 1, 0.5, 1 / 6])
    assert program.operations() == {"multiply": 3, "add": 3}
    assert nf.Program.parse(str(program)) == program
    other = nf.Program.parse("a = abs(x); b = min(a, 1.769); c = b - 1.769; y = 1 - 0.2888 * c * c")
    assert nf.Program.parse(str(other)) == other
    assert other(np.array([3.0, -3.0]), "float32").tolist() == [1.0, 1.0]
    for bad in ("y = x ** 2", "y = z + 1", "x = 2 + x", "y + 1", "", "y = (", "y = sin(x)", "y = min(x)"):
        with pytest.raises(ValueError, match="program"):
            nf.Program.parse(bad)


def test_function_error():
    program = nf.Program.polynomial([1, 1, 0.5, 1 / 6, 1 / 24])
    found = nf.function_error(lambda x: program(x, "float16"), "exp", "float16", low=-0.5, high=0.5)
    assert found.count == 28673
    assert 0.5 < found.max_ulp < 2
    perfect = nf.function_error(lambda x: nf.elementary("exp", x, "float16"), "exp", "float16", low=-9, high=10)
    assert perfect.exact_share == 1.0
    assert 0.499 < perfect.max_ulp <= 0.5000001
    value = exact("exp", found.worst_x)
    got = Fraction(float(program(np.array([found.worst_x]), "float16")[0]))
    assert abs(float(abs(got - value) / Fraction(2) ** (ref.floor_log2(value) - 10)) - found.max_ulp) < 1e-6
    with pytest.raises(ValueError, match="no argument is left"):
        nf.function_error(lambda x: x, "exp", "float16", low=50)
    with pytest.raises(ValueError, match="narrow low and high"):
        nf.function_error(lambda x: x * np.inf, "exp", "float16", low=1, high=2)
