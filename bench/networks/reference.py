"""Runs one network of networks.py in PyTorch, in float64, and writes what ours must reproduce: python reference.py NAME FOLDER.

The file holds images, features, a direction, loss = sum(features * direction), the loss's gradient by the images, and some parameters with
their gradients ("value.KEY", "grad.KEY"). Its metadata counts the layers that ran: dense (convolutions over all channels, products) and grouped.
"""

import copy
import sys
from pathlib import Path

import torch
from networks import BATCH, FEATURES, SEED, image_side, make_network
from safetensors.torch import save_file

MATRICES = 8
VECTORS = 6
ATTEMPTS = 40
MOVES = 2
NUDGE = 2e-7


def spread(items: list, count: int) -> list:
    """`count` of the items, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def count_layers(network: torch.nn.Module) -> dict[str, int]:
    """Counts every call of a convolution or product with a weight of its own from now on.

    Those that see no image (a projection of fixed positions) are no place for an adapter; their inputs ask for no gradient.
    """
    counts = {"dense": 0, "grouped": 0}

    def note(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], _: object) -> None:
        if inputs[0].requires_grad:
            counts["grouped" if getattr(layer, "groups", 1) > 1 else "dense"] += 1

    for layer in network.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.modules.conv._ConvNd)):
            layer.register_forward_hook(note)
    return counts


def difference(expected: list[torch.Tensor], actual: list[torch.Tensor]) -> float:
    """The largest L2 norm of a difference by that of what is expected."""
    pairs = zip(expected, actual, strict=True)
    return max(float((a.double() - e.double()).norm() / e.double().norm()) for e, a in pairs)


def gradients(network: torch.nn.Module, images: torch.Tensor, direction: torch.Tensor) -> list[torch.Tensor]:
    """Features, loss and the gradient by the images; those by the parameters are left in them."""
    network.zero_grad()
    images = images.clone().requires_grad_()
    features = network(images)
    loss = (features * direction).sum()
    loss.backward()
    return [features.detach(), loss.detach(), images.grad]


def draw_images(name: str, network: torch.nn.Module, direction: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Images whose gradient is one: no ReLU so near its bend that rounding decides on which side it is.

    Near means that float32 in place of float64, or a nudge of images and parameters (exporters merge batch norms, which rounds again), moves
    the gradient by more than 1e-4: a single ReLU that flips in a small network moves it by 1e-2. Returns the images and the difference that float32 makes in PyTorch.
    """
    exact = copy.deepcopy(network).double()
    for attempt in range(ATTEMPTS):
        generator = torch.Generator().manual_seed(SEED + attempt)
        images = torch.randn(BATCH, 3, image_side(name), image_side(name), generator=generator)
        expected = gradients(exact, images.double(), direction.double())
        rounded = difference(expected[2:], gradients(network, images, direction)[2:])
        if rounded > 1e-4:
            continue

        def move() -> list[torch.Tensor]:
            moved = copy.deepcopy(exact)
            with torch.no_grad():
                for value in moved.parameters():
                    value.mul_(1 + NUDGE * torch.randn(value.shape, generator=generator, dtype=value.dtype))
            nudge = NUDGE * torch.randn(images.shape, generator=generator, dtype=torch.float64)
            return gradients(moved, images.double() * (1 + nudge), direction.double())[2:]

        if all(difference(expected[2:], move()) <= 1e-4 for _ in range(MOVES)):
            return images, rounded
    raise SystemExit(f"{name}: {ATTEMPTS} draws of images all have a ReLU at its bend; use fewer or smaller images")


def main(name: str, folder: Path) -> None:
    file = folder / f"{name}.safetensors"
    if file.exists():
        return
    network = make_network(name)
    direction = torch.randn(BATCH, FEATURES, generator=torch.Generator().manual_seed(SEED))
    images, rounded = draw_images(name, network, direction)
    network.double()
    counts = count_layers(network)
    features, loss, by_images = gradients(network, images.double(), direction.double())
    metadata = {key: str(count) for key, count in counts.items()} | {"float32": str(rounded)}
    parameters = [(key, value) for key, value in network.named_parameters() if value.grad is not None]
    chosen = spread([p for p in parameters if p[1].ndim >= 2], MATRICES)
    chosen += spread([p for p in parameters if p[1].ndim < 2], VECTORS)
    tensors = {"images": images, "direction": direction, "features": features, "loss": loss, "grad.images": by_images}
    for key, value in chosen:
        tensors[f"value.{key}"] = value
        tensors[f"grad.{key}"] = value.grad
    part = file.with_suffix(".part")
    stored = {key: value.detach().float().contiguous().clone() for key, value in tensors.items()}
    save_file(stored, part, metadata)
    part.rename(file)


main(sys.argv[1], Path(sys.argv[2]))
