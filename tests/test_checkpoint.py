"""Models in safetensors files: quantized by blocks of rows, resumed, read again."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import numfmt as nf
from hwmodel.cli import main
from numfmt.blocks import checkpoint


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "model"
    folder.mkdir()
    first = {
        "embed.weight": rng.standard_normal((40, 256)).astype(ml_dtypes.bfloat16),
        "layer.0.mlp.weight": rng.standard_normal((96, 256)).astype(np.float16),
        "layer.0.norm.weight": np.ones(256, np.float32),
    }
    second = {
        "layer.1.mlp.weight": rng.standard_normal((64, 512)).astype(np.float32),
        "conv.weight": rng.standard_normal((16, 4, 128)).astype(np.float32),
        "steps": np.arange(5),
    }
    save_file(first, folder / "a.safetensors")
    save_file(second, folder / "b.safetensors")
    return folder, first | second


@pytest.mark.parametrize(
    "spec", ["bitmod4/g128", "int3/g32+asym", "mxfp4", "int5/b16x16+pad", "nf4/flat64", "ant4/channel", "bitnet/tensor"]
)
def test_a_checkpoint_is_the_quantized_tensors(model, tmp_path, spec, monkeypatch):
    folder, arrays = model
    monkeypatch.setattr(checkpoint, "_BLOCK_BYTES", 16 * 256 * 4)  # several blocks a tensor
    out = nf.quantize_checkpoint(folder, tmp_path / "out", spec, skip=("embed*",), progress=False)
    held = nf.open_checkpoint(out)
    assert set(held) == set(arrays)
    assert set(held.schemes) == {"layer.0.mlp.weight", "layer.1.mlp.weight", "conv.weight"}
    for name, array in arrays.items():
        if name in held.schemes:
            q = held[name]
            assert q == nf.quantize(array.astype(np.float32), spec), name
            assert q.held_nbytes == q.nbytes
        else:
            assert held[name].dtype == array.dtype
            np.testing.assert_array_equal(held[name], array)
    assert held.nbytes < 1.2 * (sum(held[n].nbytes for n in held)) + 8000
    with safe_open(out / "a.safetensors", framework="numpy") as handle:  # a plain safetensors file to everybody
        assert "layer.0.mlp.weight.codes" in handle.keys()  # noqa: SIM118


def test_patterns_choose_schemes(model, tmp_path):
    folder, _ = model
    out = nf.quantize_checkpoint(folder, tmp_path / "out", {"layer.*": "int4/g128", "embed*": "int8/channel"}, progress=False)
    made = {name: str(s) for name, s in nf.open_checkpoint(out).schemes.items()}
    assert made == {"layer.0.mlp.weight": "int4/g128", "layer.1.mlp.weight": "int4/g128", "embed.weight": "int8/channel"}


def test_an_interrupted_run_goes_on(model, tmp_path, monkeypatch):
    folder, _ = model
    target = tmp_path / "out"
    plain = checkpoint.quantize
    seen = []

    def fails(x, made):
        seen.append(x.shape)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return plain(x, made)

    monkeypatch.setattr(checkpoint, "quantize", fails)
    with pytest.raises(KeyboardInterrupt):
        nf.quantize_checkpoint(folder, target, "int4/g128", progress=False)
    assert [p.name for p in target.iterdir()] == ["a.safetensors"]  # the file in work has left nothing
    monkeypatch.setattr(checkpoint, "quantize", plain)
    before = (target / "a.safetensors").stat().st_mtime_ns
    nf.quantize_checkpoint(folder, target, "int4/g128", progress=True)
    assert (target / "a.safetensors").stat().st_mtime_ns == before
    assert len(nf.open_checkpoint(target)) == 6
    with pytest.raises(ValueError, match="other work"):
        nf.quantize_checkpoint(folder, target, "int8/g128", progress=False)
    trained = bytearray((folder / "a.safetensors").read_bytes())
    trained[len(trained) // 2] ^= 64  # other weights in a file of the same size
    (folder / "a.safetensors").write_bytes(trained)
    with pytest.raises(ValueError, match="other work"):
        nf.quantize_checkpoint(folder, target, "int4/g128", progress=False)


def test_refusals(model, tmp_path):
    folder, _ = model
    with pytest.raises(FileNotFoundError):
        nf.quantize_checkpoint(tmp_path / "absent", tmp_path / "out", "int4/g128")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no .safetensors file"):
        nf.quantize_checkpoint(tmp_path / "empty", tmp_path / "out", "int4/g128")
    with pytest.raises(ValueError, match=r"conv.weight of b.safetensors.*does not divide.*skip"):
        nf.quantize_checkpoint(folder, tmp_path / "out", "int4/g256")
    assert not (tmp_path / "out").exists()
    data = (folder / "a.safetensors").read_bytes()
    (folder / "a.safetensors").write_bytes(data[:-10])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        nf.quantize_checkpoint(folder, tmp_path / "out", "int4/g128")
    save_file({"x": np.zeros(3)}, tmp_path / "empty" / "x.safetensors")
    with pytest.raises(ValueError, match="no file of quantize_checkpoint"):
        nf.open_checkpoint(tmp_path / "empty")


def test_values_that_cannot_be_quantized_name_their_tensor(tmp_path):
    x = np.ones((8, 128), np.float32)
    x[3, 3] = np.nan
    save_file({"w": x}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="w: x holds 1 NaN"):
        nf.quantize_checkpoint(tmp_path / "m.safetensors", tmp_path / "out", "int4/g128", progress=False)
    assert not list((tmp_path / "out").iterdir())


def test_a_changed_file_is_refused(model, tmp_path):
    folder, _ = model
    out = nf.quantize_checkpoint(folder, tmp_path / "out", "int4/g128", progress=False)
    file = out / "a.safetensors"
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    mark = json.loads(header["__metadata__"]["numfmt.checkpoint"])
    mark["tensors"]["embed.weight"]["scheme"] = "int8/g128"
    header["__metadata__"]["numfmt.checkpoint"] = json.dumps(mark)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    with pytest.raises(ValueError, match="needs"):
        nf.open_checkpoint(out)["embed.weight"]


def test_the_command(model, tmp_path, capsys):
    folder, arrays = model
    target = tmp_path / "out"
    command = ["quantize", str(folder), str(target), "--scheme", "int4/g128", "--for", "conv*=int8/channel", "--skip", "embed*"]
    assert main([*command, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["tensors_quantized"], summary["tensors_copied"]) == (3, 3)
    elements = sum(arrays[n].size for n in ("layer.0.mlp.weight", "layer.1.mlp.weight", "conv.weight"))
    assert summary["elements_quantized"] == elements
    bits = 4.25 * (96 * 256 + 64 * 512) + (8 + 32 / 128) * 16 * 4 * 128
    assert summary["bits_per_element"] == bits / elements
    assert main([*command, "--quiet"]) == 0
    assert "3 tensors" in capsys.readouterr().out
    assert main(["quantize", str(folder), str(target), "--for", "conv", "--quiet"]) == 2
    assert "PATTERN=SCHEME" in capsys.readouterr().err
    assert main(["list", "schemes"]) == 0
    assert "bitmod4/g128" in capsys.readouterr().out


def test_tensors_of_every_dtype_and_none_of_their_elements_are_copied(tmp_path):
    arrays = {
        "e4": np.arange(8).reshape(2, 4).astype(ml_dtypes.float8_e4m3fn),
        "e5": np.arange(8).astype(ml_dtypes.float8_e5m2),
        "complex": np.ones((2, 4), np.complex64),
        "empty": np.zeros((0, 32), np.float32),
        "narrow": np.zeros((4, 0), np.float16),
        "scalar": np.array(2.5, np.float32),
    }
    kinds = {"e4": "F8_E4M3", "e5": "F8_E5M2", "complex": "C64", "empty": "F32", "narrow": "F16", "scalar": "F32"}
    header, content = {}, b""
    for name, array in arrays.items():
        end = len(content) + array.nbytes
        header[name] = {"dtype": kinds[name], "shape": list(array.shape), "data_offsets": [len(content), end]}
        content += array.tobytes()
    text = json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + content)
    nf.quantize_checkpoint(tmp_path / "m.safetensors", tmp_path / "out", "int4/g32", progress=False)
    back = nf.open_checkpoint(tmp_path / "out")
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()


def test_names_that_would_meet_are_refused(tmp_path):
    w = np.ones((2, 32), np.float32)
    save_file({"a": w, "a.scales": w[0]}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"'a.scales' of m.safetensors and 'a' of m.safetensors would both be called 'a.scales'"):
        nf.quantize_checkpoint(tmp_path, tmp_path / "out", "int4/g32", progress=False)
    back = nf.open_checkpoint(nf.quantize_checkpoint(tmp_path, tmp_path / "out", "int4/g32", skip="a", progress=False))
    assert sorted(back) == ["a", "a.scales"]
    save_file({"a": w}, tmp_path / "n.safetensors")
    with pytest.raises(ValueError, match="would both be called 'a'"):
        nf.quantize_checkpoint(tmp_path, tmp_path / "more", "int4/g32", skip=("a",), progress=False)
    assert not (tmp_path / "more").exists()


def test_targets_and_patterns_that_mean_nothing(tmp_path):
    save_file({"a": np.ones((2, 32), np.float32)}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="is a file; name a directory"):
        nf.quantize_checkpoint(tmp_path, tmp_path / "m.safetensors", "int4/g32", progress=False)
    for spec in ({}, {"b.*": "int4/g32"}):
        with pytest.raises(ValueError, match="names a matrix of"):
            nf.quantize_checkpoint(tmp_path, tmp_path / "out", spec, progress=False)


@pytest.mark.parametrize("spec", ["int4/b16x16+pad", "int5/b8x32+pad", "mxfp4"])
def test_blocks_of_rows_find_their_place(tmp_path, spec, monkeypatch):
    x = np.random.default_rng(0).standard_normal((413, 64)).astype(np.float32)
    save_file({"w": x}, tmp_path / "m.safetensors")
    monkeypatch.setattr(checkpoint, "_BLOCK_BYTES", 1)
    blocks = []
    plain = checkpoint.quantize
    monkeypatch.setattr(checkpoint, "quantize", lambda piece, made: blocks.append(len(piece)) or plain(piece, made))
    held = nf.open_checkpoint(nf.quantize_checkpoint(tmp_path / "m.safetensors", tmp_path / "out", spec, progress=False))
    assert len(blocks) > 3
    assert held["w"] == nf.quantize(x, spec)
