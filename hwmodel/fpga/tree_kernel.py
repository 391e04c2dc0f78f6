"""Counts of compressor trees, compiled: see `trees`.

A bit is one int64: its kind and whether it is a carry in the low three bits; above them what tells its inputs. A product bit holds
both, a bit of a plain word the first of some that follow each other, one made by a compressor the place of its set of inputs, or,
where no LUT takes them, only a number of its own. Inputs are numbered in steps of four; the two low bits tell bits of operands that
are not signs (1) and bits of plain words (2).
"""

from __future__ import annotations

import numpy as np

from numfmt.kernels.jit import inlined, kernel

OUTPUTS = ("half", "shared", "compress", "compress once", "leaf", "levels", "add", "addend", "adder", "bit", "idle")
LUT_INPUTS = 6
_MOST = LUT_INPUTS + 2  # inputs of a set: two of the functions may be made elsewhere
_NONE = -1  # no bit in this column
_PRODUCT, _WORD, _MADE, _WIDE = 0, 2, 4, 6
_LOW = (1 << 29) - 1
_INNER, _ADDEND = 1, 2


@inlined
def _put(element, into, n):
    """Adds an input to the set; its size, above _MOST if it is too large."""
    for i in range(n):
        if into[i] == element:
            return n
    if n < _MOST:
        into[n] = element
    return n + 1


@kernel
def _gather(bit, sets, sizes, into, n):
    """Adds the inputs of a bit to the set; its size, above _MOST if it is too large."""
    kind = bit & 6
    low = (bit >> 3) & _LOW
    if kind == _WIDE:
        return _MOST + 1
    if kind == _PRODUCT:
        n = _put(bit >> 32, into, n)
        return n if n > _MOST else _put(low, into, n)
    if kind == _WORD:
        for i in range(bit >> 32):
            n = _put(low + 4 * i, into, n)
            if n > _MOST:
                return n
        return n
    for i in range(sizes[low]):
        n = _put(sets[low, i], into, n)
        if n > _MOST:
            return n
    return n


@kernel
def _fits(into, n):
    """Whether a LUT takes the set: an addend beside signs only finds two of the signs' functions made."""
    if n > _MOST:
        return False
    inner = addends = 0
    for i in range(n):
        inner += (into[i] & 3) == _INNER
        addends += (into[i] & 3) == _ADDEND
    if addends and not inner:
        n = max(n - 2, addends)
    return n <= LUT_INPUTS


@kernel
def _word(ids, row, width, bits, span, behind, inputs):
    """Fills a row with a word; the number of inputs so far."""
    flag = _ADDEND if behind == 1 else 0
    for c in range(width):
        ids[row * width + c] = behind << 32 | (4 * (inputs + min(c, bits - 1) * behind) + flag) << 3 | _WORD if c < span else _NONE
    return inputs + bits * behind


@kernel
def _fill(ids, tree):
    """The words of a tree, a row each; how many."""
    width, first, lanes, bits, span, behind, last = tree[0], tree[1], tree[2], tree[6], tree[7], tree[8], tree[9]
    a, b, signed = max(tree[3], tree[4]), min(tree[3], tree[4]), tree[5]
    row = inputs = 0
    if first:
        inputs = _word(ids, row, width, first, width, 1, inputs)
        row += 1
    for _ in range(lanes):
        if not b:
            inputs = _word(ids, row, width, bits, min(span, width), behind, inputs)
            row += 1
            continue
        for j in range(b):
            top = width if signed else min(a + j, width)
            for c in range(width):
                ids[row * width + c] = _NONE
            for c in range(j, top):
                k = min(c - j, a - 1)
                x = 4 * (inputs + k) + (_INNER if k < a - 1 else 0)
                ids[row * width + c] = x << 32 | (4 * (inputs + a + j)) << 3 | _PRODUCT
            row += 1
        inputs += a + b
    if last:
        _word(ids, row, width, last, width, 1, inputs)
        row += 1
    return row


@kernel
def counts_of(trees, out):
    """trees: int64 (n, 10), columns `trees.COLUMNS`; out: float64 (n, 11), columns OUTPUTS, zeros."""
    most = 0
    for t in range(trees.shape[0]):
        rows = trees[t, 2] * max(min(trees[t, 3], trees[t, 4]), 1) + 2
        most = max(most, rows * trees[t, 0])
    ids = np.empty(most, np.int64)
    into = np.empty(_MOST + 1, np.int64)
    sets, sizes = np.empty((256, _MOST), np.int64), np.empty(256, np.int64)
    for t in range(trees.shape[0]):
        width = trees[t, 0]
        if width < 1:
            continue
        words = _fill(ids, trees[t])
        narrow, levels, held, wide = words == 3, 0, 0, 0
        half = shared = full = leaf = 0
        while words > 2:
            triples = words // 3
            for i in range(triples):
                r0, r1, r2 = 3 * i * width, (3 * i + 1) * width, (3 * i + 2) * width
                to = 2 * i * width
                x0 = x1 = x2 = made = -2
                carry = _NONE
                for c in range(width):
                    b0, b1, b2 = ids[r0 + c], ids[r1 + c], ids[r2 + c]
                    n = (b0 >= 0) + (b1 >= 0) + (b2 >= 0)
                    ids[to + width + c] = carry
                    if n < 2:
                        ids[to + c] = max(b0, b1, b2)
                        carry = _NONE
                    else:
                        if b0 != x0 or b1 != x1 or b2 != x2:
                            outputs = 2 if c < width - 1 else 1
                            size = 0
                            if b0 >= 0:
                                size = _gather(b0, sets, sizes, into, size)
                            if b1 >= 0 and size <= _MOST:
                                size = _gather(b1, sets, sizes, into, size)
                            if b2 >= 0 and size <= _MOST:
                                size = _gather(b2, sets, sizes, into, size)
                            fits = _fits(into, size)
                            if n == 2:
                                half += outputs
                            elif fits:
                                shared += outputs
                            else:
                                full += outputs
                            if fits:
                                if held == len(sizes):
                                    more, longer = np.empty((2 * held, _MOST), np.int64), np.empty(2 * held, np.int64)
                                    more[:held], longer[:held] = sets, sizes
                                    sets, sizes = more, longer
                                for k in range(size):
                                    sets[held, k] = into[k]
                                sizes[held] = size
                                made = held << 3 | _MADE
                                held += 1
                            else:
                                leaf += b0 >= 0 and (b0 & 6) == _MADE and sizes[b0 >> 3] > 2
                                leaf += b1 >= 0 and (b1 & 6) == _MADE and sizes[b1 >> 3] > 2
                                leaf += b2 >= 0 and (b2 & 6) == _MADE and sizes[b2 >> 3] > 2
                                made = wide << 3 | _WIDE
                                wide += 1
                        ids[to + c] = made
                        carry = made | 1
                    x0, x1, x2 = b0, b1, b2
            for i in range(words % 3):
                for c in range(width):
                    ids[(2 * triples + i) * width + c] = ids[(3 * triples + i) * width + c]
            words = 2 * triples + words % 3
            levels += 1
        out[t, 0], out[t, 1], out[t, 4], out[t, 5] = half / 2, shared, leaf, levels
        out[t, 3 if narrow else 2] = full / 2
        if words < 2:
            continue
        start = 0
        while start < width and (ids[start] < 0 or ids[width + start] < 0):
            start += 1
        for c in range(start, width):
            b0, b1 = ids[c], ids[width + c]
            out[t, 6] += b0 >= 0 or b1 >= 0
            out[t, 7] += b0 >= 0 and b1 >= 0 and (b0 & 4) != 0 and (b1 & 4) != 0
        out[t, 8], out[t, 9], out[t, 10] = 1, width - start, start
