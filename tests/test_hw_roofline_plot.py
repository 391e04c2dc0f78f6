"""Roofline plots and the pictures of comparisons."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import hwmodel as hw
from hwmodel.accelerators.outside import Outside, memory_of
from hwmodel.report import ceilings
from hwmodel.report.parts import energy_parts

DECODE = hw.workload("llama-2-7b", "decode")
PAIRS = {"fp16@h25": "float16", "ant@h25": "mixed<int4,flint4>/g128", "bitmod@h25": ["bitmod4/g128", "bitmod3/g128"]}


@pytest.fixture(scope="module")
def four():
    return hw.compare(DECODE, PAIRS)


def test_ceilings_of_an_accelerator():
    one = hw.score(DECODE, "fp16@j25", "float16")
    made = ceilings.of_score(one)
    assert made.ceilings == (("all elements busy", 2 * 64 * 12 * 1e9, True),)
    assert made.bandwidth == 32e9
    for spot, row in zip(made.spots, one.layers.itertuples(), strict=True):
        assert spot.intensity == 2 * row.macs / row.dram_bytes
        assert spot.rate == 2 * row.macs / row.latency_s
        assert spot.share == pytest.approx(row.latency_s / one.latency_s)


@pytest.mark.parametrize("phase", ["decode", "prefill"])
@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("fp16@h25", "float16"), ("bitmod@j25", "bitmod4/g128"), ("bitmod@j25", "w=int6/g128; kv=int8/token"),
        ("bitmod@h25", "int8/g128"), ("ant@j25", "flint4/channel"), ("systolic<32x32,os>", "w=int8/channel; a=int8/token"),
    ],
)  # fmt: skip
def test_no_layer_is_above_its_ceilings(name, plan, phase):
    one = hw.score(hw.workload("phi-2", phase, 256), name, plan)
    made = ceilings.of_score(one)
    assert len(made.spots) == len(one.layers)
    for spot in made.spots:
        assert spot.rate <= min(made.peak, made.bandwidth * spot.intensity) * (1 + 1e-9)
    assert sum(spot.share for spot in made.spots) == pytest.approx(1)


def test_ceilings_of_bit_serial_elements_follow_the_weights():
    one = hw.score(hw.workload("phi-2", "prefill", 256), "bitmod@j25", "w=bitmod3/g128; kv=int8/token")
    found = {text: rate for text, rate, _ in ceilings.of_score(one).ceilings}
    size = one.array.size * 4 * 2 * 1e9
    assert found == {"weights of 3-4 bits": size / 2, "weights of 7-8 bits": size / 4}


def test_ceilings_of_a_machine():
    made = ceilings.of_roofline(hw.roofline(DECODE, "t4", 4, kv_bits=8))
    assert [(text, used) for text, _, used in made.ceilings] == [
        ("4-bit operands", True), ("8-bit operands", True), ("16-bit operands", False), ("32-bit operands", False),
    ]  # fmt: skip
    assert (made.bandwidth, made.peak) == (320e9, 260e12)
    assert all(spot.rate <= made.bandwidth * spot.intensity * (1 + 1e-9) for spot in made.spots)


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures(four, tmp_path, theme, width):
    drawn = {
        "bars": lambda path: four.plot(theme, width, path),
        "several": lambda path: four.roofline(theme, width, path),
        "one": lambda path: hw.plot_roofline(four.scores[-1], path=path, theme=theme, width=width),
        "machine": lambda path: hw.plot_roofline("t4", hw.workload("resnet-50"), path, theme, width, weight_bits=4),
    }
    if (theme == "light") != (width == "wide"):
        del drawn["several"], drawn["machine"]
    for name, draw in drawn.items():
        path = tmp_path / f"{name}.svg"
        made = draw(path)
        if (theme, width, name) in (("light", "narrow", "one"), ("dark", "narrow", "bars")):
            text = path.read_bytes()
            draw(path)
            assert path.read_bytes() == text, name  # the same bytes every time
        box = made.bbox
        made.canvas.draw()
        shown = made.canvas.get_renderer()
        texts = [t for axes in made.axes for t in axes.texts if t.get_text()] + made.texts
        assert texts
        for label in texts:
            extent = label.get_window_extent(shown)
            assert extent.x0 >= -1, (name, label.get_text())
            assert extent.x1 <= box.x1 + 1, (name, label.get_text())
            assert extent.y1 <= box.y1 + 1, (name, label.get_text())


def test_names_in_a_roofline_do_not_overlap():
    made = hw.plot_roofline(hw.score(hw.workload("llama-2-7b", "prefill", 2048), "bitmod@j25", "w=bitmod4/g128; kv=int8/token"))
    made.canvas.draw()
    shown = made.canvas.get_renderer()
    boxes = [t.get_window_extent(shown) for t in made.axes[0].texts if t.get_text() and not t.get_rotation()]
    assert len(boxes) >= 4
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert not (a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1)


def test_an_accelerator_by_name_and_its_plan():
    made = ceilings.series_of("bitmod@j25", DECODE, "bitmod4", {})
    assert made[0].name == "bitmod4/g128 on bitmod@j25"


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([],), {}, "nothing to plot"),
        (("t4",), {}, "work="),
        (("t5", DECODE), {}, "t5"),
        (("bitmod@j25", DECODE), {"weight_bits": 4}, "weight_bits belong to roofline machines"),
        (("t4", DECODE), {"weight_bits": -1}, "weight_bits is -1"),
        (("t4", DECODE), {"width": "huge"}, "width"),
        (("t4", DECODE), {"theme": "blue"}, "theme"),
        (("t4", DECODE), {"path": "a.gif"}, "'.gif'"),
    ],
)
def test_bad_roofline_plots(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        hw.plot_roofline(*arguments, **options)


def test_too_many_scores_for_a_plot(four):
    many = replace(four, scores=four.scores * 11)
    with pytest.raises(ValueError, match="at most 40"):
        many.plot()
    with pytest.raises(ValueError, match="at most 8"):
        many.roofline()


def test_accelerators_with_levels_of_memory():
    """Scores of accelerators described by levels: what such a description offers, here by hand."""
    plain = hw.score(DECODE, "fp16@j25", "float16")
    fact = SimpleNamespace
    last = fact(read_pj=fact(value=640.0), write_pj=fact(value=320.0), word_bits=64, read_bits=128.0, write_bits=64.0, ports=2)
    acc = fact(**{f: getattr(plain.accelerator, f) for f in ("pe", "clock_ghz", "attention")}, compute="nest", levels=(last,))
    acc.array = plain.accelerator.array
    twice = np.where(np.arange(len(DECODE)) == 3, 2.0, 1.0)  # one layer's operands run two side by side
    share = 2.0 * DECODE.macs.to_numpy() / (plain.columns["compute_cycles"] * plain.array.size * 2 * twice)
    columns = {**plain.columns, "utilisation": share, "energy_at_dram_j": plain.columns["energy_dram_j"]}
    columns |= {"energy_noc_j": np.full(len(DECODE), 1e-5), "energy_j": plain.columns["energy_j"] + 1e-5}
    made = replace(plain, accelerator=acc, columns=columns)
    found = ceilings.of_score(made)
    peak = 2 * plain.array.size * 1e9
    assert [rate for _, rate, _ in found.ceilings] == pytest.approx([peak, 2 * peak])
    assert found.bandwidth == pytest.approx((128 + 64) / 8 * 1e9)
    parts = energy_parts(columns)
    assert list(parts) == ["core", "sram", "noc", "dram", "dequant"]
    assert np.allclose(sum(parts.values()), columns["energy_j"], rtol=1e-12)
    last.read_bits = float("inf")
    free = ceilings.of_score(made)
    assert free.unlimited
    assert all(free.bandwidth * s.intensity > free.peak for s in free.spots)
    hw.plot_roofline(made)
    memory = memory_of(acc)
    assert (memory.read_pj_per_bit, memory.write_pj_per_bit, memory.shared) == (10, 5, False)
    assert memory_of(plain.accelerator) == Outside(18.75, 18.75, 256, 256, True)
    assert Outside(1, 1, 64, 32, True).cycles(np.array([80.0]), np.array([40.0])).tolist() == [20]
    assert Outside(1, 1, 64, 32, False).cycles(np.array([80.0]), np.array([60.0])).tolist() == [15]
