"""Records bytes of ggml's C quantizers: `PYTHONPATH=. python tools/record_ggml.py GGML_CHECKOUT tests/vectors/ggml_blocks.npz`.

GGML_CHECKOUT: a checkout of https://github.com/ggml-org/ggml (recorded at d99724f2). Its src/ggml-quants.c alone is compiled, with
gcc for plain x86-64 (no FMA instruction, so that no product and sum are fused) at -O2 and at -O3; both must give the same bytes.
Inputs are stored beside the bytes: rows of 256 float32.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.gguf_inputs import adversarial, ordinary

SIZES = {"q4_0": (32, 18), "q4_1": (32, 20), "q5_0": (32, 22), "q5_1": (32, 24), "q8_0": (32, 34), "q8_1": (32, 36)}
SIZES |= {"mxfp4": (32, 17), "nvfp4": (64, 36), "q4_K": (256, 144), "q6_K": (256, 210), "iq4_nl": (32, 18)}
SIZES |= {"tq1_0": (256, 54), "tq2_0": (256, 66), "q1_0": (128, 18)}


def compiled(checkout: Path, level: str, folder: str) -> ctypes.CDLL:
    """The library of ggml-quants.c; what it takes from the rest of ggml stays unresolved, and unused here."""
    made = Path(folder) / f"quants_{level}.so"
    src = checkout / "src"
    flags = [
        f"-{level}",
        "-DNDEBUG",
        "-march=x86-64",
        "-fPIC",
        "-shared",
        f"-I{src}",
        f"-I{checkout / 'include'}",
        f"-I{src / 'ggml-cpu'}",
    ]
    subprocess.run(["gcc", *flags, str(src / "ggml-quants.c"), "-o", str(made), "-lm", "-Wl,-z,lazy"], check=True)
    return ctypes.CDLL(str(made), mode=1)  # RTLD_LAZY


def words(library: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    """Bytes of quantize_row_<name>_ref; "iq4_nl" is quantize_iq4_nl without importance matrix, "iq4_nl_ref" the other."""
    elements, size = SIZES[name.removesuffix("_ref")]
    out = np.zeros((x.size // elements, size), np.uint8)
    source, target = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(out.ctypes.data)
    if name == "iq4_nl":
        library.quantize_iq4_nl(source, target, ctypes.c_int64(1), ctypes.c_int64(x.size), ctypes.c_void_p(0))
    else:
        getattr(library, f"quantize_row_{name.removesuffix('_ref')}_ref")(source, target, ctypes.c_int64(x.size))
    return out


def main(checkout: str, path: str) -> None:
    x = np.ascontiguousarray(np.concatenate([adversarial(256, 96)[::2], ordinary(256, 64)]))
    arrays = {"x": x}
    with tempfile.TemporaryDirectory() as folder:
        libraries = [compiled(Path(checkout), level, folder) for level in ("O2", "O3")]
        for name in [*SIZES, "iq4_nl_ref"]:
            first, second = (words(library, name, x) for library in libraries)
            assert np.array_equal(first, second), name
            arrays[name.lower()] = first
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
