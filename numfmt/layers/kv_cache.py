"""Keys and values of past tokens as a decoder keeps them: quantized by token or by channel, appended to, never changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._checks import check_in, check_int_range
from ..blocks import QuantizedTensor, Scheme, from_codes, quantize, scheme
from ..formats import Float, Format, cast, encode, parse
from .linear import exact_values

AXES = ("head_dim", "tokens")


@dataclass(frozen=True)
class CacheSide:
    """How keys, or values, are kept.

    scheme: of the codes. along: the axis that groups run along. "head_dim": each token is quantized when it comes, by itself
    (`int8/token` one scale a token and head, `int4/g32` one a group of channels). "tokens": each channel by itself, in groups of
    tokens (KIVI's keys: `int2/g32+asym`), quantized when a group is full; the last tokens, fewer than a group, wait in
    `residual_format`. residual: how many tokens wait at least ("head_dim": the newest ones; "tokens": quantized so many at a time,
    a multiple of the group; 0 means one group). operand: the float format in which the multipliers see them, code value times scale
    rounded once; None feeds codes and scales ("head_dim" without residual only).

    Raises ValueError for schemes whose groups span tokens and channels at once, and groups that do not fit.
    Source: KIVI, arXiv 2402.02750.
    """

    scheme: Scheme | str = "float32"
    along: str = "head_dim"
    residual: int = 0
    residual_format: Format | str = "float16"
    operand: Format | str | None = "float32"

    def __post_init__(self) -> None:
        made = scheme(self.scheme)
        object.__setattr__(self, "scheme", made)
        object.__setattr__(self, "residual_format", parse(self.residual_format))
        check_in("along", self.along, AXES)
        check_int_range("residual", self.residual, 0, 1 << 30)
        kind = made.granularity.kind
        if kind not in ("none", "token", "channel", "group"):
            raise _shared(made)
        if self.along == "tokens":
            if kind != "group":
                raise ValueError(
                    f"scheme={made} along tokens needs groups of them, such as int4/g32; it has granularity {made.granularity}"
                )
            if self.residual % made.granularity.size:
                raise ValueError(f"residual={self.residual} is not a multiple of the {made.granularity.size} tokens of a group")
        if self.operand is None:
            if self.along == "tokens" or self.residual:
                raise ValueError("operand=None feeds codes, which needs along='head_dim' and residual=0; name a float format")
        else:
            fmt = parse(self.operand)
            if not isinstance(fmt, Float) or fmt.value_dtype.kind != "f" or fmt.man_bits > 23:
                raise ValueError(f"operand={fmt} is not allowed; use a float format of at most 24 significant bits")
            object.__setattr__(self, "operand", fmt)

    def check(self, head_dim: int) -> None:
        """Refuse groups that do not divide head_dim, and schemes that store anything for several tokens. Raises ValueError."""
        made = scheme(self.scheme)
        columns = head_dim if self.along == "head_dim" else self.residual or made.granularity.size
        if any(part.height != 1 for part in made.way.parts(made, made.grid(2, columns)).values()):
            raise _shared(made)

    @property
    def by_token(self) -> bool:
        """Whether what is kept of a token never changes, so that decoding gives the bits of the prefill."""
        return self.along == "head_dim" and not self.residual


def _shared(made: Scheme) -> ValueError:
    return ValueError(f"scheme={made} stores something for several tokens; a cache grows token by token: use token, or gN")


def in_scheme(x: np.ndarray, made: Scheme, axis: int) -> QuantizedTensor:
    """`quantize`, but a plain cast lets NaN and infinities pass where its format holds them."""
    if made.scaled:
        return quantize(x, made, axis=axis)
    return from_codes(encode(x, made.candidates[0]), made.candidates[0], axis)


def cache_side(given: CacheSide | Scheme | str) -> CacheSide:
    """A scheme stands for itself along head_dim."""
    return given if isinstance(given, CacheSide) else CacheSide(given)


class _Stream:
    """Keys or values, (batch, heads, tokens, head_dim)."""

    def __init__(self, side: CacheSide, batch: int, heads: int, head_dim: int) -> None:
        side.check(head_dim)
        self.side, self.lead, self.head_dim = side, (batch, heads), head_dim
        self.parts: list[QuantizedTensor] = []
        self.waiting = np.zeros((batch, heads, 0, head_dim), np.float32)
        self.held = np.zeros((batch, heads, 0, head_dim), np.float32)  # what the multipliers see of `parts`; longer than `done`
        self.done = 0

    @property
    def length(self) -> int:
        return self.done + self.waiting.shape[2]

    def append(self, x: np.ndarray) -> None:
        side = self.side
        made = scheme(side.scheme)
        keeps = side.residual > 0 or side.along == "tokens"
        if keeps:
            x = np.concatenate([self.waiting, np.asarray(cast(x, side.residual_format), np.float32)], axis=2)
        count = max(0, x.shape[2] - side.residual)
        if side.along == "tokens":
            block = side.residual or made.granularity.size
            count = x.shape[2] // block * block
        if count:
            axis = 3 if side.along == "head_dim" else 2
            new = in_scheme(x[:, :, :count], made, axis)
            if side.operand is not None:
                self._hold(np.asarray(cast(new._in_place(exact_values(new), new.shape[axis]), side.operand)))
            self.parts = [*self.parts, new]
        self.waiting = x[:, :, count:]
        self.done += count

    def _hold(self, values: np.ndarray) -> None:
        stop = self.done + values.shape[2]
        if stop > self.held.shape[2]:
            grown = np.empty((*self.lead, max(stop, 2 * self.held.shape[2]), self.head_dim), np.float32)
            grown[:, :, : self.done] = self.held[:, :, : self.done]
            self.held = grown
        self.held[:, :, self.done : stop] = values

    def values(self) -> np.ndarray:
        """As the multipliers see them, (batch, heads, tokens, head_dim) float32."""
        assert self.side.operand is not None
        if not self.waiting.shape[2]:
            return self.held[:, :, : self.done]
        return np.concatenate([self.held[:, :, : self.done], np.asarray(cast(self.waiting, self.side.operand))], axis=2)

    def quantized(self) -> QuantizedTensor:
        """All tokens as one tensor quantized along head_dim."""
        if len(self.parts) > 1:
            first = self.parts[0]
            stored = {}
            for name, part in first.parts.items():
                if part.height == 0:
                    stored[name] = first.part(name)
                    continue
                arrays = [q.part(name) for q in self.parts]
                shaped = [a.reshape(*self.lead, -1, *a.shape[1:]) for a in arrays]
                joined = np.concatenate(shaped, axis=2)
                stored[name] = joined.reshape(-1, *joined.shape[3:])
            self.parts = [QuantizedTensor(first.scheme, (*self.lead, self.done, self.head_dim), 3, stored)]
        return self.parts[0]

    @property
    def nbytes(self) -> int:
        bits = self.waiting.size * parse(self.side.residual_format).bits
        return -(-(bits + sum(p.count * p.bits for q in self.parts for p in q.parts.values())) // 8)


class KVCache:
    """Keys and values of the tokens so far. It only grows; `nf.layers.Attention` appends to it.

    batch: sequences, all of one length. kv_heads, head_dim: of the keys and values. keys, values: `CacheSide`, or a scheme for one
    along head_dim.
    """

    def __init__(
        self,
        batch: int,
        kv_heads: int,
        head_dim: int,
        *,
        keys: CacheSide | Scheme | str = "float32",
        values: CacheSide | Scheme | str = "float32",
    ) -> None:
        for name, value in (("batch", batch), ("kv_heads", kv_heads), ("head_dim", head_dim)):
            check_int_range(name, value, 1, 1 << 30)
        self.batch, self.kv_heads, self.head_dim = batch, kv_heads, head_dim
        self._keys = _Stream(cache_side(keys), batch, kv_heads, head_dim)
        self._values = _Stream(cache_side(values), batch, kv_heads, head_dim)

    def __len__(self) -> int:
        """Tokens kept."""
        return self._keys.length

    @property
    def nbytes(self) -> int:
        """Bytes of codes, scales and waiting tokens in dense storage."""
        return self._keys.nbytes + self._values.nbytes

    def append(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Add tokens: both (batch, kv_heads, T, head_dim). Both or none: where a scheme refuses one, the cache stays as it was.

        Raises ValueError for other shapes, and for NaN or infinities that a scheme has no rule for.
        """
        for name, array in (("keys", keys), ("values", values)):
            lead, last = array.shape[:2], array.shape[3:]
            if array.ndim != 4 or lead != (self.batch, self.kv_heads) or last != (self.head_dim,) or array.shape != keys.shape:
                raise ValueError(
                    f"{name} has shape {array.shape}; it must be ({self.batch}, {self.kv_heads}, T, {self.head_dim}) in both"
                )
        before = self.state()
        try:
            self._keys.append(keys)
            self._values.append(values)
        except ValueError:
            self.restore(before)
            raise

    def state(self) -> tuple[object, ...]:
        """Where the cache is now, for `restore`."""
        return tuple((s.parts, s.waiting, s.done) for s in (self._keys, self._values))

    def restore(self, state: tuple[object, ...]) -> None:
        """Forget what was appended since `state`."""
        for stream, held in zip((self._keys, self._values), state, strict=True):
            stream.parts, stream.waiting, stream.done = held  # type: ignore[misc]

    def keys(self) -> np.ndarray:
        """Keys as the multipliers see them, (batch, kv_heads, tokens, head_dim) float32."""
        return self._seen(self._keys)

    def values(self) -> np.ndarray:
        """Values as the multipliers see them, (batch, kv_heads, tokens, head_dim) float32."""
        return self._seen(self._values)

    @staticmethod
    def _seen(stream: _Stream) -> np.ndarray:
        return stream.values() if stream.side.operand is not None else stream.quantized().dequantize()

    def __repr__(self) -> str:
        k, v = self._keys.side, self._values.side
        what = f"keys={k.scheme} along {k.along}, values={v.scheme} along {v.along}"
        return f"KVCache({self.batch} x {self.kv_heads} x {len(self)} x {self.head_dim}, {what}, {self.nbytes} bytes)"
