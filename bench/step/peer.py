"""PyTorch's contender: the same network, adapters, loss and optimiser; takes orders on standard input as ours.ts does."""

import gc
import json
import math
import os
import sys
import time

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from orders import serve

started = time.perf_counter()
order = json.loads(sys.argv[1])
folder, form, task = order["folder"], order["form"], order["task"]
torch.set_num_threads(order["threads"])
torch.manual_seed(0)
spec = json.load(open(os.path.join(folder, "spec.json")))
batch, rank = spec["batch"], spec["rank"]


def read(name, *dims):
    return torch.from_numpy(np.fromfile(os.path.join(folder, name + ".f32"), dtype="<f4").reshape(dims).copy())


theta = read("theta", -1)
image = read("input", batch, *spec["inputShape"])
alpha = read("alpha", batch)
target = read("target", batch, spec["width"])
model = onnx.load(os.path.join(folder, "model.onnx"))
weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
slots = {}
for slot in spec["slots"] if task == "step" else ():
    count = math.prod(slot["dims"])
    slots[(slot["of"], slot["role"])] = theta[slot["offset"] : slot["offset"] + count].reshape(slot["dims"]).clone()


def gate_of(alpha):
    column = alpha[:, None]
    if spec["gate"] == "single":
        return column
    if spec["gate"] == "low":
        return spec["scale"] * (1 - column).expand(batch, rank)
    half = rank // 2
    return spec["scale"] * torch.cat([(1 - column).expand(batch, half), column.expand(batch, half)], 1)


class Convolutions(torch.nn.Module):
    """A chain of convolutions as the ONNX file says it, layer by layer through torch.nn.functional."""

    def __init__(self):
        super().__init__()
        self.steps = []
        self.adapters = torch.nn.ParameterDict()
        for i, node in enumerate(model.graph.node):
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            key = f"site{i}" if (node.name, "down") in slots else ""
            if key:
                down, up = slots[(node.name, "down")], slots[(node.name, "up")]
                self.adapters[key + "a"] = torch.nn.Parameter(down[:, :, None, None] if down.dim() == 2 else down)
                self.adapters[key + "b"] = torch.nn.Parameter(up[:, :, None, None])
            for name in node.input:
                if name in weights and weights[name].is_floating_point():
                    buffer = name.replace(".", "_").replace("/", "_")
                    if not hasattr(self, buffer):
                        value = weights[name]
                        if form in ("channels-last", "compiled") and value.dim() == 4:
                            value = value.contiguous(memory_format=torch.channels_last)
                        self.register_buffer(buffer, value)
            inputs = [n.replace(".", "_").replace("/", "_") if n in weights else n for n in node.input]
            if node.op_type == "Clip":
                attributes["limits"] = [float(weights[name]) for name in node.input[1:]]
            self.steps.append((node.op_type, inputs, node.output[0], attributes, key))

    def forward(self, x, gate):
        values = {spec["inputName"]: x}

        def value(name):
            return values[name] if name in values else getattr(self, name)

        for op, inputs, output, attributes, key in self.steps:
            a = value(inputs[0])
            if op == "Conv":
                bias = value(inputs[2]) if len(inputs) > 2 else None
                pads = attributes.get("pads", [0, 0, 0, 0])
                window = dict(stride=tuple(attributes.get("strides", [1, 1])), padding=tuple(pads[:2]))
                y = F.conv2d(a, value(inputs[1]), bias, groups=attributes.get("group", 1), **window)
                if key:
                    u = F.conv2d(a, self.adapters[key + "a"], **window) * gate[:, :, None, None]
                    y = y + F.conv2d(u, self.adapters[key + "b"])
            elif op == "BatchNormalization":
                weight, bias, mean, variance = (value(name) for name in inputs[1:5])
                y = F.batch_norm(a, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))
            elif op == "Gemm":
                y = F.linear(a, value(inputs[1]), value(inputs[2]) if len(inputs) > 2 else None)
            elif op == "Identity":
                y = a
            elif op == "PRelu":
                y = F.prelu(a, value(inputs[1]).reshape(-1))
            elif op == "Clip":
                y = F.hardtanh(a, *attributes["limits"])
            elif op == "Relu":
                y = F.relu(a)
            elif op == "Add":
                y = a + value(inputs[1])
            elif op in ("Reshape", "Flatten"):
                y = a.flatten(1)
            else:
                raise SystemExit(f"no {op} here")
            values[output] = y
        return values[spec["outputName"]]


class Swin(torch.nn.Module):
    """swin.ts in PyTorch, on [B, 100, 768] tokens."""

    def __init__(self):
        super().__init__()
        self.blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
        for name, value in weights.items():
            if name.startswith("blocks."):
                flat = name.replace(".", "_")
                is_matrix = value.dim() == 2
                self.register_buffer(flat, value.T.contiguous() if is_matrix else value)
        self.adapters = torch.nn.ParameterDict()
        sites = list(dict.fromkeys(slot["of"] for slot in spec["slots"]))
        for block, site in enumerate(sites):
            self.adapters[f"{block}a"] = torch.nn.Parameter(slots[(site, "down")])
            self.adapters[f"{block}b"] = torch.nn.Parameter(slots[(site, "up")])

    def forward(self, x, gate):
        grid, window = 10, 5
        side, dim = grid // window, x.shape[-1]
        heads, depth = 16, dim // 16
        rows = gate.repeat_interleave(side * side, 0)[:, None, :]
        for block in range(self.blocks):
            get = lambda name: getattr(self, f"blocks_{block}_{name}")
            shift = window // 2 if block % 2 else 0
            h = F.layer_norm(x, (dim,), get("norm1_weight"), get("norm1_bias"), 1e-5).view(-1, grid, grid, dim)
            if shift:
                h = torch.roll(h, (-shift, -shift), (1, 2))
            h = h.view(-1, side, window, side, window, dim).permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, dim)
            qkv = F.linear(h, get("qkv_weight"), get("qkv_bias"))
            if self.adapters:
                qkv = qkv + F.linear(F.linear(h, self.adapters[f"{block}a"]) * rows, self.adapters[f"{block}b"])
            q, k, v = qkv.view(-1, window * window, 3, heads, depth).permute(2, 0, 3, 1, 4).unbind(0)
            if form == "fused attention":
                h = F.scaled_dot_product_attention(q, k, v, attn_mask=get("bias"))
            else:
                h = torch.softmax((q * depth**-0.5) @ k.transpose(-2, -1) + get("bias"), -1) @ v
            h = F.linear(h.transpose(1, 2).reshape(-1, window * window, dim), get("proj_weight"), get("proj_bias"))
            h = h.view(-1, side, side, window, window, dim).permute(0, 1, 3, 2, 4, 5).reshape(-1, grid, grid, dim)
            if shift:
                h = torch.roll(h, (shift, shift), (1, 2))
            x = x + h.reshape(-1, grid * grid, dim)
            h = F.layer_norm(x, (dim,), get("norm2_weight"), get("norm2_bias"), 1e-5)
            h = F.gelu(F.linear(h, get("fc1_weight"), get("fc1_bias")))
            x = x + F.linear(h, get("fc2_weight"), get("fc2_bias"))
        return x.mean(1)


class WholeSwin(torch.nn.Module):
    """PETALface's Swin (Liu et al. 2021; no mask on shifted windows; BatchNorm, Linear, BatchNorm on all tokens) with twin LoRA on qkv."""

    def __init__(self):
        super().__init__()
        for name, value in weights.items():
            if value.is_floating_point():
                self.register_buffer(name.replace(".", "_"), value)
        self.adapters = torch.nn.ParameterDict()
        for (site, role), value in slots.items():
            self.adapters[f"{site}.{role}".replace(".", "_")] = torch.nn.Parameter(value)
        self.windows = {}

    def get(self, name):
        return getattr(self, name.replace(".", "_"))

    def linear(self, x, module, bias=True):
        return F.linear(x, self.get(module + ".weight"), self.get(module + ".bias") if bias else None)

    def norm(self, x, module):
        return F.layer_norm(x, x.shape[-1:], self.get(module + ".weight"), self.get(module + ".bias"), 1e-5)

    def batch_norm(self, x, module):
        running = [self.get(f"{module}.running_{part}") for part in ("mean", "var")]
        return F.batch_norm(x, *running, self.get(module + ".weight"), self.get(module + ".bias"), eps=1e-5)

    def bias(self, module, window, heads):
        if window not in self.windows:
            at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
            apart = at[:, :, None] - at[:, None, :] + window - 1
            self.windows[window] = (apart[0] * (2 * window - 1) + apart[1]).flatten()
        table = self.get(module + ".relative_position_bias_table")[self.windows[window]]
        return table.view(window**2, window**2, heads).permute(2, 0, 1)

    def block(self, x, module, gate, grid, window, heads, shift):
        dim = x.shape[-1]
        side, depth = grid // window, dim // heads
        h = self.norm(x, module + ".norm1").view(-1, grid, grid, dim)
        if shift:
            h = torch.roll(h, (-shift, -shift), (1, 2))
        h = h.view(-1, side, window, side, window, dim).permute(0, 1, 3, 2, 4, 5).reshape(-1, window**2, dim)
        qkv, site = self.linear(h, module + ".attn.qkv"), f"{module}.attn.qkv".replace(".", "_")
        rows = gate.repeat_interleave(side**2, 0)[:, None, :]
        if self.adapters:
            qkv = qkv + F.linear(F.linear(h, self.adapters[site + "_down"]) * rows, self.adapters[site + "_up"])
        q, k, v = qkv.view(-1, window**2, 3, heads, depth).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.bias(module + ".attn", window, heads)
        if form == "fused attention":
            h = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        else:
            h = torch.softmax((q * depth**-0.5) @ k.transpose(-2, -1) + bias, -1) @ v
        h = self.linear(h.transpose(1, 2).reshape(-1, window**2, dim), module + ".attn.proj")
        h = h.view(-1, side, side, window, window, dim).permute(0, 1, 3, 2, 4, 5).reshape(-1, grid, grid, dim)
        if shift:
            h = torch.roll(h, (shift, shift), (1, 2))
        x = x + h.reshape(-1, grid**2, dim)
        h = F.gelu(self.linear(self.norm(x, module + ".norm2"), module + ".mlp.fc1"))
        return x + self.linear(h, module + ".mlp.fc2")

    def forward(self, x, gate):
        x = F.conv2d(x, self.get("patch_embed.proj.weight"), self.get("patch_embed.proj.bias"), stride=6)
        grid, most = x.shape[-1], 5
        x = self.norm(x.flatten(2).transpose(1, 2), "patch_embed.norm") + self.get("absolute_pos_embed")
        for stage, (blocks, heads) in enumerate(((2, 8), (18, 16), (2, 16))):
            for block in range(blocks):
                shift = most // 2 if block % 2 == 1 and grid > most else 0
                x = self.block(x, f"layers.{stage}.blocks.{block}", gate, grid, min(most, grid), heads, shift)
            if stage < 2:
                grid //= 2
                parts = x.view(-1, grid, 2, grid, 2, x.shape[-1]).permute(0, 1, 3, 4, 2, 5).reshape(len(x), grid**2, -1)
                module = f"layers.{stage}.downsample"
                x = self.linear(self.norm(parts, module + ".norm"), module + ".reduction", bias=False)
        x = self.batch_norm(self.norm(x, "norm").flatten(1), "feature_layer.0")
        return self.batch_norm(self.linear(x, "feature_layer.2"), "feature_layer.3")


class PeftTransformer(torch.nn.Module):
    """timm's vision transformer with the adapters of Hugging Face PEFT on qkv, as whoever fine-tunes one today has it."""

    def __init__(self):
        super().__init__()
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../networks"))
        import peft
        from networks import make_network

        self.network = make_network(spec["name"])
        self.adapters = {}
        if not slots:
            return
        config = peft.LoraConfig(r=rank, lora_alpha=rank * spec["scale"], target_modules=["qkv"])
        self.network = peft.get_peft_model(self.network, config).eval()
        layers = [m for m in self.network.modules() if isinstance(m, peft.tuners.lora.Linear)]
        for (site, role), value in slots.items():
            layer = layers[list(dict.fromkeys(of for of, _ in slots)).index(site)]
            self.adapters[(site, role)] = (layer.lora_A if role == "down" else layer.lora_B)["default"].weight
            self.adapters[(site, role)].data.copy_(value)

    def forward(self, x, gate):
        return self.network(x)


kinds = {"swin": Swin, "swin_256new": WholeSwin, "vit_small_patch16_224": PeftTransformer}
network = kinds.get(spec["name"], Convolutions)()
del model, weights
if form in ("channels-last", "compiled") and image.dim() == 4:
    image = image.contiguous(memory_format=torch.channels_last)
parameters = [p for p in network.parameters() if p.requires_grad]
recipe = spec["recipe"]
if task == "step":
    optimiser = torch.optim.AdamW(parameters, lr=recipe["rate"], weight_decay=recipe["weightDecay"], fused=True)
gate = gate_of(alpha).contiguous()
forward = torch.compile(network) if form == "compiled" else network


def loss_of(embedding):
    cosine = (F.normalize(embedding, dim=1) * target).sum(1)
    return recipe["distilWeight"] * (1 - cosine).mean()


def train_step():
    optimiser.zero_grad(set_to_none=True)
    loss = loss_of(forward(image, gate))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, recipe["clip"])
    optimiser.step()
    return loss


@torch.inference_mode()
def embed():
    return forward(image, gate).flatten()[0]


if task == "embed":
    train_step = embed


def gradients():
    """The gradient of theta before the first step, in theta's order."""
    loss_of(network(image, gate)).backward()
    return torch.cat([p.grad.flatten() for p in network.adapters.values()]).numpy()


if form == "reference":
    network, image, gate, target = network.double(), image.double(), gate.double(), target.double()
    parameters = list(network.parameters())
    values = network(image, gate).detach().numpy() if task == "embed" else gradients()
    values.astype("<f4").tofile(os.path.join(folder, "reference.f32"))
    sys.exit()
gc.collect()
# Loading the file through onnx holds the weights more than once; that is not PyTorch's doing, so the peak counts from here.
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
serve(train_step().item(), started, train_step)
