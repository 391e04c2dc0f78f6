"""Components against closed forms and against circuits that compute, drawn gate by gate."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from tests.reference import units as circuits
from tests.test_hw_units import EXAMPLES


def adder_nodes(style, n):
    """Closed forms for powers of two (unit-gate formulas)."""
    log = n.bit_length() - 1
    return {"sklansky": n * log // 2, "kogge_stone": n * log - n + 1, "brent_kung": 2 * n - 2 - log}[style]


@pytest.mark.parametrize("style", ["sklansky", "kogge_stone", "brent_kung"])
@pytest.mark.parametrize("n", [4, 8, 16, 64])
def test_prefix_adders(style, n):
    made = hw.unit("int_add", N=n, style=style)
    nodes = adder_nodes(style, n)
    assert made.structure.cells() == {"and": n + 2 * nodes, "xor": 2 * n, "gate": nodes}
    ripple = hw.unit("int_add", N=n)
    if n >= 16:
        assert made.cost().delay_ps < ripple.cost().delay_ps
        assert made.cost().area_um2 > ripple.cost().area_um2


@pytest.mark.parametrize("n", [3, 4, 8, 11, 16, 24])
def test_multiplier_styles(n):
    """Array and Dadda by their closed forms; Booth by the number of its rows."""
    array = hw.unit("int_mul", W=n, A=n, S=0, style="array").structure.cells()
    assert array == {"and": n * n, "fa": n * (n - 2), "ha": n}
    dadda = hw.unit("int_mul", W=n, A=n, S=0, style="dadda").structure
    assert dadda.cells().get("fa", 0) == n * n - 4 * n + 3
    tree = next(p for p in dadda.parts if p.name == "product tree")
    adder = next(p for p in dadda.parts if p.name == "product adder")
    assert tree.cells["ha"] == n - 1
    assert adder.cells["cpa"] + adder.cells["ha"] == 2 * n - 2
    booth = hw.unit("int_mul", W=n, A=n, S=0, style="booth").structure
    rows = n // 2 + 1
    assert next(p for p in booth.parts if p.name == "product selectors").cells["xor"] == rows * (n + 1)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n=st.integers(2, 40), style=st.sampled_from(["sklansky", "kogge_stone", "brent_kung"]))
def test_prefix_graphs_add(data, n, style):
    """A network that adds, drawn node by node, has as many nodes as ours, at any width."""
    a, b = (data.draw(st.integers(0, 2**n - 1)) for _ in range(2))
    total, nodes = circuits.prefix_adder(a, b, n, style)
    assert total == a + b
    cells = hw.unit("int_add", N=n, style=style).structure.cells()
    assert cells.get("gate", 0) == nodes
    assert cells["xor"] == 2 * n


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(3, 20))
def test_circuits_that_multiply_have_our_cells(data, n):
    a, b = (data.draw(st.integers(0, 2**n - 1)) for _ in range(2))
    product, ands, full, half = circuits.multiply(a, b, n)
    assert product == a * b
    tree = {p.name: p.cells for p in hw.unit("int_mul", W=n, A=n, S=0, style="dadda").structure.parts}
    assert tree["product bits"]["and"] == ands
    assert (tree["product tree"].get("fa", 0), tree["product tree"].get("ha", 0)) == (full, half)
    product, ands, full, half = circuits.square(a, n)
    assert product == a * a
    tree = {p.name: p.cells for p in hw.unit("int_square", A=n).structure.parts}
    assert tree["square bits"].get("and", 0) == ands
    held = tree.get("square tree", {})
    assert (held.get("fa", 0), held.get("ha", 0)) == (full, half)
    product, rows = circuits.booth(a, b, n)
    assert product == a * b
    selectors = {p.name: p.cells for p in hw.unit("int_mul", W=n, A=n, S=0, style="booth").structure.parts}["product selectors"]
    assert selectors["xor"] == rows * (n + 1)
    shifted, muxes, gates = circuits.shifter(a, b % n, n)
    assert shifted == (a << (b % n)) % 2**n
    assert hw.unit("shifter", N=n).structure.cells() == {"mux": muxes, "and": gates}


def test_booth_pays_from_where_it_is_measured_to():
    """20 % at 24 x 24 unsigned, worse at 4 x 4."""
    ratio = {
        n: hw.unit("int_mul", W=n, A=n, S=0, style="booth").cost().area_um2 / hw.unit("int_mul", W=n, A=n, S=0).cost().area_um2
        for n in (4, 24)
    }
    assert ratio[4] > 1 > ratio[24]


def test_other_closed_forms():
    cells = {kind: hw.unit(kind, **p).structure.cells() for kind, p in EXAMPLES.items()}
    assert hw.unit("shifter", N=32).structure.cells() == {"mux": 32 * 5 - 31, "and": 31}
    assert hw.unit("shifter", N=32, ST=1).structure.cells()["gate"] == 62
    assert cells["mux"] == {"mux": 24}
    assert cells["decoder"]["and"] == 32 + 4 + 8
    assert cells["int_square"]["and"] == 28
    assert cells["compare"] == {"gate": 42}
    binary = hw.unit("adder_tree", L=8, N=10, style="binary").structure.cells()
    assert binary["cpa"] + binary["ha"] == 4 * 10 + 2 * 11 + 12
    dadda = hw.unit("adder_tree", L=8, N=10, style="dadda").structure.cells()
    assert 6 * 10 - 8 <= dadda["fa"] <= 6 * 10 + 20  # (k - 2) rows of about w full adders


@pytest.mark.parametrize(("constant", "digits"), [(7, 2), (119, 3), (85, 4), (64, 1), (1, 1)])
def test_constants_by_their_signed_digits(constant, digits):
    from hwmodel.units.structure.multipliers import csd

    found = csd(constant)
    assert sum(d * 2**i for i, d in enumerate(found)) == constant
    assert sum(map(abs, found)) == digits
    assert not any(a and b for a, b in pairwise(found))
    assert len(hw.unit("constant_mul", A=8, C=constant).structure.parts) == digits - 1


def test_roundings_cost_what_they_look_at():
    cost = {
        m: hw.unit("rounding", N=11, R=11, mode=m).cost().area_um2
        for m in ("toward_zero", "to_odd", "ties_away", "up", "ties_even")
    }
    assert list(cost) == sorted(cost, key=cost.get)
    assert cost["toward_zero"] == 0
    assert hw.unit("rounding", N=11, R=11, S=1, mode="down").cost().area_um2 == 0  # truncation of two's complement
    assert hw.unit("rounding", N=11, R=11, S=1, mode="toward_zero").cost().area_um2 > 0
    random = hw.unit("rounding", N=11, R=11, B=8, mode="stochastic").cost().breakdown
    assert random.part.str.contains("random bits").sum() == 3
    with pytest.raises(ValueError, match="ties_even"):
        hw.unit("rounding", N=11, R=11, mode="ties_evn")
