"""Accelerator files whose memories, DRAM and elements are priced by the technology's models, in both kinds of description."""

import pytest

import hwmodel as hw
from hwmodel.technology.memory import memory
from hwmodel.technology.offchip import dram

WORK = hw.workload("llama-3.2-1b", "prefill", 128)
SMALL = WORK[WORK.layer.isin(["layers.*.k_proj"])].reset_index(drop=True)
W8A8 = "w=int8/channel; a=int8/token"
MODEL = "memory: {model: fit, cell: itrs-lop, node_nm: 28, word_bits: 128, banks: 8}"


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\n{text}", encoding="utf-8")
    return path


def test_a_modelled_buffer(tmp_path):
    path = written(tmp_path, f"base: systolic\nweight_buffer:\n  capacity_kib: 512\n  {MODEL}\n")
    got, want = hw.score(SMALL, path, W8A8), memory(512, 128, banks=8, node_nm=28)
    assert got.area["weight_buffer"] == want.area_mm2
    rows = got.layers.iloc[0]
    assert rows.energy_leakage_j == pytest.approx(want.leakage_mw * 1e-3 * rows.latency_s)
    parts = [c for c in got.total.index if c.startswith("energy_") and c != "energy_j"]
    assert sum(got.total[c] for c in parts) == pytest.approx(got.energy_j)
    held = got.sources.set_index("name")
    assert {want.read.source, want.write.source, want.area.source, want.leakage.source} <= set(held.source)
    named = held[held.index.str.startswith("weight buffer: 512 KiB itrs-lop at 28 nm")]
    assert want.read_pj in named.value.tolist()
    assert want.leakage_mw in named.value.tolist()
    plain = hw.score(SMALL, "systolic", W8A8)
    assert "energy_leakage_j" not in plain.columns
    other = got.columns["energy_sram_write_j"] - plain.columns["energy_sram_write_j"]
    assert other[0] != 0
    # words of 128 bits: reads are as many as the bits read fill
    twice = written(tmp_path, "base: systolic\nweight_buffer: {capacity_kib: 512, memory: "
                    "{read_pj: 10, write_pj: 64, area_mm2: 1, word_bits: 64}}\n")  # fmt: skip
    one = hw.score(SMALL, twice, W8A8)
    again = written(tmp_path, "base: systolic\nweight_buffer: {capacity_kib: 512, memory: "
                    "{read_pj: 20, write_pj: 64, area_mm2: 1, word_bits: 64}}\n")  # fmt: skip
    two = hw.score(SMALL, again, W8A8)
    k, n = int(SMALL.k[0]), int(SMALL.n[0])
    extra = two.columns["energy_sram_read_j"][0] - one.columns["energy_sram_read_j"][0]
    assert extra >= k * n * 8 / 64 * 10e-12 * SMALL["count"][0] * 0.999
    assert one.area["weight_buffer"] == 1


def test_a_width_that_follows_from_the_array(tmp_path):
    path = written(tmp_path, "base: bitmod@j25\nweight_buffer:\n  memory: {node_nm: 28, banks: 8}\n")
    acc = hw.accelerator(path)
    word = acc.pe.lanes * 8 * acc.array("prefill").height // 2  # 5 bits with the extra value: steps of 4
    want = memory(acc.weight_buffer.capacity_kib, word, banks=8, node_nm=28)
    assert hw.score(SMALL, path, "bitmod4/g128").area["weight_buffer"] == want.area_mm2


def test_a_modelled_level(tmp_path):
    path = written(tmp_path, "base: edge-npu\nlevels:\n  buffer:\n    memory: {node_nm: 28, cell: itrs-hp}\n")
    level = hw.accelerator(path).levels[1]
    want = memory(64, 64, node_nm=28, cell="itrs-hp")
    assert (level.read_pj.value, level.write_pj.value, level.word_bits) == (want.read_pj, want.write_pj, 64)
    assert level.area_um2.value == want.area_mm2 * 1e6
    assert level.leakage_mw.value == want.leakage_mw
    assert (level.read_bits, level.ports) == (512, 2)  # those of the base
    got = hw.score(SMALL, path, W8A8)
    assert {f.source for f in want.facts()} <= set(got.sources.source)
    assert got.total.energy_leakage_j > hw.score(SMALL, "edge-npu", W8A8).total.energy_leakage_j
    own = "{read_pj: {value: 3, source: data sheet, status: read}, write_pj: 4, area_mm2: 0.1, leakage_mw: 2}"
    path = written(tmp_path, f"base: edge-npu\nlevels:\n  buffer:\n    memory: {own}\n")
    level = hw.accelerator(path).levels[1]
    assert (level.read_pj.value, level.read_pj.source, level.read_pj.status) == (3, "data sheet", "read")
    assert (level.write_pj.status, level.area_um2.value, level.leakage_mw.value) == ("user", 0.1e6, 2)


@pytest.mark.parametrize("text", ["dram: lpddr4", "dram: {kind: lpddr4, channels: 1}"])
def test_dram_of_two_buffers(tmp_path, text):
    acc, want = hw.accelerator(written(tmp_path, f"base: bitmod@j25\n{text}\n")), dram("lpddr4")
    assert acc.dram.energy_pj_per_bit.value == want.energy_pj_per_bit
    assert acc.dram.bits_per_cycle.value == pytest.approx(8 * want.bandwidth_gb_s / acc.clock_ghz.value)
    got = hw.score(SMALL, acc, "bitmod4/g128")
    assert {f.name for f in want.facts()} <= set(got.sources.name)
    two = hw.accelerator(written(tmp_path, "base: bitmod@j25\ndram: {kind: lpddr4, channels: 2}\n"))
    assert two.dram.bits_per_cycle.value == pytest.approx(2 * acc.dram.bits_per_cycle.value)
    wide = hw.accelerator(written(tmp_path, "base: bitmod@j25\ndram: {kind: lpddr4, bits_per_cycle: 64}\n"))
    assert (wide.dram.bits_per_cycle.value, wide.dram.energy_pj_per_bit.value) == (64, want.energy_pj_per_bit)


def test_dram_of_a_level(tmp_path):
    acc, want = hw.accelerator(written(tmp_path, "base: edge-npu\nlevels: {dram: {dram: lpddr5}}\n")), dram("lpddr5")
    last = acc.levels[-1]
    assert last.read_pj.value == last.write_pj.value == want.energy_pj_per_bit * last.word_bits
    assert last.read_bits == last.write_bits == pytest.approx(8 * want.bandwidth_gb_s / 0.5)
    assert last.ports == 1
    assert {f.name for f in want.facts()} <= set(hw.score(SMALL, acc, W8A8).sources.name)


@pytest.mark.parametrize(
    ("base", "text", "message"),
    [
        (
            "systolic",
            "weight_buffer: {memory: {node_nm: 5}}",
            r"line 3: field weight_buffer\.memory\.node_nm: node 5 nm is outside",
        ),
        ("systolic", "weight_buffer: {memory: {cell: itrs-low}}", r"weight_buffer\.memory\.cell 'itrs-low'.*itrs-lop"),
        ("systolic", "weight_buffer: {memory: {model: fitt}}", r"weight_buffer\.memory\.model 'fitt'.*fit"),
        ("systolic", "weight_buffer: {table: cacti28, memory: {node_nm: 28}}", r"weight_buffer\.table is given beside"),
        ("systolic", "weight_buffer: {memory: {node_nm: 28, read_pj: 3}}", r"memory\.node_nm belongs to a model"),
        ("bitmod@j25", "weight_buffer: {memory: {read_pj: 3, write_pj: 3, area_mm2: 1}}", r"memory\.word_bits is missing"),
        ("systolic", "weight_buffer: {memory: {read_pj: -3, write_pj: 3, area_mm2: 1, word_bits: 8}}", r"memory\.read_pj.*-3"),
        ("systolic", "weight_buffer: {word_bits: 64, memory: {word_bits: 8, node_nm: 28}}", r"memory\.word_bits is 8, but .* 64"),
        ("systolic", "dram: lpddr9", r"line 3: unknown field dram 'lpddr9'.*lpddr"),
        ("systolic", "dram: {kind: bitmod}", r"^(?!.*error)"),
        ("systolic", "dram: bitmod", r"dram\.bits_per_cycle is missing"),
        ("systolic", "dram: {channels: 2}", r"dram\.channels needs dram\.kind"),
        ("systolic", "dram: {kind: lpddr4, channels: 0}", r"dram\.channels"),
        ("edge-npu", "levels: {buffer: {memory: {node_nm: 90}}}", r"levels\.buffer\.memory\.node_nm: node 90 nm is outside"),
        (
            "edge-npu",
            "levels: {buffer: {memory: {node_nm: 28}, read_pj: 3}}",
            r"levels\.buffer\.memory and levels\.buffer\.read_pj",
        ),
        ("edge-npu", "levels: {dram: {dram: lpddr9}}", r"levels\.dram\.dram 'lpddr9'"),
        ("edge-npu", "levels: {dram: {memory: {node_nm: 28}}}", r"levels\.dram\.memory needs levels\.dram\.capacity_kib"),
        ("edge-npu", "pe: {technology: nangate54}", r"field pe\.technology.*nangate45"),
        ("edge-npu", "pe: {flow: fast}", r"field pe.*flow.*fast"),
    ],
)
def test_malformed(tmp_path, base, text, message):
    path = written(tmp_path, f"base: {base}\n{text}\n")
    if message.startswith("^"):  # a kind without a rate takes the base's width
        assert hw.accelerator(path).dram.bits_per_cycle == hw.accelerator(base).dram.bits_per_cycle
        return
    with pytest.raises(ValueError, match=r"mine\.yaml.*" + message):
        hw.accelerator(path)


def test_elements_priced_in_any_technology(tmp_path):
    def area(text):
        acc = hw.accelerator(written(tmp_path, f"base: edge-npu\npe: {{technology: {text}}}\n"))
        cost = hw.unit("int32", weight="int8", activation="int8").cost(*[p.strip() for p in text.replace("flow:", "").split(",")])
        assert acc.pe.area_um2.value == cost.area_um2
        got = hw.score(SMALL, acc, W8A8)
        assert got.area["pe_array"] == pytest.approx(256 * cost.area_um2 * 1e-6)
        assert got.total.energy_core_j == pytest.approx(cost.energy_pj * 1e-12 * got.total.macs)
        return cost.area_um2

    at_28 = area("28nm")
    assert area("28nm, flow: delay") != at_28
    assert at_28 > area("asap7")
