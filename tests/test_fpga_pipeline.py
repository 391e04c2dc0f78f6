"""Units cut into stages: every cut tried, monotone clocks, path kept, registers, DSP blocks, refusals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel import fpga
from hwmodel.fpga import fabrics, pipeline, steps
from hwmodel.fpga.kinds import KINDS
from hwmodel.fpga.tables import measured
from tests.reference import fpga_pipeline as plain

TABLE = measured()
EXAMPLES = {kind: rows["params"].iloc[0] for kind, rows in TABLE.groupby("kind")}
FABRICS = ("xc7", "ice40", "xcup", "versal")
ADD32 = fpga.unit_block("int_add", "N=32", "xc7")


def line(kind, target, dsp=True):
    return pipeline.Line(fpga.unit_block(kind, EXAMPLES[kind], target, dsp), target)


def plainly(made, target):
    """Its steps for the plain model: times from the data rows and the coefficients of the fit."""
    t, c, on = pipeline.timing(target), fabrics.values(), fabrics.fabric(target)
    price = {s: c[f"{on.fitted} ps {s}"] * t["speed"].value for s in ("chain", "bit", "compress", "mux2", "gate")}
    price["waited"] = price["bit"]
    price |= {n: t[n].value for n in ("dsp multiply", "dsp add") if n in t}
    wires = {"chain": 1, "compress": 1, "gate": 1, "dsp multiply": 1, "mux2": 0.5 if on.lut == 6 else 1}
    out = []
    for s in steps.steps_of(made, on.lut):
        ps = sum(price[n] * k + wires.get(n, 0) * k * t["wire"].value for n, k in s.counts.items())
        chain = price["chain"] + price["bit"] * s.atom + t["wire"].value if s.atom else 0.0
        out.append((ps, chain, s.live))
    return out, t["clock to q"].value + t["setup"].value


@pytest.mark.parametrize("target", FABRICS)
@pytest.mark.parametrize("kind", ["int_mac", "int_add", "fp_mul", "shift_mac", "requant", "lzc"])
def test_every_cut_was_tried(kind, target):
    made = fpga.unit_block(kind, EXAMPLES[kind], target, dsp=kind == "requant")
    steps_, register = plainly(made, target)
    for stages in range(1, min(5, len(steps_)) + 1):
        longest, bits = plain.best_cut(steps_, stages)
        cost = fpga.pipelined(made, target, stages)
        assert cost.period_ps == pytest.approx(longest + register)
        if cost.stages["parts"].tolist()[-1] != "delay":
            assert sum(cost.stages["ff"]) == bits + steps_[-1][2]


@pytest.mark.parametrize("target", FABRICS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_steps_are_those_of_the_path(kind, target):
    for dsp in (False, True):
        made = fpga.unit_block(kind, EXAMPLES[kind], target, dsp)
        found = steps.steps_of(made, fabrics.fabric(target).lut)
        for name in ("chain", "bit", "waited", "compress", "mux2", "gate"):
            assert sum(s.counts.get(name, 0) for s in found) == pytest.approx(made.path.get(name, 0))
        assert all(s.live >= 0 for s in found)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), target=st.sampled_from(FABRICS), dsp=st.booleans())
def test_more_stages_are_never_slower(kind, target, dsp):
    made = fpga.unit_block(kind, EXAMPLES[kind], target, dsp)
    costs = [fpga.pipelined(made, target, n) for n in range(1, 10)]
    clocks = [c.fmax_mhz for c in costs]
    assert clocks == sorted(clocks)
    assert [c.pipeline_depth for c in costs] == list(range(1, 10))
    plain_cost = fpga.pipelined(made, target)
    if plain_cost.delay_ps is not None and plain_cost.delay_ps > 0 and target in ("xc7", "ice40"):
        assert clocks[0] < plain_cost.fmax_mhz  # wires and a register come on top
        assert costs[0].delay_ps == pytest.approx(plain_cost.delay_ps)
    most = fpga.pipelined(made, target, "max")
    assert most.fmax_mhz >= clocks[-1]
    assert fpga.pipelined(made, target, most.pipeline_depth).fmax_mhz == pytest.approx(most.fmax_mhz)
    for c in costs:
        assert c.lut == plain_cost.lut
        assert c.ff == c.breakdown["ff"].sum() == c.stages["ff"].sum() + plain_cost.ff
        assert c.latency_ps == pytest.approx(c.pipeline_depth * 1e6 / c.fmax_mhz)


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), target=st.sampled_from(FABRICS), share=st.floats(0.05, 1.0))
def test_a_clock_takes_the_fewest_stages(kind, target, share):
    made = fpga.unit_block(kind, EXAMPLES[kind], target)
    highest = fpga.pipelined(made, target, "max").fmax_mhz
    cost = fpga.pipelined(made, target, clock_mhz=share * highest)
    assert cost.fmax_mhz >= share * highest * (1 - 1e-9)
    if cost.pipeline_depth > 1:
        assert fpga.pipelined(made, target, cost.pipeline_depth - 1).fmax_mhz < share * highest
    with pytest.raises(ValueError, match=rf"reaches {highest:.1f} MHz at most on {cost.fabric}"):
        fpga.pipelined(made, target, clock_mhz=highest * 1.01 + 0.1)


def test_without_stages_nothing_changes():
    for made in (fpga.pipelined(ADD32, "xc7"), fpga.pipelined(ADD32, "xc7", 0)):
        assert made == fpga.block_cost(ADD32, "xc7")
        assert made.pipeline_depth == 0
    unit = hw.unit("int_add", N=32)
    assert unit.cost("xc7", stages=2) == fpga.unit_cost("int_add", "N=32", "xc7", stages=2) == fpga.pipelined(ADD32, "xc7", 2)


def test_an_adder_by_hand():
    """33 bits of carry, one wire, one register; a chain is not cut, further ranks only delay."""
    c = fabrics.values()
    period = c["xc7 ps chain"] + 33 * c["xc7 ps bit"] + 300 + 303
    one, three = fpga.pipelined(ADD32, "xc7", 1), fpga.pipelined(ADD32, "xc7", 3)
    assert one.fmax_mhz == three.fmax_mhz == pytest.approx(1e6 / period)
    assert (one.ff, three.ff) == (33, 99)


def test_registers_inside_dsp_blocks_are_free():
    def cost(stages, target="xc7"):
        return fpga.unit_cost("int_mul", "W=8;A=8;S=1", target, stages=stages)

    assert [cost(n).ff for n in (1, 2)] == [0, 0]
    assert cost(1).fmax_mhz == pytest.approx(1e6 / (1416 + 1407 + 300 + 303))
    assert cost(2).fmax_mhz == 464.25  # the block's own limit, of all registers
    assert cost("max").pipeline_depth == 2
    cascade = fpga.unit_cost("int_dot", "L=4;W=8;A=8;K=32", "xcup", stages=1)
    assert (cascade.dsp, cascade.lut) == (4, 0)
    assert cascade.delay_ps == pytest.approx(1024 + 4 * 899)
    assert {"recalled", "read"} <= set(cost(2).sources.status)


# Bits of the results of modules as they were synthesised (source: their ports, reference data/synth_fpga.csv).
PORTS = [
    ("bin_mac", "L=4;A=8;K=20", 20),
    ("bitserial_fp16", "L=4;X=3;T=5;K=32", 39),
    ("bitserial_int", "A=16;X=4;K=40", 40),
    ("fp_add", "E=5;M=7", 13),
    ("fp_mac_float", "E1=2;M1=1;E2=5;M2=10;E=5;M=14", 20),
    ("fp_mac_kulisch", "E1=2;M1=1;E2=4;M2=3;G=8", 31),
    ("fp_mul", "E=5;M=10;FTZ=0", 16),
    ("fp_mul_exact", "E1=2;M1=1;E2=4;M2=3", 12),
    ("fpint_mac", "E1=2;M1=1;A=4;K=20", 20),
    ("int_add", "N=14", 15),
    ("int_dot", "L=2;W=4;A=8;K=24", 24),
    ("int_mac", "W=16;A=16;K=40", 40),
    ("int_mul", "W=14;A=14;S=1", 28),
    ("lmul", "E=5;M=2", 8),
    ("lzc", "N=12", 5),
    ("lzc", "N=32", 6),
    ("requant", "A=32;MB=16;O=8;SB=5", 8),
    ("shift_mac", "W=4;A=8;K=20", 20),
    ("shifter", "N=20;AR=1", 20),
    ("tern_mac", "L=1;A=8;K=20", 20),
    ("xnor_popcount", "N=64", 7),
]


@pytest.mark.parametrize(("kind", "params", "bits"), PORTS)
def test_the_last_rank_holds_the_result(kind, params, bits):
    assert {p[0] for p in PORTS} == set(KINDS)
    for target in FABRICS:
        one, many = (fpga.unit_cost(kind, params, target, dsp=False, stages=n) for n in (1, 100))
        assert one.ff == bits
        assert many.stages.ff.iloc[-1] == bits
    inside = fpga.unit_cost(kind, params, "xc7", dsp=True, stages=40).stages
    assert (inside[inside["parts"] == "delay"].ff == bits).all()  # ranks that only delay find no room in a block


def test_registers_that_a_unit_has_are_its_last_rank():
    one = fpga.unit_cost("int_mac", "W=4;A=4;K=20", "xc7", registered=True, stages=1)
    assert one.ff == 20
    path = hw.unit("int24+saturate", weight="int8", activation="int8")
    assert path.cost("xc7", stages=1).ff == path.cost("xc7").ff == 24
    assert path.cost("xc7", stages=3).fmax_mhz > path.cost("xc7", stages=1).fmax_mhz


@pytest.mark.parametrize("path", ["fp32", "exact", "bf16+fma", "bitmod.paper"])
def test_datapaths(path):
    unit = hw.unit(path, weight="e2m1", activation="float16")
    clocks = [unit.cost("xcup", stages=n).fmax_mhz for n in (1, 2, 4, 8)]
    assert clocks == sorted(clocks)
    assert clocks[-1] > 1.5 * clocks[0]


def test_registers_of_published_macs():
    """Against XtraMAC's registers: the words that wait are read off the structure, 20 % below in the median."""
    from hwmodel.fpga import xtramac

    rows = xtramac.published()
    made = [fpga.pipelined(xtramac.block(m), "xcup", m.cycles).ff * m.lanes for m in xtramac.macs_of(rows)]
    error = made / rows.ff - 1
    assert -0.30 <= error.median() <= 0
    assert error.abs().max() <= 0.50


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stages": -1}, "stages is -1"),
        ({"stages": True}, "stages is True"),
        ({"stages": 2.5}, "stages is 2.5"),
        ({"stages": "min"}, "'max'"),
        ({"stages": 10**9}, "at most 1000"),
        ({"clock_mhz": 0}, "clock_mhz is 0"),
        ({"clock_mhz": float("nan")}, "clock_mhz is nan"),
        ({"clock_mhz": 5000}, r"394\.2 MHz at most on xc7, with 1 stages?: give at most that"),
        ({"stages": 2, "clock_mhz": 100}, "give one of them"),
    ],
)
def test_refusals(given, words):
    with pytest.raises(ValueError, match=words):
        fpga.unit_cost("int_add", "N=32", "xc7", **given)
    if "stages" in given or given["clock_mhz"] == 5000:
        with pytest.raises(ValueError, match="is a cell library"):
            hw.unit("int_add", N=32).cost("nangate45", **given)
