"""Exports every function of operators.py with both exporters and writes what PyTorch computes: python export.py FOLDER.

NAME.json holds the inputs, the outputs and the gradients of sum(output * cos(0, 1, 2, ...)) by the inputs; NAME-VARIANT.onnx the
exports, or NAME-VARIANT.txt the reason why PyTorch could not make one. What is there already stays.
"""

import contextlib
import copy
import io
import json
import logging
import sys
import warnings
from pathlib import Path

import torch
from operators import operators
from torch import nn

# Variant: exporter and operator set.
VARIANTS = {"ts12": (False, 12), "dynamo18": (True, 18), "dynamo23": (True, 23)}


class Function(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


def reference(layer: nn.Module, inputs: list[torch.Tensor]) -> dict:
    """What ours must reproduce, as plain lists."""
    leaves = [value.clone().requires_grad_() for value in inputs]
    output = copy.deepcopy(layer)(*leaves)
    direction = torch.cos(torch.arange(output.numel()).float()).reshape(output.shape)
    (output * direction).sum().backward()
    gradients = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    flat = lambda value: value.detach().flatten().tolist()  # noqa: E731
    return {
        "inputs": [{"shape": list(value.shape), "data": flat(value)} for value in inputs],
        "output": flat(output),
        "gradients": [flat(gradient) for gradient in gradients],
    }


def export(layer: nn.Module, inputs: list[torch.Tensor], file: Path, dynamo: bool, opset: int) -> None:
    options = {"opset_version": opset, "dynamo": dynamo, "output_names": ["output"]}
    options["input_names"] = [f"input{i}" for i in range(len(inputs))]
    if not dynamo and layer.training:
        options |= {"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False}
    part = file.with_suffix(".part")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(copy.deepcopy(layer), tuple(inputs), str(part), **options)
    part.rename(file)


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (function, *inputs) in operators().items():
        layer = function if isinstance(function, nn.Module) else Function(function)
        layer.train(name.endswith("_training"))
        (folder / f"{name}.json").write_text(json.dumps(reference(layer, inputs)))
        for variant, (dynamo, opset) in VARIANTS.items():
            file = folder / f"{name}-{variant}.onnx"
            if file.exists():
                continue
            if dynamo and layer.training:
                file.with_suffix(".txt").write_text("dynamo's exporter writes the form for inference\n")
                continue
            try:
                export(layer, inputs, file, dynamo, opset)
            except Exception as error:  # PyTorch raises whatever its parts raise
                file.with_suffix(".txt").write_text(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}\n")


main(Path(sys.argv[1]))
