"""A loop nest, walked: every tile that is loaded or drained is a set of words, counted one by one. Nothing is shared with the
package.

`loops`: (dim, factor) outermost first; `spread`: dim -> (factor, axis); tiles[x][level]: loops outside the tile of operand x there.
A transfer stands in the code where a compiler would hoist it: inside all loops but the irrelevant ones next to the tile.
Tiles nest; the last one of a loop is cut off at its bound. In space, neighbouring elements take neighbouring iterations.
"""

from itertools import product

DIMS = ("G", "B", "K", "C", "OY", "OX", "FY", "FX")
USES = {
    "weights": {"G", "K", "C", "FY", "FX"},
    "inputs": {"G", "B", "C", "OY", "OX", "FY", "FX"},
    "outputs": {"G", "B", "K", "OY", "OX"},
}


def word(operand, point, conv):
    """The word of an operand that iteration `point` uses."""
    if operand == "inputs":
        y = point["OY"] * conv[0] + point["FY"] * conv[2]
        x = point["OX"] * conv[1] + point["FX"] * conv[3]
        return (point["G"], point["B"], point["C"], y, x)
    return tuple(point[d] for d in DIMS if d in USES[operand])


class Walk:
    """levels: list of (name, {operands}, {axes served}, latch, multicast), innermost first."""

    def __init__(self, bounds, conv, loops, spread, levels, tiles):
        self.bounds, self.conv, self.loops, self.spread, self.levels, self.tiles = bounds, conv, loops, spread, levels, tiles
        # the extent that one iteration of each loop steps over
        extent = {d: spread.get(d, (1, None))[0] for d in DIMS}
        self.steps = []
        for d, f in reversed(loops):
            self.steps.append(extent[d])
            extent[d] *= f
        self.steps.reverse()
        self.axes = sorted({axis for _, axis in spread.values()})

    def start(self, index):
        """First element of each loop's current tile, from the indices of all loops (those not entered yet are 0)."""
        base = dict.fromkeys(DIMS, 0)
        for (d, _), i, step in zip(self.loops, index, self.steps, strict=False):
            base[d] += i * step
        return base

    def alive(self, index):
        base = self.start(index)
        return all(base[d] < self.bounds[d] for d in DIMS)

    def points(self, index):
        """All iterations (with the element of the array that runs them) below the given indices of the outer loops."""
        rest = self.loops[len(index) :]
        for inner in product(*(range(f) for _, f in rest)):
            base = self.start((*index, *inner))
            for lane in product(*(range(self.spread.get(d, (1, None))[0]) for d in DIMS)):
                point = {d: base[d] + i for d, i in zip(DIMS, lane, strict=True)}
                if all(point[d] < self.bounds[d] for d in DIMS):
                    yield point, dict(zip(DIMS, lane, strict=True))

    def copy(self, lane, served):
        """Which copy of a memory an element belongs to: its place along the axes that the memory does not serve."""
        return tuple((d, lane[d]) for d in DIMS if d in self.spread and self.spread[d][1] not in served)

    def chain(self, operand):
        return [i for i, level in enumerate(self.levels) if operand in level[1]]

    def hoisted(self, operand, outside, skip):
        """Loops that a transfer stands in."""
        while skip and outside and self.trivial_or_free(operand, outside - 1):
            outside -= 1
        return outside

    def trivial_or_free(self, operand, i):
        d, f = self.loops[i]
        return f == 1 or self.steps[i] >= self.bounds[d] or d not in USES[operand]

    def transfers(self):
        """{(operand, level, movement): words}, movements as the package names them."""
        out = {}
        for operand in USES:
            self._one(operand, out)
        return out

    def _one(self, operand, out):
        chain = self.chain(operand)
        for level in chain:
            for move in ("read_inwards", "write_from_inside", "read_outwards", "write_from_outside"):
                out[operand, level, move] = 0
        links = []
        for low, up in zip([None, *chain], chain, strict=False):
            outside = len(self.loops) if low is None else self.tiles[operand][low]
            skip = low is not None or self.levels[up][3]
            links.append((low, up, self.hoisted(operand, outside, skip)))
        if operand != "outputs":
            for low, up, depth in links:
                self._loads(operand, low, up, depth, out)
        else:
            self._drains(links, out)

    def visits(self, depth):
        """Indices of the outer `depth` loops for which anything runs, in order."""
        for index in product(*(range(f) for _, f in self.loops[:depth])):
            if self.alive(index):
                yield index

    def groups(self, operand, low, up, index):
        """copy outside -> copy inside -> words of one transfer."""
        served_low = self.levels[low][2] if low is not None else set()
        served_up = self.levels[up][2]
        found = {}
        for point, lane in self.points(index):
            inside = found.setdefault(self.copy(lane, served_up), {}).setdefault(self.copy(lane, served_low), set())
            inside.add(word(operand, point, self.conv))
        return found

    def _loads(self, operand, low, up, depth, out):
        multicast = self.levels[up][4]
        for index in self.visits(depth):
            for copies in self.groups(operand, low, up, index).values():
                if low is not None:
                    out[operand, low, "write_from_outside"] += sum(map(len, copies.values()))
                out[operand, up, "read_inwards"] += self.feeds(operand, copies, multicast)

    def feeds(self, operand, copies, multicast):
        if multicast == "none":
            return sum(map(len, copies.values()))
        if multicast == "irrelevant" and operand == "inputs":
            merged = {}
            for copy, words in copies.items():
                whole = tuple(at for at in copy if at[0] in ("OY", "OX", "FY", "FX"))
                merged.setdefault(whole, set()).update(words)
            return sum(map(len, merged.values()))
        return len(set().union(*copies.values()))

    def _drains(self, links, out):
        """Outputs: each transfer inwards brings back what an earlier one took out, while the outer tile stays."""
        state = {}  # (level, copy) -> words with a partial sum in them
        depths = [depth for _, _, depth in links]

        def enter(link, index):
            """Everything that happens during one stay of a tile on `link` (its lower side's tile)."""
            low, up, _ = links[link]
            groups = self.groups("outputs", low, up, index)
            for place, copies in groups.items():
                held = state.setdefault((up, place), set())
                union = set().union(*copies.values())
                back = union & held
                out["outputs", up, "read_inwards"] += len(back)
                if low is not None:
                    out["outputs", low, "write_from_outside"] += len(back)
                    left = set(back)
                    for copy in sorted(copies):  # one copy takes each partial sum back
                        state[low, copy] = copies[copy] & left
                        left -= copies[copy]
            if link > 0:
                inner = depths[link - 1]
                for more in product(*(range(f) for _, f in self.loops[len(index) : inner])):
                    if self.alive((*index, *more)):
                        enter(link - 1, (*index, *more))
            for place, copies in groups.items():
                if low is not None:
                    out["outputs", low, "read_outwards"] += sum(map(len, copies.values()))
                union = set().union(*copies.values())
                out["outputs", up, "write_from_inside"] += len(union)
                state[up, place] |= union

        last = len(links) - 1
        for index in self.visits(depths[last]):
            enter(last, index)
