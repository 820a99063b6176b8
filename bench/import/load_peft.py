"""Loads adapters that `petalface export --as peft` wrote into a small vision transformer with Hugging Face PEFT, weights them image by image, and
prints how far the embeddings are from the released code's: python load_peft.py CHECKPOINT IO ADAPTERS."""

import json
import sys

import peft
import torch
from safetensors.torch import load_file
from torch import nn

checkpoint, io, adapters = sys.argv[1:]
dim, heads, tokens = 16, 2, 9
torch.set_num_threads(1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, heads, dim // heads)).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * (dim // heads) ** -0.5
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(nn.functional.relu6(self.fc1(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn, self.mlp = Attention(), Mlp()

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, dim))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, 9, 9)})
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(dim)
        self.feature = nn.Sequential(
            nn.Linear(tokens * dim, dim, bias=False),
            nn.BatchNorm1d(dim, eps=2e-5),
            nn.Linear(dim, 512, bias=False),
            nn.BatchNorm1d(512, eps=2e-5),
        )

    def forward(self, x):
        x = self.patch_embed["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        return self.feature(self.norm(self.blocks(x)).flatten(1))


state = torch.load(checkpoint, weights_only=True)
network = Network().eval()
network.load_state_dict({name: value for name, value in state.items() if "lora" not in name and name != "mask_token"})
model = peft.PeftModel.from_pretrained(network, adapters + "/low", adapter_name="low")
for name in ("high", "always"):
    model.load_adapter(adapters + "/" + name, name)
model.eval()
arrays = load_file(io)
embeddings = []
for at, alpha in enumerate(arrays["alpha"].flatten().tolist()):
    weights = [1 - alpha, alpha, 1.0]
    model.add_weighted_adapter(["low", "high", "always"], weights, f"mixed{at}", combination_type="cat")
    model.set_adapter(f"mixed{at}")
    with torch.no_grad():
        embeddings.append(model(arrays["x"][at : at + 1]))
expected = arrays["embedding_standard"]
error = ((torch.cat(embeddings) - expected).norm() / expected.norm()).item()
print(json.dumps({"error": error, "peft": peft.__version__, "torch": torch.__version__}))
