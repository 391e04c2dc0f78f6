"""A plain model of compressor trees on LUTs: words as dictionaries from columns to bits, each with the set of its inputs.

It walks every column of every row and remembers each compressor by the names of what goes into it.
"""

from __future__ import annotations

from collections import Counter

LUT_INPUTS = 6


class Inputs:
    """Numbers inputs; knows which are bits of operands that are not signs, and which are bits of plain words."""

    def __init__(self) -> None:
        self.count = 0
        self.inner: set[int] = set()
        self.addends: set[int] = set()

    def take(self, n: int) -> range:
        self.count += n
        return range(self.count - n, self.count)

    def word(self, bits: int, width: int, behind: int = 1) -> dict:
        sets = [frozenset(self.take(behind)) for _ in range(bits)]
        if behind == 1:
            self.addends |= set().union(*sets)
        return {i: (("word", sets[min(i, bits - 1)]), sets[min(i, bits - 1)]) for i in range(width)}

    def product(self, a: int, b: int, width: int, signed: bool) -> list[dict]:
        a, b = max(a, b), min(a, b)
        x, y = self.take(a), self.take(b)
        self.inner |= set(x[: a - 1])
        rows = []
        for j in range(b):
            end = width if signed else min(width, j + a)
            row = {c: (x[min(c - j, a - 1)], y[j]) for c in range(j, end)}
            rows.append({c: (("product", pair), frozenset(pair)) for c, pair in row.items()})
        return rows

    def of(self, sets: list) -> frozenset | None:
        """The inputs of a function of bits with these inputs; None if no LUT takes them."""
        if None in sets:
            return None
        out = frozenset().union(*sets)
        n, here = len(out), len(out & self.addends)
        if here and not out & self.inner:
            n = max(n - 2, here)
        return out if n <= LUT_INPUTS else None


def tree(width: int, first=0, lanes=1, a=0, b=0, signed=1, bits=0, span=0, behind=1, last=0) -> dict[str, float]:
    """Counts of a tree; the arguments are the columns that the compiled one takes."""
    inputs = Inputs()
    words = [inputs.word(first, width)] if first else []
    for _ in range(lanes):
        words += inputs.product(a, b, width, bool(signed)) if min(a, b) else [inputs.word(bits, span, behind)]
    words += [inputs.word(last, width)] if last else []
    out: Counter = Counter()
    full = "compress once" if len(words) == 3 else "compress"
    made: dict = {}
    while len(words) > 2:
        level, left = out["levels"], []
        for i in range(0, len(words) - 2, 3):
            total, carry = {}, {}
            for c in range(width):
                here = [w[c] for w in words[i : i + 3] if c in w]
                if len(here) == 1:
                    total[c] = here[0]
                if len(here) < 2:
                    continue
                key = (level, frozenset(name for name, _ in here))
                if key not in made:
                    made[key] = inputs.of([s for _, s in here])
                    outputs = 1 if c == width - 1 else 2
                    if len(here) == 2:
                        out["half"] += outputs / 2
                    elif made[key] is not None:
                        out["shared"] += outputs
                    else:
                        out[full] += outputs / 2
                    if made[key] is None:
                        out["leaf"] += sum(name[0] in ("sum", "carry") and s is not None and len(s) > 2 for name, s in here)
                total[c] = ("sum", key), made[key]
                if c + 1 < width:
                    carry[c + 1] = ("carry", key), made[key]
            left += [total, carry]
        words = left + words[len(words) - len(words) % 3 :]
        out["levels"] += 1
    if len(words) == 2:
        both = [c for c in range(width) if all(c in w for w in words)]
        start = both[0] if both else width
        out |= {"adder": 1, "bit": width - start, "idle": start}
        out["add"] = sum(any(c in w for w in words) for c in range(start, width))
        out["addend"] = sum(all(w[c][0][0] in ("sum", "carry") for w in words) for c in both)
    return dict(out)
