"""Loading networks: files, folders, names, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from hwmodel.models import load_network, model_names
from hwmodel.models.embedded import DATA
from hwmodel.models.safetensors_file import SafetensorsFile
from numfmt.layers.llama import Llama
from numfmt.layers.network import LayerBag

from .reference.llama import llama_logits
from .small_llama import CONFIG, random_tensors, write_folder

TOKENS = np.random.default_rng(3).integers(0, CONFIG["vocab_size"], (2, 17))


def test_llama_folder_loads_and_runs(tmp_path: Path) -> None:
    model = load_network(write_folder(tmp_path / "tiny"))
    assert isinstance(model.network, Llama)
    assert model.network.name == "tiny"
    assert (model.evaluate_data, model.metric, model.licence) == (None, None, "not stated")
    assert model.config == CONFIG
    want = llama_logits(CONFIG, random_tensors(CONFIG), TOKENS).numpy()
    got = model.network.run(TOKENS, model.network.reference)
    assert np.abs(got - want).max() < 2e-5 * np.abs(want).max()


def test_sharded_folder_equals_the_whole(tmp_path: Path) -> None:
    whole = load_network(write_folder(tmp_path / "whole")).network
    tensors, folder = random_tensors(CONFIG), tmp_path / "shards"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    names = sorted(tensors)
    parts = {f"model-0000{i + 1}-of-00003.safetensors": names[i::3] for i in range(3)}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    sharded = load_network(str(folder)).network
    assert np.array_equal(sharded.run(TOKENS, sharded.reference), whole.run(TOKENS, whole.reference))

    victim = next(iter(parts))
    index["weight_map"]["model.norm.weight"] = next(f for f, p in parts.items() if "model.norm.weight" not in p)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"puts tensor 'model.norm.weight' into .*which does not hold it"):
        load_network(folder)
    (folder / victim).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks the shards {victim}"):
        load_network(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_tensor_types_are_read_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {name: torch.from_numpy(t).to(dtype) for name, t in random_tensors(CONFIG).items()}
    tensors["model.embed_tokens.weight"][0, 0] = 2.0**-140 if dtype == torch.bfloat16 else 2.0**-24
    save_torch(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    network = load_network(tmp_path).network
    assert np.array_equal(network.embedding, tensors["model.embed_tokens.weight"].float().numpy())
    for name, spec in network.layers.items():
        assert spec.weight.dtype == np.float32
        assert np.array_equal(spec.weight, tensors[f"{name}.weight"].float().numpy())


def test_safetensors_file_gives_its_weight_layers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = {
        "encoder.0.weight": (6, 4),
        "encoder.0.bias": (6,),
        "conv.weight": (5, 3, 3, 3),
        "word_embeddings.weight": (9, 4),
        "embed_tokens.weight": (9, 4),
        "transformer.wte.weight": (9, 4),
        "layer_norm.weight": (6,),
        "norm.weight": (2, 6),
        "vector.weight": (4,),
        "matrix": (4, 4),
    }
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    save_file({**tensors, "steps": np.arange(3)}, tmp_path / "bag.safetensors")
    model = load_network(tmp_path / "bag.safetensors")
    assert isinstance(model.network, LayerBag)
    assert {n: (s.kind, s.weight.shape) for n, s in model.network.layers.items()} == {
        "encoder.0": ("linear", (6, 4)),
        "conv": ("conv2d", (5, 3, 3, 3)),
    }
    assert np.array_equal(model.network.layers["encoder.0"].bias, tensors["encoder.0.bias"])
    x = rng.standard_normal((2, 3, 5, 6)).astype(np.float32)
    want = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(tensors["conv.weight"])).numpy()
    assert np.allclose(model.network.reference("conv", x), want, atol=1e-5)
    assert SafetensorsFile(tmp_path / "bag.safetensors").skipped == {"steps": "I64"}


def test_folder_of_another_architecture_is_a_bag(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "other", {**CONFIG, "model_type": "gpt_neox"}, random_tensors(CONFIG))
    network = load_network(folder).network
    assert isinstance(network, LayerBag)
    assert len(network.layers) == 2 * 7 + 1
    windowed = write_folder(tmp_path / "m", {**CONFIG, "model_type": "mistral", "sliding_window": 8}, random_tensors(CONFIG))
    assert isinstance(load_network(windowed).network, LayerBag)
    mistral = write_folder(tmp_path / "n", {**CONFIG, "model_type": "mistral", "sliding_window": None}, random_tensors(CONFIG))
    assert isinstance(load_network(mistral).network, Llama)


# Refusals


def test_unknown_names_and_paths(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"did you mean 'smollm2'.*pydoc-lm, digits, smollm2"):
        load_network("smolm2")
    with pytest.raises(ValueError, match=r"'qqqq' is neither .*known names are pydoc-lm"):
        load_network("qqqq")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load_network(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load_network("absent.safetensors")
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"must end in .safetensors"):
        load_network(tmp_path / "model.bin")
    assert model_names() == ("pydoc-lm", "digits", "smollm2")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({"a.weight": np.ones((4, 5), np.float32), "b.weight": np.ones((2, 4), np.float32)}, whole)
    content, cut = whole.read_bytes(), tmp_path / "cut.safetensors"
    for size in range(len(content)):
        cut.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"cut.safetensors is not a complete safetensors file"):
            load_network(cut)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"not json", "its header is not JSON"),
        (b"\xff\xfe\x00\x00", "its header is not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"a.weight": {"dtype": "F32"}}', "header entry of tensor 'a.weight' is malformed"),
        (b'{"a.weight": 3}', "header entry of tensor 'a.weight' is malformed"),
        (b'{"a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 12]}}', "does not fit its 12 bytes"),
        (b'{"a.weight": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}}', "does not fit"),
        (b'{"a.weight": {"dtype": "F32", "shape": [2, 8], "data_offsets": [0, 64]}}', "ends at byte 64 .* holds 32"),
        (b'{"a.weight": {"dtype": "I8", "shape": [2, 8], "data_offsets": [0, 16]}}', "no linear or conv2d layers"),
        (b"{}", "no linear or conv2d layers.*none at all"),
    ],
)
def test_malformed_headers_are_refused(tmp_path: Path, header: bytes, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(32))
    with pytest.raises(ValueError, match=message):
        load_network(path)


def test_files_without_weight_layers(tmp_path: Path) -> None:
    save_file({"embed.weight": np.ones((3, 4), np.float32), "norm.weight": np.ones(4, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"x has no linear or conv2d layers.*embed.weight \(3, 4\)"):
        load_network(tmp_path / "x.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_weights_are_named(tmp_path: Path, value: float) -> None:
    tensors = random_tensors(CONFIG)
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    with pytest.raises(ValueError, match=r"'model.layers.1.mlp.up_proj.weight' of .* holds 1 NaN or infinite"):
        load_network(write_folder(tmp_path / "nan", CONFIG, tensors))
    with pytest.raises(ValueError, match=r"'model.layers.1.mlp.up_proj.weight'"):
        load_network(tmp_path / "nan" / "model.safetensors")


def test_folders_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f")
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no config.json"):
        load_network(folder)
    (folder / "config.json").write_text('{"model_type": "llama",')
    with pytest.raises(ValueError, match=r"config.json is not valid JSON"):
        load_network(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="must hold a JSON object"):
        load_network(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 48}))
    with pytest.raises(ValueError, match="lacks vocab_size, intermediate_size"):
        load_network(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no .safetensors file"):
        load_network(folder)


def test_missing_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    tensors = random_tensors(CONFIG)
    tensors["model.layers.0.self_attn.k_proj.weight"] = np.ones((31, 48), np.float32)
    with pytest.raises(ValueError, match=r"k_proj.weight' has shape \(31, 48\); the model config asks for \(32, 48\)"):
        load_network(write_folder(tmp_path / "a", CONFIG, tensors))
    del tensors["model.layers.0.self_attn.k_proj.weight"]
    with pytest.raises(ValueError, match=r"'model.layers.0.self_attn.k_proj.weight' is missing"):
        load_network(write_folder(tmp_path / "b", CONFIG, tensors))


def test_each_tensor_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = SafetensorsFile.__getitem__
    monkeypatch.setattr(SafetensorsFile, "__getitem__", lambda self, name: read.append(name) or plain(self, name))
    load_network(write_folder(tmp_path / "once"))
    assert sorted(read) == sorted(random_tensors(CONFIG))


def test_weights_of_types_that_are_not_read_are_named(tmp_path: Path) -> None:
    tensors = {name: torch.from_numpy(t) for name, t in random_tensors(CONFIG).items()}
    tensors["model.layers.0.mlp.up_proj.weight"] = tensors["model.layers.0.mlp.up_proj.weight"].to(torch.float8_e4m3fn)
    folder = write_folder(tmp_path / "f8")
    save_torch(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"'model.layers.0.mlp.up_proj.weight' of f8 has type F8_E4M3; only F64, F32"):
        load_network(folder)
    assert len(load_network(folder / "model.safetensors").network.layers) == 2 * 7 + 1 - 1


# The networks that ship in the package


def test_changed_shipped_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hwmodel.models import embedded, load

    copy = tmp_path / "digits"
    shutil.copytree(DATA / "digits", copy)
    monkeypatch.setitem(load._NAMED, "digits", lambda: embedded.load_digits(copy))
    assert load_network("digits").metric == "accuracy"
    path = copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.safetensors was changed: its SHA-256 is .*Reinstall the package"):
        load_network("digits")
    path.write_bytes(content[:-5])
    with pytest.raises(ValueError, match="truncated or changed"):
        load_network("digits")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"model.safetensors is missing. Reinstall"):
        load_network("digits")
    (copy / "MANIFEST.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"MANIFEST.json is missing"):
        load_network("digits")
