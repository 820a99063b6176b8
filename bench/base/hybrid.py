"""Makes a trained face recogniser that is half a transformer: python hybrid.py TEACHER LIST FOLDER THREADS EPOCHS.

Convolutions of MobileFaceNet (TEACHER, frozen), then transformer blocks trained to give the map that its own later layers give of the photos in LIST
(one path a line), then its last two layers. FOLDER/hybrid.onnx is the result, FOLDER/hybrid.json says how well it learned.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import compose, numpy_helper
from PIL import Image
from timm.layers import set_fused_attn
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F

# Values of the teacher's graph: what the transformer sees [128, 14, 14], and what it is to give [512, 7, 7].
CUT = "/features/features.8/Add_output_0"
MAP = "/conv2/conv2.2/Clip_output_0"
WIDTH, BLOCKS, HEADS, TOKENS = 384, 4, 6, 49
BATCH, HELD_OUT = 32, 256
PREPROCESSING = {"mean": "127.5,127.5,127.5", "scale": ",".join(3 * ["0.0078125"]), "channels": "rgb"}


class Transformer(nn.Module):
    def __init__(self, mean: torch.Tensor):
        super().__init__()
        self.patches = nn.Conv2d(128, WIDTH, 2, 2)
        self.positions = nn.Parameter(0.02 * torch.randn(1, TOKENS, WIDTH))
        self.before = nn.LayerNorm(WIDTH)
        self.blocks = nn.Sequential(*(Block(WIDTH, HEADS, qkv_bias=True) for _ in range(BLOCKS)))
        self.after = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 512)
        with torch.no_grad():
            self.head.bias.copy_(mean)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        tokens = self.head(self.after(self.blocks(self.before(tokens))))
        return tokens.transpose(1, 2).reshape(-1, 512, 7, 7)


def pixels(path: str, moved: np.random.Generator | None) -> np.ndarray:
    """A face as the networks take it; with a generator mirrored, and a little shifted and scaled."""
    image = Image.open(path).convert("RGB")
    if moved is not None:
        side = 112 * moved.uniform(0.93, 1.0)
        left, top = moved.uniform(0, 112 - side, 2)
        image = image.resize((112, 112), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return (np.asarray(image, np.float32).transpose(2, 0, 1) - 127.5) / 128


def teach(teacher: onnx.ModelProto, paths: list[str], threads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the teacher's first and later layers make of each photo: first the photos, then the moved ones."""
    part = onnx.utils.Extractor(teacher).extract_model(["input0"], [CUT, MAP])
    part.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    del part.graph.value_info[:]
    for value in part.graph.output:
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    seen = np.empty((2 * len(paths), 128, 14, 14), np.float16)
    made = np.empty((2 * len(paths), 512, 7, 7), np.float16)
    for start in range(0, 2 * len(paths), 8):
        rows = range(start, min(start + 8, 2 * len(paths)))
        faces = [pixels(paths[row % len(paths)], draw if row >= len(paths) else None) for row in rows]
        seen[rows.start : rows.stop], made[rows.start : rows.stop] = session.run(None, {"input0": np.stack(faces)})
    return torch.from_numpy(seen), torch.from_numpy(made)


def train(seen: torch.Tensor, made: torch.Tensor, embed, epochs: int) -> tuple[Transformer, dict]:
    photos = len(seen) // 2
    learn = np.array([row for row in range(len(seen)) if row % photos >= HELD_OUT])
    kept = slice(0, HELD_OUT)
    network = Transformer(made[learn[:2000]].float().mean((0, 2, 3)))
    variance = made[learn[:2000]].float().var()
    rates = {"lr": 1e-3, "weight_decay": 0.05}
    optimizer = torch.optim.AdamW(network.parameters(), **rates)
    steps = epochs * (len(learn) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates["lr"], steps, pct_start=0.1)
    started, step = time.perf_counter(), 0
    for _ in range(epochs):
        order = np.random.permutation(learn)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            target = made[rows].float()
            given = network(seen[rows].float())
            angle = 1 - F.cosine_similarity(embed(given), embed(target)).mean()
            loss = F.mse_loss(given, target) / variance + 2 * angle
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 20 == 0:
                seconds = time.perf_counter() - started
                print(f"step {step} of {steps}, {seconds:.0f} s: loss {loss.item():.3f}, 1 - cos {angle.item():.3f}", flush=True)
    network.eval()
    with torch.no_grad():
        parts = zip(seen[kept].float().split(BATCH), made[kept].float().split(BATCH))
        cosines = torch.cat([F.cosine_similarity(embed(network(x)), embed(y)) for x, y in parts])
    return network, {"steps": steps, "seconds": time.perf_counter() - started, "cosine": cosines.mean().item()}


def main(teacher_file: str, list_file: str, folder: Path, threads: int, epochs: int) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    torch.set_num_threads(threads)
    set_fused_attn(False)
    teacher = onnx.shape_inference.infer_shapes(onnx.load(teacher_file))
    weights = {value.name: torch.from_numpy(numpy_helper.to_array(value).copy()) for value in teacher.graph.initializer}
    by_name = {node.name: node for node in teacher.graph.node}
    depthwise, last = ([weights[name] for name in by_name[node].input[1:]] for node in ("/gdconv/depthwise/Conv", "/conv3/Conv"))

    def embed(value: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(value, *depthwise, groups=512), *last).flatten(1)

    started = time.perf_counter()
    seen, made = teach(teacher, Path(list_file).read_text().splitlines(), threads)
    print(f"{len(seen)} maps of the teacher in {time.perf_counter() - started:.0f} s", flush=True)
    network, report = train(seen, made, embed, epochs)

    middle_file = str(folder / "transformer.onnx")
    names = {"input_names": ["seen"], "output_names": ["made"]}
    torch.onnx.export(network, (seen[:1].float(),), middle_file, dynamo=False, opset_version=18, **names)
    middle = compose.add_prefix(onnx.load(middle_file), "transformer")
    extract = onnx.utils.Extractor(teacher).extract_model
    stem, tail = extract(["input0"], [CUT]), extract([MAP], ["output0"])
    for part in (stem, tail):
        part.ir_version = middle.ir_version
    joined = compose.merge_models(stem, middle, [(CUT, "transformerseen")])
    joined = compose.merge_models(joined, tail, [("transformermade", MAP)])
    onnx.helper.set_model_props(joined, {f"petalface.{key}": value for key, value in PREPROCESSING.items()})
    onnx.checker.check_model(joined)
    onnx.save(joined, str(folder / "part.onnx"))
    (folder / "hybrid.json").write_text(json.dumps(report))
    (folder / "part.onnx").rename(folder / "hybrid.onnx")
    print(json.dumps(report), flush=True)


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
