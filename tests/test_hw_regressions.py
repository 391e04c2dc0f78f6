"""Defects that were found once in units, technologies and studies, each with the input that showed it."""

import math

import pandas as pd
import pytest

import hwmodel as hw
from hwmodel.studies.pe import stages
from hwmodel.technology import published
from hwmodel.units.pricing import price
from hwmodel.units.serial import Element, blocks
from hwmodel.units.structure import parts, shifts


@pytest.mark.parametrize("flow", [None, "area", "delay"])
@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("fpint_mac", {"E1": 4, "M1": 3, "A": 16, "K": 8}),
        ("bitserial_int", {"A": 16, "X": 3, "K": 8}),
        ("shift_mac", {"W": 4, "A": 16, "K": 8}),
    ],
)
def test_no_part_is_negative_where_the_accumulator_is_narrower_than_the_product(kind, given, flow):
    """The places beyond the accumulator were subtracted from the shifter's."""
    table = hw.unit(kind, **given).cost("nangate45", flow).breakdown
    assert (table[["area_um2", "area_ge", "energy_pj"]] >= 0).all().all()
    wider = hw.unit(kind, **{**given, "K": 9}).cost("nangate45", flow)
    assert wider.area_um2 >= hw.unit(kind, **given).cost("nangate45", flow).area_um2


@pytest.mark.parametrize("mode", [3, None, float("nan"), ["up"], True])
def test_words_of_a_component_are_text(mode):
    with pytest.raises(ValueError, match="mode of rounding"):
        hw.unit("rounding", N=8, R=4, mode=mode)


@pytest.mark.parametrize("bad", [{"flow": ["area"]}, {"flow": {}}, {"activity": [1.0]}, {"activity": 1 + 0j}, {"glitches": [0]}])
def test_arguments_of_a_cost_that_do_not_hash(bad):
    mac = hw.unit("int_mul", W=8, A=8)
    mac.cost("nangate45", "area", activity=1.0)  # 1 + 0j and True equal 1.0 in a dictionary
    with pytest.raises(ValueError, match=next(iter(bad))):
        mac.cost("nangate45", **{"flow": "area", **bad})
    with pytest.raises(ValueError, match="activity"):
        mac.cost("nangate45", "area", activity=True)


@pytest.mark.parametrize(
    "text",
    [
        "node_nm,area,energy,delay\n45,1,1,1\n45,2,2,2\n16,.2,.2,.2\n",
        "node_nm,area,energy,delay,area\n45,1,1,1,3\n16,.2,.2,.2,.3\n",
        "node_nm,area,energy,delay\n45,1,1,1\n16,.2,.2,.2,9\n",
    ],
)
def test_tables_of_factors_that_say_a_thing_twice(tmp_path, text):
    path = tmp_path / "factors.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="line"):
        hw.technology(f"nangate45@16nm:{path}")


def test_a_node_written_as_whole_and_as_decimal_number_is_one_node(tmp_path):
    row = "{area: 1, energy: 1, delay: 1}"
    path = tmp_path / "factors.yaml"
    path.write_text(f"nodes:\n  45: {row}\n  45.0: {row.replace('1', '2')}\n  16: {row}\n")
    with pytest.raises(ValueError, match=r"line 3.*twice"):
        hw.technology(f"nangate45@16nm:{path}")


def test_published_figures_asked_with_lists():
    for bad in ({"op": ["mul"], "fmt": "int8"}, {"op": "mul", "fmt": "int8", "quantity": ["energy_pj"]}):
        with pytest.raises(ValueError, match=r"mul|energy_pj"):
            published(**bad)
    with pytest.raises(ValueError, match="technology"):
        hw.technology("\N{ARABIC-INDIC DIGIT THREE}\N{ARABIC-INDIC DIGIT TWO}nm")


def test_params_of_a_synthesised_unit_given_twice():
    row = pd.DataFrame({"kind": ["int_mul"], "params": ["W=8;A=8;S=1;S=0"], "lib": ["nangate45"], "flow": ["area"]})
    with pytest.raises(ValueError, match="S twice"):
        hw.studies.synthesis(row)


def widening_by_hand(bits, limit, stages):
    """(muxes, ands) of a right shifter into `limit` bits: which bits of each stage have one source, which two."""
    held, muxes, ands = set(range(bits)), 0, 0  # places from the top
    for s in range(stages):
        moved = {i + 2**s for i in held if i + 2**s < limit}
        muxes, ands, held = muxes + len(held & moved), ands + len(held ^ moved), held | moved
    return muxes, ands


def narrowing_by_hand(bits, kept, stages):
    """Muxes of an arithmetic right shifter, from the bits of the result back to its input."""
    wanted, needed = set(range(kept)), []
    for s in range(stages):  # the last stage shifts by one
        needed.append((s, wanted))
        wanted = wanted | {min(i + 2**s, bits - 1) for i in wanted}
    return sum(len({i for i in outputs if min(i + 2**s, bits - 1) != i}) for s, outputs in needed)


@pytest.mark.parametrize(("bits", "limit", "stages"), [(11, 14, 4), (11, 19, 5), (4, 32, 3), (8, 8, 3), (5, 6, 1)])
def test_a_shifter_that_grows_counts_the_bits_with_two_sources(bits, limit, stages):
    cells = shifts.widening(bits, limit, stages).cells()
    assert (cells["mux"], cells["and"]) == pytest.approx(widening_by_hand(bits, limit, stages))
    assert cells["mux"] <= parts.barrel(limit, stages).cells()["mux"]


@pytest.mark.parametrize(("bits", "kept", "stages"), [(23, 15, 4), (23, 23, 5), (40, 8, 3), (16, 15, 1)])
def test_a_shifter_that_shrinks_makes_the_bits_that_are_wanted(bits, kept, stages):
    assert shifts.narrowing(bits, kept, stages).cells()["mux"] == narrowing_by_hand(bits, kept, stages)
    logical = shifts.narrowing(bits, kept, stages, arithmetic=False).cells()
    assert logical["mux"] <= narrowing_by_hand(bits, kept, stages)


def test_blocks_of_the_bit_serial_element_cell_by_cell():
    """Counted by hand from the description: 5-bit exponents plus two bits, 11-bit significands into 14 bits, 23 into 15."""
    made = blocks(Element(align_sum=False))

    def count(block, name):
        return {
            cell: n
            for cell in ("mux", "and", "xor", "gate", "cpa", "ha")
            if (n := sum(p.cells.get(cell, 0) for p in made[block].parts if p.name == name))
        }

    assert count("exponent match", "exponent sum") == {"cpa": 4, "ha": 4}
    assert count("exponent match", "exponent sum carry") == {"xor": 4 * 3, "gate": 4 * 3}  # the last carry is the sixth bit
    muxes, _ = widening_by_hand(11, 14, 4)
    assert sum(p.cells.get("mux", 0) for p in made["bit-serial multiply"].parts) == pytest.approx(4 * muxes)
    assert count("group accumulate", "sum normalise") == {"mux": 22 + 18 + 16 + 15}
    assert count("group accumulate", "magnitude") == {"xor": 9}
    assert count("group accumulate", "accumulator too small") == {"gate": 4 + 15}
    assert count("group dequantize", "scale sum") == {"cpa": 19, "ha": 1}


def test_area_of_a_late_stage_lies_between_the_two_flows_and_meets_the_clock():
    table = hw.studies.pe(("clocked",)).set_index(["element", "variant"])
    for element, made in stages().items():
        for name, logic in made.items():
            if (name, "logic") not in table.index:
                continue
            small, fast = (price(logic, "nangate45", flow) for flow in ("area", "delay"))
            ours = table.ours[name, "logic"] / 0.614
            assert small.area_ge * (1 - 1e-9) <= ours <= fast.area_ge * (1 + 1e-9), element
            if small.delay_ps * 0.635 <= 1000:
                assert ours == pytest.approx(small.area_ge)
            elif fast.delay_ps * 0.635 >= 1000:
                assert ours == pytest.approx(fast.area_ge)
            else:  # at the same share of the way in delay and in area
                share = (small.delay_ps * 0.635 - 1000) / (0.635 * (small.delay_ps - fast.delay_ps))
                assert math.isclose(ours, small.area_ge + share * (fast.area_ge - small.area_ge))
