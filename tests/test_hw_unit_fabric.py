"""The same units on the fabric of an FPGA."""

import pytest

import hwmodel as hw
from hwmodel import fpga


def test_a_kind_that_was_synthesised_has_its_own_rules():
    unit = hw.unit("int_mul", W=8, A=8)
    assert unit.cost("xc7", dsp=False).lut == fpga.unit_cost("int_mul", "W=8;A=8;S=1", "xc7", dsp=False).lut
    assert (unit.cost("xc7").dsp, unit.cost("xc7").lut) == (1, 0)
    assert unit.cost("ice40").dsp == 0


@pytest.mark.parametrize("path", ["fp32", "int24+saturate", "exact", "bf16+fma", "bitmod.paper"])
@pytest.mark.parametrize("fabric", ["xc7", "ice40"])
def test_a_datapath_is_priced_part_by_part(path, fabric):
    weight = "int8" if path.startswith("int") else "e2m1"
    unit = hw.unit(path, weight=weight, activation="int8" if path.startswith("int") else "float16")
    cost = unit.cost(fabric)
    assert cost.lut == pytest.approx(cost.breakdown["lut"].sum())
    assert cost.lut > 0
    assert cost.ff == sum(round(p.cells.get("dff", 0)) for p in unit.structure.parts) > 0


def test_a_wider_accumulator_takes_more():
    costs = [hw.unit(f"int{k}", weight="int4", activation="int8").cost("xc7") for k in (12, 16, 24, 32)]
    assert [c.ff for c in costs] == [12, 16, 24, 32]
    assert sorted(c.lut for c in costs) == [c.lut for c in costs]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tech": "xc7", "flow": "area"}, "xc7 is the fabric"),
        ({"tech": "nangate45", "dsp": True}, "no DSP blocks"),
        ({"tech": "xc8"}, "xc8"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        hw.unit("int_mul", W=8, A=8).cost(**arguments)


def test_datapaths_have_no_dsp_blocks():
    with pytest.raises(ValueError, match="leave dsp out"):
        hw.unit("int32", weight="int8", activation="int8").cost("xc7", dsp=True)
