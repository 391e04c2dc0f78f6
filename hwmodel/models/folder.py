"""Load a local .safetensors file or a Hugging Face style folder (config.json + safetensors, sharded or not)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.models.bag import bag_of_layers
from hwmodel.models.loaded import LoadedModel
from hwmodel.models.safetensors_file import SafetensorsFile
from numfmt.layers.convnet import ConvNet
from numfmt.layers.llama import Llama
from numfmt.layers.network import Network

INDEX = "model.safetensors.index.json"


class FolderTensors(Mapping[str, NDArray[np.float32]]):
    """The tensors of all safetensors files of a folder, read when asked for."""

    def __init__(self, files: list[SafetensorsFile], names: Mapping[str, SafetensorsFile] | None = None) -> None:
        self._files = files
        self._where = dict(names) if names is not None else {name: file for file in files for name in file}

    @property
    def skipped(self) -> dict[str, str]:
        """Names and types of the tensors that are not read because of their type."""
        return {name: dtype for file in self._files for name, dtype in file.skipped.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor, without reading any."""
        return {name: file.shape(name) for name, file in self._where.items()}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self._where[name][name]

    def __contains__(self, name: object) -> bool:
        return name in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises ValueError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value


def folder_tensors(folder: Path) -> FolderTensors:
    """Open the safetensors files of a folder: those of the index where there is one, else model.safetensors, else all.

    Raises FileNotFoundError when there is none or a shard is absent, ValueError when a shard lacks a tensor of
    the index.
    """
    if (folder / INDEX).is_file():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ValueError(f"{folder / INDEX} lacks the object 'weight_map'")
        absent = sorted({file for file in weight_map.values() if not (folder / file).is_file()})
        if absent:
            raise FileNotFoundError(f"{folder} lacks the shards {', '.join(absent)} that {INDEX} names")
        shards = {file: SafetensorsFile(folder / file) for file in sorted(set(weight_map.values()))}
        for tensor, file in weight_map.items():
            if tensor not in shards[file] and tensor not in shards[file].skipped:
                raise ValueError(f"{INDEX} puts tensor {tensor!r} into {file}, which does not hold it")
        return FolderTensors(
            list(shards.values()), {tensor: shards[file] for tensor, file in weight_map.items() if tensor in shards[file]}
        )
    single = folder / "model.safetensors"
    paths = [single] if single.is_file() else sorted(folder.glob("*.safetensors"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no .safetensors file")
    return FolderTensors([SafetensorsFile(path) for path in paths])


def build_network(name: str, config: Mapping[str, Any], tensors: FolderTensors) -> Network:
    """The full network where config.json describes one that is known, else a bag of layers."""
    kind = config.get("model_type")
    unread = {tensor: dtype for tensor, dtype in tensors.skipped.items() if tensor.endswith(".weight")}
    if unread and kind in ("llama", "mistral", "convnet"):
        tensor, dtype = next(iter(unread.items()))
        raise ValueError(
            f"tensor {tensor!r} of {name} has type {dtype}; only F64, F32, F16 and BF16 weights are read. "
            "Give the model in one of these types"
        )
    if kind == "llama" or (kind == "mistral" and not config.get("sliding_window")):
        return Llama(config, tensors, name=name)
    if kind == "convnet":
        return ConvNet(config, tensors, name=name)
    return bag_of_layers(name, tensors, tensors.shapes)


def load_folder(folder: Path) -> LoadedModel:
    """A Hugging Face style folder. Raises FileNotFoundError without config.json, ValueError where it does not fit."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no config.json; a model folder needs config.json beside its safetensors. "
            "To score a file without a config, give the path of the .safetensors file itself"
        )
    config = read_json(path)
    network = build_network(folder.name, config, folder_tensors(folder))
    return LoadedModel(network, None, None, f"local folder {folder}", "not stated", config)


def load_file(path: Path) -> LoadedModel:
    """One .safetensors file as a bag of layers. Raises FileNotFoundError, ValueError."""
    file = SafetensorsFile(path)
    network = bag_of_layers(path.stem, file, {name: file.shape(name) for name in file})
    return LoadedModel(network, None, None, f"local file {path}", "not stated", {})
