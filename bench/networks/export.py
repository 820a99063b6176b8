"""Exports one network of networks.py with both exporters of PyTorch, or one variant: python export.py NAME FOLDER [VARIANT]."""

import sys
import warnings
from pathlib import Path

import torch
from timm.layers import set_fused_attn
from networks import image_side, make_network

# Variant: exporter, operator set, whether the batch is open.
VARIANTS = {
    "ts": (False, 17, True),
    "ts-1": (False, 13, False),
    "dynamo": (True, 18, True),
    "dynamo-1": (True, 20, False),
}


def export(network: torch.nn.Module, side: int, file: Path, dynamo: bool, opset: int, opened: bool) -> None:
    # An open batch is traced with two images: torch.export takes a traced size of 1 for a fixed one.
    images = torch.randn(2 if opened else 1, 3, side, side)
    options = {"opset_version": opset, "input_names": ["images"], "output_names": ["features"], "dynamo": dynamo}
    if opened and dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif opened:
        options["dynamic_axes"] = {"images": {0: "batch"}, "features": {0: "batch"}}
    torch.onnx.export(network, (images,), str(file), **options)


def main(name: str, folder: Path, wanted: str | None = None) -> None:
    warnings.filterwarnings("ignore")
    for variant, (dynamo, opset, opened) in VARIANTS.items():
        if wanted not in (None, variant):
            continue
        file = folder / f"{name}-{variant}.onnx"
        if file.exists():
            continue
        part = folder / "part" / file.name
        part.parent.mkdir(exist_ok=True)
        # scaled_dot_product_attention is for operator set 14 on; older exports had the plain products anyway.
        set_fused_attn(opset >= 14)
        export(make_network(name), image_side(name), part, dynamo, opset, opened)
        # The weights' file first: a model that is there is whole.
        for done in sorted(part.parent.glob(f"{part.name}*"), reverse=True):
            done.rename(folder / done.name)


main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
