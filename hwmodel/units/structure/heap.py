"""Sums of many words as carry-save compressors and one carry-propagate adder.

Rows of three words go through a level of compressors until two words are left, as Yosys maps a sum of products. A sign extension
repeats one signal over many columns: compressors whose inputs are all extensions are the same in every column and stand once.
"""

from __future__ import annotations

from hwmodel.units.structure.assembly import Assembly, part

# A word by its columns: bit i of the first mask if column i holds a bit of its own, of the second if it holds a copy of the sign.
Word = tuple[int, int]
Counts = dict[str, float]


def word(low: int, bits: int, width: int, signed: bool = False) -> Word:
    """`bits` bits from column `low`, sign-extended to `width` columns if signed."""
    every, below = (1 << width) - 1, (1 << low + bits) - 1
    return (below >> low << low) & every, every & ~below if signed else 0


def rows(a: int, b: int, width: int, signed: bool) -> list[Word]:
    """The partial products of a x b bits, a row for each bit of the narrower operand."""
    a, b = max(a, b), min(a, b)
    return [word(i, a, width, signed) for i in range(b) if i < width]


def compress(
    words: list[Word],
    width: int,
    name: str,
    activity: str,
    related: bool = False,
    overlap: bool = False,
    quiet: int | None = None,
    sign: bool = False,
    single: bool = False,
) -> Assembly:
    """The sum of the words modulo 2**width: a tree of compressors, then an adder.

    `related`: the words are rows of one product, whose extensions are copies of one sign; a bit beside two of them needs no
    compressor of its own. `overlap`: an adder that follows starts with the first bit. `quiet`: from this column on there are only
    extensions and the accumulator's high bits, activity class "sum". `sign`: the topmost column is the sign of one product, which
    takes a gate. `single`: words of one bit, whose sums meet before their carries do.
    """
    quiet = width if quiet is None else min(quiet, width)
    low, high = dict.fromkeys(("fa", "ha", "xor"), 0.0), dict.fromkeys(("fa", "ha", "xor"), 0.0)
    levels = 0
    while len(words) > 2:
        left: list[tuple[Word, Word]] = []
        for i in range(0, len(words) - 2, 3):
            left.append(_row(words[i], words[i + 1], words[i + 2], width, (low, high), related, quiet))
        made = [w[i] for i in (0, 1) for w in left] if single else [w for pair in left for w in pair]
        words = made + words[len(words) - len(words) % 3 :]
        levels += 1
    tree = part(name, low, {"compress": levels}, activity) | part(f"{name} extension", high, {"compress": levels}, "sum")
    if len(words) == 2:
        tree = tree >> final_adder(words, width, f"{name} adder", activity, overlap, quiet, sign)
    return tree


def _row(a: Word, b: Word, c: Word, width: int, counts: tuple[Counts, Counts], related: bool, quiet: int) -> tuple[Word, Word]:
    """Sum and carry words of three words; what they take is added to counts (low columns, quiet columns)."""
    live, three, two = _tally(a[0] | a[1], b[0] | b[1], c[0] | c[1])
    data, _, pair = _tally(a[0], b[0], c[0])
    alone = two & ~three & data
    full = three & (pair if related else data)
    top = 1 << (width - 1)
    lower, inner = (1 << quiet) - 1, top - 1
    for where, count in zip((lower & inner, inner & ~lower), counts, strict=True):
        count["fa"] += (full & where).bit_count()
        count["ha"] += (alone & where).bit_count()
    counts[quiet < width]["xor"] += 2 * bool(full & top) + bool(alone & top)  # the topmost column keeps no carry
    counts[0]["fa"] += bool(three & ~data)  # only extensions: the same in every column, once
    counts[0]["ha"] += bool(two & ~three & ~data)
    every = (1 << width) - 1
    return (live & data, live & ~data), ((two & data) << 1 & every, (two & ~data) << 1 & every)


def _tally(a: int, b: int, c: int) -> tuple[int, int, int]:
    """Columns where at least one, all three, and at least two are set."""
    either, both = a | b, a & b
    return either | c, both & c, both | either & c


def final_adder(words: list[Word], width: int, name: str, activity: str, overlap: bool, quiet: int, sign: bool = False) -> Assembly:
    """Carry-propagate adder over the columns from the first that both words fill."""
    (d, s), (e, t) = words
    any_, both = d | s | e | t, (d | s) & (e | t)
    if not both:
        return Assembly()
    start, top = both & -both, 1 << (width - 1)
    above = any_ & -start
    inner = above & ~start & ~top
    lower = (1 << quiet) - 1
    cells: list[Counts] = [
        {"cpa": (both & where).bit_count(), "ha": (inner & ~both & where).bit_count()} for where in (inner & lower, inner & ~lower)
    ]
    cells[0]["ha"] += 1
    # the topmost column keeps no carry
    last = bool(any_ & top) + bool(both & top) if start < top else 0
    cells[quiet < width] |= {"gate": 1.0} if sign and last else {"xor": float(last)}
    chain = float(above.bit_count())
    full = float((inner & both).bit_count())
    # a column with one bit passes a carry on through a gate
    path = {"carry": min(full, 1.0), "gate": 2} if overlap else {"carry": full, "gate": 1 + chain - full}
    return part(name, cells[0], path, activity) | part(f"{name}, high bits", cells[1], {}, "sum", chain)
