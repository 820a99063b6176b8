"""Runs one network of networks.py in PyTorch and writes what ours must reproduce: python reference.py NAME FOLDER.

The file holds images, features, a direction, loss = sum(features * direction), the loss's gradient by the images, and some parameters with
their gradients ("value.KEY", "grad.KEY").
"""

import sys
from pathlib import Path

import torch
from networks import BATCH, FEATURES, SEED, image_side, make_network
from safetensors.torch import save_file

MATRICES = 8
VECTORS = 6


def spread(items: list, count: int) -> list:
    """`count` of the items, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def main(name: str, folder: Path) -> None:
    file = folder / f"{name}.safetensors"
    if file.exists():
        return
    network = make_network(name)
    generator = torch.Generator().manual_seed(SEED + 1)
    images = torch.randn(BATCH, 3, image_side(name), image_side(name), generator=generator).requires_grad_()
    direction = torch.randn(BATCH, FEATURES, generator=generator)
    features = network(images)
    loss = (features * direction).sum()
    loss.backward()
    parameters = [(key, value) for key, value in network.named_parameters() if value.grad is not None]
    chosen = spread([p for p in parameters if p[1].ndim >= 2], MATRICES)
    chosen += spread([p for p in parameters if p[1].ndim < 2], VECTORS)
    tensors = {"images": images, "direction": direction, "features": features, "loss": loss, "grad.images": images.grad}
    for key, value in chosen:
        tensors[f"value.{key}"] = value
        tensors[f"grad.{key}"] = value.grad
    part = file.with_suffix(".part")
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, part)
    part.rename(file)


main(sys.argv[1], Path(sys.argv[2]))
