"""Circuits gate by gate, on integers as lists of bits: they compute, and count the cells that they take. Nothing of hwmodel."""

from __future__ import annotations


def bits(x: int, n: int) -> list[int]:
    return [(x >> i) & 1 for i in range(n)]


def number(b: list[int]) -> int:
    return sum(v << i for i, v in enumerate(b))


def prefix_adder(a: int, b: int, n: int, style: str) -> tuple[int, int]:
    """(sum with carry out, nodes): generate and propagate, a network of (g, p) pairs, sums."""
    g = [x & y for x, y in zip(bits(a, n), bits(b, n), strict=True)]
    p = [x ^ y for x, y in zip(bits(a, n), bits(b, n), strict=True)]
    half, nodes = list(p), 0

    def merge(high: int, low: int, old: tuple[list[int], list[int]]) -> None:
        nonlocal nodes
        g[high] = old[0][high] | (old[1][high] & old[0][low])
        p[high] = old[1][high] & old[1][low]
        nodes += 1

    step = 1
    if style == "brent_kung":
        while step < n:
            for i in range(2 * step - 1, n, 2 * step):
                merge(i, i - step, (list(g), list(p)))
            step *= 2
        while step:
            for i in range(3 * step - 1, n, 2 * step):
                merge(i, i - step, (list(g), list(p)))
            step //= 2
    while style != "brent_kung" and step < n:
        old = list(g), list(p)
        for i in range(n):
            if style == "kogge_stone" and i >= step:
                merge(i, i - step, old)
            if style == "sklansky" and i & step:
                merge(i, i // step * step - 1, old)
        step *= 2
    carries = [0, *g]
    return number([h ^ c for h, c in zip(half, carries, strict=False)]) + (g[-1] << n), nodes


def dadda(columns: list[list[int]], limit_rows: int = 2) -> tuple[int, int, int]:
    """(sum of the columns of bits, full adders, half adders): stages leave columns of 2, 3, 4, 6, 9, 13, ... from the last on."""
    full = half = 0
    columns = [list(c) for c in columns]
    limits = [limit_rows]
    while limits[-1] < max(map(len, columns)):
        limits.append(limits[-1] * 3 // 2)
    for limit in reversed(limits[:-1]):
        made: list[list[int]] = [[] for _ in range(len(columns) + 1)]
        for i, column in enumerate(columns):
            rest = list(column)
            while len(rest) + len(made[i]) > limit:
                if len(rest) + len(made[i]) == limit + 1:
                    x, y = rest.pop(), rest.pop()
                    made[i].append(x ^ y)
                    made[i + 1].append(x & y)
                    half += 1
                else:
                    x, y, z = rest.pop(), rest.pop(), rest.pop()
                    made[i].append(x ^ y ^ z)
                    made[i + 1].append((x & y) | (x & z) | (y & z))
                    full += 1
            made[i] += rest
        columns = made if made[-1] else made[:-1]
    return sum(sum(c) << i for i, c in enumerate(columns)), full, half


def multiply(a: int, b: int, n: int) -> tuple[int, int, int, int]:
    """(product, and gates, full adders, half adders) of n x n bits, Dadda."""
    columns: list[list[int]] = [[] for _ in range(2 * n - 1)]
    for i, x in enumerate(bits(a, n)):
        for j, y in enumerate(bits(b, n)):
            columns[i + j].append(x & y)
    found, full, half = dadda(columns)
    return found, n * n, full, half


def square(a: int, n: int) -> tuple[int, int, int, int]:
    """(square, and gates, full adders, half adders): a_i a_j of i < j once, a place higher; a_i a_i is a_i."""
    columns: list[list[int]] = [[] for _ in range(2 * n)]
    b, ands = bits(a, n), 0
    for i in range(n):
        columns[2 * i].append(b[i])
        for j in range(i + 1, n):
            columns[i + j + 1].append(b[i] & b[j])
            ands += 1
    found, full, half = dadda(columns)
    return found, ands, full, half


def booth(a: int, b: int, n: int) -> tuple[int, int]:
    """(product, rows) of unsigned n x n bits by radix-4 digits of b."""
    digits = []
    for i in range(0, n + 1, 2):
        low, mid, high = ((b >> (i - 1)) & 1 if i else 0), (b >> i) & 1, (b >> (i + 1)) & 1 if i + 1 <= n else 0
        digits.append(low + mid - 2 * high)
    return sum(d * a << (2 * i) for i, d in enumerate(digits)), len(digits)


def shifter(x: int, places: int, n: int) -> tuple[int, int, int]:
    """(x << places within n bits, muxes, ands): a bit with nothing to its right in a stage meets a zero, an and gate."""
    word, muxes, ands, stage = bits(x, n), 0, 0, 0
    while 1 << stage < n:
        by = 1 << stage
        new = []
        for i in range(n):
            if i >= by:
                new.append(word[i - by] if (places >> stage) & 1 else word[i])
                muxes += 1
            else:
                new.append(word[i] & (1 - ((places >> stage) & 1)))
                ands += 1
        word, stage = new, stage + 1
    return number(word), muxes, ands
