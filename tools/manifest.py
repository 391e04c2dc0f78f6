"""Files beside a trained model: MANIFEST.json (size and SHA-256 of every other file), licences, reproducible npz.

python tools/manifest.py FOLDER     rewrites the folder's MANIFEST.json
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np


def write_manifest(folder: Path) -> None:
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != "MANIFEST.json"
    }
    (folder / "MANIFEST.json").write_text(json.dumps({"files": files}, indent=2) + "\n")


def carry_licences(source: Path, target: Path) -> None:
    """Copy the licence files that stand beside the shipped data into a folder trained elsewhere."""
    if source.resolve() != target.resolve():
        for path in source.glob("LICENSE*"):
            shutil.copy(path, target / path.name)


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """Compressed npz with fixed time stamps, so that the same arrays give the same file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    write_manifest(Path(sys.argv[1]))
