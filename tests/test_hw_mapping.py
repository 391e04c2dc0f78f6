"""Accelerators with a memory hierarchy: searched mappings are the best there are, within what physics allows, and files are
checked.
"""

import itertools
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.accelerators import Axis, Hierarchy, Level, Mapping, assess, best_mapping, conv, product
from hwmodel.accelerators.model import ProcessingElement
from hwmodel.accelerators.nest import LOOPS, OPERANDS
from hwmodel.sources import STATUS, Fact
from hwmodel.workloads import frame

PRESETS = ("tpu", "tpu@zigzag", "eyeriss", "simple-ws@timeloop", "bitfusion", "stripes", "edge-npu", "h100-sm-tensor")
W8A8 = "w=int8/channel; a=int8/token"


def fact(value, name="x"):
    return Fact(name, value, "pJ", "a test", "user")


PE = ProcessingElement("int32", ("int8", "int4"), ("int8",), fact(0.2), fact(300), fact(1))


def small(capacity=256, *, double_buffer="auto", read_bits=16.0, axes=(), inner=64, **more):
    """Registers, a buffer and DRAM."""
    names = tuple(axis.name for axis in axes)
    levels = (
        Level("reg", OPERANDS, 8, fact(0.1), fact(0.12), inner, 64, 64, latch=True),
        Level("buf", OPERANDS, 8, fact(1.0), fact(1.3), capacity, read_bits, read_bits, 2, names, double_buffer),
        Level("dram", OPERANDS, 8, fact(20.0), fact(22.0), None, 8, 8, 1, names),
    )
    return Hierarchy("small", PE, tuple(axes), levels, fact(1), **more)


def splits(n, blocks):
    """All ways to cut n into factors of blocks, product n."""
    if blocks == 1:
        yield (n,)
        return
    for f in (d for d in range(1, n + 1) if n % d == 0):
        for rest in splits(n // f, blocks - 1):
            yield (f, *rest)


def every_mapping(layer, acc):
    """All tilings by divisors and all orders of the loops of each level, one element."""
    dims = [d for d, n in zip(LOOPS, layer.bounds, strict=True) if n > 1]
    blocks = len(acc.levels)
    for cuts in itertools.product(*(list(splits(layer.size(d), blocks)) for d in dims)):
        inside = [[(d, cut[b]) for d, cut in zip(dims, cuts, strict=True) if cut[b] > 1] for b in range(blocks)]
        for orders in itertools.product(*(list(itertools.permutations(block)) for block in inside)):
            loops, tiles = [], []
            for b in reversed(range(blocks)):
                tiles += [(acc.levels[b].name, o, len(loops)) for o in acc.levels[b].operands]
                loops += orders[b]
            yield Mapping((), tuple(loops), tuple(tiles))


@pytest.mark.parametrize(
    ("layer", "acc"),
    [
        (product(4, 6, 4, bits=(8, 8, 8, 16)), small(200)),
        (product(8, 4, 2, bits=(4, 8, 8, 16)), small(120)),
        (product(2, 2, 3, 2, bits=(8, 8, 8, 8)), small(100)),
        (conv(4, 2, (4, 1), (3, 1), bits=(8, 8, 8, 16)), small(200)),
        (conv(2, 1, (4, 2), (3, 2), (2, 1), bits=(8, 8, 8, 16)), small(250)),
    ],
    ids=lambda v: str(getattr(v, "bounds", "")),
)
def test_the_search_finds_what_trying_everything_finds(layer, acc):
    best = {"energy": math.inf, "latency": math.inf, "edp": math.inf}
    tried = 0
    for mapping in every_mapping(layer, acc):
        try:
            cost = assess(layer, acc, mapping)
        except ValueError:
            continue
        tried += 1
        best["energy"] = min(best["energy"], cost.total_pj)
        best["latency"] = min(best["latency"], cost.cycles)
        best["edp"] = min(best["edp"], cost.total_pj * cost.cycles)
    assert tried > 50
    for objective, want in best.items():
        found = best_mapping(layer, acc, objective, tolerance=0)
        cost = assess(layer, acc, found.mapping)
        got = {"energy": cost.total_pj, "latency": cost.cycles, "edp": cost.total_pj * cost.cycles}[objective]
        assert found.proven
        assert got == pytest.approx(want, rel=1e-9), objective


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 64), n=st.integers(1, 64), k=st.integers(1, 64), words=st.integers(8, 500))
def test_no_mapping_beats_hong_and_kung_or_the_roofline(m, n, k, words):
    # one level of S words in front of DRAM: at least 2 mnk / sqrt(S) - 2 S words cross, and every operand once
    levels = (
        Level("buf", OPERANDS, 8, fact(1.0), fact(1.0), 8 * words, 64, 64),
        Level("dram", OPERANDS, 8, fact(20.0), fact(20.0), None, 16, 16, 1),
    )
    acc = Hierarchy("one level", PE, (), levels, fact(1))
    layer = product(m, n, k, bits=(8, 8, 8, 8))
    for objective in ("energy", "latency"):
        cost = assess(layer, acc, best_mapping(layer, acc, objective).mapping)
        crossed = cost.moved[:, -1].sum()
        assert crossed >= 2 * m * n * k / math.sqrt(words) - 2 * words
        assert crossed >= m * k + k * n + m * n
        assert cost.cycles >= max(m * n * k, 8 * crossed / 16) * (1 - 1e-12)


def test_imperfect_tiles_are_never_worse_and_can_be_better():
    layer = product(17, 19, 23, bits=(8, 8, 8, 8))
    plain = assess(layer, small(512), best_mapping(layer, small(512), "energy", tolerance=0).mapping)
    cut = small(512, imperfect=True)
    better = assess(layer, cut, best_mapping(layer, cut, "energy", tolerance=0).mapping)
    assert better.total_pj < 0.9 * plain.total_pj


def test_the_search_is_deterministic_and_remembers_equal_layers():
    layer, acc = product(64, 64, 64), hw.accelerator("edge-npu")
    assert best_mapping(layer, acc) is best_mapping(product(64, 64, 64), acc)
    assert best_mapping(layer, acc).mapping == best_mapping(layer, hw.accelerator("edge-npu").with_(name="twin")).mapping


ZIGZAG = "dram: | sram_2MB: K 8 | rf_128B: OX 14, OY 14 | rf_2B: FX 3, FY 3, C 8 | rows: C 32 | cols: K 32"


def test_a_mapping_is_its_text():
    acc = hw.accelerator("tpu@zigzag")
    mapping = Mapping.parse(ZIGZAG, acc)
    assert str(mapping) == ZIGZAG
    assert Mapping.parse(str(mapping), acc) == mapping
    uneven = "dram: K 2 | sram_2MB[inputs]: K 4 | sram_2MB[outputs]: OX 14 | rf_128B: OY 14 | rf_2B: C 8 | rows: C 32 | cols: K 32"
    assert str(Mapping.parse(uneven, acc)) == uneven
    lines = mapping.nest.splitlines()
    assert lines[0] == "# dram"
    assert "    parallel for C in 32 (rows)" in mapping.nest
    assert lines[-1].strip() == "outputs += weights * inputs"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "dram: K 7 | sram_2MB: | rf_128B: OX 14, OY 14 | rf_2B: FX 3, FY 3, C 8 | rows: C 32 | cols: K 32",
            "K has 256 iterations.*= 224",
        ),
        ("dram: | sram_2Mb: | rf_128B: | rf_2B: ", "'sram_2Mb'.*sram_2MB"),
        ("dram: Q 3 | sram_2MB: | rf_128B: | rf_2B: ", "unknown loop 'Q'"),
        ("dram: K | sram_2MB: | rf_128B: | rf_2B: ", "'K' is not LOOP N"),
        ("dram: | sram_2MB: | rf_128B: ", "outputs in rf_2B"),
        ("dram: | sram_2MB: | rf_128B: | rf_2B: | dram: ", "starts twice"),
        ("dram: K 256, C 256, OX 14, OY 14, FY 3, FX 3 | sram_2MB: | rf_128B: | rf_2B: | rows: K 4", "axis rows, which takes C"),
        ("dram: | sram_2MB: | rf_128B: | rf_2B: | rows: C 64", "64 iterations over axis rows of 32"),
        ("sram_2MB: K 8 | dram: OX 14, OY 14, FX 3, FY 3, C 8 | rf_128B: | rf_2B: | rows: C 32 | cols: K 32", "tiles of"),
        (
            ZIGZAG.replace("rf_2B: FX 3, FY 3, C 8", "rf_2B: OX 2, FX 3, FY 3, C 8"),
            "rf_2B of tpu@zigzag keeps 16 bits.*needs 32, 16 more",
        ),
        ("nonsense", "is not LEVEL"),
    ],
)
def test_mappings_that_cannot_be(text, words):
    layer = conv(256, 256, (14, 14), (3, 3), bits=(8, 8, 8, 16))
    with pytest.raises(ValueError, match=words):
        assess(layer, hw.accelerator("tpu@zigzag"), text)


@pytest.mark.parametrize("double_buffer", ["no", "auto", "yes"])
def test_a_double_buffered_memory_keeps_two_tiles(double_buffer):
    """A 4 x 4 tile of weights, 4 inputs and 4 outputs of 8 bits: 24 bytes once, 48 twice."""
    layer = product(8, 8, 8, bits=(8, 8, 8, 8))
    text = "dram: B 8, K 2, C 2 | buf: K 4, C 4 | reg:"
    once, twice = 24 * 8, 48 * 8
    least = twice if double_buffer == "yes" else once
    assert assess(layer, small(least, double_buffer=double_buffer), text).cycles > 0
    with pytest.raises(ValueError, match=f"level buf of small keeps {least - 8} bits, the mapping needs {least}, 8 more"):
        assess(layer, small(least - 8, double_buffer=double_buffer), text)


@pytest.mark.parametrize(("outputs", "steps"), [(8, 2), (9, 3), (10, 3), (12, 3), (3, 1)])
def test_idle_elements_take_their_cycles(outputs, steps):
    """Outputs that do not fill the last round of 4 elements leave some idle: 8 ceil(outputs / 4) cycles, counted by hand."""
    acc = small(4096, axes=(Axis("cols", 4, ("K",)),))
    text = f"dram: C 8, K {steps} | buf: | reg: | cols: K {min(outputs, 4)}"
    found = assess(product(1, outputs, 8), acc, text)
    assert found.compute_cycles == 8 * steps
    assert found.utilisation == pytest.approx(outputs / (steps * 4))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_sources(name):
    acc = hw.accelerator(name)
    for constant in acc.facts():
        assert constant.status in STATUS
        assert constant.status != "user"
        assert len(constant.source) > 6
        assert constant.unit
    assert acc.note
    assert hw.accelerator(name.upper()) == acc


@pytest.mark.parametrize("name", ["tpu", "edge-npu", "tpu@zigzag", "stripes"])
def test_a_score_has_the_columns_of_any_other_and_its_parts_add_up(name):
    work = hw.workload("opt-1.3b", "decode")
    got = hw.score(work, name, W8A8)
    old = hw.score(work, "fp16@j25", "float16")
    assert set(old.layers.columns) <= set(got.layers.columns)
    parts = [c for c in got.layers.columns if c.startswith("energy_") and c != "energy_j" and not c.startswith("energy_at_")]
    assert np.allclose(got.layers[parts].sum(axis=1), got.layers.energy_j, rtol=1e-12)
    levels = [c for c in got.layers.columns if c.startswith("energy_at_")]
    accesses = got.layers[["energy_sram_read_j", "energy_sram_write_j", "energy_dram_j"]].sum(axis=1)
    assert np.allclose(got.layers[levels].sum(axis=1), accesses, rtol=1e-12)
    assert np.allclose(got.layers[f"bytes_at_{got.accelerator.levels[-1].name}"], got.layers.dram_bytes)
    assert got.energy_j == pytest.approx(got.layers.energy_j.sum())
    assert got.area_mm2 == sum(got.area.values())
    assert (got.layers.cycles >= np.maximum(got.layers.compute_cycles, got.layers.dram_cycles)).all()
    assert (got.layers.dram_bytes >= got.layers.weights * got.layers.weight_bits / 8 * (1 - 1e-12)).all()
    for row in got.layers.itertuples():
        assert Mapping.parse(row.mapping, got.accelerator)
    assert set(got.sources.status) <= set(STATUS)


def test_the_format_decides_the_cost():
    work = hw.workload("opt-1.3b", "prefill", 64)
    eight, four = (hw.score(work, "tpu", f"w=int{b}/channel; a=int8/token").total for b in (8, 4))
    linear = hw.score(work, "tpu", W8A8).layers.kind == "linear"
    assert four.energy_core_j < 0.75 * eight.energy_core_j
    assert linear.any()
    # ZigZag's machine charges one constant a MAC
    eight, four = (hw.score(work, "tpu@zigzag", f"w=int{b}/channel; a=int8/token").total for b in (8, 4))
    assert four.energy_core_j == pytest.approx(eight.energy_core_j)


def test_bit_serial_latency_follows_the_bits():
    work = frame.table([frame.linear("l", 1, 4096, 512, 512)])
    cycles = {b: hw.score(work, "stripes", f"w=int8/channel; a=int{b}/token").total.compute_cycles for b in (4, 8, 16)}
    assert cycles[8] == 2 * cycles[4]
    assert cycles[16] == 4 * cycles[4]
    fused = {
        (w, a): hw.score(work, "bitfusion", f"w=int{w}/channel; a=int{a}/token").total.compute_cycles
        for w in (4, 8, 16)
        for a in (4, 8)
    }
    assert fused[8, 8] == 2 * fused[8, 4] == 2 * fused[4, 8] == 4 * fused[4, 4]
    assert fused[16, 8] == 2 * fused[8, 8]


def test_a_mapping_may_be_imposed_and_objectives_trade():
    work = frame.table([frame.conv2d("conv", 1, (256, 256), (14, 14), (3, 3), padding=(2, 2))])
    given = hw.score(work, "tpu@zigzag", W8A8, mapping=ZIGZAG)
    assert given.layers.mapping[0] == ZIGZAG
    named = hw.score(work, "tpu@zigzag", W8A8, mapping={"conv": ZIGZAG})
    assert named.energy_j == given.energy_j
    energy, latency = (hw.score(work, "tpu@zigzag", W8A8, objective=o) for o in ("energy", "latency"))
    assert energy.energy_j <= given.energy_j * 1.001
    assert latency.latency_s <= energy.latency_s
    with pytest.raises(ValueError, match="objective 'speed'"):
        hw.score(work, "tpu@zigzag", W8A8, objective="speed")
    with pytest.raises(ValueError, match="leave objective and mapping out"):
        hw.score(work, "fp16@j25", "float16", objective="energy")


BASE = "name: mine\nbase: edge-npu\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BASE + "axes:\n  rows: {size: 0}\n", r"mine.yaml line 4: axis rows size is 0"),
        (BASE + "levels:\n  bufer: {word_bits: 64}\n", r"levels.bufer.* missing|holds"),
        (BASE + "levels:\n  buffer:\n    wordbits: 64\n", r"line 5: unknown field 'levels.buffer.wordbits'.*word_bits"),
        (BASE + "levels:\n  buffer: {ports: 3}\n", r"line 4: ports of level buffer is 3"),
        (BASE + "levels:\n  buffer: {multicast: some}\n", r"'some'.*none"),
        (BASE + "levels:\n  buffer: {double_buffer: maybe}\n", r"'maybe'"),
        (BASE + "levels:\n  buffer: {serves: [row]}\n", r"'row'.*rows"),
        (BASE + "levels:\n  buffer: {loops: [Q]}\n", r"'Q'"),
        (BASE + "levels:\n  buffer: {capacity_kib: 100}\n", r"100 KiB"),
        (BASE + "levels:\n  dram: {capacity_bits: 8}\n", "no capacity"),
        (BASE + "levels:\n  dram: {pj_per_bit: -1}\n", "-64|-1"),
        (BASE + "levels:\n  dram: {pj_per_bit: .nan}\n", "nan"),
        (BASE + "levels:\n  dram: {pj_per_bit: {value: 1, source: me, status: guess}}\n", "guess"),
        (BASE + "pe: {energy_pj: 3}\n", "pe.area_um2 is missing"),
        (BASE + "pe: {energy_pj: 3, technology: asap7}\n", "pe.energy_pj is given beside pe.technology"),
        (BASE + "pe: {technology: nangate46}\n", "nangate46.*nangate45"),
        (BASE + "dataflow: weights\n", "'weights'.*weight"),
        (BASE + "objective: fast\n", "'fast'"),
        (BASE + "axes: 3\n", "line 3: field axes is 3"),
        ("name: mine\nbase: edge-npus\n", "edge-npu"),
        (BASE + "levels: {buffer: [\n", "line"),
    ],
)
def test_malformed_files_name_line_and_field(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        hw.accelerator(path)


def test_a_buffer_too_small_for_any_tile_says_so(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbase: edge-npu\nlevels:\n  sums: {capacity_bits: 16}\n", encoding="utf-8")
    work = frame.table([frame.linear("l", 1, 64, 64, 64)])
    with pytest.raises(ValueError, match=r"layer l: no mapping.*level sums of mine keeps 16 bits.*needs 32, 16 more"):
        hw.score(work, path, W8A8)
    with pytest.raises(ValueError, match="no float16 mode"):
        hw.score(work, "edge-npu", "w=nf4/g64; a=int8/token")
    with pytest.raises(ValueError, match="activations of scheme 'float16'"):
        hw.score(work, "edge-npu", "int8/channel")


@cache
def peers():
    """Seconds long, so not at import: every process that collects tests would pay."""
    return hw.studies.peers()


def rows_of(tool, metric):
    table = peers()
    rows = table[table.tool.str.startswith(tool) & (table.metric == metric)]
    assert len(rows)
    return rows


def test_peers_keep_the_columns_and_every_comparable_row_is_compared():
    table = peers()
    recorded = table[[c for c in table.columns if c not in ("accelerator", "mapping", "ours", "error_percent", "best", "why")]]
    names = "tool,version,workload,hardware,options,metric,value,unit,wall_s,cpu_s,peak_MB,status"
    assert list(recorded.columns) == names.split(",")
    numbers = pd.to_numeric(table.value, errors="coerce").notna()
    assert table.ours[numbers].notna().all()
    assert (table.why[numbers].str.len() > 10).all()


@pytest.mark.parametrize(
    ("tool", "metric", "percent"),
    [
        ("zigzag", "energy", 0.5),
        ("zigzag", "memory energy", 0.5),
        ("zigzag", "MAC energy", 1e-6),
        ("zigzag", "ideal cycles", 1e-9),
        ("zigzag", "latency with on/offload", 3.0),
        ("Timeloop", "cycles", 1e-9),
        ("Timeloop", "utilisation", 0.1),
        ("Timeloop", "energy", 5.0),
        ("SCALE", "compute cycles", 1e-9),
        ("genz", "latency", 5.0),
        ("genz", "latency per token", 5.0),
    ],
)
def test_peers_under_their_own_mappings(tool, metric, percent):
    assert rows_of(tool, metric).error_percent.abs().max() <= percent


def test_our_search_is_no_worse_than_theirs():
    energy = rows_of("zigzag", "energy")
    energy = energy[energy.options.str.contains("energy")]
    assert (energy.best <= energy.ours * 1.002).all()
    latency = rows_of("zigzag", "latency with on/offload")
    latency = latency[latency.options.str.contains("latency")]
    assert (latency.best <= latency.ours * 1.02).all()
    timeloop = rows_of("Timeloop", "energy")
    assert (timeloop.best <= timeloop.ours * 1.002).all()


@pytest.mark.parametrize(("name", "published"), [("bitmod@h25", "64x16"), ("olive@h25", "72x16")])
def test_iso_area_arrays_come_out_as_published(name, published):
    base = hw.accelerator("fp16@h25")
    area = base.decode.size * base.pe.area_um2.value
    got = hw.accelerator(name).fit_to(area_um2=area)
    assert str(got.decode) == published
    assert got.decode.size * got.pe.area_um2.value <= 1.025 * area
    assert f"decode {hw.accelerator(name).decode} to {published}" in got.note


@settings(max_examples=25, deadline=None)
@given(area=st.floats(2e5, 5e7), name=st.sampled_from(["edge-npu", "tpu", "bitfusion"]))
def test_fitted_hierarchies_take_the_area_and_no_more(area, name):
    acc = hw.accelerator(name)

    def size(one):
        memories = sum(level.area_um2.value * one.copies(level) for level in one.levels if level.area_um2 is not None)
        return one.elements * one.pe.area_um2.value + memories

    if size(acc.with_(axes={axis.name: {"size": 1} for axis in acc.axes})) > area:
        with pytest.raises(ValueError, match="one element and its memories take more"):
            acc.fit_to(area_um2=area)
        return
    got = acc.fit_to(area_um2=area)
    assert size(got) <= area
    assert f"Fitted to {area:.6g}" in got.note
    for axis in got.axes:  # one more element on any axis would be too much
        longer = got.with_(axes={axis.name: {"size": axis.size + 1}})
        assert size(longer) > area


def test_fitting_memories_and_refusals():
    acc = hw.accelerator("edge-npu")
    twice = acc.fit_to(area_um2=2 * 256 * acc.pe.area_um2.value + 2 * 0.234013e6, scale="both")
    assert twice.levels[1].capacity_bits > acc.levels[1].capacity_bits
    assert twice.levels[1].read_pj.status == "inferred"
    assert hw.score(frame.table([frame.linear("l", 1, 64, 64, 64)]), twice, W8A8).energy_j > 0
    for area in (0, -1, math.nan):
        with pytest.raises(ValueError, match="area_um2 is"):
            acc.fit_to(area_um2=area)
    with pytest.raises(ValueError, match="one element and its memories take more"):
        acc.fit_to(area_um2=10.0)
    with pytest.raises(ValueError, match=r"elements of 1507\.7 um2 take"):
        hw.accelerator("bitmod@j25").fit_to(area_um2=100.0)
    with pytest.raises(ValueError, match=r"'rows'.*array"):
        acc.fit_to(area_um2=1e6, scale="rows")


def test_overlapped_weights_hide_the_loads_of_a_systolic_array():
    work = frame.table([frame.linear("l", 3, 4, 512, 512)])
    plain, over = (hw.score(work, f"systolic<32x32,{flow}>", W8A8, phase="prefill") for flow in ("ws", "ws_overlapped"))
    folds = 16 * 16
    assert over.total.compute_cycles == 3 * (folds * 32 + 32 + 32 - 2)
    assert plain.total.compute_cycles == 3 * (folds * (2 * 32 + 32 + 4 - 2) - 1)
    assert over.energy_j < plain.energy_j
    assert over.layers.dram_bytes[0] == plain.layers.dram_bytes[0]
    batched = frame.table([{**frame.linear("l", 1, 4, 512, 512), "batch": 3}])
    got = hw.score(batched, "systolic<32x32,ws_overlapped>", W8A8, phase="prefill")
    assert got.total.compute_cycles == 3 * folds * 32 + 32 + 32 - 2


def test_group_boundaries_and_drains_are_options():
    layer = product(64, 64, 1024, bits=(4.25, 8, 8, 32))
    base = small(1 << 20, axes=(Axis("rows", 16, ("C",), True), Axis("cols", 16, ("K",), True)))
    text = "dram: | buf: B 64, K 4, C 64 | reg: | rows: C 16 | cols: K 16"
    plain = assess(layer, base, text, group=128)
    late = assess(layer, base.with_(group_cycles=2.0), text, group=128)
    assert late.compute_cycles - plain.compute_cycles == 2 * 64 * 4 * (1024 / 128)
    assert plain.drain_cycles == 30
    assert assess(layer, base.with_(drain="none"), text).drain_cycles == 0
    assert assess(layer, base.with_(drain="tile", dataflow="weight"), text).drain_cycles == 30 * 64 * 4 * 64
