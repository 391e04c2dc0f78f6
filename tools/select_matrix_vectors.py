"""Choose the recorded words of matrix units that go with the tests: `python tools/select_matrix_vectors.py VECTORS OUT`.

VECTORS: the folder that holds h100, b200 and other_gpus in full; OUT: tests/vectors/matrix_units. Every instruction and every
set is kept: of each set a few rows and columns of a few matrices, taken at fixed steps; of the public files, every tenth row.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np


def main(vectors: Path, out: Path) -> None:
    """Write the selection."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = {}
    for file in sorted((vectors / "h100").glob("*mma_*.npz")):
        arrays = np.load(file)
        for name in sorted({n[:-2] for n in arrays if n.endswith("_D")}):
            a, b, c, d = (arrays[f"{name}_{x}"] for x in "ABCD")
            matrices = np.unique(np.linspace(0, len(d) - 1, 3).astype(int))
            rows = np.arange(0, d.shape[1], d.shape[1] // 8)
            columns = np.arange(0, d.shape[2], 2)
            if name == "special":  # rare words: keep more
                rows, columns = np.arange(0, d.shape[1], max(1, d.shape[1] // 16)), np.arange(d.shape[2])
            key = f"{file.stem}/{name}"
            chosen[f"{key}_A"], chosen[f"{key}_B"] = a[matrices][:, rows], b[matrices][:, :, columns]
            chosen[f"{key}_C"], chosen[f"{key}_D"] = (x[matrices][:, rows][:, :, columns] for x in (c, d))
    np.savez_compressed(out / "h100.npz", **chosen)
    torch = np.load(vectors / "h100" / "gemm_torch.npz")
    kept = {n: torch[n] for n in torch if "128x4096x128" not in n}
    for name in [n for n in kept if n.endswith("_A")]:
        base = name[:-2]
        few = np.arange(0, kept[name].shape[0], max(1, kept[name].shape[0] // 8))  # rows of a; all of b
        columns = np.arange(0, kept[f"{base}_B"].shape[1], max(1, kept[f"{base}_B"].shape[1] // 8))
        kept[name], kept[f"{base}_B"] = kept[name][few], kept[f"{base}_B"][:, columns]
        for result in [n for n in kept if n.startswith(base) and n.endswith("_D")]:
            kept[result] = kept[result][few][:, columns]
    np.savez_compressed(out / "gemm_torch.npz", **kept)
    public = {}
    for file in [vectors / "b200" / "dot_public_north.npz", *sorted((vectors / "other_gpus").glob("*.npz"))]:
        gpu = "b200" if file.parent.name == "b200" else file.stem.removeprefix("dot_public_north_")
        arrays = np.load(file)
        public |= {f"{gpu}/{n}": arrays[n][::10] for n in arrays}
    np.savez_compressed(out / "public_north.npz", **public)
    for licence in ("LICENCE_north.txt", "LICENCE_tcgen05.txt"):
        shutil.copyfile(vectors / "b200" / licence, out / licence)
    words = json.loads((vectors / "b200" / "tcgen05_words.json").read_text())
    (out / "tcgen05_words.json").write_text(json.dumps(words) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
