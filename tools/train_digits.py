"""Train the small convolutional classifier that ships with hwmodel (`digits`) on scikit-learn's 8 x 8 digits.

    python tools/train_digits.py [--out FOLDER]

Needs torch, scikit-learn and safetensors. The test rows are fixed by digits_test_rows.txt and never seen in training.
Writes config.json, model.safetensors (float16), test_images.npz (uint8), the training record and MANIFEST.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from manifest import carry_licences, write_manifest, write_npz

DEFAULT_OUT = Path(__file__).parent.parent / "hwmodel" / "models" / "data" / "digits"
TEST_ROWS = Path(__file__).with_name("digits_test_rows.txt")

CONFIG = {
    "model_type": "convnet",
    "image": {"channels": 1, "height": 8, "width": 8, "scale": 0.0625},
    "classes": 10,
    "steps": [
        {"op": "conv2d", "name": "conv1", "stride": 1, "padding": 1},
        {"op": "relu"},
        {"op": "conv2d", "name": "conv2", "stride": 2, "padding": 1},
        {"op": "relu"},
        {"op": "conv2d", "name": "conv3", "stride": 1, "padding": 1},
        {"op": "relu"},
        {"op": "flatten"},
        {"op": "linear", "name": "fc1"},
        {"op": "relu"},
        {"op": "linear", "name": "fc2"},
    ],
    "torch_dtype": "float16",
}


@dataclass(frozen=True)
class Recipe:
    seed: int = 0
    threads: int = 1
    epochs: int = 40
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05


def test_rows() -> list[int]:
    lines = TEST_ROWS.read_text().splitlines()
    return [int(word) for line in lines if not line.startswith("#") for word in line.split()]


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1, stride=2)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc1 = nn.Linear(512, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def shifted(images: Tensor, draw: torch.Generator) -> Tensor:
    """Each image moved by -1, 0 or 1 pixels in both directions, empty pixels 0."""
    padded = F.pad(images, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(images), 2), generator=draw)
    return torch.stack([p[:, r : r + 8, c : c + 8] for p, (r, c) in zip(padded, moves.tolist(), strict=True)])


def train(recipe: Recipe, images: Tensor, labels: Tensor) -> Classifier:
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    draw = torch.Generator().manual_seed(recipe.seed)
    steps = recipe.epochs * math.ceil(len(images) / recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in torch.randperm(len(images), generator=draw).split(recipe.batch):
            scores = model(shifted(images[rows], draw))
            loss = F.cross_entropy(scores, labels[rows], label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1}/{recipe.epochs} loss {total / len(images):.4f}", flush=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    args = parser.parse_args()
    recipe = Recipe()
    digits = load_digits()
    pixels, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    held = np.zeros(len(pixels), dtype=bool)
    held[test_rows()] = True
    started = time.monotonic()
    images = torch.from_numpy(pixels).float()[:, None] * CONFIG["image"]["scale"]
    targets = torch.from_numpy(labels).long()
    mask = torch.from_numpy(held)
    model = train(recipe, images[~mask], targets[~mask])

    tensors = {name: p.detach().to(torch.float16).contiguous() for name, p in model.named_parameters()}
    model.load_state_dict({name: t.float() for name, t in tensors.items()})
    with torch.no_grad():
        correct = int((model(images[mask]).argmax(1) == targets[mask]).sum())
    record = {
        "command": "python tools/train_digits.py",
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "torch": torch.__version__,
        "scikit_learn": sklearn.__version__,
        "training_images": int((~held).sum()),
        "heldout": {"images": int(held.sum()), "correct": correct, "accuracy": correct / int(held.sum())},
    }
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(args.out / "model.safetensors"), metadata={"format": "pt"})
    rows = np.flatnonzero(held).astype(np.int16)
    write_npz(args.out / "test_images.npz", images=pixels[held], labels=labels[held], rows=rows)
    (args.out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (args.out / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    carry_licences(DEFAULT_OUT, args.out)
    write_manifest(args.out)
    print(json.dumps(record["heldout"]), f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
