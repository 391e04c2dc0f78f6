"""Plain models of structures: columns of bits counted one by one. Nothing here comes from the package."""

from __future__ import annotations

from math import ceil, log2, sqrt

NOTHING, SIGN, OWN = " ", "s", "x"


def row(low, bits, width, signed):
    return [NOTHING] * min(low, width) + [OWN] * min(bits, width - low) + [SIGN if signed else NOTHING] * (width - low - bits)


def tree(words, width, related):
    """Full adders, half adders, xors and levels of a tree that takes words by three; the words that are left."""
    full = half = xors = levels = 0
    words = [list(w) for w in words]
    while len(words) > 2:
        levels += 1
        after = []
        while len(words) >= 3:
            three, words = words[:3], words[3:]
            total, carry = [NOTHING] * width, [NOTHING] * width
            once_full = once_half = 0
            for column in range(width):
                kinds = [w[column] for w in three if w[column] != NOTHING]
                own = kinds.count(OWN)
                if not kinds:
                    continue
                made = OWN if own else SIGN
                total[column] = made
                if len(kinds) >= 2 and column + 1 < width:
                    carry[column + 1] = made
                if not own:
                    once_full |= len(kinds) == 3
                    once_half |= len(kinds) == 2
                elif column == width - 1:
                    xors += 2 if len(kinds) == 3 and own >= (2 if related else 1) else 1 if len(kinds) == 2 else 0
                elif len(kinds) == 3 and own >= (2 if related else 1):
                    full += 1
                elif len(kinds) == 2:
                    half += 1
            full, half = full + once_full, half + once_half
            after += [total, carry]
        words = after + words
    return full, half, xors, levels, words


def carry_adder(words, width):
    """Adder bits, half adders, xors of the topmost column, columns above the first that both words fill."""
    high = [sum(w[c] != NOTHING for w in words) for c in range(width)]
    if 2 not in high:
        return 0, 0, 0, 0
    first = high.index(2)
    inner = high[first + 1 : width - 1]
    top = high[-1] if first < width - 1 else 0
    return inner.count(2), inner.count(1) + 1, top, sum(h > 0 for h in high[first:])


def int_dot(lanes, w, a, k):
    """Cells of a sum of signed products and an accumulator in one tree."""
    small, large = min(w, a), max(w, a)
    words = [row(0, k, k, False)]
    words += [row(i, large, k, True) for _ in range(lanes) for i in range(small) if i < k]
    full, half, xors, _, left = tree(words, k, True)
    bits, ends, top, _ = carry_adder(left, k)
    return {"and": lanes * w * a, "fa": full, "ha": half + ends, "xor": xors + top, "cpa": bits}


def int_mul(w, a, signed):
    small, large = min(w, a), max(w, a)
    full, half, xors, _, left = tree([row(i, large, w + a, signed) for i in range(small)], w + a, True)
    bits, ends, top, _ = carry_adder(left, w + a) if len(left) == 2 else (0, 0, 0, 0)
    cells = {"and": w * a, "fa": full, "ha": half + ends, "xor": xors, "cpa": bits, "gate": 0}
    if signed:
        cells["gate"] += bool(top)
    else:
        cells["xor"] += top
        cells["and"] -= 1.5 * (large - small) if small > 1 else 0
    return cells


def stages(n):
    return ceil(log2(n))


def shifter(n, arithmetic):
    """Every stage, bit by bit: a mux, or what its zero or its sign leaves of it."""
    cells = {"mux": 0, "and": 0}
    for s in range(stages(n)):
        for bit in range(n):
            if bit + 2**s < n:
                cells["mux"] += 1
            elif not arithmetic:
                cells["and"] += 1
            elif bit < n - 1:
                cells["mux"] += 1
    return cells


def int_add(n):
    return {"cpa": n - 1, "ha": 1}


def area(cells, coefficients, table=None):
    """Gate equivalents in nangate45, area flow."""
    price = {c: coefficients[f"ge {'gate' if c == 'ha' else c}"] for c in cells}
    built = sum(price[c] * n for c, n in cells.items())
    if table is None:
        return built
    bound = table * coefficients["ge table"]
    return built / sqrt(1 + (built / bound) ** 2)
