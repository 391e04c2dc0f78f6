"""The decoder against an independent one in torch, and what a caller may rely on."""

from __future__ import annotations

import numpy as np
import pytest

from numfmt.layers.attention import matmul_float64
from numfmt.layers.llama import Llama, weight_shapes
from numfmt.layers.network import Network

from .reference.llama import llama_logits
from .small_llama import CONFIG, random_tensors

TOKENS = np.random.default_rng(9).integers(0, CONFIG["vocab_size"], (3, 23))
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def precise(network: Network):
    """Every layer in float64, rounded once: independent of the machine."""

    def apply(name: str, x: np.ndarray) -> np.ndarray:
        spec = network.layers[name]
        y = matmul_float64(x, spec.weight.T)
        return y if spec.bias is None else y + spec.bias

    return apply


def adjacent_rows(weight: np.ndarray, head_dim: int) -> np.ndarray:
    """Rows of a half-split projection reordered so that rotation pairs are neighbours, head by head."""
    half = head_dim // 2
    order = np.stack((np.arange(half), np.arange(half) + half), axis=1).reshape(-1)
    return weight.reshape(-1, head_dim, weight.shape[1])[:, order].reshape(weight.shape)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1},
        {"tie_word_embeddings": True},
        {"attention_bias": True, "mlp_bias": True},
        {"rope_theta": 500000.0},
        {"head_dim": 20},
        {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
        {"rope_scaling": LLAMA3},
    ],
    ids=str,
)
def test_logits_equal_the_independent_decoder(change: dict) -> None:
    config = {**CONFIG, **change}
    tensors = random_tensors(config)
    network = Llama(config, tensors)
    want = llama_logits(config, tensors, TOKENS).numpy()
    got = network.run(TOKENS, precise(network))
    assert got.dtype == np.float32
    assert got.shape == (3, 23, 61)
    assert np.abs(got - want).max() < 2e-5 * np.abs(want).max()
    plain = network.run(TOKENS, network.reference)
    assert np.abs(plain - want).max() < 2e-5 * np.abs(want).max()


def test_rope_parameters_are_read_where_newer_files_keep_them() -> None:
    config = {k: v for k, v in CONFIG.items() if k != "rope_theta"}
    network = Llama(config | {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}}, random_tensors(CONFIG))
    want = llama_logits(CONFIG | {"rope_theta": 77.0}, random_tensors(CONFIG), TOKENS).numpy()
    assert np.abs(network.run(TOKENS, precise(network)) - want).max() < 2e-5 * np.abs(want).max()


def test_rotary_layouts_are_equivalent() -> None:
    tensors = random_tensors(CONFIG)
    moved = {
        name: adjacent_rows(t, CONFIG["head_dim"]) if "q_proj" in name or "k_proj" in name else t for name, t in tensors.items()
    }
    half, adjacent = Llama(CONFIG, tensors), Llama(CONFIG, moved, rotary_layout="adjacent")
    want = llama_logits(CONFIG, moved, TOKENS, adjacent=True).numpy()
    got = adjacent.run(TOKENS, precise(adjacent))
    assert np.abs(got - want).max() < 2e-5 * np.abs(want).max()
    assert np.abs(got - half.run(TOKENS, precise(half))).max() < 2e-5 * np.abs(want).max()
    wrong = Llama(CONFIG, moved)
    assert np.abs(wrong.run(TOKENS, precise(wrong)) - want).max() > 1e-2


def test_a_token_changes_nothing_before_it() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    other = TOKENS.copy()
    other[:, 11] = (other[:, 11] + 1) % 61
    a, b = network.run(TOKENS, precise(network)), network.run(other, precise(network))
    assert np.array_equal(a[:, :11], b[:, :11])
    assert np.all(np.abs(a[:, 11:] - b[:, 11:]).max(axis=-1) > 0)


def test_sequences_of_a_batch_are_independent() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    whole = network.run(TOKENS, precise(network))
    assert np.array_equal(whole[1:2], network.run(TOKENS[1:2], precise(network)))


def test_apply_sees_every_layer_once_in_order_and_decides_the_result() -> None:
    config = {**CONFIG, "tie_word_embeddings": True}
    network = Llama(config, random_tensors(config))
    seen: list[tuple[str, tuple[int, ...]]] = []

    def zero(name: str, x: np.ndarray) -> np.ndarray:
        assert x.dtype == np.float32
        seen.append((name, x.shape))
        return np.zeros((*x.shape[:-1], network.layers[name].weight.shape[0]), np.float32)

    assert not network.run(TOKENS, zero).any()
    assert [name for name, _ in seen] == list(network.layers)
    assert all(shape == (3, 23, network.layers[name].weight.shape[1]) for name, shape in seen)
    assert {name: spec.weight.shape for name, spec in network.layers.items()} == weight_shapes(network.shape)
    assert network.layers["lm_head"].weight is network.embedding


def test_kv_sees_rotated_keys_and_values_of_every_block() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    seen: dict[str, np.ndarray] = {}

    def keep(name: str, x: np.ndarray) -> np.ndarray:
        seen[name] = x.copy()
        return x

    base = network.run(TOKENS, precise(network), keep)
    assert list(seen) == [f"model.layers.{i}.self_attn.{c}_cache" for i in range(2) for c in "kv"]
    assert all(x.shape == (3, 23, 32) for x in seen.values())
    changed = network.run(TOKENS, precise(network), lambda n, x: x * 0 if n == "model.layers.1.self_attn.v_cache" else x)
    assert np.abs(changed - base).max() > 1e-3
    # Position 0 is not rotated, later ones are: the same token gives another key there.
    same = np.full((1, 5), 7)
    network.run(same, precise(network), keep)
    keys = seen["model.layers.0.self_attn.k_cache"][0]
    assert np.abs(keys[0] - keys[3]).max() > 1e-2
    assert np.array_equal(seen["model.layers.0.self_attn.v_cache"][0][0], seen["model.layers.0.self_attn.v_cache"][0][3])


def test_attend_replaces_both_products() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    calls = []

    def attend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        calls.append((a.shape, b.shape))
        return (a @ b).astype(np.float32)

    got = network.run(TOKENS, precise(network), attend=attend)
    assert np.abs(got - network.run(TOKENS, precise(network))).max() < 1e-4
    assert len(calls) == 2 * 2 * 3
    assert calls[:2] == [((4, 23, 16), (4, 16, 23)), ((4, 23, 23), (4, 23, 16))]


def test_nan_from_a_layer_reaches_the_logits() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))

    def broken(name: str, x: np.ndarray) -> np.ndarray:
        y = precise(network)(name, x)
        if name == "model.layers.1.mlp.up_proj":
            y[1, 20] = np.inf
        return y

    got = network.run(TOKENS, broken)
    assert np.isfinite(got[[0, 2]]).all()
    assert np.isfinite(got[1, :20]).all()
    assert not np.isfinite(got[1, 20]).any()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros((0, 4), int), "non-empty integer array"),
        (np.zeros(4, int), r"non-empty integer array \(B, T\)"),
        (np.zeros((1, 4)), "float64"),
        (np.array([[0, 61]]), "vocabulary is 0 to 60"),
        (np.array([[-1, 3]]), "tokens run from -1"),
        (np.zeros((1, 65), int), "windows of 65 tokens exceed the model's context of 64"),
    ],
)
def test_bad_tokens_are_refused(tokens: np.ndarray, message: str) -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    with pytest.raises(ValueError, match=message):
        network.run(tokens, network.reference)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": None, "rms_norm_eps": None}, "lacks hidden_size, rms_norm_eps"),
        ({"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide num_attention_heads 4"),
        ({"head_dim": 7}, "head_dim is 7"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"vocab_size": "61"}, "vocab_size is '61'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"rms_norm_eps": -1.0}, "rms_norm_eps is -1.0"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_scaling type 'yarn'.*default, linear, llama3"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8}}, "lacks the field 'original_max_position_embeddings'"),
        ({"intermediate_size": 81}, r"mlp.gate_proj.weight' has shape \(80, 48\).*\(81, 48\)"),
        ({"num_hidden_layers": 3}, r"model.layers.2.input_layernorm.weight' is missing"),
        ({"attention_bias": True}, r"q_proj.bias' is missing"),
    ],
)
def test_configs_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Llama({**CONFIG, **change}, random_tensors(CONFIG))


def test_wrong_results_of_callables_are_refused() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    with pytest.raises(ValueError, match=r"layers.0.self_attn.q_proj': apply returned shape \(3, 23, 48\)"):
        network.run(TOKENS, lambda name, x: x)
    with pytest.raises(ValueError, match="k_cache"):
        network.run(TOKENS, network.reference, lambda name, x: x[:, 1:])
    with pytest.raises(ValueError, match="rotary_layout 'gptj'"):
        Llama(CONFIG, random_tensors(CONFIG), rotary_layout="gptj")


def test_unknown_layer_names_the_nearest() -> None:
    network = Llama(CONFIG, random_tensors(CONFIG))
    with pytest.raises(ValueError, match=r"nearest: model.layers.1.mlp.up_proj"):
        network.reference("model.layers.1.mlp.upproj", np.zeros((1, 48), np.float32))
