"""The networks of the comparison, with random weights whose activations stay near unit size."""

import timm
import torch

SEED = 4
BATCH = 3
FEATURES = 512

# Image sides: the default where the network insists on it, smaller where it does not and the comparison is quicker.
SIDES = {
    "swin_tiny_patch4_window7_224": 224,
    "vit_small_patch16_224": 112,
    "convnext_atto": 112,
    "resnet18": 112,
    "mobilenetv3_small_100": 64,
    "mobilenetv3_large_100": 64,
    "edgenext_xx_small": 128,
}


def image_side(name: str) -> int:
    return SIDES[name]


def make_network(name: str) -> torch.nn.Module:
    """The network with 512 outputs, every parameter drawn at random, batch statistics measured on noise, in inference mode."""
    torch.manual_seed(SEED)
    size = {"img_size": SIDES[name]} if name.startswith("vit") else {}
    network = timm.create_model(name, pretrained=False, num_classes=FEATURES, **size)
    with torch.no_grad():
        for key, value in network.named_parameters():
            draw_parameter(key, value)
        norms = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        if norms:
            # Statistics only: dropout and its kin draw nothing here because their rates are 0 by default.
            network.train()
            network(torch.randn(16, 3, SIDES[name], SIDES[name]))
    return network.eval()


def draw_parameter(key: str, value: torch.Tensor) -> None:
    """Matrices and kernels by the square root of what they sum over, scales about 1, everything else small.

    The defaults will not do: layer scales of 1e-6 and heads of zeros have gradients too small to compare.
    """
    noise = torch.randn_like(value)
    if key.endswith(("pos_embed", "cls_token", "bias_table")):
        value.copy_(noise * 0.2)
    elif key.endswith("bias"):
        value.copy_(noise * 0.1)
    elif value.ndim >= 2:
        value.copy_(noise / value[0].numel() ** 0.5)
    else:
        value.copy_(1 + noise * 0.1)
