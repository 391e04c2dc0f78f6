"""Bad input: one clear ValueError that names the argument (in files: line and field), its value, and what is allowed."""

import numpy as np
import pytest

import hwmodel as hw
from hwmodel.accelerators import machine
from hwmodel.technology.memory import memory
from hwmodel.workloads import frame

WORK = frame.table([frame.linear("l", 1, 64, 64, 64)])
W8A8 = "w=int8/channel; a=int8/token"


def refused(words, call, *args, **options):
    with pytest.raises(ValueError, match=words):
        call(*args, **options)


def written(tmp_path, base, text):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\nbase: {base}\n{text}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (r"accelerator 'bitmod@j52'.*bitmod@j25", lambda: hw.accelerator("bitmod@j52")),
        (r"accelerator or FPGA part 'edge-npv'.*edge-npu", lambda: hw.score(WORK, "edge-npv", W8A8)),
        (r"accelerator or FPGA part 'edge-npv'.*edge-npu", lambda: hw.compare(WORK, ["edge-npv"], W8A8)),
        (r"technology 'nangate54'.*nangate45", lambda: hw.technology("nangate54")),
        (r"technology 'sky310'.*sky130", lambda: hw.unit("int_add", N=8).cost("sky310")),
        (r"model 'llama-3.2-1c'.*Llama-3.2-1B", lambda: hw.workload("llama-3.2-1c")),
        (r"'pydoc-ln'.*pydoc-lm", lambda: hw.load_network("pydoc-ln")),
        (r"machine 'h100-sxn'.*h100-sxm", lambda: machine("h100-sxn")),
        (r"machine 't44'.*t4", lambda: hw.roofline(WORK, "t44", 8)),
        (r"scheme 'inr8'.*int8", lambda: hw.score(WORK, "edge-npu", "inr8")),
        (r"compute model 'wss'|dataflow 'wss'", lambda: hw.accelerator("systolic<32x32,wss>")),
    ],
)
def test_unknown_names(words, call):
    refused(words, call)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("array height is 0", lambda: hw.accelerator("systolic<0x32>")),
        ("array width is 0", lambda: hw.accelerator("systolic<32x0,ws>")),
        ("no rows", lambda: hw.score(WORK.iloc[:0], "edge-npu", W8A8)),
        ("no rows", lambda: hw.score(WORK.iloc[:0], "systolic", W8A8)),
        ("no rows", lambda: hw.roofline(WORK.iloc[:0], "t4", 8)),
    ],
)
def test_nothing_to_work_with(words, call):
    refused(words, call)


@pytest.mark.parametrize("where", ["edge-npu", "systolic", "t4"])
@pytest.mark.parametrize(("column", "value"), [("m", 0), ("m", -3), ("k", np.nan), ("count", 0.5), ("n", np.inf)])
def test_sizes_of_a_workload(where, column, value):
    work = WORK.copy()
    work[column] = [value]
    words = rf"workload column '{column}' holds {value}; give whole numbers of at least 1"
    if where == "t4":
        refused(words, hw.roofline, work, where, 8)
    else:
        refused(words, hw.score, work, where, W8A8)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (r"node 2 nm is outside the range of the law stillmaker, 7 to 180 nm", "nangate45@2nm"),
        (r"node 300 nm is outside the range", "nangate45@300nm"),
        (r"node 2 nm is outside the range", "2nm"),
        (r"node_nm is 0", "nangate45@0nm"),
        (r"vdd 9 V is outside the range of stillmaker.hp at 7 nm", "nangate45@7nm,9V:stillmaker.hp"),
        (r"technology 'nangate45@nannm'", "nangate45@nannm"),
    ],
)
def test_nodes_outside_a_law(words, text):
    refused(words, hw.technology, text)


def test_nodes_between_those_of_a_law_are_inferred():
    between, at = hw.technology("nangate45@28nm"), hw.technology("nangate45@7nm")
    assert "inferred" in {fact.status for fact in between.scaling.values()}
    assert between.scaling["area"].status == "inferred"
    assert at.scaling["area"].value < between.scaling["area"].value < 1
    refused("node 5 nm is outside the memory model fit, 22 to 45 nm", memory, 64, node_nm=5)
    assert memory(64, node_nm=30, word_bits=128).read.status == "inferred"


@pytest.mark.parametrize(
    ("acc", "plan", "words"),
    [
        ("systolic", "w=float16; a=int4/token", r"layer l: accelerator systolic cannot multiply weights of scheme 'float16'.*int8"),
        ("edge-npu", "w=nf4/g64; a=int8/token", r"layer l: accelerator edge-npu cannot multiply weights of scheme 'nf4/g64'.*int8"),
        ("edge-npu", "int8/channel", r"cannot take activations of scheme 'float16'.*int8"),
        ("h100-sm-tensor", W8A8, r"cannot take activations of scheme 'int8/token'.*float16"),
        ("h100-sm-tensor", "int3/channel", r"must dequantize scheme 'int3/channel' but names no dequantizer_technology"),
    ],
)
def test_schemes_that_an_element_cannot_run(acc, plan, words):
    refused(words, hw.score, WORK, acc, plan)


@pytest.mark.parametrize("bits", [64, 0, -1, np.nan, "x"])
def test_operands_that_a_machine_cannot_run(bits):
    refused(
        r"machine t4 has no mode for operands of 64 bits; its modes: 4, 8, 16, 32|weight_bits is", hw.roofline, WORK, "t4", bits
    )


def test_buffers_smaller_than_a_tile(tmp_path):
    path = written(tmp_path, "edge-npu", "levels:\n  sums: {capacity_bits: 16}")
    refused(r"layer l: no mapping.*level sums of mine keeps 16 bits.*needs 32, 16 more", hw.score, WORK, path, W8A8)
    wide = "weight_buffer: {capacity_kib: 1, memory: {%s, word_bits: 16384}}"
    for how in ("node_nm: 28", "read_pj: 1, write_pj: 1, area_mm2: 1"):
        path = written(tmp_path, "systolic", wide % how)
        refused(r"field weight_buffer\.memory: word_bits is 16384, more than the 8192 bits of a bank", hw.accelerator, path)
    path = written(tmp_path, "bitmod@j25", "weight_buffer: {capacity_kib: 1, memory: {node_nm: 28, banks: 32}}")
    refused(r"word_bits is \d+, more than the 256 bits of a bank", hw.score, WORK, path, "int6/channel")


TWO_BUFFERS = [
    ("arrays: {prefill: 0x32}", r"field arrays\.prefill is 50; give HEIGHTxWIDTH.*YAML reads 0x32"),
    ("arrays: {prefill: '0x32'}", r"field arrays\.prefill: array height is 0"),
    ("arrays: {prefil: 1x1}", r"unknown field 'arrays\.prefil'.*arrays\.prefill"),
    ("arrays: 3", r"field arrays is 3; give a mapping"),
    ("pe: {lanes: 0}", r"pe\.lanes is 0"),
    ("pe: {lanes: 1.5}", r"field pe\.lanes is 1\.5; give a whole number"),
    ("pe: {energy_pj: -1}", r"pe\.energy_pj is -1"),
    ("pe: {energy_pj: .nan}", r"pe\.energy_pj is nan"),
    ("pe: {energy_pj: .inf}", r"pe\.energy_pj is inf"),
    ("pe: {area_um2: 0}", r"pe\.area_um2 is 0"),
    ("pe: {datapath: fpp32}", r"field pe\.datapath: unknown datapath 'fpp32'.*fp32"),
    ("pe: {weights: [int99]}", r"field pe\.weights: .*int99"),
    ("pe: {activations: [e4m3fnn]}", r"field pe\.activations: .*e4m3fnn.*e4m3fn"),
    ("pe: {weights: []}", r"field pe\.weights is \[\]"),
    ("dram: {bits_per_cycle: 0}", r"dram\.bits_per_cycle is 0"),
    ("dram: {energy_pj_per_bit: .nan}", r"dram\.energy_pj_per_bit is nan"),
    ("dram: {energy_pj_per_bit: -1}", r"dram\.energy_pj_per_bit is -1"),
    ("dram: lpdr4", r"field dram 'lpdr4'.*lpddr4"),
    ("weight_buffer: {capacity_kib: 0}", r"weight_buffer: buffer capacity_kib is 0"),
    ("weight_buffer: {capacity_kib: 13}", r"weight_buffer: .* holds no 13 KiB"),
    ("weight_buffer: {table: cacti29}", r"weight_buffer: unknown SRAM table 'cacti29'.*cacti28"),
    ("weight_buffer: {memory: {node_nm: 5}}", r"weight_buffer\.memory\.node_nm: node 5 nm is outside"),
    ("weight_buffer: {memory: {node_nm: .nan}}", r"weight_buffer\.memory\.node_nm: node_nm is nan"),
    ("weight_buffer: {memory: {banks: 0}}", r"weight_buffer\.memory: banks is 0"),
    ("compute: wss", r"compute model 'wss'.*ws"),
    ("attention: j26", r"attention rule 'j26'.*j25"),
    ("bases: 3", r"unknown field 'bases'.*base"),
]
HIERARCHIES = [
    ("axes: {rows: {size: 0}}", r"axis rows size is 0"),
    ("axes: {rows: {size: -3}}", r"axis rows size is -3"),
    ("axes: {rows: {size: 1.5}}", r"field axes\.rows\.size is 1\.5; give a whole number"),
    ("levels: 3", r"field levels is 3; give a mapping"),
    ("levels: {buffer: {word_bits: 0}}", r"field levels\.buffer\.word_bits is 0"),
    ("levels: {buffer: {wordbits: 64}}", r"unknown field 'levels\.buffer\.wordbits'.*word_bits"),
    ("levels: {buffer: {capacity_kib: 0}}", r"levels\.buffer\.capacity_kib is 0"),
    ("levels: {buffer: {capacity_kib: .nan}}", r"levels\.buffer\.capacity_kib is nan"),
    ("levels: {buffer: {capacity_kib: -64}}", r"levels\.buffer\.capacity_kib is -64"),
    ("levels: {buffer: {read_bits: .nan}}", r"read_bits of level buffer is nan"),
    ("levels: {buffer: {wire_pj_per_bit: -1}}", r"levels\.buffer\.wire_pj_per_bit is -1"),
    ("levels: {buffer: {leakage_mw: .nan}}", r"levels\.buffer\.leakage_mw is nan"),
    ("levels: {buffer: {sram: {table: cacti54}}}", r"levels\.buffer\.sram: unknown SRAM table 'cacti54'.*cacti45"),
    ("levels: {sums: {read_pj: -1}}", r"levels\.sums\.read_pj is -1"),
    ("levels: {dram: {dram: lpdr4}}", r"levels\.dram\.dram 'lpdr4'.*lpddr4"),
    ("pe: {technology: 2nm}", r"field pe\.technology: node 2 nm is outside"),
    ("pe: {technology: nangate54}", r"field pe\.technology: unknown technology 'nangate54'.*nangate45"),
    ("pe: {flow: fast}", r"field pe\.flow: unknown flow 'fast'"),
    ("pe: {datapath: fpp32}", r"field pe\.datapath: unknown datapath 'fpp32'.*fp32"),
    ("pe: {weights: [int99]}", r"field pe\.weights: .*int99"),
    ("pe: {place_and_route: 0}", r"pe\.place_and_route is 0"),
    ("group_cycles: .nan", r"group_cycles is nan"),
    ("objective: fastt", r"objective 'fastt'.*latency"),
    ("imperfect: 3", r"field imperfect is 3; give true or false"),
]
BOTH = [
    ("clock_ghz: 0", r"clock_ghz is 0"),
    ("clock_ghz: .nan", r"clock_ghz is nan"),
    ("clock_ghz: fast", r"field clock_ghz is 'fast'; give a number"),
    ("clock_ghz: {value: 1, source: me, status: guess}", r"guess"),
    ("kv_bits: 0", r"kv_bits is 0"),
    ("scale_bits_per_group: -1", r"scale_bits_per_group is -1"),
    ("dequantizer_technology: zigzag29", r"field dequantizer_technology: unknown technology 'zigzag29'.*zigzag28"),
    ("dequantizer_technology: nangate45@2nm", r"field dequantizer_technology: node 2 nm is outside"),
    ("vector_unit: 3", r"field vector_unit is 3"),
    ("vector_unit: {base: horowitz45-fp16, lanes: 0}", r"vector_unit\.lanes is 0"),
    ("vector_unit: {base: horowitz, lanes: 3}", r"vector_unit\.base 'horowitz'.*horowitz45-fp16"),
    ("vector_unit: {base: horowitz45-fp16, lanes: 4, energy_pj: {add: .nan}}", r"vector_unit\.energy_pj\.add is nan"),
    ("vector_unit: {base: horowitz45-fp16, lanes: 4, per_cycle: {add: -1}}", r"vector_unit\.per_cycle\.add is -1"),
    ("x: [", r"not YAML"),
]
MACHINES = [
    ("bandwidth_gb_s: -1", r"bandwidth_gb_s is -1"),
    ("bandwidth_gb_s: .nan", r"bandwidth_gb_s is nan"),
    ("bandwith_gb_s: 3", r"unknown field 'bandwith_gb_s'.*bandwidth_gb_s"),
    ("peak_tops: {8: -1}", r"peak_tops\.8 is -1"),
    ("peak_tops: {0: 3}", r"peak_tops\.0 is no operand width"),
    ("peak_tops: {}", r"peak_tops is empty"),
    ("peak_tops: 3", r"field peak_tops is 3"),
    ("compute_efficiency: 1.5", r"compute_efficiency is 1\.5; give a share"),
    ("memory_efficiency: .nan", r"memory_efficiency is nan"),
    ("on_chip_gb_s: -3", r"on_chip_gb_s is -3"),
    ("vector_tops: .nan", r"vector_tops is nan"),
    ("duplex: 3", r"field duplex is 3; give true or false"),
    ("name: 3", r"field name is 3"),
    ("x: [", r"not YAML"),
]
CASES = [("systolic", *c) for c in (*TWO_BUFFERS, *BOTH)] + [("edge-npu", *c) for c in (*HIERARCHIES, *BOTH)]


@pytest.mark.parametrize(("base", "text", "words"), [*CASES, *(("t4", *c) for c in MACHINES)])
def test_files_name_line_and_field(tmp_path, base, text, words):
    load = machine if base == "t4" else hw.accelerator
    refused(r"mine\.yaml line [34]: .*" + words, load, written(tmp_path, base, text))


@pytest.mark.parametrize("load", [machine, hw.accelerator])
def test_files_without_what_they_need(tmp_path, load):
    path = tmp_path / "mine.yaml"
    for text, words in [
        ("name: mine\n", r"mine\.yaml: field \w+ is missing"),
        ("name: mine\nbase: nothing-like-it\n", r"mine\.yaml line 2: field base: unknown"),
        ("- 3\n", r"mine\.yaml: holds list, not a mapping"),
        ("", r"mine\.yaml: holds NoneType"),
        ("name: [\n", r"mine\.yaml line 2: not YAML"),
    ]:
        path.write_text(text, encoding="utf-8")
        refused(words, load, path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize("m", [1 << 50, 1 << 62])
def test_more_operations_than_64_bits_count_are_refused(m):
    work = hw.workload("llama-2-7b", "prefill").assign(m=m)
    for call in (hw.score, lambda w, acc: hw.score_many(w, {"height": [8]}, acc)):
        with pytest.raises(ValueError, match="64 bits; split the layer"):
            call(work, "bitmod@h25")
