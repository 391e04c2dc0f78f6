"""Loop nests: traffic equals a walk of the loops, to the word."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.accelerators.assess import MOVES, assess
from hwmodel.accelerators.hierarchy import Axis, Hierarchy, Level
from hwmodel.accelerators.layer import LayerLoops
from hwmodel.accelerators.mapping import Mapping
from hwmodel.accelerators.model import ProcessingElement
from hwmodel.accelerators.nest import LOOPS, OPERANDS
from hwmodel.sources import Fact
from tests.reference.loopnest import Walk

FREE = Fact("free", 0.0, "pJ", "a test", "user")
ONE = Fact("one", 1.0, "pJ", "a test", "user")
PE = ProcessingElement("int32>fp32", ("int8",), ("int8",), ONE, ONE, ONE)


def level(name, operands, serves=(), **more):
    return Level(name, tuple(operands), 1, ONE, ONE, serves=tuple(serves), **more)


def machine(levels, axes):
    return Hierarchy("test", PE, tuple(axes), tuple(levels), ONE, drain="none")


@st.composite
def cases(draw, most=150, longest=3):
    """A layer of at most `most` products, or else of loops no longer than `longest`."""
    dims = draw(st.lists(st.sampled_from(LOOPS), min_size=2, max_size=5, unique=True))
    sizes = {d: draw(st.integers(2, 6)) for d in dims}
    places = {d: draw(st.sampled_from(["", "", "rows", "cols"])) for d in dims}
    spread, loops, used = {}, [], {"rows": 1, "cols": 1}
    for d in dims:
        u = draw(st.integers(1, sizes[d])) if places[d] else 1
        if u > 1:
            spread[d] = (u, places[d])
            used[places[d]] *= u
        covered = u
        while covered < sizes[d]:
            f = draw(st.integers(2, 4))
            loops.append((d, f))
            covered *= f
        if draw(st.booleans()):
            sizes[d] = covered
    loops = draw(st.permutations(loops))
    if math.prod(sizes.values()) > most:
        sizes = {d: min(s, longest) for d, s in sizes.items()}
        spread = {d: (min(u, sizes[d]), a) for d, (u, a) in spread.items()}
        covered = {d: spread.get(d, (1, ""))[0] for d in dims}
        kept = []
        for d, f in loops:
            if covered[d] < sizes[d]:
                kept.append((d, f))
                covered[d] *= f
        loops = kept
    count = draw(st.integers(1, 3))
    levels = []
    serves = set()
    for i in range(count):
        held = draw(st.lists(st.sampled_from(OPERANDS), min_size=1, max_size=3, unique=True))
        serves |= set(draw(st.lists(st.sampled_from(["rows", "cols"]), max_size=2)))
        flags = {"latch": draw(st.booleans()), "multicast": draw(st.sampled_from(["all", "irrelevant", "none"]))}
        levels.append(level(f"m{i}", held, sorted(serves), **flags))
    levels.append(level("dram", OPERANDS, ("rows", "cols"), multicast=draw(st.sampled_from(["all", "irrelevant", "none"]))))
    tiles = []
    for operand in OPERANDS:
        chain = [lv.name for lv in levels if operand in lv.operands]
        cuts = sorted(draw(st.lists(st.integers(0, len(loops)), min_size=len(chain) - 1, max_size=len(chain) - 1)), reverse=True)
        tiles += [(name, operand, n) for name, n in zip(chain, [*cuts, 0], strict=True)]
    conv = tuple(draw(st.integers(1, 3)) for _ in range(4))
    bounds = tuple(sizes.get(d, 1) for d in LOOPS)
    axes = [Axis("rows", used["rows"], LOOPS), Axis("cols", used["cols"], LOOPS)]
    order = {lv.name: i for i, lv in enumerate(levels)}
    tiles = tuple(sorted(tiles, key=lambda t: (order[t[0]], OPERANDS.index(t[1]))))
    spreads = tuple((axis, d, u) for d, (u, axis) in spread.items())
    return LayerLoops(bounds, conv), machine(levels, axes), Mapping(spreads, tuple(loops), tiles), spread


def walked(layer, acc, mapping, spread):
    levels = [(lv.name, set(lv.operands), set(lv.serves), lv.latch, lv.multicast) for lv in acc.levels]
    tiles = {o: [mapping.outside(lv.name, o) if o in lv.operands else 0 for lv in acc.levels] for o in OPERANDS}
    sizes = dict(zip(LOOPS, layer.bounds, strict=True))
    return Walk(sizes, layer.conv, list(mapping.loops), spread, levels, tiles).transfers()


def compare(case):
    layer, acc, mapping, spread = case
    got = assess(layer, acc, mapping).moved
    for (operand, i, move), words in walked(layer, acc, mapping, spread).items():
        assert got[OPERANDS.index(operand), i, MOVES.index(move)] == words, (operand, acc.levels[i].name, move, str(mapping), layer)


@settings(max_examples=120, deadline=None)
@given(cases())
def test_traffic_is_what_a_walk_of_the_loops_counts(case):
    compare(case)


@pytest.mark.exhaustive
@settings(max_examples=2000, deadline=None)
@given(cases())
def test_traffic_is_what_a_walk_of_many_more_loops_counts(case):
    compare(case)


@pytest.mark.exhaustive
@settings(max_examples=5000, deadline=None)
@given(cases(2500, 4))
def test_traffic_is_what_a_walk_of_longer_loops_counts(case):
    compare(case)
