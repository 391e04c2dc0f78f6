"""Readers of configurations, ONNX, torch modules and topology files, and the files written for other tools."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hw
from hwmodel._data import csv_rows
from hwmodel.workloads import frame, transformers, vision_nets
from hwmodel.workloads.config import KINDS

VECTORS = Path(__file__).parent / "vectors"
LAYERS = pd.read_csv(VECTORS / "workloads.csv")
SHAPE = ["count", "batch", "m", "n", "k"]


# networks by name against the recorded layer tables


@pytest.mark.parametrize(
    ("name", "gmac", "weights", "options"),
    [
        ("resnet-18", 1.8141, 11.68, {}),
        ("resnet-50", 4.0892, 25.50, {}),
        ("mobilenetv2", 0.3008, 3.470, {}),
        ("vgg-16", 15.470, 138.34, {}),
        ("vit-b/16", 17.564, 86.29, {}),
        ("deit-s/16", 4.599, None, {}),
        ("deit-ti/16", 1.254, None, {}),
        ("bert-base", 11.174, None, {"context": 128, "lm_head": "none"}),
    ],
)
def test_control_totals(name, gmac, weights, options):
    work = hw.workload(name, **options)
    assert round(work.macs.sum() / 1e9, len(str(gmac).partition(".")[2])) == gmac
    if weights is not None:
        assert round(work.weights.sum() / 1e6, len(str(weights).partition(".")[2])) == weights


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llama-2-7b", 6.738),
        ("llama-2-13b", 13.015),
        ("llama-2-70b", 68.975),
        ("llama-3-8b", 8.030),
        ("llama-3-70b", 70.552),
        ("llama-3.2-1b", 1.236),
        ("llama-3.2-3b", 3.213),
        ("mistral-7b-v0.1", 7.241),
        ("mixtral-8x7b", 46.70),
        ("qwen2.5-7b", 7.615),
        ("yi-6b", 6.061),
        ("phi-2", 2.779),
        ("opt-1.3b", 1.311),
        ("opt-2.7b", 2.645),
        ("gemma-2-2b", 2.614),
        ("gemma-2-9b", 9.241),
        ("gemma-2-27b", 27.226),
    ],
)
def test_parameter_totals_from_linear_layers_and_embeddings(name, billions):
    t = transformers()[name]
    work = hw.workload(name, "prefill", context=256)
    linear = int(work.weights.sum() - work.weights[work.layer.str.contains("router")].sum())
    tied = {"Llama-3.2-1B", "Llama-3.2-3B", "OPT-1.3B", "OPT-2.7B", "Gemma-2-2B", "Gemma-2-9B", "Gemma-2-27B"}
    total = linear + (0 if t.name in tied else t.vocab * t.hidden)
    assert abs(total / 1e9 - billions) <= (6e-4 if billions != 46.70 else 6e-3)


@pytest.mark.parametrize("network", sorted(set(LAYERS.network[~LAYERS.network.str.contains("BERT")])))
def test_every_recorded_layer(network):
    rows = LAYERS[LAYERS.network == network]
    name, _, phase = network.partition(" ")
    options = {"phase": phase.split("@")[0], "context": 2048, "lm_head": "last"} if phase else {}
    work = hw.workload(name.lower(), **options)
    work = work[~work.layer.str.contains("router")]
    assert work.macs.sum() == rows.macs_total.sum()
    if name != "Mixtral-8x7B" or "decode" in phase:  # prefill there counts two experts, ours all that the tokens reach
        assert work.weights.sum() == rows.weights_total.sum()
    if name.lower() in vision_nets():
        assert work.layer.tolist() == rows.layer.tolist()
        ours = work[["m", "n", "k"]].to_numpy()
        assert (ours == rows[["gemm_M", "gemm_N", "gemm_K"]].to_numpy()).all()
        assert (work.macs.to_numpy() == rows.macs_total.to_numpy()).all()


def test_images_multiply_the_pixels():
    one, four = hw.workload("mobilenetv2"), hw.workload("mobilenetv2", batch=4)
    assert (four.m == 4 * one.m).all()
    assert (four.weights == one.weights).all()
    for name in ("mobilenetv2", "vit-b/16"):
        got = hw.score(hw.workload(name), "systolic<32x32,ws>", "w=int8/channel; a=int8/token; kv=int8/token")
        assert got.total.macs == hw.workload(name).macs.sum()


def test_networks_without_phases():
    with pytest.raises(ValueError, match="without phases"):
        hw.workload("resnet-18", "decode")
    with pytest.raises(ValueError, match="ResNet-50"):
        hw.workload("resnet-51")
    assert "patch_embed" not in hw.workload("vit-b/16", context=64).layer.tolist()


# Hugging Face configurations

TYPES = {"opt": "opt", "phi": "phi", "mixtral": "mixtral", "mistral": "mistral", "qwen": "qwen2", "gemma": "gemma2"}
TYPES |= {"bert": "bert", "vit": "vit", "deit": "deit", "yi": "llama", "llama": "llama"}


def config_of(name):
    t = transformers()[name]
    kind = TYPES[re.match("[a-z]+", name)[0]]
    fields = {"model_type": kind, "hidden_size": t.hidden, "num_attention_heads": t.heads, "num_hidden_layers": t.layers}
    fields |= {"ffn_dim" if kind == "opt" else "intermediate_size": t.intermediate, "vocab_size": t.vocab}
    fields |= {"max_position_embeddings": t.max_context}
    if t.kv_heads != t.heads:
        fields["num_key_value_heads"] = t.kv_heads
    if t.head_dim * t.heads != t.hidden:
        fields["head_dim"] = t.head_dim
    if t.sliding_window:
        fields["sliding_window"] = t.sliding_window
    if kind == "qwen2":
        fields |= {"sliding_window": 131072, "use_sliding_window": False, "max_window_layers": 28}
    if t.experts > 1:
        fields |= {"num_local_experts": t.experts, "num_experts_per_tok": t.experts_per_token, "sliding_window": None}
    if t.patch:
        fields |= {"patch_size": 16, "image_size": 224, "id2label": {str(i): str(i) for i in range(1000)}}
    return fields


@pytest.mark.parametrize("name", sorted(transformers()))
def test_every_model_from_its_configuration(name, tmp_path):
    phase = "prefill" if transformers()[name].family == "encoder" else "decode"
    context = min(8000, transformers()[name].max_context)
    (tmp_path / "config.json").write_text(json.dumps(config_of(name)), encoding="utf-8")
    got = hw.workload_from_config(tmp_path, phase, context, batch=3)
    pd.testing.assert_frame_equal(got, hw.workload(name, phase, context, batch=3))


def test_other_spellings():
    gpt2 = {"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
    work = hw.workload_from_config(gpt2)
    assert work.weights.sum() == 12 * 12 * 768**2 + 50257 * 768
    nested = {"model_type": "llava", "text_config": config_of("llama-2-7b")}
    assert hw.workload_from_config(nested).macs.sum() == hw.workload("llama-2-7b").macs.sum()
    assert set(TYPES.values()) <= set(KINDS)


LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 128}
LLAMA |= {"vocab_size": 100, "max_position_embeddings": 32}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "lama"}, r"unknown model_type 'lama'.*llama"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"vocab_size": -1}, "vocab_size is -1"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers is 2.5"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_key_value_heads": 3}, "num_key_value_heads"),
        ({"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}, "max_window_layers"),
        ({"num_local_experts": 8}, "num_experts_per_tok is missing"),
        ({"model_type": "opt", "word_embed_proj_dim": 32}, "word_embed_proj_dim"),
    ],
)
def test_bad_configurations(change, words):
    with pytest.raises(ValueError, match=words):
        hw.workload_from_config(LLAMA | change)


def test_bad_configuration_files(tmp_path):
    bad = tmp_path / "config.json"
    bad.write_text('{"model_type": "llama",\n"hidden_size": }', encoding="utf-8")
    with pytest.raises(ValueError, match=r"config.json line 2: not JSON"):
        hw.workload_from_config(bad)
    bad.write_text("[1]", encoding="utf-8")
    with pytest.raises(ValueError, match="holds list"):
        hw.workload_from_config(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        hw.workload_from_config(tmp_path / "absent.json")


# SCALE-Sim topologies


def test_topology_of_convolutions(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
        "Conv1, 224, 224, 7, 7, 3, 64, 2,\n\nDP2, 114, 114, 3, 3, 32, 1, 1,\nFC, 1, 1, 1, 1, 512, 1000, 1, 1:1,\n",
        encoding="utf-8",
    )
    work = hw.workload_from_scalesim(path)
    assert work[SHAPE].to_numpy().tolist() == [[1, 1, 110 * 110, 64, 147], [1, 32, 112 * 112, 1, 9], [1, 1, 1, 1000, 512]]
    assert work.attrs["model"] == "net"


def test_topology_of_products(tmp_path):
    path = tmp_path / "gemm.csv"
    path.write_text("Layer, M, N, K,\na, 1, 4096, 4096,\nb, 5, 6, 7, 1:1,\n", encoding="utf-8")
    assert hw.workload_from_scalesim(path)[["m", "n", "k"]].to_numpy().tolist() == [[1, 4096, 4096], [5, 6, 7]]
    path.write_text("Layer, h, w, fh, fw, c, f, s, batch,\na, 8, 8, 3, 3, 4, 5, 1, 6,\n", encoding="utf-8")
    assert hw.workload_from_scalesim(path).m.tolist() == [6 * 36]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a, 8, 8, 3, 3, 4, 5,", r"line 2: 7 fields"),
        ("a, 8, 8, 3, 3, 4, x, 1,", r"line 2: field Num Filter is 'x'"),
        ("a, 8, 0, 3, 3, 4, 5, 1,", r"field IFMAP Width is '0'"),
        ("a, 8, -8, 3, 3, 4, 5, 1,", r"field IFMAP Width is '-8'"),
        ("a, 8, 8, 3, 3, nan, 5, 1,", r"field Channels is 'nan'"),
        ("a, 8, 8, 9, 3, 4, 5, 1,", r"line 2: layer a: a 9x3 kernel does not fit its 8x8 input"),
        ("a, 8, 8, 3, 3, 4, 5, 1, 2:4,", r"'2:4'; only dense"),
        ("", "no layers"),
    ],
)
def test_bad_topologies(tmp_path, line, words):
    path = tmp_path / "bad.csv"
    path.write_text(f"name, h, w, fh, fw, c, f, s, ratio,\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        hw.workload_from_scalesim(path)
    with pytest.raises(ValueError, match="form"):
        hw.workload_from_scalesim(path, form="matrix")


@pytest.mark.parametrize("name", sorted([*vision_nets(), "vit-b/16"]))
def test_topologies_written_are_read_back(name, tmp_path):
    work = hw.workload(name)
    text = hw.to_scalesim(work, tmp_path / "net.csv")
    back = hw.workload_from_scalesim(tmp_path / "net.csv")
    assert text.splitlines()[0].count(",") == 8
    assert back.macs.sum() == work.macs.sum()
    fixed = ~work.kind.str.startswith("attention")
    assert back.weights.sum() == (work.macs / work.m)[~fixed].sum() + work.weights.sum()
    if name != "vit-b/16":
        pd.testing.assert_frame_equal(back[[*SHAPE, "macs"]], work[[*SHAPE, "macs"]])
    hw.to_scalesim(work, tmp_path / "gemm.csv", form="gemm")
    assert hw.workload_from_scalesim(tmp_path / "gemm.csv").macs.sum() == work.macs.sum()


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 6),
    filters=st.integers(1, 6),
    size=st.tuples(st.integers(5, 30), st.integers(5, 30)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 4),
    padding=st.integers(0, 4),
    groups=st.sampled_from([1, 2, 3]),
)
def test_any_convolution_survives_the_topology(tmp_path_factory, channels, filters, size, kernel, stride, padding, groups):
    pads = (padding, padding)
    row = frame.conv2d("DP, x", 1, (channels * groups, filters * groups), size, kernel, (stride, stride), pads, groups=groups)
    work = frame.table([row])
    path = tmp_path_factory.mktemp("topology") / "t.csv"
    hw.to_scalesim(work, path)
    back = hw.workload_from_scalesim(path)
    assert back.macs.sum() == work.macs[0]
    assert (back[["m", "n", "k"]].to_numpy() == work[["m", "n", "k"]].to_numpy()).all()


def test_layers_and_groups_are_repeated_or_not():
    work = hw.workload("opt-1.3b", "decode")
    assert len(hw.to_scalesim(work).splitlines()) == 1 + int((work["count"] * work.batch).sum())
    assert len(hw.to_scalesim(work, repeat=False).splitlines()) == 1 + len(work)
    with pytest.raises(ValueError, match="several images"):
        hw.to_scalesim(hw.workload("resnet-18", batch=2), form="conv")
    assert hw.to_scalesim(hw.workload("resnet-18", batch=2)).startswith("Layer, M, N, K,")


@pytest.mark.parametrize("name", ["resnet-18", "mobilenetv2", "vit-b/16", "llama-2-7b"])
def test_zigzag_files_say_the_same(name, tmp_path):
    work = hw.workload(name, batch=2)
    text = hw.to_zigzag(work, tmp_path / "net.yaml", bits=(4, 8, 32, 8))
    layers = yaml.safe_load(text)
    assert yaml.safe_load((tmp_path / "net.yaml").read_text()) == layers
    assert len(layers) == len(work)
    for i, (layer, row) in enumerate(zip(layers, work.to_dict("records"), strict=True)):
        assert layer["id"] == i
        assert layer["operand_source"]["I"] == max(0, i - 1)
        assert layer["operand_precision"] == {"W": 4, "I": 8, "O": 32, "O_final": 8}
        sizes = dict(zip(layer["loop_dims"], layer["loop_sizes"], strict=True))
        assert np.prod(list(sizes.values()), dtype=object) * row["count"] == row["macs"]
        used = set(re.findall(r"\[(\w+)\]", layer["equation"])) - {"ix", "iy"}
        assert used <= {d.lower() for d in sizes}
        for relation in layer.get("dimension_relations", ()):
            side = relation[1]
            reach = eval(
                relation.split("=")[1], {}, {f"o{side}": sizes[f"O{side.upper()}"] - 1, f"f{side}": sizes[f"F{side.upper()}"] - 1}
            )
            assert reach < row["in_w" if side == "x" else "in_h"]


def test_zigzag_bits_are_checked():
    with pytest.raises(ValueError, match="bits is 0"):
        hw.to_zigzag(hw.workload("phi-2"), bits=(0, 8, 16, 8))


def test_readers_are_names_of_the_package():
    assert {"workload_from_onnx", "workload_from_torch", "workload_from_config", "workload_from_scalesim"} <= set(dir(hw))
    assert len(csv_rows("hwmodel.workloads", "vision_nets")) == 21 + 54 + 53 + 16
