"""Records runs of SCALE-Sim 3.0.0: `python tools/record_scalesim.py tests/vectors/scalesim.csv`.

Needs `scalesim==3.0.0` with `numpy<2` (its memory model fails on later versions). Random products and convolutions, all
three dataflows; CALC rows have no bandwidth limit, USER rows small memories and the read and write widths recorded. Runs
that the simulator itself cannot finish are left out.
"""

from __future__ import annotations

import contextlib
import csv
import io
import random
import sys
import tempfile
from pathlib import Path

from scalesim.layout_utils import layouts
from scalesim.scale_config import scale_config
from scalesim.single_layer_sim import single_layer_sim
from scalesim.topology_utils import topologies

SHAPE = ("mode", "rows", "cols", "dataflow", "m", "k", "n", "ifm_h", "ifm_w", "k_h", "k_w", "channels", "stride")
MEMORY = ("ifmap_kib", "filter_kib", "ofmap_kib", "ifmap_bw", "filter_bw", "ofmap_bw")
RESULT = ("compute_cycles", "stall_cycles", "overall_util", "mapping_eff", "ifmap_reads", "filter_reads", "ofmap_writes")
MAX_LINES = 6000  # cycles of a run: the simulator takes about 0.2 ms each


def run(row: dict[str, int | str], folder: Path) -> dict[str, int | float]:
    """One layer through the simulator."""
    config = scale_config()
    config.array_rows, config.array_cols, config.df = row["rows"], row["cols"], row["dataflow"]
    config.use_ramulator_trace = False
    config.ifmap_sz_kb, config.filter_sz_kb, config.ofmap_sz_kb = (row[c] for c in MEMORY[:3])
    config.use_user_bandwidth = row["mode"] == "USER"
    config.ifmap_sram_bank_bandwidth, config.ifmap_sram_bank_num = row["ifmap_bw"], 1
    config.filter_sram_bank_bandwidth, config.filter_sram_bank_num = row["filter_bw"], 1
    config.bandwidths = [row["ofmap_bw"]]
    config.force_valid()
    file = folder / "topology.csv"
    if row["k_h"]:
        fields = [row[c] for c in ("ifm_h", "ifm_w", "k_h", "k_w", "channels", "n", "stride")]
        file.write_text("Layer,h,w,kh,kw,c,n,s,\nlayer," + ",".join(map(str, fields)) + ",\n", encoding="utf-8")
    else:
        file.write_text(f"Layer,M,N,K,\nlayer,{row['m']},{row['n']},{row['k']},\n", encoding="utf-8")
    topology = topologies()
    topology.load_arrays(str(file), mnk_inputs=not row["k_h"])
    layer = single_layer_sim()
    layer.set_params(layer_id=0, config_obj=config, topology_obj=topology, layout_obj=layouts(), verbose=False)
    layer.run()
    _, cycles, stalls, utilisation, mapping, _ = layer.get_compute_report_items()
    detail = layer.get_detail_report_items()
    values = (cycles, stalls, repr(float(utilisation)), repr(float(mapping)), detail[2], detail[5], detail[8])
    return dict(zip(RESULT, values, strict=True))


def drawn(rng: random.Random, mode: str, flow: str) -> dict[str, int | str]:
    """One random run that is short enough."""
    while True:
        size = rng.choice((4, 8, 16, 32))
        row: dict[str, int | str] = {"mode": mode, "rows": rng.randint(1, size), "cols": rng.randint(1, size), "dataflow": flow}
        top = rng.choice((3, 20, 70, 150))
        m, k, n = (rng.randint(1, top) for _ in range(3))
        row |= dict.fromkeys(("ifm_h", "ifm_w", "k_h", "k_w", "channels", "stride"), 0)
        if rng.random() < 0.3:
            kh, kw, c, s = rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 8), rng.randint(1, 2)
            oh, ow = rng.randint(1, 9), rng.randint(1, 9)
            row |= {"ifm_h": (oh - 1) * s + kh, "ifm_w": (ow - 1) * s + kw, "k_h": kh, "k_w": kw, "channels": c, "stride": s}
            m, k = oh * ow, kh * kw * c
        row |= {"m": m, "k": k, "n": n}
        row |= dict(zip(MEMORY, (rng.choice((1, 1, 2, 4)) for _ in range(3)), strict=False))
        row |= dict(zip(MEMORY[3:], (rng.choice((1, 2, 4, 8, 10, 16, 32)) for _ in range(3)), strict=True))
        if mode == "CALC":
            row |= dict.fromkeys(MEMORY[:3], 64) | dict.fromkeys(MEMORY[3:], 10)
        r, c = int(row["rows"]), int(row["cols"])
        outer, inner, length = {"ws": (k, n, m), "os": (m, n, k), "is": (k, m, n)}[flow]
        if -(-outer // r) * -(-inner // c) * (2 * r + c + length) < MAX_LINES:
            return row


def main(target: str, calc: int = 120, user: int = 80) -> None:
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as name, open(target, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, [*SHAPE, *MEMORY, *RESULT, "source", "status"], lineterminator="\n")
        writer.writeheader()
        for mode, count in (("CALC", calc), ("USER", user)):
            for flow in ("ws", "os", "is"):
                done = 0
                while done < count:
                    row = drawn(rng, mode, flow)
                    try:
                        with contextlib.redirect_stdout(io.StringIO()):
                            result = run(row, Path(name))
                    except (ValueError, IndexError, ZeroDivisionError):  # it asks for more lines than its matrices have
                        continue
                    if mode == "USER" and not result["stall_cycles"] and rng.random() < 0.8:
                        continue
                    writer.writerow(row | result | {"source": "SCALE-Sim 3.0.0", "status": "measured"})
                    out.flush()
                    done += 1


if __name__ == "__main__":
    main(sys.argv[1])
