"""llama.cpp's blocks beside the machine's limit: `python benchmarks/gguf.py [--short]`. Encoders and decoders on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numba
import numpy as np
from _timing import MEMORY, Row, data, ratio, scale_loop, show

from numfmt.blocks.gguf_layout import KINDS, decode_into, encode_into

GOALS = {"q4_0": 0.4, "q8_0": 0.4, "mxfp4": 0.4}


def rows(x: np.ndarray) -> Iterator[Row]:
    values = np.empty_like(x)
    limit = partial(scale_loop, x, values)
    for name, kind in KINDS.items():
        words = np.empty(x.size // kind.elements * kind.size, np.uint8)
        yield Row(f"encode to {name}", "L", ratio(partial(encode_into, x, words, name), limit, 5), GOALS.get(name))
        yield Row(f"decode {name}", "L", ratio(partial(decode_into, words, values, name), limit, 5), GOALS.get(name))


def main() -> None:
    numba.set_num_threads(1)
    show(rows(data(MEMORY // 256 * 256)))


if __name__ == "__main__":
    main()
