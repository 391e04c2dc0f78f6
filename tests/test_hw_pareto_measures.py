"""Hypervolumes against inclusion and exclusion in Fractions and pymoo's; knees against their definitions in Fractions."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from tests.reference import fronts

NAMES = list("abcdef")


@st.composite
def points(draw, least=1, rows=6, top=8):
    columns = draw(st.integers(least, 6))
    data = draw(st.lists(st.tuples(*[st.integers(0, top)] * columns), max_size=rows))
    return pd.DataFrame(data, columns=NAMES[:columns], dtype=float)


@settings(deadline=None, max_examples=30)
@given(points(), st.integers(0, 6), st.integers(4, 9))
def test_volume_of_whole_numbers_is_exact(frame, split, corner):
    names = list(frame.columns)
    low, high = names[:split], names[split:]
    flipped = frame.assign(**{name: 10 - frame[name] for name in high})
    reference = {name: 10 - corner if name in high else corner for name in names}
    want = fronts.hypervolume(frame.to_numpy().tolist(), [corner] * len(names))
    assert hw.hypervolume(flipped, low, high, reference=reference) == want


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_volume_of_fractions(columns, rows, seed):
    data = np.random.default_rng(seed).random((rows, columns))
    want = float(fronts.hypervolume(data.tolist(), [0.9] * columns))
    got = hw.hypervolume(pd.DataFrame(data, columns=NAMES[:columns]), NAMES[:columns], reference=[0.9] * columns)
    assert got == pytest.approx(want, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("columns", "rows"), [(2, 500), (3, 500), (4, 150), (5, 60), (6, 40)])
def test_volume_is_pymoos(columns, rows):
    hv = pytest.importorskip("pymoo.indicators.hv")
    data = np.abs(np.random.default_rng(columns).standard_normal((rows, columns)))
    data = 1.2 - data / np.linalg.norm(data, axis=1, keepdims=True)
    want = hv.HV(ref_point=np.full(columns, 1.0))(data)
    got = hw.hypervolume(pd.DataFrame(data, columns=NAMES[:columns]), NAMES[:columns], reference=[1.0] * columns)
    assert got == pytest.approx(float(want), rel=1e-10)


def test_rows_at_or_beyond_the_reference_add_nothing():
    frame = pd.DataFrame({"e": [1.0, 2.0, 5.0, 0.0, math.nan, 0.5], "q": [3.0, 1.0, 0.0, 4.0, 0.0, math.inf]})
    assert hw.hypervolume(frame, ["e", "q"], reference=[4, 4]) == 7.0  # 3*1 + 2*2
    assert hw.hypervolume(frame.iloc[2:], ["e", "q"], reference=[4, 4]) == 0.0
    assert hw.hypervolume(frame.iloc[:0], ["e", "q"], reference=[4, 4]) == 0.0
    assert hw.hypervolume(frame.assign(e=-math.inf), ["e", "q"], reference=[4, 4]) == math.inf


def test_volume_per_group():
    frame = pd.DataFrame({"m": ["y", "x", "y"], "e": [1, 2, 2], "q": [3, 3, 1]})
    got = hw.hypervolume(frame, ["e", "q"], reference={"q": 4, "e": 4}, per="m")
    assert got.to_dict() == {"y": 7.0, "x": 2.0}


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ([1.0], "in the order e, q"),
        ({"e": 1.0}, "no value for 'q'"),
        ({"e": 1.0, "q": 1, "z": 1}, "z"),
        ([1.0, math.nan], "reference of 'q'"),
    ],
)
def test_bad_references(reference, words):
    with pytest.raises(ValueError, match=words):
        hw.hypervolume(pd.DataFrame({"e": [1], "q": [2]}), ["e"], ["q"], reference=reference)


@settings(deadline=None, max_examples=30)
@given(points(least=2, rows=20, top=30), st.sampled_from(["distance", "trade_off"]))
def test_knee_is_that_of_the_definition(frame, method):
    names = list(frame.columns)
    rows = [tuple(row) for row in frame.to_numpy().tolist()]
    front = fronts.front(rows)
    rule = fronts.knee_by_distance if method == "distance" else fronts.knee_by_trade_off
    want = [front[i] for i in rule([rows[i] for i in front])] if front else []
    assert list(hw.knee(frame, names, method=method).index) == want


def test_knees_by_hand():
    front = pd.DataFrame({"e": [0, 1, 2, 5, 10], "p": [10, 4, 3.5, 3, 0]})
    # 1 - e/10 - p/10: 0, 0.5, 0.45, 0.2, 0
    assert list(hw.knee(front, ["e", "p"]).index) == [1]
    assert list(hw.knee(front, ["e", "p"], method="angle").index) == [1]
    # the least loss by gain: 1/6 at 0 (to 1), 1/0.5 at 1 (to 2) but 9/4 to 4 and 6/1 to 0: 2
    assert list(hw.knee(front, ["e", "p"], method="trade_off").index) == [1]
    quality = front.assign(p=-front.p)
    assert list(hw.knee(quality, ["e"], ["p"], method="angle").index) == [1]


def test_angle_and_distance_may_differ():
    front = pd.DataFrame({"e": [0.0, 0.1, 0.4, 0.45, 1.0], "p": [1.0, 0.7, 0.3, 0.05, 0.0]})
    bends = []
    for i in range(1, 4):
        a, b, c = (front.to_numpy()[i + k] for k in (-1, 0, 1))
        to_left, to_right = math.atan2(*(a - b)[::-1]), math.atan2(*(c - b)[::-1])
        bends.append(math.pi - (to_left - to_right))  # what is missing from a straight line, towards the better side
    assert list(hw.knee(front, ["e", "p"], method="angle").index) == [1 + int(np.argmax(bends))]


@pytest.mark.parametrize("method", ["distance", "angle"])
def test_fronts_without_a_bend(method):
    one = pd.DataFrame({"e": [1, 1, 2], "p": [1, 1, 1]})
    assert list(hw.knee(one, ["e", "p"], method=method).index) == [0, 1]
    two = pd.DataFrame({"e": [1, 2], "p": [2, 1]})
    assert hw.knee(two, ["e", "p"], method=method).empty
    straight = pd.DataFrame({"e": [0.1 * i for i in range(11)], "p": [7 - 0.3 * i for i in range(11)]})
    assert hw.knee(straight, ["e", "p"], method=method).empty
    outward = pd.DataFrame({"e": [0, 2, 3], "p": [3, 2, 0]})
    assert hw.knee(outward, ["e", "p"], method=method).empty
    assert hw.knee(one.iloc[:0], ["e", "p"], method=method).empty


def test_knee_of_two_ends_by_trade_off():
    assert list(hw.knee(pd.DataFrame({"e": [1, 2], "p": [2, 1]}), ["e", "p"], method="trade_off").index) == [0, 1]


def test_constant_columns_have_no_say_and_groups_have_their_own_knee():
    front = pd.DataFrame({"e": [0, 1, 10], "p": [10, 4, 0], "flat": [7, 7, 7]})
    assert list(hw.knee(front, ["e", "p", "flat"]).index) == [1]
    both = pd.concat([front.assign(m="x"), (front + 100).assign(m="y")], ignore_index=True)
    assert list(hw.knee(both, ["e", "p"], per="m").index) == [1, 4]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "bend"}, "angle"),
        ({"maximize": ["r"], "method": "angle"}, "3 columns"),
        ({"minimize": ["e", "i"]}, "infinite"),
    ],
)
def test_bad_knees(arguments, words):
    frame = pd.DataFrame({"e": [1.0, 2.0], "p": [2.0, 1.0], "r": [1, 2], "i": [-math.inf, -math.inf]})
    with pytest.raises(ValueError, match=words):
        hw.knee(frame, **{"minimize": ["e", "p"], **arguments})
