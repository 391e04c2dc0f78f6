"""Attention, its cache, rotary positions and embeddings against Fractions, torch and one token at a time."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import numfmt as nf
from numfmt.layers import Attention, CacheSide, Embedding, KVCache, Rotary, Softmax

from .reference import datapaths
from .reference import float_layers as ref


def data(seed, *shape, sigma=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * sigma).astype(np.float32)


def qkv(heads, kv_heads, tokens, head_dim, seed=0, batch=()):
    return [data(seed + i, *batch, h, tokens, head_dim) for i, h in enumerate((heads, kv_heads, kv_heads))]


def step_by_step(layer, q, k, v, pieces, mask=None):
    cache, out, at = layer.cache(math.prod(q.shape[:-3])), [], 0
    for size in pieces:
        part = (..., slice(at, at + size), slice(None))
        out.append(layer(q[part], k[part], v[part], cache))
        at += size
    assert len(cache) == at == q.shape[-2]
    return np.concatenate(out, axis=-2), cache


def kept_exactly(array, spec, fmt):
    """What the scheme keeps of an array, code value times scale as Fractions, rounded once."""
    q = nf.quantize(array, spec)
    scales = np.ones(q.row_codes.shape) if q.row_scales is None else q._spread(q.row_scales)
    pairs = zip(q.row_values().ravel().tolist(), scales.ravel().tolist(), strict=True)
    return np.array([fmt.round(Fraction(v) * Fraction(s), math.copysign(0.0, v)) for v, s in pairs]).reshape(array.shape)


FLOAT_DOTS = {
    "fp32": lambda a, b: datapaths.float_dot(a, b, datapaths.FP32),
    "fp16": lambda a, b: datapaths.float_dot(a, b, datapaths.FP16),
    "exact:fp32": lambda a, b: datapaths.exact_dot(a, b, datapaths.FP32),
}


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 5), st.sampled_from([2, 4]), st.data())
def test_against_fractions(group, kv_heads, tokens, head_dim, draw):
    path, second = draw.draw(st.sampled_from(list(FLOAT_DOTS))), draw.draw(st.sampled_from(list(FLOAT_DOTS)))
    fmt, inner = draw.draw(st.sampled_from([("float16", "float16"), ("bfloat16", "float32"), ("float32", "float32")]))
    names = {"float16": ref.FP16, "bfloat16": ref.BF16, "float32": ref.FP32}
    order = draw.draw(st.sampled_from(["sequential", "pairwise", "exact"]))
    keys, kept = (
        draw.draw(st.sampled_from(["float16", "int8/token", "int4/g2"])),
        draw.draw(st.sampled_from(["float16", "int8/token"])),
    )
    causal, numbers = draw.draw(st.booleans()), draw.draw(st.booleans())
    q, k, v = (np.float32(np.float16(a)) for a in qkv(group * kv_heads, kv_heads, tokens, head_dim, draw.draw(st.integers(0, 99))))
    mask = None
    if numbers:
        mask = np.where(data(5, tokens, tokens) > 0.8, -np.inf, data(6, tokens, tokens))
        mask[:, 0] = 0.25
    layer = Attention(
        group * kv_heads, head_dim, kv_heads=kv_heads, scores=path, values=second, softmax=Softmax(fmt, internal=inner, sum=order),
        causal=causal, keys=CacheSide(keys, operand="float16"), values_kept=CacheSide(kept, operand="float16"),
        query_scheme="float16",
        probability_scheme=fmt,
    )  # fmt: skip
    got = layer(q, k, v, mask=mask)
    ks, vs = kept_exactly(k, keys, ref.FP16), kept_exactly(v, kept, ref.FP16)
    for h in range(group * kv_heads):
        for t in range(tokens):
            seen = [(not causal or j <= t) and (mask is None or mask[t, j] > -np.inf) for j in range(tokens)]
            added = None if mask is None else [float(m) if m > -np.inf else 0.0 for m in mask[t]]
            want = ref.attention(
                q[h, t].tolist(), ks[h // group].tolist(), vs[h // group].tolist(), 1 / math.sqrt(head_dim),
                names[fmt], names[inner],
                order, FLOAT_DOTS[path], FLOAT_DOTS[second], seen, added,
            )  # fmt: skip
            assert got[h, t].tolist() == want, (h, t)


def test_float32_against_torch():
    q, k, v = qkv(6, 2, 50, 16, batch=(2,))
    theirs = F.scaled_dot_product_attention(*map(torch.from_numpy, (q, k, v)), is_causal=True, enable_gqa=True)
    mine = Attention(6, 16, kv_heads=2)(*map(torch.from_numpy, (q, k, v)))
    assert isinstance(mine, torch.Tensor)
    assert float((mine - theirs).abs().max()) < 2e-6


def test_integer_scores_against_integers():
    """int8 queries and keys, 32-bit sums, scales multiplied once to float32."""
    q, k, v = qkv(2, 1, 6, 8)
    layer = Attention(
        2, 8, kv_heads=1, scores="int32>fp32", keys=CacheSide("int8/token", operand=None), query_scheme="int8/token", causal=False
    )
    a, b = nf.quantize(q.reshape(-1, 8), "int8/token"), nf.quantize(k[0], "int8/token")
    exact = (a.row_values() @ b.row_values().T).astype(np.float64) * (
        a.row_scales.astype(np.float64) * b.row_scales.astype(np.float64).T
    )
    scores = exact.astype(np.float32).reshape(2, 6, 6)
    p = Softmax()(nf.multiply(scores, np.float32(1 / math.sqrt(8)), "float32"))
    want = nf.matmul(p.reshape(12, 6), v[0], "fp32").reshape(2, 6, 8)
    assert np.array_equal(layer(q, k, v), want)


BY_TOKEN = [
    {},
    {
        "keys": CacheSide("int8/token", operand=None),
        "query_scheme": "int8/token",
        "scores": "int32>fp32",
        "values_kept": "int4/g4+asym",
    },
    {
        "scores": "fp16",
        "values": "bf16",
        "softmax": Softmax("bfloat16", internal="float32", sum="pairwise"),
        "query_scheme": "float16",
    },
    {
        "rope": Rotary(8, fmt="bfloat16"),
        "softmax": Softmax("float16", sum="lanes8"),
        "keys": "mxfp8_e4m3",
        "values_kept": "e4m3fn/token",
    },
    {
        "rope": Rotary(8, 500.0, layout="adjacent"),
        "softmax": Softmax(sum="exact"),
        "scores": "exact>fp32",
        "values": "fp32+fma",
        "keys": "bitmod4/g8",
    },
    {"softmax": Softmax(sum="chunk4", exponential="exp2"), "values": "fp32+chunk8", "scores": "fp32+chunk4"},
    {
        **dict.fromkeys(("scores", "values"), "h100.mma_m16n8k16_f16_f16_f32"),
        **dict.fromkeys(("query_scheme", "probability_scheme"), "float16"),
        "keys": CacheSide("float16", operand="float16"),
        "values_kept": CacheSide("int4/g8", operand="float16"),
    },
]


@pytest.mark.parametrize("options", BY_TOKEN, ids=range(len(BY_TOKEN)))
@pytest.mark.parametrize("pieces", [(1,) * 19, (5, 1, 12, 1)])
def test_decoding_gives_the_bits_of_the_prefill(options, pieces):
    head_dim = 32 if options.get("keys") == "mxfp8_e4m3" else 8
    if head_dim == 32:
        options = options | {"rope": Rotary(32, fmt="bfloat16")}
    q, k, v = qkv(4, 2, 19, head_dim, batch=(2,))
    layer = Attention(4, head_dim, kv_heads=2, **options)
    whole = layer(q, k, v)
    assert layer.keys.by_token
    assert layer.values_kept.by_token
    stepped, cache = step_by_step(layer, q, k, v, pieces)
    assert np.array_equal(stepped, whole)
    other = layer.cache(2)
    layer(q, k, v, other)
    assert np.array_equal(cache.keys(), other.keys())
    assert cache.nbytes == other.nbytes
    one = [layer(q[b], k[b], v[b]) for b in range(2)]
    assert np.array_equal(np.stack(one), whole)  # a sequence does not know of the others


def test_groups_along_tokens_follow_kivi():
    """Keys by channel in groups of tokens, the rest waiting in float16; values by token, the newest ones waiting."""
    side = CacheSide("int2/g4+asym", along="tokens", residual=8)
    assert not side.by_token
    cache = KVCache(1, 1, 4, keys=side, values=CacheSide("int2/g4+asym", residual=3))
    k, v = data(0, 1, 1, 22, 4), data(1, 1, 1, 22, 4)
    for t in range(22):
        cache.append(k[:, :, t : t + 1], v[:, :, t : t + 1])
        done = (t + 1) // 8 * 8
        seen = cache.keys()[0, 0]
        assert np.array_equal(seen[done:], np.float16(k[0, 0, done : t + 1]).astype(np.float32))
        if done:
            half = np.float16(k[0, 0, :done]).astype(np.float32)
            assert np.array_equal(seen[:done], nf.quantize(half, "int2/g4+asym", axis=0).dequantize())
        old = max(0, t - 2)
        seen = cache.values()[0, 0]
        assert np.array_equal(seen[old:], np.float16(v[0, 0, old : t + 1]).astype(np.float32))
        if old:
            assert np.array_equal(
                seen[:old], nf.quantize(np.float16(v[0, 0, :old]).astype(np.float32), "int2/g4+asym").dequantize()
            )
    at_once = KVCache(1, 1, 4, keys=side, values=CacheSide("int2/g4+asym", residual=3))
    at_once.append(k, v)
    assert np.array_equal(at_once.keys(), cache.keys())
    assert np.array_equal(at_once.values(), cache.values())
    assert at_once.nbytes == cache.nbytes
    assert cache.nbytes < 22 * 4 * 2 * 2


def test_groups_along_tokens_differ_in_the_prefill():
    q, k, v = qkv(1, 1, 16, 4)
    layer = Attention(1, 4, keys=CacheSide("int2/g8+asym", along="tokens"))
    stepped, _ = step_by_step(layer, q, k, v, (1,) * 16)
    whole = layer(q, k, v)
    assert not np.array_equal(stepped, whole)
    assert np.array_equal(stepped[:, -1], whole[:, -1])  # the last token sees what the prefill sees


def test_parts_of_k_that_depend_on_its_length_differ():
    q, k, v = qkv(1, 1, 30, 4)
    layer = Attention(1, 4, values="fp32+splitk4")
    assert not np.array_equal(step_by_step(layer, q, k, v, (1,) * 30)[0], layer(q, k, v))


def test_blocks_of_queries(monkeypatch):
    q, k, v = qkv(2, 1, 30, 4)
    layer = Attention(2, 4, kv_heads=1)
    whole = layer(q, k, v, mask=data(3, 30, 30))
    monkeypatch.setattr("numfmt.layers.attention_layer._SCORES_AT_ONCE", 200)
    assert np.array_equal(layer(q, k, v, mask=data(3, 30, 30)), whole)


def test_specials_and_masks():
    layer = Attention(1, 2)
    q, k, v = qkv(1, 1, 4, 2)
    k[0, 2, 0] = np.nan
    got = layer(q, k, v)
    assert np.isfinite(got[0, :2]).all()  # an unseen key does not matter
    assert np.isnan(got[0, 2:]).all()
    q, k, v = qkv(1, 1, 4, 2)
    v[0, 3, 0] = np.inf
    got = layer(q, k, v)
    assert np.isnan(got[0, :3, 0]).all()  # 0 times infinity
    assert got[0, 3, 0] == np.inf
    assert np.isfinite(got[0, :, 1]).all()
    q, k, v = qkv(1, 1, 4, 2)
    alone = layer(q, k, v, mask=np.eye(4, dtype=bool))
    assert np.array_equal(alone, v)
    none = np.zeros((4, 4), bool)
    assert np.isnan(layer(q, k, v, mask=none)).all()
    assert not Attention(1, 2, softmax=Softmax(empty="zero"))(q, k, v, mask=np.where(none, 0.0, -np.inf)).any()
    huge = layer(q * 1e30, k * 1e30, v)  # scores beyond float32
    assert np.isnan(huge).any()


def test_a_refused_token_leaves_the_cache():
    layer = Attention(1, 4, values_kept="int8/token")
    cache = layer.cache()
    q, k, v = qkv(1, 1, 3, 4)
    layer(q, k, v, cache)
    before = cache.keys().copy()
    v[0, 1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        layer(q, k, v, cache)
    assert len(cache) == 3
    assert np.array_equal(cache.keys(), before)
    layer(q, k, np.ones_like(v), cache)
    assert len(cache) == 6
    layer = Attention(1, 4, probability_scheme="int8/token")
    cache = layer.cache()
    with pytest.raises(ValueError, match="NaN"):  # refused after the tokens were appended
        layer(q, k, k, cache, mask=np.zeros((3, 3), bool))
    assert len(cache) == 0


# -- rotary ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["half", "adjacent"])
def test_rotary_step_by_step(layout):
    x = data(0, 3, 5, 8, sigma=3)
    for name, fmt in (("float16", ref.FP16), ("bfloat16", ref.BF16), ("float32", ref.FP32)):
        rope = Rotary(8, layout=layout, fmt=name)
        got, (cosine, sine) = rope(x, 7), rope.table(np.arange(7, 12))
        pairs = [(i, i + 4) if layout == "half" else (2 * i, 2 * i + 1) for i in range(4)]
        for h, t, c in np.ndindex(3, 5, 4):
            first, second = (fmt.round(float(x[h, t, p])) for p in pairs[c])
            want = ref.rotate(first, second, float(cosine[t, c]), float(sine[t, c]), fmt)
            assert tuple(float(got[h, t, p]) for p in pairs[c]) == want
            angle = (7 + t) * 10000 ** (-c / 4)
            assert abs(cosine[t, c] - math.cos(angle)) <= 2.0 ** -(fmt.man_bits + 1)


def test_rotary_has_the_bits_of_hugging_face_given_its_table():
    """q * cos + rotate_half(q) * sin in bfloat16."""
    x = torch.from_numpy(data(0, 2, 4, 9, 16)).bfloat16()
    angle = torch.arange(9)[:, None].float() / 10000 ** (torch.arange(0, 16, 2).float() / 16)
    cosine, sine = angle.cos().bfloat16(), angle.sin().bfloat16()
    half = torch.cat([-x[..., 8:], x[..., :8]], -1)
    theirs = x * torch.cat([cosine] * 2, -1) + half * torch.cat([sine] * 2, -1)
    assert torch.equal(Rotary(16, fmt="bfloat16")(x, table=(cosine, sine)), theirs.float())


def test_rotary_without_format_is_that_of_the_llama():
    from numfmt.layers.rotary import rotary_rates, rotary_table, rotate

    x = data(0, 2, 6, 8)
    table = rotary_table(10, rotary_rates(8, 10000.0))
    assert np.array_equal(Rotary(8)(x, 4), rotate(x, table[0][4:], table[1][4:], "half"))


# -- embedding ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["int8/channel", "int4/g8+asym", "float16", "int8/tensor", "nf4/g8", "mxfp4", "bitmod4/g32"])
def test_embedding(scheme):
    table, tokens = data(0, 40, 32), np.array([[3, 3, 0, 39], [1, 7, 2, 2]])
    for fmt, model in (("float32", ref.FP32), ("bfloat16", ref.BF16)):
        layer = Embedding(table, weight_scheme=scheme, fmt=fmt)
        assert np.array_equal(layer(tokens), kept_exactly(table, scheme, model)[tokens])
    assert np.array_equal(layer(tokens, returns="codes"), nf.quantize(table, scheme).row_codes[tokens])
    packed = Embedding(nf.quantize(table, scheme, packed=True), fmt="bfloat16")
    assert np.array_equal(packed(tokens), layer(tokens))
    added = Embedding(table, weight_scheme=scheme, fmt="bfloat16", positions=data(1, 9, 32))
    want = nf.add(layer(tokens), nf.cast(data(1, 9, 32)[3:7], "bfloat16"), "bfloat16")
    assert np.array_equal(added(tokens, 3), want)
    assert layer(np.zeros((2, 0), int)).shape == (2, 0, 32)
    assert layer(5).shape == (32,)
    assert torch.equal(layer(torch.tensor([5])), torch.from_numpy(layer([5])))


# -- refusals ----------------------------------------------------------------------------------------------------------------------


def ones(*shape):
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Attention(4, 8, kv_heads=3), "does not divide"), (lambda: Attention(0, 8), "heads"),
    (lambda: Attention(2, 8, rope=Rotary(4)), "rope"), (lambda: Attention(2, 8, scale=-1.0), "scale"),
    (lambda: Attention(2, 8, scores="fp99"), "fp99"), (lambda: Attention(2, 8, keys="int8/tensor"), "several tokens"),
    (lambda: Attention(2, 8, keys="int4/g16"), "does not divide"), (lambda: Attention(2, 32, keys="nvfp4"), "several tokens"),
    (lambda: Attention(2, 8, values_kept=CacheSide("int8/token", operand=None)), "operand"),
    (lambda: CacheSide("int8/token", along="tokens"), "groups"), (lambda: CacheSide("int4/g8", along="rows"), "along"),
    (lambda: CacheSide("int4/g8", along="tokens", residual=12), "multiple"),
    (lambda: CacheSide("int4/g8", residual=-1), "residual"),
    (lambda: CacheSide("int4/g8", along="tokens", operand=None), "operand"),
    (lambda: CacheSide("int4/g8", operand="int8"), "operand"),
    (lambda: Attention(2, 4)(ones(2, 3, 4), ones(1, 3, 4), ones(2, 3, 4)), "k has shape"),
    (lambda: Attention(2, 4)(ones(3, 3, 4), ones(2, 3, 4), ones(2, 3, 4)), "q has shape"),
    (lambda: Attention(2, 4)(ones(2, 0, 4), ones(2, 0, 4), ones(2, 0, 4)), "q has shape"),
    (lambda: Attention(1, 4)(*[ones(1, 3, 4)] * 3, mask=np.full((3, 3), np.nan)), "NaN"),
    (lambda: Attention(1, 4)(*[ones(1, 3, 4)] * 3, mask=np.full((3, 3), np.inf)), "inf"),
    (lambda: Attention(1, 4)(*[ones(1, 3, 4)] * 3, mask=np.ones((3, 3), int)), "booleans"),
    (lambda: Attention(1, 4)(*[ones(1, 3, 4)] * 3, mask=np.ones((2, 3), bool)), "broadcast"),
    (lambda: Attention(1, 4)(*[ones(1, 3, 4)] * 3, KVCache(1, 2, 4)), "cache"),
    (lambda: Attention(1, 4)(*[ones(1, 3, 4)] * 3, KVCache(1, 1, 4, keys="float16")), "cache"),
    (lambda: KVCache(1, 2, 4).append(ones(1, 2, 3, 4), ones(1, 2, 2, 4)), "values has shape"), (lambda: KVCache(0, 2, 4), "batch"),
    (lambda: Rotary(5), "odd"), (lambda: Rotary(4, -1.0), "base"), (lambda: Rotary(4, layout="pairs"), "layout"),
    (lambda: Rotary(4)(ones(3, 6)), "shape"), (lambda: Rotary(4)(ones(3, 4), -1), "start"),
    (lambda: Rotary(4)(ones(3, 4), table=(ones(2, 2), ones(2, 2))), "table"), (lambda: Embedding(ones(4)), "weight"),
    (lambda: Embedding(ones(4, 4))([4]), "vocabulary"), (lambda: Embedding(ones(4, 4))([-1]), "vocabulary"),
    (lambda: Embedding(ones(4, 4))([0.5]), "integers"), (lambda: Embedding(ones(4, 4), positions=ones(3, 5)), "positions"),
    (lambda: Embedding(ones(4, 4), positions=ones(3, 4))([0, 1], 2), "position"),
    (lambda: Embedding(ones(4, 4))([1], returns="x"), "returns"),
    (lambda: Embedding(ones(4, 4), positions=ones(3, 4))([0], returns="codes"), "codes"),
    (lambda: Embedding(ones(4, 4), weight_scheme="int8/b2x2"), "together"),
])  # fmt: skip
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()
