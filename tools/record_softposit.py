"""Records SoftPosit's posits with two exponent bits as test vectors: `python tools/record_softposit.py PATH`.

Needs the package softposit (0.3.4.4, compiled from its source distribution). Its type pX2 holds any width up to 32, left-aligned.
"""

from __future__ import annotations

import sys

import numpy as np
import softposit as sp

WIDTHS = (6, 8, 12, 16, 32)
OPERATIONS = {"add": "pX2_add", "subtract": "pX2_sub", "multiply": "pX2_mul", "divide": "pX2_div"}


def posit(code: int, width: int) -> sp.posit_2_t:
    """The posit with this code."""
    made = sp.posit_2_t()
    made.v = code << (32 - width)
    return made


def codes_of(rng: np.random.Generator, width: int, count: int) -> np.ndarray:
    """Codes: half of them uniform, half near one."""
    uniform = rng.integers(0, 1 << width, count)
    near = (rng.integers(0, 1 << (width - 1), count) >> 2) + (1 << (width - 2)) - (1 << max(width - 4, 0))
    return np.where(rng.random(count) < 0.5, uniform, np.where(rng.random(count) < 0.5, near, (1 << width) - near)) % (1 << width)


def main(path: str) -> None:
    rng = np.random.default_rng(20261122)
    arrays: dict[str, np.ndarray] = {}
    for width in WIDTHS:
        codes = np.arange(1 << width) if width <= 12 else codes_of(rng, width, 2000)
        values = np.array([sp.convertPX2ToDouble(posit(int(c), width)) for c in codes])
        x = rng.standard_normal(2000) * 2.0 ** rng.integers(-40, 40, 2000)
        words = np.array([sp.convertDoubleToPX2(float(v), width).v >> (32 - width) for v in x])
        arrays |= {
            f"p{width}_codes": codes.astype(np.uint32),
            f"p{width}_values": values,
            f"p{width}_x": x,
            f"p{width}_words": words.astype(np.uint32),
        }
        pairs = np.stack([codes_of(rng, width, 1200) for _ in range(2)])
        arrays[f"p{width}_operands"] = pairs.astype(np.uint32)
        for name, call in OPERATIONS.items():
            found = [getattr(sp, call)(posit(int(a), width), posit(int(b), width), width).v >> (32 - width) for a, b in pairs.T]
            arrays[f"p{width}_{name}"] = np.array(found, np.uint32)
        roots = [sp.pX2_sqrt(posit(int(a), width), width).v >> (32 - width) for a in pairs[0]]
        arrays[f"p{width}_sqrt"] = np.array(roots, np.uint32)
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
