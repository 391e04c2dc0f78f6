"""The rounding decision, as integers: which of two neighbours a value becomes."""

from __future__ import annotations

from .jit import kernel

# Order of numfmt.formats.Rounding's members; held equal by a test.
(
    TIES_EVEN,
    TIES_AWAY,
    TIES_ZERO,
    TIES_UP,
    TIES_DOWN,
    TOWARD_ZERO,
    UP,
    DOWN,
    AWAY,
    TO_ODD,
    STOCHASTIC_A,
    STOCHASTIC_B,
    STOCHASTIC_C,
) = range(13)
SATURATE, PROPAGATE, NONSAT, WRAP, SATURATE_SYMMETRIC, SATURATE_ZERO, WRAP_SIGN_MAGNITUDE = range(7)


@kernel
def rounds_away(mode, tail, half, odd, negative):
    """Whether a magnitude whose dropped part is `tail` (in units where a half is `half`) takes the neighbour away from zero.

    `odd` is the parity of the code of the neighbour toward zero. tail and half: int64, tail >= 0, half >= 1.
    """
    if tail == 0:
        return False
    if mode == TOWARD_ZERO:
        return False
    if mode == AWAY:
        return True
    if mode == UP:
        return not negative
    if mode == DOWN:
        return negative
    if mode == TO_ODD:
        return not odd
    if tail != half:
        return tail > half
    if mode == TIES_EVEN:
        return odd
    if mode == TIES_AWAY:
        return True
    if mode == TIES_ZERO:
        return False
    if mode == TIES_UP:
        return not negative
    return negative  # TIES_DOWN
