"""Stalls of a systolic array on double-buffered memories: SCALE-Sim 3's USER mode, event by event.

Each operand has a memory of which half is active and half is being filled, in the order in which the folds first need
the words, at a fixed number of words a cycle. A word that is not in the active half starts the next fill; the array waits
for the one before. Outputs go to a third memory that drains half of itself whenever more than half is taken.

The published simulator's own arithmetic is kept, so that its counts come out to the cycle: a wait for a fill is charged
twice, a fill that ended early makes up for a later one in the same cycle's row, fills are counted in hundredths of the
memory, and the memory's time advances by one cycle more than its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel._checks import positive_int, unknown
from hwmodel.accelerators.systolic import DATAFLOWS, Ints
from numfmt.kernels.jit import kernel


@dataclass(frozen=True)
class Memory:
    """A double-buffered memory: capacity in words, and words a cycle to or from the memory behind it."""

    words: int
    bandwidth: int

    def __post_init__(self) -> None:
        positive_int("memory words", self.words, minimum=2)
        positive_int("memory bandwidth (words a cycle)", self.bandwidth)


def stalled_cycles(
    dataflow: str, rows: int, cols: int, inputs: Ints, weights: Ints, memories: tuple[Memory, Memory, Memory]
) -> tuple[int, int]:
    """(total cycles with stalls, stall cycles) of inputs (m x k) times weights (k x n).

    The matrices hold the address of each word, -1 where there is none: `product_addresses`, `conv_addresses`.
    `memories` are those of inputs, weights and outputs. Time and space grow with the words that enter the array.
    Raises ValueError for an unknown dataflow or operands that do not match.
    Source: SCALE-Sim 3.0.0, read and reproduced by running it.
    """
    if dataflow not in DATAFLOWS:
        raise unknown("dataflow", dataflow, DATAFLOWS)
    rows, cols = positive_int("rows", rows), positive_int("cols", cols)
    if inputs.ndim != 2 or weights.ndim != 2 or inputs.shape[1] != weights.shape[0] or not inputs.size or not weights.size:
        raise ValueError(f"inputs are {inputs.shape} and weights {weights.shape}; give (m, k) and (k, n)")
    first, second, outputs = memories
    if dataflow == "os":
        a, b = np.ascontiguousarray(inputs.T), np.ascontiguousarray(weights)
        orders = _skewed(_stacked(a, rows)), _skewed(_stacked(b, cols))
    else:
        a, b = (inputs, weights) if dataflow == "ws" else (weights.T, inputs.T)
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        orders = _skewed(_stacked(a, rows)), _stacked(b, cols).ravel()
        if dataflow == "is":
            first, second = second, first
    parts = [_buffer(order, memory) for order, memory in zip(orders, (first, second), strict=True)]
    total, stalls = _run(dataflow == "os", rows, cols, a, b, *parts[0], *parts[1], outputs.words, outputs.bandwidth)
    return int(total), int(stalls)


def product_addresses(m: int, k: int, n: int) -> tuple[Ints, Ints]:
    """Addresses of the words of an (m x k) by (k x n) product, every word its own."""
    return np.arange(m * k, dtype=np.int64).reshape(m, k), np.arange(k * n, dtype=np.int64).reshape(n, k).T


def conv_addresses(height: int, width: int, k_h: int, k_w: int, channels: int, filters: int, stride: int) -> tuple[Ints, Ints]:
    """Addresses of a convolution's words: windows share the input's words. The input is already padded."""
    out_h, out_w = (height - k_h) // stride + 1, (width - k_w) // stride + 1
    if out_h < 1 or out_w < 1:
        raise ValueError(f"a {k_h}x{k_w} kernel does not fit its {height}x{width} input")
    corner = (np.arange(out_h)[:, None] * stride * width + np.arange(out_w) * stride).reshape(-1, 1) * channels
    inside = ((np.arange(k_h)[:, None] * width + np.arange(k_w)).reshape(-1, 1) * channels + np.arange(channels)).reshape(1, -1)
    k = k_h * k_w * channels
    return (corner + inside).astype(np.int64), np.arange(k * filters, dtype=np.int64).reshape(filters, k).T


def _stacked(matrix: Ints, width: int) -> Ints:
    """Columns in blocks of `width`, one block below the other; -1 where the last block is not full."""
    blocks = []
    for start in range(0, matrix.shape[1], width):
        block = matrix[:, start : start + width]
        blocks.append(np.pad(block, ((0, 0), (0, width - block.shape[1])), constant_values=-1))
    return np.concatenate(blocks)


def _skewed(matrix: Ints) -> Ints:
    """The words in the order of diagonals: a column enters one cycle after the one before it."""
    height, width = matrix.shape
    out = np.full((height + width - 1, width), -1, dtype=np.int64)
    for c in range(width):
        out[c : c + height, c] = matrix[:, c]
    return out.ravel()


def _buffer(order: Ints, memory: Memory) -> tuple[Ints, Ints, NDArray[np.int64]]:
    """For each address the lines that hold it (pointers, lines), and the memory's constants.

    Constants: lines in all, lines of the active part, lines that a fill replaces, cycles of a fill.
    """
    order = order[order >= 0]
    size = -(-memory.words // 100)
    active = -(-memory.words // 2)
    filled = memory.words - active
    lines = order.size // size + 1
    held = min(lines, -(-active // size))
    replaced = min(lines - held, -(-filled // size))
    pointers = np.zeros(int(order.max()) + 2, dtype=np.int64)
    np.cumsum(np.bincount(order, minlength=pointers.size - 1), out=pointers[1:])
    constants = np.array([lines, held, replaced, -(-filled // memory.bandwidth) + 1], dtype=np.int64)
    return pointers, np.argsort(order, kind="stable") // size, constants


@kernel
def _read(state: Any, pointers: Any, lines: Any, constants: Any, address: int, now: int, offset: int) -> int:
    """The offset of a row's words to `now` after this one; state: first and last line of the active part, time of the last fill."""
    while True:
        for i in range(pointers[address], pointers[address + 1]):
            line = lines[i]
            if state[0] < state[1]:
                if state[0] <= line < state[1]:
                    return offset
            elif line >= state[0] or line < state[1]:
                return offset
        state[0] = (state[0] + constants[2]) % constants[0]
        state[1] = (state[0] + constants[1]) % constants[0]
        state[2] += constants[3]
        wait = state[2] - (now + offset)
        offset += 2 * wait if wait > 0 else wait


@kernel
def _write(state: Any, fills: Any, words: int, bandwidth: int, count: int, now: int) -> int:
    """Cycles that `count` outputs wait. state: free words, words of the open line, lines closed, lines drained, drain's end."""
    active = (words + 1) // 2
    drained = words - active
    time = now
    for _ in range(count):
        state[0] -= 1
        state[1] += 1
        if state[1] == bandwidth:
            fills[state[2]] = bandwidth
            state[2] += 1
            state[1] = 0
        if time < state[4]:
            if state[0] <= 0:
                time = state[4]
        elif state[0] < active:
            if state[1] > 0:
                fills[state[2]] = state[1]
                state[2] += 1
                state[1] = 0
            end = min(state[3] + (drained + bandwidth - 1) // bandwidth, state[2])
            moved = (end - state[3] - 1) * bandwidth + fills[end - 1]
            state[4] = time + (end - state[3]) - 1
            state[0] += moved
            state[3] = end
    return time - now


@kernel
def _run(
    os: bool, rows: int, cols: int, a: Any, b: Any, ap: Any, al: Any, ac: Any, bp: Any, bl: Any, bc: Any, words: int, bandwidth: int
) -> tuple[int, int]:
    """All folds, a cycle at a time. a: streamed (t, down); b: stationary (down, across), or for os streamed (t, across)."""
    length, down = a.shape
    across = b.shape[1]
    row_folds, col_folds = (down + rows - 1) // rows, (across + cols - 1) // cols
    per_fold = rows + cols + length - 2 if os else 2 * rows + cols + length - 2
    load = 0 if os else rows
    produced = down * across if os else length * across * row_folds
    fills = np.zeros(2 * (produced // bandwidth) + 2 * produced // max(words // 2, 1) + 4, dtype=np.int64)
    state_a = np.array([0, ac[1], -1], dtype=np.int64)
    state_b = np.array([0, bc[1], -1], dtype=np.int64)
    state_w = np.array([words, 0, 0, 0, 0], dtype=np.int64)
    line, stalls, last = 0, 0, 0
    for fc in range(col_folds):
        c0 = fc * cols
        used_c = min(cols, across - c0)
        for fr in range(row_folds):
            r0 = fr * rows
            used_r = min(rows, down - r0)
            for t in range(per_fold):
                now = line + stalls
                off_a, off_b = 1, 1
                for r in range(max(0, t - load - length + 1), min(used_r, t - load + 1)):
                    address = a[t - load - r, r0 + r]
                    if address >= 0:
                        off_a = _read(state_a, ap, al, ac, address, now, off_a)
                if os:
                    for c in range(max(0, t - length + 1), min(used_c, t + 1)):
                        off_b = _read(state_b, bp, bl, bc, b[t - c, c0 + c], now, off_b)
                elif t < rows and rows - 1 - t < used_r:
                    for c in range(used_c):
                        address = b[r0 + rows - 1 - t, c0 + c]
                        if address >= 0:
                            off_b = _read(state_b, bp, bl, bc, address, now, off_b)
                count = 0
                if os:
                    for c in range(used_c):
                        row = rows - 1 - (t - (length - 1) - c)
                        count += 1 if 0 <= row < used_r else 0
                else:
                    skew = t - (2 * rows - 1)
                    count = max(0, min(used_c, skew + 1) - max(0, skew - length + 1))
                waits = _write(state_w, fills, words, bandwidth, count, now)
                last = now + waits
                stalls += max(off_a - 1, max(off_b - 1, waits))
                line += 1
    return last, stalls
