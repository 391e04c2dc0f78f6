"""Many designs in one call give what a score of each gives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel.sources import Fact

WORK = {phase: hw.workload("llama-3-8b", phase, 64) for phase in ("prefill", "decode")}


def changed(acc, phase, design):
    """The accelerator of one design, as an object."""
    array = replace(acc.array(phase), height=design["height"], width=design["width"])
    pe = replace(acc.pe, lanes=design["lanes"], energy_pj=fact(acc.pe.energy_pj, design["pe_energy_pj"]))
    dram = replace(acc.dram, bits_per_cycle=fact(acc.dram.bits_per_cycle, design["dram_bits_per_cycle"]))
    weights = replace(acc.weight_buffer, capacity_kib=design["weight_buffer_kib"])
    clock = fact(acc.clock_ghz, design["clock_ghz"])
    return replace(acc, name="one", pe=pe, dram=dram, weight_buffer=weights, clock_ghz=clock, **{phase: array})


def fact(old, value):
    return Fact(old.name, value, old.unit, old.source, old.status)


@st.composite
def design(draw):
    out = {name: draw(st.integers(1, 80)) for name in ("height", "width")}
    out["lanes"] = draw(st.sampled_from([1, 2, 4, 16]))
    out["weight_buffer_kib"] = draw(st.sampled_from([64, 512]))
    for name in ("pe_energy_pj", "dram_bits_per_cycle", "clock_ghz"):
        out[name] = draw(st.floats(0.25, 512))
    return out


@settings(max_examples=40, deadline=None)
@given(
    st.lists(design(), min_size=1, max_size=4),
    st.sampled_from(
        [("bitmod@j25", "bitmod4/g128"), ("bitmod@h25", "nf4/g64"), ("fp16@j25", "float16"), ("ant@h25", "int4/channel")]
    ),
    st.sampled_from(["prefill", "decode"]),
)
def test_many_designs_equal_a_score_of_each(designs, what, phase):
    name, plan = what
    acc = hw.accelerator(name)
    table = pd.DataFrame(designs)
    many = hw.score_many(WORK[phase], table, acc, plan, phase=phase)
    rows = hw.score_many(WORK[phase], table, acc, plan, phase=phase, layers=True)
    assert len(many) == len(designs)
    assert len(rows) == len(designs) * len(WORK[phase])
    for i, one in enumerate(designs):
        want = hw.score(WORK[phase], changed(acc, phase, one), plan, phase=phase)
        own = rows.iloc[i * len(WORK[phase]) : (i + 1) * len(WORK[phase])]
        for column in (c for c in many.columns if c in want.layers and c != "layer"):
            assert (own[column].to_numpy() == want.layers[column].to_numpy()).all(), column
            assert many[column][i] == pytest.approx(want.layers[column].sum(), rel=1e-12)
        assert many["area_mm2"][i] == pytest.approx(want.area_mm2, rel=1e-12)
        assert (own["layer"] == want.layers["layer"].to_numpy()).all()


@pytest.mark.parametrize("flow", ["ws", "os", "is"])
def test_systolic_arrays_too(flow):
    work = hw.workload("resnet-18")
    plan = "w=int8/channel; a=int8/tensor"
    many = hw.score_many(work, {"height": [8, 32, 32], "width": [8, 16, 128]}, f"systolic<32x32,{flow}>", plan)
    for i, shape in enumerate(("8x8", "32x16", "32x128")):
        want = hw.score(work, f"systolic<{shape},{flow}>", plan)
        assert many["cycles"][i] == want.total.cycles
        assert many["energy_j"][i] == pytest.approx(want.energy_j, rel=1e-12)


def test_accelerators_and_plans_vary_and_rows_keep_their_order():
    designs = pd.DataFrame(
        {
            "accelerator": ["bitmod@j25", "fp16@j25", "bitmod@j25", "bitmod@j25"],
            "plan": ["int6/g128", "float16", "bitmod3/g128", "int6/g128"],
        }
    )
    many = hw.score_many(WORK["decode"], designs)
    assert many[["accelerator", "plan"]].equals(designs)
    for i, row in designs.iterrows():
        assert many["energy_j"][i] == pytest.approx(hw.score(WORK["decode"], row.accelerator, row.plan).energy_j, rel=1e-12)


def test_fitted_buffers_take_every_capacity_and_grow_with_it():
    many = hw.score_many(WORK["decode"], {"weight_buffer_kib": [48, 96, 500, 3000]}, plan="int8/g128", buffers="fit")
    assert (np.diff(many["area_mm2"]) > 0).all()
    assert (np.diff(many["energy_sram_read_j"]) > 0).all()


@pytest.mark.parametrize(
    ("designs", "options", "words"),
    [
        ({"heigth": [1]}, {}, "height"),
        ({"height": [0]}, {}, "height is .*0.* in row 0"),
        ({"height": [4, 2.5]}, {}, "height is .*2.5.* in row 1"),
        ({"clock_ghz": [float("nan")]}, {}, "clock_ghz is .*nan"),
        ({"dram_energy_pj_per_bit": [-1.0]}, {}, "at least 0"),
        ({"weight_buffer_kib": [300]}, {}, "holds no 300 KiB"),
        ({"plan": ["int99/g128"]}, {}, "int99"),
        ({"accelerator": ["bitmd@j25"]}, {}, "bitmod@j25"),
        ({"accelerator": ["edge-npu"]}, {}, "hw.compare"),
        ({"height": ["a"]}, {}, "height is 'a'"),
        ({"height": []}, {}, "no rows"),
        ([1, 2], {}, "list"),
        ({"height": [4]}, {"buffers": "fitt"}, "fit"),
    ],
)
def test_bad_input(designs, options, words):
    with pytest.raises(ValueError, match=words):
        hw.score_many(WORK["decode"], designs, **options)
