"""Scores and comparisons as CSV, JSON and Parquet, each with the sources of its constants."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hwmodel.report.canvas import REMEDY
from hwmodel.report.files import environment, plain
from hwmodel.report.save import write_together, write_whole

SCHEMA = 1
KEY = b"hwmodel"  # of Parquet's metadata


def beside(path: Path, what: str) -> Path:
    """The file that goes with another: scores.csv, sources -> scores.sources.csv."""
    return path.with_name(f"{path.stem}.{what}{path.suffix}")


def write_csv(frames: Mapping[str, pd.DataFrame], path: str | Path) -> None:
    """The first frame at `path`, the others beside it as NAME.<what>.csv; all of them or none. OSError as usual."""
    target = _target(path)
    names = [target, *(beside(target, what) for what in list(frames)[1:])]
    texts = (_bare(frame).to_csv(index=False, lineterminator="\n").encode() for frame in frames.values())
    write_together(dict(zip(names, texts, strict=True)))


def document(kind: str, facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Facts and frames (as lists of rows) as strict JSON holds them: no NaN, no infinities, Python's own numbers."""
    head = {"generator": f"hwmodel.{kind}", "schema": SCHEMA, "versions": environment(), **facts}
    made = plain(head | {name: frame.to_dict("records") for name, frame in frames.items()})
    assert isinstance(made, dict)
    return made


def write_json(kind: str, facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame], path: str | Path) -> None:
    """One JSON document; complete, or the file as it was. OSError as usual."""
    text = json.dumps(document(kind, facts, frames), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(_target(path), (text + "\n").encode())


def write_parquet(kind: str, facts: Mapping[str, Any], frames: Mapping[str, pd.DataFrame], others: Any, path: str | Path) -> None:
    """The first frame at `path`, further ones beside it; facts and the frames `others` as JSON under `hwmodel` in its metadata.

    All files or none. Raises ImportError with the remedy where pyarrow is missing, OSError as usual.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(f"Parquet files need pyarrow, which is not installed; {REMEDY}") from error
    text = json.dumps(document(kind, facts, others), ensure_ascii=False, allow_nan=False).encode()
    target, contents = _target(path), {}
    for i, (what, frame) in enumerate(frames.items()):
        table = pa.Table.from_pandas(_bare(frame), preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: text})
        out = io.BytesIO()
        parquet.write_table(table, out)
        contents[target if i == 0 else beside(target, what)] = out.getvalue()
    write_together(contents)


def score_facts(score: Any) -> dict[str, Any]:
    """What a score says beside its tables."""
    return {
        "accelerator": str(score.accelerator),
        "plan": score.plan,
        "phase": score.phase,
        "array": str(score.array),
        "energy_j": score.energy_j,
        "latency_s": score.latency_s,
        "area_mm2": score.area_mm2,
        "area": dict(score.area),
        "total": score.total.to_dict(),
    }


def score_csv(score: Any, path: str | Path) -> None:
    write_csv({"layers": score.layers, "sources": score.sources}, path)


def score_json(score: Any, path: str | Path) -> None:
    write_json("score", score_facts(score), {"layers": score.layers, "sources": score.sources}, path)


def score_parquet(score: Any, path: str | Path) -> None:
    write_parquet("score", score_facts(score), {"layers": score.layers}, {"sources": score.sources}, path)


def _bare(frame: pd.DataFrame) -> pd.DataFrame:
    # attributes of a frame can hold anything, and would go into Parquet's metadata
    bare = frame.copy(deep=False)
    bare.attrs = {}
    return bare


def _target(path: str | Path) -> Path:
    return Path(path).expanduser()
