"""What PyTorch's exporters make operators of: name -> (function or layer, its inputs)."""

import torch
import torch.nn.functional as F
from torch import nn

SEED = 20


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape)


def within(low: float, high: float, *shape: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(*shape)


def attention(mask: bool, causal: bool):
    def run(q, *rest):
        return F.scaled_dot_product_attention(q, q * 2, q + 1, attn_mask=rest[0] if mask else None, is_causal=causal)

    return run


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x, x, x, need_weights=False)[0]


def activations() -> dict:
    names = """relu leaky_relu elu selu celu hardsigmoid hardswish mish silu softplus softsign gelu relu6 hardtanh logsigmoid
    tanhshrink softshrink hardshrink"""
    return {name: (getattr(F, name), normal(3, 7) * 2) for name in names.split()} | {
        "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), normal(3, 7)),
        "glu": (lambda x: F.glu(x, 1), normal(3, 8)),
        "prelu": (nn.PReLU(4), normal(2, 4, 6, 6)),
        "dropout": (nn.Dropout(0.5), normal(3, 4)),
    }


def elementwise() -> dict:
    small = "abs acos asin atan cos sin tan exp sigmoid tanh erf floor ceil round sign sinh cosh asinh reciprocal square"
    positive = "log sqrt rsqrt log2 log1p expm1"
    return (
        {name: (getattr(torch, name), within(-0.7, 0.7, 3, 5)) for name in small.split()}
        | {name: (getattr(torch, name), within(0.5, 1.5, 3, 5)) for name in positive.split()}
        | {
            "pow": (torch.pow, within(0.5, 1.5, 3, 5), within(0, 1, 5)),
            "cube": (lambda x: x**3, normal(3, 5)),
            "where": (lambda x, y: torch.where(x > 0, x * 2, y), normal(3, 5), normal(3, 5)),
            "clamp": (lambda x: x.clamp(-0.5, 0.5), normal(3, 5)),
            "clamp_min": (lambda x: x.clamp(min=0.1), normal(3, 5)),
            "minimum": (torch.minimum, normal(3, 5), normal(3, 5)),
            "maximum": (torch.maximum, normal(3, 5), normal(5)),
            "masked_fill": (lambda x: x.masked_fill(x < 0, -3.0), normal(3, 5)),
            "remainder": (lambda x: torch.remainder(x, 0.7), normal(3, 5)),
            "arange": (lambda x: x + torch.arange(5).float(), normal(3, 5)),
        }
    )


def pooling() -> dict:
    face, wide = normal(2, 3, 9, 9), normal(2, 3, 8, 8)
    return {
        "maxpool": (nn.MaxPool2d(3, 2, 1), face),
        "maxpool_ceil": (nn.MaxPool2d(3, 2, 0, ceil_mode=True), wide),
        "maxpool_dilated": (nn.MaxPool2d(2, 2, 1, dilation=2), face),
        "avgpool": (nn.AvgPool2d(3, 2, 1), face),
        "avgpool_without_pad": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), face),
        "avgpool_ceil": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), wide),
        "avgpool_ceil_without_pad": (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), wide),
        "avgpool1d": (nn.AvgPool1d(2, 2), normal(2, 3, 8)),
        "adaptive_avg": (nn.AdaptiveAvgPool2d(1), wide),
        "adaptive_avg_2": (nn.AdaptiveAvgPool2d(2), wide),
        "adaptive_max": (nn.AdaptiveMaxPool2d(1), wide),
    }


def normalisation() -> dict:
    x = normal(2, 4, 6, 6)
    return {
        "batch_norm": (nn.BatchNorm2d(4), x),
        "batch_norm_training": (nn.BatchNorm2d(4).train(), x),
        "instance_norm": (nn.InstanceNorm2d(4, affine=True), x),
        "instance_norm_plain": (nn.InstanceNorm2d(4), x),
        "group_norm": (nn.GroupNorm(2, 4), x),
        "layer_norm": (nn.LayerNorm(6), x),
        "layer_norm_2": (nn.LayerNorm([6, 6]), x),
        "rms_norm": (nn.RMSNorm(6), x),
        "local_response": (nn.LocalResponseNorm(2), x),
        "l2_normalize": (lambda v: F.normalize(v, dim=1), normal(3, 5)),
        "l1_normalize": (lambda v: F.normalize(v, p=1, dim=1), normal(3, 5)),
        "cosine": (F.cosine_similarity, normal(3, 5), normal(3, 5)),
        "softmax": (lambda v: F.softmax(v, 0), normal(3, 4, 5)),
        "log_softmax": (lambda v: F.log_softmax(v, 1), normal(3, 4, 5)),
    }


def resampling() -> dict:
    table = {}
    ways = {"twice": {"scale_factor": 2.0}, "sized": {"size": (9, 4)}, "broken": {"scale_factor": 1.7}}
    modes = [("bilinear", True), ("bilinear", False), ("bicubic", True), ("bicubic", False), ("nearest", None), ("nearest-exact", None)]
    for mode, corners in modes:
        for how, options in ways.items():
            every = {"mode": mode, "align_corners": corners, **options}
            name = f"{mode}_{how}{'_corners' if corners else ''}"
            table[name] = (lambda x, every=every: F.interpolate(x, **every), normal(2, 4, 6, 6))
    for mode in ["constant", "reflect", "replicate", "circular"]:
        table[f"pad_{mode}"] = (lambda x, mode=mode: F.pad(x, (1, 2, 2, 1), mode=mode), normal(2, 4, 6, 6))
    return table | {
        "linear_twice": (lambda x: F.interpolate(x, scale_factor=2.0, mode="linear"), normal(2, 3, 5)),
        "trilinear_twice": (lambda x: F.interpolate(x, scale_factor=2.0, mode="trilinear"), normal(1, 2, 3, 3, 3)),
        "pixel_shuffle": (nn.PixelShuffle(2), normal(2, 8, 3, 3)),
        "pixel_unshuffle": (nn.PixelUnshuffle(2), normal(2, 2, 4, 4)),
        "channel_shuffle": (nn.ChannelShuffle(2), normal(2, 4, 6, 6)),
    }


def products() -> dict:
    return {
        "vector_by_stack": (torch.matmul, normal(4), normal(2, 4, 3)),
        "stacks_broadcast": (torch.matmul, normal(2, 1, 3, 4), normal(5, 4, 2)),
        "stack_by_vector": (torch.matmul, normal(2, 3, 4), normal(4)),
        "linear": (nn.Linear(5, 3), normal(2, 4, 5)),
        "addmm": (lambda a, b, c: torch.addmm(a, b, c, beta=0.5, alpha=2), normal(3), normal(2, 4), normal(4, 3)),
        "bmm": (torch.bmm, normal(2, 3, 4), normal(2, 4, 5)),
        "baddbmm": (torch.baddbmm, normal(2, 3, 5), normal(2, 3, 4), normal(2, 4, 5)),
        "bilinear_layer": (nn.Bilinear(3, 4, 2), normal(2, 3), normal(2, 4)),
        "outer": (torch.outer, normal(3), normal(4)),
        "einsum": (lambda a, b: torch.einsum("bihd,bjhd->bhij", a, b), normal(2, 3, 2, 4), normal(2, 5, 2, 4)),
        "einsum_ellipsis": (lambda a, b: torch.einsum("...ij,jk->...ik", a, b), normal(2, 2, 3, 4), normal(4, 5)),
        "einsum_alone": (lambda a: torch.einsum("bij->bj", a), normal(2, 3, 4)),
        "conv1d": (nn.Conv1d(4, 6, 3, 2, 1, groups=2), normal(2, 4, 9)),
        "conv3d": (nn.Conv3d(2, 4, 3, 1, 1), normal(1, 2, 4, 4, 4)),
        "conv_same": (nn.Conv2d(3, 4, 3, padding="same", dilation=2), normal(1, 3, 7, 7)),
        "conv_reflect": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), normal(1, 3, 7, 7)),
        "conv_transpose": (nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), normal(2, 4, 5, 5)),
        "conv_transpose1d": (nn.ConvTranspose1d(4, 2, 4, 3, 1), normal(2, 4, 5)),
        "attention": (attention(False, False), normal(2, 2, 5, 4)),
        "attention_causal": (attention(False, True), normal(2, 2, 5, 4)),
        "attention_mask": (attention(True, False), normal(2, 2, 5, 4), normal(5, 5)),
        "multihead": (SelfAttention(), normal(2, 5, 8)),
        "encoder": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), normal(2, 5, 8)),
    }


def reductions() -> dict:
    x = normal(3, 5)
    return {
        "mean": (lambda v: v.mean((1, 2)), normal(2, 4, 6, 6)),
        "sum": (lambda v: v.sum(1, keepdim=True), normal(2, 4, 6, 6)),
        "amax": (lambda v: v.amax(1), x),
        "amin": (lambda v: v.amin((0, 1)), x),
        "max_values": (lambda v: v.max(1)[0], x),
        "norm": (lambda v: v.norm(dim=1), x),
        "norm_1": (lambda v: torch.linalg.vector_norm(v, 1, 1), x),
        "logsumexp": (lambda v: torch.logsumexp(v, 1), x),
        "prod": (lambda v: v.prod(1), x),
        "std": (lambda v: v.std(1), x),
        "var": (lambda v: v.var(1, unbiased=False), x),
        "cumsum": (lambda v: torch.cumsum(v, 1), x),
    }


def moving() -> dict:
    x = normal(2, 5, 6)
    return {
        "roll": (lambda v: torch.roll(v, (1, -2), (1, 2)), x),
        "flip": (lambda v: torch.flip(v, [1]), x),
        "slice": (lambda v: v[:, 1::2, :-1], x),
        "select": (lambda v: v[:, 0], x),
        "index": (lambda v: v[:, torch.tensor([3, 0, 0, 2])], x),
        "index_select": (lambda v: torch.index_select(v, 1, torch.tensor([1, 2])), x),
        "index_pairs": (lambda v: v[torch.tensor([0, 1]), torch.tensor([3, 2])], x),
        "gather": (lambda v: torch.gather(v, 1, torch.tensor([[0, 2], [1, 1]])), normal(2, 5)),
        "scatter": (lambda v: v.scatter(1, torch.tensor([[1], [0]]), 9.0), normal(2, 3)),
        "cat": (lambda a, b: torch.cat([a, b, a], 1), normal(2, 3), normal(2, 4)),
        "stack": (lambda a, b: torch.stack([a, b], 1), normal(2, 3), normal(2, 3)),
        "chunk": (lambda v: torch.chunk(v, 3, 1)[1] * 2 + torch.chunk(v, 3, 1)[2], normal(2, 6)),
        "split": (lambda v: torch.split(v, [1, 4, 2], 1)[1], normal(2, 7)),
        "unbind": (lambda v: v.unbind(1)[1], normal(2, 3, 4)),
        "expand": (lambda v: v.expand(2, 3, 4), normal(2, 1, 4)),
        "repeat": (lambda v: v.repeat(2, 1, 3), normal(2, 3, 2)),
        "repeat_interleave": (lambda v: v.repeat_interleave(2, 1), normal(2, 3)),
        "tril": (torch.tril, normal(4, 4)),
        "triu": (lambda v: torch.triu(v, 1), normal(4, 4)),
        "unfold": (lambda v: F.unfold(v, 2), normal(1, 2, 4, 4)),
        "permute": (lambda v: v.permute(2, 0, 1).reshape(4, -1), normal(2, 3, 4)),
        "one_hot": (lambda v: v @ F.one_hot(torch.tensor([1, 0, 2]), 4).float(), normal(2, 3)),
    }


def operators() -> dict:
    torch.manual_seed(SEED)
    parts = [activations, elementwise, pooling, normalisation, resampling, products, reductions, moving]
    return {name: value for part in parts for name, value in part().items()}
