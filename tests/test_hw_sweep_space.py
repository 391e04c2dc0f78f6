"""Spaces of sweeps beside a plain model: which points, in which order; what is refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.search.sweeps.samplers import decoded, sampled
from hwmodel.search.sweeps.space import Space, space
from hwmodel.search.sweeps.values import axis_values

from .reference import sweeps as plain
from .sweep_cases import cheap

NAMES = ("a", "b", "c", "d")
SCALARS = st.one_of(st.integers(-9, 9), st.floats(-4, 4, allow_subnormal=False), st.sampled_from(["x", "y", "zz"]), st.booleans())
NUMBERS = st.lists(st.integers(-5, 9), min_size=1, max_size=5, unique=True)


def all_points(made):
    points = sampled(made)
    return points.points(0, points.count)


def typed(points):
    return [{k: (type(v), v) for k, v in p.items()} for p in points]


@st.composite
def spaces(draw):
    axes = {n: draw(NUMBERS) for n in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))}
    if draw(st.booleans()):
        values = draw(st.lists(SCALARS, min_size=1, max_size=4, unique_by=lambda v: (isinstance(v, bool), v)))
        axes["e"] = values
    names, linked = list(axes), []
    if len(names) > 2 and draw(st.booleans()):
        first, second = draw(st.permutations([n for n in names if n != "e"]))[:2]
        size = min(len(axes[first]), len(axes[second]))
        axes[first], axes[second] = axes[first][:size], axes[second][:size]
        linked = [(first, second)]
    numbers = [n for n in names if n != "e"]
    x, y = draw(st.sampled_from(numbers)), draw(st.sampled_from(numbers))
    texts = (
        f"{x} * {y} <= 6",
        f"{x} + 2 > {y}",
        f"not {x} == {y}",
        f"-3 < {x} <= 5 or {y} in (1, 2)",
        f"max({x}, {y}, 0) % 2 == 1",
    )
    texts += (f"{x} // 2 - {y} ** 2 < abs({x}) and {x} not in (0, 3)", "k == 'held'", f"{x} / 4 >= min({y}, 1)")
    constraints = draw(st.lists(st.sampled_from(texts), max_size=2))
    return axes, linked, constraints


@given(spaces())
@settings(max_examples=60, deadline=None)
def test_points_are_those_of_the_plain_model(drawn):
    axes, linked, constraints = drawn
    want = plain.points(axes, linked, constraints, {"k": "held"})
    made = space({**axes, "k": "held", "linked": [list(g) for g in linked], "constraints": constraints})
    if not want:
        with pytest.raises(ValueError, match="no point of the space fulfils the constraints"):
            sampled(made)
        return
    assert typed(all_points(made)) == typed(want)
    points = sampled(made)
    columns = points.columns(0, points.count)
    for name in axes:
        assert columns[name].tolist() == [p[name] for p in want]
    middle = points.count // 2
    assert typed(points.points(middle, points.count)) == typed(want[middle:])


@given(spaces(), st.integers(0, 5), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_random_points_are_different_and_of_the_space(drawn, seed, count):
    axes, linked, constraints = drawn
    want = plain.points(axes, linked, constraints, {"k": "held"})
    made = space({**axes, "k": "held", "linked": [list(g) for g in linked], "constraints": constraints})
    if len(want) < count:
        with pytest.raises(ValueError):
            sampled(made, "random", count, seed)
        return
    found = typed(sampled(made, "random", count, seed).points(0, count))
    assert len({tuple(p.items()) for p in found}) == count
    allowed = typed(want)
    assert all(p in allowed for p in found)
    assert found == typed(sampled(made, "random", count, seed).points(0, count))
    if count == len(want):
        assert sorted(repr(sorted(p.items())) for p in found) == sorted(repr(sorted(p.items())) for p in allowed)


def test_random_points_of_spaces_too_large_to_list():
    axes = {n: list(range(1000)) for n in NAMES}
    made = space({**axes, "constraints": ["a < b"]})
    found = sampled(made, "random", 300, 1).points(0, 300)
    assert all(p["a"] < p["b"] for p in found)
    assert found != sampled(made, "random", 300, 2).points(0, 300)
    assert len({tuple(p.items()) for p in found}) == 300
    assert 350 < np.mean([p["c"] for p in found]) < 650
    with pytest.raises(ValueError, match="the grid has 1000000000000 points"):
        sampled(made)
    with pytest.raises(ValueError, match="no point of the space"):
        sampled(space({**axes, "constraints": ["a < 0"]}), "random", 5)


def test_a_latin_hypercube_meets_every_value_once():
    made = space({"a": list(range(20)), "x": {"from": 1.0, "to": 5.0}, "y": {"from": 1, "to": 1024, "log": True}})
    points = sampled(made, "lhs", 20, 7)
    columns = points.columns(0, points.count)
    assert sorted(columns["a"].tolist()) == list(range(20))
    assert sorted(((columns["x"] - 1) / 4 * 20).astype(int).tolist()) == list(range(20))
    assert sorted((np.log2(columns["y"]) / 10 * 20).astype(int).tolist()) == list(range(20))
    assert points.points(3, 5) == sampled(made, "lhs", 20, 7).points(3, 5)
    assert [p["x"] for p in points.points(0, 20)] == columns["x"].tolist()


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9), st.sampled_from([1, 10, 100]))
@settings(max_examples=50)
def test_steps_are_exact_in_decimal(low, more, step, scale):
    ends = [v if scale == 1 else v / scale for v in (low, low + more, step)]
    found = axis_values("x", dict(zip(("from", "to", "step"), ends, strict=True)))
    want = plain.steps(*ends)
    assert [Fraction(str(v)) for v in found] == want
    assert {type(v) for v in found} == {int if scale == 1 else float}


def test_ranges_and_templates():
    assert axis_values("x", {"log2": [3, 6]}) == (8, 16, 32, 64)
    assert axis_values("x", {"log2": [-1, 3], "step": 2}) == (0.5, 2.0, 8.0)
    assert axis_values("x", {"from": 1, "to": 2, "count": 3}) == (1.0, 1.5, 2.0)
    assert axis_values("x", {"from": 1, "to": 100, "count": 3, "log": True}) == pytest.approx((1, 10, 100), rel=1e-15)
    assert axis_values("x", {"template": "int{acc}>{out}", "acc": [12, 16], "out": ["fp32", "fp16"]}) == (
        "int12>fp32",
        "int12>fp16",
        "int16>fp32",
        "int16>fp16",
    )
    points = all_points(space({"path": "int{acc}", "acc": {"log2": [3, 4]}, "z": 1}))
    assert points == [{"path": "int8", "acc": 8, "z": 1}, {"path": "int16", "acc": 16, "z": 1}]
    assert list(points[0]) == ["path", "acc", "z"]


def test_yaml_text_and_files(tmp_path):
    text = "height: [8, 16]\nwidth: {from: 1, to: 3, step: 1}\nconstraints: [height * width <= 24]\nmodel: phi-2\n"
    want = plain.points({"height": [8, 16], "width": [1, 2, 3]}, (), ["height * width <= 24"], {"model": "phi-2"})
    path = tmp_path / "space.yaml"
    path.write_text(text)
    for given_ in (text, path, str(path)):
        assert all_points(space(given_)) == want
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        space(tmp_path / "none.yaml")
    with pytest.raises(ValueError, match="line 3: not a space in YAML: the name 'a' stands twice"):
        space("a: [1]\nb: [2]\na: [3]\n")
    with pytest.raises(ValueError, match="line 2: not a space in YAML"):
        space("a: [1\nb: [2]\n")


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({}, "give a mapping of axes"),
        ("just text", "give a mapping of axes"),
        ({"a": 1}, "has no axes: every name has a single value"),
        ({"a": []}, "axis a has no values"),
        ({"a": [1, 2, 1]}, "axis a has the value 1 twice"),
        ({"a": [1, 1.0]}, "axis a has the value 1.0 twice"),
        ({"a": [1, [2]]}, r"axis a holds \[2\]"),
        ({"a": [float("nan")]}, "axis a holds nan"),
        ({"a": [2**60]}, "up to 2\\*\\*53"),
        ({"a": {1, 2}}, "axis a is a set, which has no order"),
        ({"a b": [1]}, "axis 'a b' is no name"),
        ({"a": {"from": 1, "to": 5, "stp": 1}}, "unknown field of a range 'stp': did you mean step"),
        ({"a": {"from": 5, "to": 1, "step": 1}}, "give the smaller one first"),
        ({"a": {"from": 1, "to": 5, "step": 0}}, "give a number above 0"),
        ({"a": {"from": 0, "to": 5, "log": True}}, "starts above 0"),
        ({"a": {"from": 1}}, "give a list"),
        ({"a": {"log2": [5, 3]}}, "exponents go upward"),
        ({"a": {"template": "int{acc}"}}, "names acc, which has no values"),
        ({"a": {"template": "int{acc}", "acc": [1], "b": [2]}}, "'b' is not in the template"),
        ({"a": "int{acc}", "acc": 8, "b": [1]}, "unknown axis in the template a='int{acc}' 'acc'"),
        ({"a": [1, 2], "b": [1], "linked": [["a", "b"]]}, "a has 2, b has 1"),
        ({"a": [1, 2], "linked": [["a", "c"]]}, "unknown axis in linked 'c'"),
        ({"a": [1], "b": [1], "linked": [["a", "b"], ["b", "a"]]}, "names the axis b twice|names the axis a twice"),
        ({"a": [1, 2], "linked": [["a"]]}, "two axes or more"),
        (
            {"height": [1, 2], "constraints": ["heigth < 2"]},
            "unknown name in constraint 'heigth < 2' 'heigth': did you mean height",
        ),
        ({"a": [1, 2], "constraints": ["a <"]}, "cannot be read"),
        ({"a": [1, 2], "constraints": ["__import__('os').system('true')"]}, "is not allowed"),
        ({"a": [1, 2], "constraints": ["a.__class__ == 1"]}, "is not allowed"),
        ({"a": [1, 2], "constraints": ["(lambda: 1)() == a"]}, "is not allowed"),
        ({"a": [1, 2], "constraints": [3]}, "is no text"),
        ({"a": [1, 2], "constraints": {"a": 1}}, "constraints is {'a': 1}; give a list of texts"),
        ({"a": [1, 2], "constraints": ["a == (1, 2)"]}, r"'\(1, 2\)' is not allowed"),
        ({"a": [1, 2], "constraints": ["+".join(["a"] * 950) + " > 1"]}, "is nested too deeply"),
        ({"a": [1, 2], "constraints": ["not " * 600 + "a > 1"]}, "has 2405 characters"),
        ({"a": [1], "linked": [3]}, "linked holds 3; give lists"),
        ({"a": [1], "b": [2], "linked": [{"a", "b"}]}, "linked holds {"),
        ({"a": range(10**12)}, "axis a has 1000000000000 values; an axis has at most"),
        ({"a": {"from": 1, "to": 2, "count": 10**12}}, "axis a has 1000000000000 values"),
        ({"a": {"template": "{x}{y}", "x": range(9999), "y": range(9999)}}, "axis a has 99980001 values"),
        ({"point": [1, 2]}, "an axis cannot be called point"),
    ],
)
def test_bad_spaces_are_refused(given_, words):
    with pytest.raises(ValueError, match=words):
        space(given_)


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("a + 1", "neither true nor false"),
        ("1 / (a - 1) > 0", "has no value at some point"),
        ("b * 2 > 1", "mixes texts with numbers"),
        ("b * 1000000000000 == 'x'", "'x' is no number"),
        ("'%1000000000000d' % a == b", "is no number"),
        ("a < 9**9**9", "has no value at some point"),
        ("10000000000000000000000000 ** 10000000000000000000000000 > a", "has no value at some point"),
        ("b + b == 'xx'", "mixes texts with numbers"),
        ("a and b == 'x'", "'a' is neither true nor false"),
        ("a > 9", r"no point of the space fulfils the constraints \(a > 9\)"),
    ],
)
def test_constraints_without_an_answer(constraint, words):
    with pytest.raises(ValueError, match=words):
        sampled(space({"a": [1, 2], "b": ["x", "y"], "constraints": [constraint]}))


def test_truths_count_as_numbers_in_arithmetic():
    made = space({"t": [True, False], "u": [True, False], "constraints": ["t + u == 2 or -t - u == 0"]})
    assert [(p["t"], p["u"]) for p in all_points(made)] == [(True, True), (False, False)]


def test_yaml_as_people_write_it():
    made = space("a: &a {from: 1, to: 3, step: 1}\nb: {<<: *a, step: 2}\nc: [1e3, 2.5E-3]\n")
    assert made.axes == {"a": (1, 2, 3), "b": (1, 3), "c": (1000.0, 0.0025)}


def test_grids_that_are_too_large():
    thousand = list(range(1000))
    huge = {"a": thousand, "b": thousand, "c": thousand, "d": thousand}
    for more in ({}, {"constraints": ["a == 1"]}):
        with pytest.raises(ValueError, match="the grid has 1000000000000 points, more than 100000000"):
            sampled(space(huge | more))
    assert len({tuple(p.values()) for p in sampled(space(huge), "random", 50).points(0, 50)}) == 50
    with pytest.raises(ValueError, match="a sample has at most 10000000 points"):
        sampled(space(huge), "random", 10**9)


def test_constraints_do_not_wrap():
    big = [2**40, 2**41]
    made = space({"a": big, "b": big, "constraints": ["a * b * a * b > 0"]})
    assert len(all_points(made)) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": "gird"}, "unknown strategy 'gird': did you mean grid"),
        ({"count": 3}, "a grid has the points that it has"),
        ({"strategy": "random"}, "'random' needs count"),
        ({"strategy": "lhs", "count": 0}, "count is 0"),
        ({"strategy": "random", "count": 13}, "only 12 points are in the space"),
        ({"strategy": "random", "count": 2, "seed": -1}, "seed is -1"),
        ({"strategy": "optuna-nsga2", "count": 4}, "needs objectives"),
        ({"strategy": "optuna-nsga2", "minimize": ["y"]}, "needs count"),
        ({"strategy": "random", "count": 2, "population": 3}, "population is for searches"),
        ({"minimize": ["y", "y"]}, "named twice"),
        ({"executor": 3}, "has no submit"),
        ({"executor": "procesess"}, "unknown executor 'procesess': did you mean processes"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_bad_arguments_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        hw.sweep({"a": list(range(6)), "b": [0.5, 1.5]}, cheap, **options)


def test_ranges_without_steps_need_a_sample():
    made = Space({"a": [1, 2], "x": {"from": 0.0, "to": 1.0}})
    with pytest.raises(ValueError, match="axis x is a range without steps, which no grid can list"):
        sampled(made)
    found = sampled(made, "random", 50, 3).points(0, 50)
    assert all(0 <= p["x"] <= 1 for p in found)
    assert len({p["x"] for p in found}) == 50


def test_decoding_is_that_of_numpy():
    sizes = (3, 4, 5)
    found = decoded(sizes, np.arange(60))
    assert [c.tolist() for c in found] == [c.tolist() for c in np.unravel_index(np.arange(60), sizes)]
