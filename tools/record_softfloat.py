"""Records Berkeley SoftFloat 3's results and flags as test vectors: `python tools/record_softfloat.py tests/vectors/softfloat.npz`.

Needs the package `softfloat` (0.1.4.1, compiled from its source distribution). Operands cross telling exponents with telling
significands, as Berkeley TestFloat does; a part is uniformly random words.
"""

from __future__ import annotations

import sys

import numpy as np
import softfloat as sf

WIDTHS = {"float16": (16, 10), "float32": (32, 23), "float64": (64, 52)}
MODES = {
    "ties_even": sf.softfloat_round_near_even,
    "ties_away": sf.softfloat_round_near_maxMag,
    "toward_zero": sf.softfloat_round_minMag,
    "down": sf.softfloat_round_min,
    "up": sf.softfloat_round_max,
    "to_odd": sf.softfloat_round_odd,
}
OPERATIONS = {"add": 2, "subtract": 2, "multiply": 2, "divide": 2, "remainder": 2, "sqrt": 1, "fma": 3, "round_to_integral": 1}
CALLS = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "remainder": "rem",
    "fma": "mulAdd",
    "round_to_integral": "roundToInt",
}


# This build's f16_rem crashes on finite operands, and its f32_sqrt and f64_sqrt are plainly wrong (f32_sqrt of 1.0000002 is 1.54).
BROKEN = [("float16", "remainder"), ("float32", "sqrt"), ("float64", "sqrt")]


def operands(rng: np.random.Generator, bits: int, man_bits: int, count: int) -> np.ndarray:
    """Words of a format: telling exponents crossed with telling significands, and random ones."""
    exp_bits = bits - 1 - man_bits
    top, bias = (1 << exp_bits) - 1, (1 << (exp_bits - 1)) - 1
    fields = [0, 1, 2, bias - man_bits - 1, bias - 1, bias, bias + 1, bias + man_bits, bias + man_bits + 1, top - 2, top - 1, top]
    full = (1 << man_bits) - 1
    tails = [0, 1, 2, full, full - 1, 1 << (man_bits - 1), (1 << (man_bits - 1)) - 1, (1 << (man_bits - 1)) + 1]
    tails += [1 << i for i in range(man_bits)] + [full >> i for i in range(man_bits)]
    words = rng.choice(fields, count).astype(np.uint64) << np.uint64(man_bits)
    words |= np.array(tails, np.uint64)[rng.integers(0, len(tails), count)]
    words |= rng.integers(0, 2, count).astype(np.uint64) << np.uint64(bits - 1)
    uniform = rng.integers(0, 1 << bits, count, dtype=np.uint64) if bits < 64 else rng.integers(0, 2**64, count, dtype=np.uint64)
    near = (rng.integers(bias - 3, bias + 4, count).astype(np.uint64) << np.uint64(man_bits)) | (uniform & np.uint64(full))
    draw = rng.random(count)
    return np.where(draw < 0.6, words, np.where(draw < 0.8, uniform, near))


def word(kind: type, bits: int) -> object:
    """A SoftFloat operand with these bits."""
    made = kind()
    made.v = bits
    return made


def main(path: str, count: int = 400) -> None:
    rng = np.random.default_rng(20261122)
    arrays: dict[str, np.ndarray] = {}
    for fmt, (bits, man_bits) in WIDTHS.items():
        kind = getattr(sf, f"float{bits}_t")
        for op, arity in OPERATIONS.items():
            if (fmt, op) in BROKEN:
                continue
            name = f"f{bits}_{CALLS.get(op, op)}"
            inputs = np.stack([operands(rng, bits, man_bits, count) for _ in range(arity)])
            for mode, number in MODES.items():
                results, flags = np.empty((2, count), np.uint64), np.empty((2, count), np.uint8)
                for place, tininess in enumerate((sf.softfloat_tininess_beforeRounding, sf.softfloat_tininess_afterRounding)):
                    sf.cvar.softfloat_detectTininess = tininess
                    for i in range(count):
                        sf.cvar.softfloat_roundingMode = number
                        sf.cvar.softfloat_exceptionFlags = 0
                        words = [word(kind, int(w)) for w in inputs[:, i]]
                        extra = (number, True) if op == "round_to_integral" else ()
                        results[place, i] = int(getattr(sf, name)(*words, *extra).v) & ((1 << bits) - 1)
                        flags[place, i] = sf.cvar.softfloat_exceptionFlags
                arrays[f"{fmt}_{op}_{mode}"] = results[0].astype(f"u{bits // 8}")
                arrays[f"{fmt}_{op}_{mode}_flags"] = flags  # row 0: tininess before rounding, row 1: after
                assert (results[0] == results[1]).all()
            arrays[f"{fmt}_{op}_operands"] = inputs.astype(f"u{bits // 8}")
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
