"""Fronts against the plain model: every pair of rows compared."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from tests.reference import fronts

NAN, INF = float("nan"), float("inf")
# few values make ties and equal rows, many make long fronts
value = st.one_of(st.integers(0, 4).map(float), st.floats(-3, 3), st.sampled_from([NAN, INF, -INF, 0.0, -0.0]))


@st.composite
def frames(draw, most=5, rows=60):
    columns = draw(st.integers(1, most))
    data = draw(st.lists(st.tuples(*[value] * columns), max_size=rows))
    return pd.DataFrame(data, columns=list("abcdefg")[:columns], dtype=float)


def costs(frame, maximize=()):
    return [tuple(-v if n in maximize else v for n, v in zip(frame.columns, row, strict=True)) for row in frame.to_numpy().tolist()]


@settings(deadline=None, max_examples=50)
@given(frames(), st.integers(0, 5))
def test_front_is_that_of_all_pairs(frame, split):
    names = list(frame.columns)
    low, high = names[:split], names[split:]
    got = hw.pareto(frame, low, high)
    assert list(got.index) == fronts.front(costs(frame, high))
    pd.testing.assert_frame_equal(got, frame.loc[got.index])


@pytest.mark.parametrize("columns", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["grid", "sphere", "flat", "falling", "layers"])
def test_long_fronts(columns, kind):
    rng = np.random.default_rng(columns)
    rows = rng.random((400, columns))
    if kind == "grid":
        rows = np.floor(6 * rows)
    elif kind == "sphere":  # everything on the front, in any number of columns
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows *= -1
    elif kind == "layers":  # whole numbers with sums of 60 and 61: long fronts, beaten rows equal in all columns but one
        rows[:, 1:] = np.floor(12 * rows[:, 1:])
        rows[:, 0] = 60 + (rows[:, 0] < 0.5) - rows[:, 1:].sum(axis=1)
    elif kind == "flat":
        rows[:, 0] = 7
    else:  # the first column tied in blocks, the last one falling
        rows = np.sort(rows, axis=0)
        rows[:, 0] = np.floor(9 * rows[:, 0])
        rows[:, -1] *= -1
    frame = pd.DataFrame(rows, columns=list("abcde")[:columns])
    want = fronts.front(costs(frame))
    assert list(hw.pareto(frame, list(frame.columns)).index) == want
    if kind == "sphere":
        assert len(want) == 400


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_order_of_rows_does_not_matter(columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 12, (400, columns)), columns=list("abcd")[:columns])
    shuffled = frame.sample(frac=1, random_state=1)
    names = list(frame.columns)
    assert sorted(hw.pareto(shuffled, names).index) == list(hw.pareto(frame, names).index)


@settings(deadline=None, max_examples=25)
@given(frames(most=4, rows=40), st.data())
def test_groups_have_their_own_fronts(frame, data):
    models = data.draw(st.lists(st.sampled_from(["x", "y", None]), min_size=len(frame), max_size=len(frame)))
    names = list(frame.columns)
    frame["model"] = pd.Series(models, dtype=object, index=frame.index)
    want = []
    for model in ("x", "y", None):
        part = frame[frame.model.isna() if model is None else frame.model == model]
        want += [part.index[i] for i in fronts.front(costs(part[names]))]
    assert list(hw.pareto(frame, names, per="model").index) == sorted(want)
    assert list(hw.pareto(frame.assign(b2=1), names, per=["model", "b2"]).index) == sorted(want)


def test_whole_numbers_are_compared_exactly():
    big = 2**53
    frame = pd.DataFrame({"a": [big, big + 1, big + 1], "b": [5, 5, 4]})
    assert list(hw.pareto(frame, ["a", "b"]).index) == [0, 2]
    assert list(hw.pareto(frame.astype("uint64") + 2**63, ["a", "b"]).index) == [0, 2]
    nullable = pd.DataFrame({"a": pd.array([big + 1, None, big], dtype="Int64"), "b": [1, 0, 1], "t": [True, True, True]})
    assert list(hw.pareto(nullable, ["a", "b"], ["t"]).index) == [2]


def test_index_and_names_stay():
    frame = pd.DataFrame({0: [3, 1, 1], "b": [1, 2, 2]}, index=["p", "q", "q"])
    assert list(hw.pareto(frame, [0, "b"]).index) == ["p", "q", "q"]
    assert list(hw.pareto(frame, "b").index) == ["p"]
    empty = pd.DataFrame({"a": pd.Series(dtype=float), "b": pd.Series(dtype=float)})
    assert hw.pareto(empty, ["a", "b"]).empty
    assert hw.pareto(pd.DataFrame({"a": [NAN], "b": [1.0], "c": [1.0]}), ["a", "b", "c"]).empty


@settings(deadline=None, max_examples=50)
@given(frames(most=4, rows=50), st.sampled_from([0.3, 1.0, 2.5]), st.booleans())
def test_thin_fronts_keep_the_promise(frame, width, one_column):
    frame = frame.replace([INF, -INF], [9.0, -9.0])
    names = list(frame.columns)
    epsilon = {names[0]: width} if one_column else width
    whole, thin = hw.pareto(frame, names), hw.pareto(frame, names, epsilon=epsilon)
    assert set(thin.index) <= set(whole.index)
    step = np.array([width if not one_column or n == names[0] else 0.0 for n in names])
    for row in whole.to_numpy():
        assert (thin.to_numpy() <= row + step + 1e-12).all(axis=1).any()
    boxes = {tuple(np.floor(row / width)) for row in thin.to_numpy()} if not one_column else set()
    assert one_column or (len(boxes) == len(thin) and len(fronts.front(sorted(boxes))) == len(boxes))


def test_thin_front_by_hand():
    frame = pd.DataFrame({"e": [0.1, 0.9, 1.4, 1.1, 2.6, 2.6], "q": [9.0, 8.9, 7.2, 7.4, 3.0, 3.0]})
    # boxes of 1: row 1 in (0, 8) beats row 0 in (0, 9); 2 and 3 share (1, 7), 3 lies 0.41 from its corner, 2 lies 0.45
    assert list(hw.pareto(frame, ["e", "q"], epsilon=1).index) == [1, 3, 4]
    assert list(hw.pareto(frame, ["e", "q"], epsilon={"q": 100.0}).index) == [0]
    assert list(hw.pareto(frame.assign(m=[0, 1, 0, 1, 0, 1]), ["e", "q"], epsilon=1, per="m").index) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"minimize": []}, "name at least one column"),
        ({"minimize": ["a", "b"], "maximize": ["a"]}, "'a' is named twice"),
        ({"minimize": ["enrgy"]}, "energy"),
        ({"minimize": ["t"]}, "not numbers"),
        ({"minimize": ["d"]}, "stands 2 times"),
        ({"minimize": ["a"], "per": "nope"}, "nope"),
        ({"minimize": ["a"], "epsilon": 0}, "above 0"),
        ({"minimize": ["a"], "epsilon": {"a": NAN}}, "epsilon\\['a'\\]"),
        ({"minimize": ["a"], "epsilon": {"b": 1.0}}, "epsilon"),
    ],
)
def test_bad_arguments(arguments, words):
    frame = pd.DataFrame([[1, 2, 3, "x", 4, 5]], columns=["a", "b", "energy", "t", "d", "d"])
    with pytest.raises(ValueError, match=words):
        hw.pareto(frame, **arguments)
