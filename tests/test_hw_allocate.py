"""`hw.allocate` against every combination (tests/reference/allocation.py), at all scales."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.search.allocation import core as core_rules
from hwmodel.search.allocation import highs, relax, solve, window
from tests.reference import allocation as ref

SETTINGS = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def table(losses, costs, layers=None):
    """losses (layer x scheme), costs: column -> the same shape."""
    rows = []
    for i, row in enumerate(losses):
        for j, loss in enumerate(row):
            named = {c: v[i][j] for c, v in costs.items()}
            rows.append({"layer": layers[i] if layers else f"l{i}", "scheme": f"s{j}", "loss": loss, **named})
    return pd.DataFrame(rows)


@st.composite
def instances(draw):
    """Tables of up to 3^6 combinations with up to three budgets, of small integers (ties) or floats of wild scales."""
    layers, schemes = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    width = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["ties", "floats", "tiny", "huge", "mixed", "correlated", "lsb"]))
    rng = np.random.default_rng(seed)
    shape = (layers, schemes)
    loss = {
        "ties": lambda: rng.integers(0, 3, shape).astype(float),
        "floats": lambda: rng.random(shape),
        "tiny": lambda: rng.random(shape) * 1e-12,
        "huge": lambda: rng.random(shape) * 1e6,
        "mixed": lambda: 10.0 ** rng.uniform(-12, 6, shape),
        "correlated": lambda: rng.random(shape),
        "lsb": lambda: 1e6 + rng.integers(0, 4, shape) * 2.0**-33,
    }[kind]()
    costs = {}
    for c in range(width):
        scale = 10.0 ** rng.integers(-12, 13)
        made = rng.integers(0, 4, shape).astype(float) if kind == "ties" else rng.random(shape) * scale
        if kind == "correlated":
            made = (1.5 - loss + rng.random(shape) * 0.01) * scale
        if kind == "lsb":
            made = scale * (1 + rng.integers(0, 3, shape) * 2.0**-52)
        costs[f"c{c}"] = made
    frame = table(loss, costs)
    sums = [sums for _, sums in ref.combinations(frame, list(costs))]
    limits = {}
    for c in costs:  # the exact use of some combination, or one float below it
        at = float(sums[draw(st.integers(0, len(sums) - 1))][c])
        limits[c] = at if draw(st.booleans()) else float(np.nextafter(at, draw(st.sampled_from([-np.inf, np.inf]))))
    return frame, limits


def check(made, want, limits):
    """An allocation is the best there is, in exact arithmetic."""
    assert made.exact_objective == want[0]
    assert made.proof == "exact"
    assert made.gap == 0.0
    assert Fraction(made.bound) <= want[0]
    assert made.objective == float(want[0])
    for column, limit in limits.items():
        assert made.used["used"][column] == float(sum(map(Fraction, made.table[column])))
        assert sum(map(Fraction, made.table[column])) <= Fraction(limit)
        assert sum(map(Fraction, made.table["loss"])) == want[0]


@SETTINGS
@given(instances())
def test_every_combination_agrees(instance):
    frame, limits = instance
    want = ref.best(frame, {c: Fraction(v) for c, v in limits.items()})
    if want is None:
        with pytest.raises(hw.Infeasible):
            hw.allocate(frame, limits)
        return
    made = hw.allocate(frame, limits)
    check(made, want, limits)
    names = ["loss", *limits]
    for layer, scheme in made.choice.items():  # no option that another one matches everywhere and beats somewhere
        rows = frame[frame["layer"] == layer].set_index("scheme")[names]
        better = (rows <= rows.loc[scheme]).all(axis=1) & (rows < rows.loc[scheme]).any(axis=1)
        assert not better.any()
    assert hw.allocate(frame, limits).choice == made.choice


@SETTINGS
@given(instances(), st.data())
def test_groups_and_fixed_layers(instance, data):
    frame, limits = instance
    layers = list(dict.fromkeys(frame["layer"]))
    group = data.draw(st.lists(st.sampled_from(layers), min_size=1, max_size=3, unique=True))
    other = data.draw(st.lists(st.sampled_from(layers), min_size=1, max_size=2, unique=True))
    fixed = data.draw(st.dictionaries(st.sampled_from(layers), st.just("s0"), max_size=2))
    want = ref.best(frame, {c: Fraction(v) for c, v in limits.items()}, (group, other), fixed)
    if want is None:
        with pytest.raises(hw.Infeasible):
            hw.allocate(frame, limits, groups=[group, other], fixed=fixed)
        return
    made = hw.allocate(frame, limits, groups=[group, other], fixed=fixed)
    check(made, want, limits)
    assert all(made.choice[layer] == scheme for layer, scheme in fixed.items())
    assert len({made.choice[layer] for layer in group}) == len({made.choice[layer] for layer in other}) == 1


@SETTINGS
@given(instances())
def test_heuristics_lie_between_bound_and_optimum(instance):
    frame, limits = instance
    want = ref.best(frame, {c: Fraction(v) for c, v in limits.items()})
    for method in ("lagrangian", "greedy"):
        try:
            found = made = hw.allocate(frame, limits, method=method)
        except hw.Infeasible:
            assert want is None
            continue
        except ValueError as error:
            failed = str(error)
            found = None
        if found is None:
            assert "method='ilp'" in failed
            assert want is not None
            continue
        assert want is not None
        assert made.exact_objective >= want[0]
        assert all(sum(map(Fraction, made.table[c])) <= Fraction(v) for c, v in limits.items())
        if method == "lagrangian":
            assert made.exact_bound <= want[0]
            assert made.gap >= 0
        else:
            assert np.isnan(made.bound)


@SETTINGS
@given(instances())
def test_the_curve_is_the_front_of_all_combinations(instance):
    frame, limits = instance
    column = next(iter(limits))
    made = hw.allocation_curve(frame, column)
    want = ref.front(frame, column)
    assert list(zip(made[column], made["loss"], strict=True)) == [(float(u), float(v)) for u, v in want]


@SETTINGS
@given(instances())
def test_infeasible_says_the_closest_value(instance):
    frame, limits = instance
    exact = {c: Fraction(v) for c, v in limits.items()}
    error = None
    try:
        hw.allocate(frame, limits)
    except hw.Infeasible as raised:
        error = raised
    if error is not None:
        every = [sums for _, sums in ref.combinations(frame, list(limits))]
        least = {c: min(s[c] for s in every) for c in limits}
        alone = [c for c in limits if least[c] > exact[c]]
        if alone:
            assert error.closest == {c: float(least[c]) for c in alone}
            return
        for column, value in error.closest.items():
            kept = [s[column] for s in every if all(s[c] <= exact[c] for c in limits if c != column)]
            assert value == (float(min(kept)) if kept else None)
        share = max((Fraction(error.relaxed[c]) - exact[c]) / abs(exact[c] or 1) for c in limits)
        every_share = [max((s[c] - exact[c]) / abs(exact[c] or 1) for c in limits) for s in every]
        assert share <= min(every_share) + Fraction(1, 10**5)


def core(seed, blocks=6, options=4, rows=2, top=1000):
    rng = np.random.default_rng(seed)
    loss = rng.integers(0, top, (blocks, options)).tolist()
    costs = rng.integers(0, top, (rows, blocks, options)).tolist()
    limits = [sum(min(r) for r in c) + int(0.4 * sum(max(r) - min(r) for r in c)) for c in costs]
    return core_rules.shifted(loss, costs, limits)


def brute(made):
    import itertools

    fits = (c for c in itertools.product(*(range(len(row)) for row in made.loss)) if made.fits(c))
    return min(((made.value(c), made.uses(c)) for c in fits), default=None)


@pytest.mark.parametrize("seed", range(20))
def test_each_part_alone(seed):
    """The window search, HiGHS and the reductions each find the optimum without the others."""
    made = core(seed)
    want = brute(made)
    bound = relax.relaxed(made)
    everything = 10**9 * bound.scale
    found = window.within(made, bound, everything, 10**7)
    assert (made.value(found.choice), made.uses(found.choice)) == want
    found = window.within(made, bound, everything, 10**5, nodes=True)
    assert found.ended
    assert (made.value(found.choice), made.uses(found.choice)) == want
    answer = highs.solved(made, bound, want[0] * bound.scale - bound.value, None)
    assert made.value(answer.choice) == want[0]
    assert answer.ended
    assert answer.bound <= want[0] * bound.scale
    assert Fraction(bound.value, bound.scale) <= want[0]
    small = core_rules.reduced(made)
    assert brute(small)[0] == want[0]
    below = (want[0] - 1) * bound.scale - bound.value
    for nodes in (False, True):
        assert below < 0 or window.within(made, bound, below, 10**7, nodes).choice is None


@pytest.mark.parametrize("nodes", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_each_search_alone(seed, nodes):
    """Any widths, few values (ties), limits that are met exactly, prices that are far from the best, and windows that end at
    the optimum."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 4))
    made = core(
        seed, int(rng.integers(3, 6)), int(rng.integers(3, 5)), rows, int(10.0 ** (rng.integers(0, 12) * (seed % 3 > 0))) + 2
    )
    used = made.uses([int(rng.integers(len(row))) for row in made.loss])
    made = core_rules.Core(made.loss, made.costs, list(used), made.kept)
    want = brute(made)
    prices = [Fraction(float(p)) for p in 10 ** rng.uniform(-2, 1, rows)]
    bound = relax.relaxed(made) if seed % 2 and min(used) else relax.lagrangian(made, prices)
    exact = want[0] * bound.scale - bound.value
    for room in (exact, 2 * exact + 1, 10**6 * (exact + 1)):
        found = window.within(made, bound, room, 10**6, nodes)
        assert found.ended
        assert (made.value(found.choice), made.uses(found.choice)) == want
    assert exact == 0 or window.within(made, bound, exact - 1, 10**6, nodes).choice is None
    few = window.within(made, bound, exact, 1, nodes)  # whatever is met by then fits
    assert few.choice is None or (made.fits(few.choice) and made.value(few.choice) == want[0])


@pytest.mark.parametrize("nodes", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_partial_choices_of_equal_uses_keep_the_one_of_least_loss(seed, nodes):
    rng = np.random.default_rng(seed)
    loss = rng.integers(0, 1000, (6, 3)).tolist()
    costs = rng.integers(0, 3, (2, 6, 3)).tolist()
    made = core_rules.shifted(loss, costs, [sum(map(min, c)) + 4 for c in costs])
    want = brute(made)
    bound = relax.lagrangian(made, [Fraction(100), Fraction(100)])
    found = window.within(made, bound, 10**6, 10**6, nodes)
    assert (made.value(found.choice), made.uses(found.choice)) == want


@pytest.mark.parametrize("most", [40, 400, 4000])
@pytest.mark.parametrize("seed", range(3))
def test_whichever_way_ends_first_the_answer_is_the_same(seed, most):
    made = core(seed, blocks=8, options=3, rows=3, top=10**6)
    found = solve.solve(made, None, most=most)
    assert found.value == brute(made)[0]
    assert found.bound <= found.value


@pytest.mark.parametrize("seed", range(10))
def test_any_prices_bound_the_loss(seed):
    made, rng = core(seed), np.random.default_rng(seed)
    want = brute(made)[0]
    for _ in range(20):
        bound = relax.lagrangian(made, [Fraction(float(p)) for p in 10 ** rng.uniform(-3, 3, 2)])
        assert Fraction(bound.value, bound.scale) <= want


@pytest.mark.parametrize("seed", range(6))
def test_without_room_for_the_window_search_highs_answers(seed):
    made = core(seed, blocks=8)
    want = brute(made)[0]
    found = solve.solve(made, None, most=0)
    assert found.value == want
    assert found.bound <= want
    assert found.proof in ("HiGHS", "enumerated")
    assert float((found.value - found.bound) / found.value) < 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_three_to_the_tenth(seed):
    rng = np.random.default_rng(seed)
    loss = rng.random((10, 3)) * 10.0 ** rng.integers(-9, 4, (10, 1))
    costs = rng.random((3, 10, 3))
    best, every = None, np.stack(np.meshgrid(*[np.arange(3)] * 10, indexing="ij"), -1).reshape(-1, 10)
    limits = (0.45 * costs.max(2).sum(1) + 0.55 * costs.min(2).sum(1)).tolist()
    at = np.arange(10)
    # floats choose who is near, Fractions decide
    near = np.all([c[at, every].sum(1) <= v * (1 + 1e-12) for c, v in zip(costs, limits, strict=True)], axis=0)
    every = every[near]
    rough = loss[at, every].sum(1)
    for choice in every[rough <= rough.min() * (1 + 1e-9)]:
        exact = [sum(Fraction(float(c[i, j])) for i, j in enumerate(choice)) for c in costs]
        if all(e <= Fraction(v) for e, v in zip(exact, limits, strict=True)):
            value = sum(Fraction(float(loss[i, j])) for i, j in enumerate(choice))
            best = value if best is None else min(best, value)
    made = hw.allocate(table(loss, {f"c{i}": c for i, c in enumerate(costs)}), {f"c{i}": v for i, v in enumerate(limits)})
    assert best is not None
    assert made.exact_objective == best
    assert made.gap == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_many_layers_agree_with_dynamic_programming(seed):
    rng = np.random.default_rng(seed)
    loss = rng.random((60, 4)) * 10.0 ** (rng.uniform(-12, 6, (60, 1)) if seed % 2 else -9)
    costs = rng.integers(0, 9, (60, 4))
    if seed % 3 == 0:  # the dearer, the better, and many near each other
        costs, loss = np.sort(costs, axis=1), -np.sort(-loss, axis=1)
    low, high = costs.min(axis=1).sum(), costs.max(axis=1).sum()
    limit = int(low + (0.2 + 0.1 * seed) * (high - low))
    made = hw.allocate(table(loss, {"c": costs}), {"c": limit})
    assert made.exact_objective == ref.whole_numbers(loss.tolist(), costs.tolist(), limit)
    assert made.gap == 0.0


@pytest.mark.exhaustive
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(instances())
def test_every_combination_agrees_often(instance):
    frame, limits = instance
    want = ref.best(frame, {c: Fraction(v) for c, v in limits.items()})
    if want is None:
        with pytest.raises(hw.Infeasible):
            hw.allocate(frame, limits)
    else:
        check(hw.allocate(frame, limits), want, limits)


@pytest.mark.parametrize("seed", range(8))
def test_a_limit_missed_by_one_part_in_a_trillion_is_missed(seed):
    """HiGHS takes such a choice for feasible; its answer must not be."""
    made = core(seed, rows=1, top=10**12)
    choice = solve.solve(made).choice
    tight = core_rules.Core(made.loss, made.costs, [u - 1 for u in made.uses(choice)], made.kept)
    want = brute(tight)
    found = solve.solve(tight, None, most=0)
    assert tight.fits(found.choice)
    assert found.value >= want[0] >= found.bound
    assert solve.solve(tight).value == want[0]


@pytest.mark.parametrize("seed", range(5))
def test_curves_and_choices_with_many_ties(seed):
    rng = np.random.default_rng(seed)
    frame = table(rng.integers(0, 3, (6, 3)).astype(float), {"c": rng.integers(0, 3, (6, 3)), "d": rng.integers(0, 3, (6, 3))})
    made = hw.allocation_curve(frame, "c")
    want = ref.front(frame, "c")
    assert list(zip(made["c"], made["loss"], strict=True)) == want
    for use, loss in want:
        assert hw.allocate(frame, {"c": int(use)}).exact_objective == loss
    for limit in (4, 6):
        limits = {"c": Fraction(limit), "d": Fraction(8 - limit // 2)}
        best = ref.best(frame, limits)
        if best is not None:
            check(hw.allocate(frame, {c: int(v) for c, v in limits.items()}), best, limits)


def test_what_the_solver_prints_does_not_reach_standard_output(monkeypatch, capfd):
    import ctypes

    import scipy.optimize

    from hwmodel import _highs

    def chatty(objective, **problem):
        ctypes.CDLL(None).puts(b"debugging")
        return objective

    monkeypatch.setattr(scipy.optimize, "milp", chatty)
    print("before")
    assert _highs.milp(3) == 3
    print("after")
    assert capfd.readouterr().out.split() == ["before", "after"]
