# mypy: disable-error-code="no-untyped-def"
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
def _ones(x):
    """Ones of a word of 64 bits."""
    x = x - ((x >> 1) & 0x5555555555555555)
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F
    x = x + (x >> 8)
    x = x + (x >> 16)
    return (x + (x >> 32)) & 0x7F


@inlined
def _put(element, into, n):
    """Adds an input to the set; its size, above _MOST if it is too large."""
    for i in range(min(n, _MOST)):
        if into[i] == element:
            return n
    if n < _MOST:
        into[n] = element
    return n + 1


@inlined
def _mark(element):
    """One of 64 bits: inputs with different marks differ."""
    return 1 << (element >> 2 & 63)


@inlined
def _marks(bit, marks):
    """Marks of the inputs of a bit, none where it is absent."""
    if bit < 0:
        return 0
    low = bit >> 3 & _LOW
    if bit & 6 == _MADE:
        return marks[low]
    seen = _mark(low)
    if bit & 6 == _PRODUCT:
        return seen | _mark(bit >> 32)
    for i in range(1, bit >> 32):
        seen |= _mark(low + 4 * i)
    return seen


@inlined
def _word_inputs(bit):
    """The inputs of a bit of a plain word, which no other bit has; 0 of another bit."""
    return bit >> 32 if bit >= 0 and bit & 6 == _WORD else 0


@inlined
def _is_wide(bit):
    return bit >= 0 and bit & 6 == _WIDE


@kernel
def _gather(bit, sets, sizes, into, n):
    """Adds the inputs of a bit to the set; its size, above _MOST if it is too large."""
    kind = bit & 6
    low = (bit >> 3) & _LOW
    if kind == _PRODUCT:
        return _put(low, into, _put(bit >> 32, into, n))
    if kind == _WORD:
        for i in range(bit >> 32):
            n = _put(low + 4 * i, into, n)
        return n
    if sizes[low] < 0:
        for i in range(3):
            if sets[low, i] >= 0:
                n = _put(sets[low, i] >> 3 & _LOW, into, _put(sets[low, i] >> 32, into, n))
        return n
    for i in range(sizes[low]):
        n = _put(sets[low, i], into, n)
    return n


@inlined
def _products(b0, b1, b2):
    """Whether all of these bits are of products, or absent."""
    return (b0 < 0 or b0 & 6 == _PRODUCT) and (b1 < 0 or b1 & 6 == _PRODUCT) and (b2 < 0 or b2 & 6 == _PRODUCT)


@inlined
def _y(bit):
    """The input of the narrower operand of a bit of a product, -1 where the bit is absent."""
    return bit >> 3 & _LOW if bit >= 0 else -1


@inlined
def _different(a, b, c):
    """How many different numbers there are among three, not counting -1."""
    return (a >= 0) + (b >= 0 and b != a) + (c >= 0 and c != a and c != b)


@kernel
def _union(b0, b1, b2, sets, sizes, into):
    """The inputs of up to three bits, none of them wide; their number, above _MOST if no LUT takes them all."""
    n = 0
    if b0 >= 0:
        n = _gather(b0, sets, sizes, into, n)
    if b1 >= 0:
        n = _gather(b1, sets, sizes, into, n)
    if b2 >= 0:
        n = _gather(b2, sets, sizes, into, n)
    if n <= LUT_INPUTS or n > _MOST:
        return n
    inner = addends = 0
    for i in range(n):
        inner += (into[i] & 3) == _INNER
        addends += (into[i] & 3) == _ADDEND
    # An addend beside signs only finds two of the signs' functions made.
    return n if addends and not inner and addends <= LUT_INPUTS else _MOST + 1


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
def _doubled(sets, sizes, marks):
    """The same in arrays of twice the length."""
    n = len(sizes)
    more = np.empty((2 * n, _MOST), np.int64), np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    more[0][:n], more[1][:n], more[2][:n] = sets, sizes, marks
    return more


@kernel
def counts_of(trees, out):
    """trees: int64 (n, 10), columns `trees.COLUMNS`; out: float64 (n, 11), columns OUTPUTS, zeros."""
    most = 0
    for t in range(trees.shape[0]):
        rows = trees[t, 2] * max(min(trees[t, 3], trees[t, 4]), 1) + 2
        most = max(most, rows * trees[t, 0])
    ids = np.empty(most, np.int64)
    into = np.empty(_MOST + 1, np.int64)
    sets, sizes, marks = np.empty((256, _MOST), np.int64), np.empty(256, np.int64), np.empty(256, np.int64)
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
                            plain = levels == 0 and _products(b0, b1, b2)  # then at most six inputs
                            size = 0
                            if not plain:
                                if (
                                    _is_wide(b0)
                                    or _is_wide(b1)
                                    or _is_wide(b2)
                                    or _word_inputs(b0) + _word_inputs(b1) + _word_inputs(b2) > _MOST
                                ):
                                    size = _MOST + 1
                                elif _ones(_marks(b0, marks) | _marks(b1, marks) | _marks(b2, marks)) > _MOST:
                                    size = _MOST + 1  # the marks alone say so, as mostly
                                else:
                                    size = _union(b0, b1, b2, sets, sizes, into)
                            fits = size <= _MOST
                            if n == 2:
                                half += outputs
                            elif fits:
                                shared += outputs
                            else:
                                full += outputs
                            if fits:
                                if held == len(sizes):
                                    sets, sizes, marks = _doubled(sets, sizes, marks)
                                seen = 0
                                if plain:
                                    sets[held, 0], sets[held, 1], sets[held, 2] = b0, b1, b2
                                    for bit in (b0, b1, b2):
                                        if bit >= 0:
                                            seen |= _mark(bit >> 32) | _mark(bit >> 3 & _LOW)
                                    size = -_different(b0 >> 32, b1 >> 32, b2 >> 32)
                                    size -= _different(_y(b0), _y(b1), _y(b2))
                                else:
                                    for k in range(size):
                                        sets[held, k] = into[k]
                                        seen |= _mark(into[k])
                                marks[held], sizes[held] = seen, size
                                made = held << 3 | _MADE
                                held += 1
                            else:
                                leaf += b0 >= 0 and (b0 & 6) == _MADE and abs(sizes[b0 >> 3]) > 2
                                leaf += b1 >= 0 and (b1 & 6) == _MADE and abs(sizes[b1 >> 3]) > 2
                                leaf += b2 >= 0 and (b2 & 6) == _MADE and abs(sizes[b2 >> 3]) > 2
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
