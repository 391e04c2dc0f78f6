"""The stochastic roundings with random bits from Philox, drawn a few runs at a time so that the memory keeps working meanwhile.

scratch: uint32, room for whole runs of 256 words, `lanes` the same memory as the words of single elements (`RandomBits`). Element i
takes the bits of element first + i of the stream under `seed`. The other arguments are those of the loops called.
"""

from __future__ import annotations

from .float_lanes import cast_random, encode_random
from .float_signed import cast_signed_random, encode_signed_random
from .jit import kernel
from .lanes import wide_vectors
from .philox import RUN, philox_runs

_WORDS = 4 * RUN


@kernel
def _draw(scratch, lanes, at, seed):
    """Fill scratch with the runs that hold element `at`; its place in lanes."""
    refill = at // lanes.size
    philox_runs(scratch, refill * (scratch.size // _WORDS), seed)
    return at - refill * lanes.size


@kernel
def cast_signed_seeded(x, out, scratch, lanes, first, seed, shift, words, reals, check, same, drawn):
    wide_vectors()
    refused, start = 0, 0
    while start < x.size:
        skip = _draw(scratch, lanes, first + start, seed)
        stop = min(start + lanes.size - skip, x.size)
        part = lanes[skip : skip + stop - start]
        refused += cast_signed_random(x[start:stop], out[start:stop], part, shift, words, reals, check, same, drawn)
        start = stop
    return refused


@kernel
def encode_signed_seeded(x, out, scratch, lanes, first, seed, shift, words, reals, check, same, drawn):
    wide_vectors()
    refused, start = 0, 0
    while start < x.size:
        skip = _draw(scratch, lanes, first + start, seed)
        stop = min(start + lanes.size - skip, x.size)
        part = lanes[skip : skip + stop - start]
        refused += encode_signed_random(x[start:stop], out[start:stop], part, shift, words, reals, check, same, drawn)
        start = stop
    return refused


@kernel
def cast_seeded(x, out, scratch, lanes, first, seed, shift, words, reals, check):
    wide_vectors()
    refused, start = 0, 0
    while start < x.size:
        skip = _draw(scratch, lanes, first + start, seed)
        stop = min(start + lanes.size - skip, x.size)
        part = lanes[skip : skip + stop - start]
        refused += cast_random(x[start:stop], out[start:stop], part, shift, words, reals, check)
        start = stop
    return refused


@kernel
def encode_seeded(x, out, scratch, lanes, first, seed, shift, words, reals, check):
    wide_vectors()
    refused, start = 0, 0
    while start < x.size:
        skip = _draw(scratch, lanes, first + start, seed)
        stop = min(start + lanes.size - skip, x.size)
        part = lanes[skip : skip + stop - start]
        refused += encode_random(x[start:stop], out[start:stop], part, shift, words, reals, check)
        start = stop
    return refused
