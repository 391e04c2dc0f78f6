"""Where the recorded words of matrix units are: the full files beside the checkout if present, else the selection of the tests."""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

import numfmt as nf

HERE = Path(__file__).parent
SELECTED = HERE / "vectors" / "matrix_units"
NAMES = {"f16": "float16", "bf16": "bfloat16", "tf32": "float32", "f32": "float32", "f64": "float64", "e4m3": "e4m3fn"}
NAMES |= {"s8": "int8", "u8": "uint8", "s32": "int32"}


@lru_cache(maxsize=1)
def shared():
    """The folder of the full recordings, or None."""
    for parent in HERE.resolve().parents:
        if (parent / "shared" / "vectors" / "h100").is_dir():
            return parent / "shared" / "vectors"
    return None


def fields(stem):
    """(instruction, k, a, b, result, suffix) of a file's stem."""
    found = re.fullmatch(r"(mma|wgmma|wgmma_chain4)_m\d+n\d+k(\d+)_([a-z0-9]+)_([a-z0-9]+)_([a-z0-9]+?)(?:_(\w+))?", stem)
    op, k, a, b, d, suffix = found.groups()
    return op, int(k), a, b, d, suffix or ""


def operand(words, fmt, axis=-1):
    """Recorded words as an operand."""
    return nf.from_codes(words, NAMES.get(fmt, fmt), axis=axis)


def sets(arrays):
    """Names of the operand sets of a file."""
    return sorted({name[:-2] for name in arrays if name.endswith("_D")})


def compute(stem, a, b, c, gpu="h100"):
    """The product's words for T matrices: a (T, M, K), b (T, K, N), c (T, M, N)."""
    _, _, fa, fb, fd, _ = fields(stem)
    path = f"{gpu}.{stem}"
    matrices = zip(a, b, c, strict=True)
    return np.stack([nf.matmul(operand(x, fa), operand(y, fb, 0), path, c=operand(z, fd), returns="codes") for x, y, z in matrices])


def same_words(got, want, what=""):
    """Equal words; says how many differ and shows the first."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    off = got != want
    first = [(hex(g), hex(w)) for g, w in zip(got[off][:3], want[off][:3], strict=True)]
    assert not off.any(), f"{what}: {off.sum()} of {off.size} words differ, got and recorded {first}"
