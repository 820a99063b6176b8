"""PyTorch + PEFT's contender: the training that stream.ts has prepared. Its one argument is a file with an order in JSON.

With "steps" it trains to the end and leaves theta.f32 and losses.json; it continues from its last checkpoint. Without, it takes orders on standard input.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import peft
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent / "step"))
from orders import serve

CHECKPOINT_SECONDS = 60


class Convolutions(nn.Module):
    """The convolutional network of an ONNX file, its convolutions as modules that PEFT can adapt."""

    def __init__(self, graph: onnx.GraphProto):
        super().__init__()
        self.names, self.nodes, values = {}, [], {}
        for tensor in graph.initializer:
            values[tensor.name] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                values[node.output[0]] = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
                continue
            if node.op_type == "Conv":
                weight, bias = values[node.input[1]], values[node.input[2]] if len(node.input) > 2 else None
                groups, pads = attributes.get("group", 1), attributes.get("pads", [0, 0, 0, 0])
                window = {"stride": tuple(attributes.get("strides", [1, 1])), "padding": tuple(pads[:2]), "groups": groups}
                layer = nn.Conv2d(weight.shape[1] * groups, weight.shape[0], weight.shape[2:], bias=bias is not None, **window)
                layer.weight.data.copy_(weight)
                if bias is not None:
                    layer.bias.data.copy_(bias)
                self.names[node.name] = f"layer{len(self.nodes)}"
                self.add_module(self.names[node.name], layer)
            elif node.op_type == "Clip":
                attributes["limits"] = [float(values[name]) for name in node.input[1:]]
            self.nodes.append((node.op_type, node.name, [n for n in node.input if n not in values], node.output[0], attributes))
        self.given, self.result = graph.input[0].name, graph.output[0].name

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values = {self.given: image}
        for op, name, inputs, output, attributes in self.nodes:
            x = values[inputs[0]]
            if op == "Conv":
                y = getattr(self, self.names[name])(x)
            elif op == "Clip":
                y = F.hardtanh(x, *attributes["limits"])
            elif op == "Relu":
                y = F.relu(x)
            elif op == "Add":
                y = x + values[inputs[1]]
            elif op in ("Reshape", "Flatten"):
                y = x.flatten(1)
            else:
                raise SystemExit(f"no {op} here")
            values[output] = y
        return values[self.result]


class Training:
    """PEFT's adapters on the network, and one step of their training."""

    def __init__(self, folder: Path, channels_last: bool):
        self.spec = spec = json.loads((folder / "spec.json").read_text())
        self.batch, self.recipe, self.last = spec["batch"], spec["recipe"], channels_last
        read = lambda name, dtype, *dims: torch.from_numpy(np.fromfile(folder / name, dtype).reshape(dims))
        self.pixels = np.memmap(folder / "pixels.u8", np.uint8, "r", shape=(spec["images"], 3, spec["size"], spec["size"]))
        self.alphas, self.targets = read("alphas.f32", "<f4", -1), read("targets.f32", "<f4", -1, spec["width"])
        self.faces, self.anchor_faces = read("faces.i32", "<i4", -1, 2), read("anchors.i32", "<i4", -1, 2)
        self.anchors, theta = read("anchors.f32", "<f4", -1, spec["width"]), read("theta.f32", "<f4", -1)
        self.mean, self.scale = (torch.tensor(spec[name]).view(3, 1, 1) for name in ("mean", "scale"))
        network = Convolutions(onnx.load(spec["model"]).graph)
        names = network.names
        sites = list(dict.fromkeys(slot["of"] for slot in spec["slots"]))
        config = peft.LoraConfig(r=spec["rank"], lora_alpha=spec["rank"] * spec["factor"], target_modules=[names[site] for site in sites])
        self.network = peft.get_peft_model(network, config).eval()
        if channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)
        base = self.network.base_model.model
        self.slots = []
        for slot in spec["slots"]:
            layer = getattr(base, names[slot["of"]])
            weight = (layer.lora_A if slot["role"] == "down" else layer.lora_B)["default"].weight
            weight.data.copy_(theta[slot["offset"] : slot["offset"] + slot["length"]].view(weight.shape))
            self.slots.append(weight)
        # PEFT has no gate: what goes between its two projections is weighted for each image.
        for site in sites:
            getattr(base, names[site]).lora_A["default"].register_forward_hook(lambda _, __, output: output * self.gate)
        self.optimiser = torch.optim.AdamW(self.slots, lr=1e-3, weight_decay=self.recipe["weightDecay"], fused=True)

    def theta(self) -> np.ndarray:
        return torch.cat([weight.detach().contiguous().flatten() for weight in self.slots]).numpy().astype("<f4")

    def step(self, at: int, rate: float) -> float:
        recipe, rows = self.recipe, slice(at * self.batch, (at + 1) * self.batch)
        image = (torch.from_numpy(self.pixels[rows].astype(np.float32)) - self.mean) * self.scale
        if self.spec["channels"] == "bgr":
            image = image.flip(1)
        if self.last:
            image = image.contiguous(memory_format=torch.channels_last)
        self.gate = (1 - self.alphas[rows]).view(-1, 1, 1, 1)
        unit = F.normalize(self.network(image), dim=1)
        own = (unit * self.targets[rows]).sum(1, keepdim=True)
        loss = recipe["distilWeight"] * (1 - own).mean()
        there = min(self.spec["anchors"]["count"], (at + 1) * self.spec["anchors"]["added"])
        # Neither the face itself nor its person, where that is known.
        face, person = self.faces[rows].unsqueeze(1).unbind(2)
        faces, people = self.anchor_faces[:there].unbind(1)
        others = (faces != face) & ((people != person) | (person < 0))
        odds = torch.exp(recipe["anchorScale"] * (unit @ self.anchors[:there].T - own)) * others
        loss = loss + recipe["anchorWeight"] * torch.log1p(odds.sum(1)).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.slots, recipe["clip"])
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        return loss.item()


def train(training: Training, out: Path, rates: list[float]) -> None:
    checkpoint, losses = out / "checkpoint.pt", []
    if checkpoint.exists():
        state = torch.load(checkpoint)
        losses = state["losses"]
        for weight, value in zip(training.slots, state["weights"]):
            weight.data.copy_(value)
        training.optimiser.load_state_dict(state["optimiser"])
    saved = time.monotonic()
    for at in range(len(losses), len(rates)):
        losses.append(training.step(at, rates[at]))
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            weights = [weight.data for weight in training.slots]
            torch.save({"losses": losses, "weights": weights, "optimiser": training.optimiser.state_dict()}, out / "checkpoint.part")
            os.replace(out / "checkpoint.part", checkpoint)
            saved = time.monotonic()
    training.theta().tofile(out / "theta.f32")
    (out / "losses.json").write_text(json.dumps(losses))
    checkpoint.unlink(missing_ok=True)


def main(order: dict) -> None:
    started = time.perf_counter()
    torch.manual_seed(0)
    torch.set_num_threads(order["threads"])
    torch.set_flush_denormal(True)
    training = Training(Path(order["stream"]), order["channelsLast"])
    if "rates" in order:
        train(training, Path(order["out"]), order["rates"])
        return
    at, steps = 0, training.spec["images"] // training.batch

    def step() -> float:
        nonlocal at
        at += 1
        return training.step((at - 1) % steps, 1e-4)

    serve(step(), started, step)


main(json.loads(Path(sys.argv[1]).read_text()))
