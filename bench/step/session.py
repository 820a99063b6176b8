"""onnxruntime's own contender: embeds the batch with its Python package; takes orders on standard input as ours.ts does."""

import json
import os
import sys
import time

import numpy as np
import onnxruntime
from orders import serve

started = time.perf_counter()
order = json.loads(sys.argv[1])
folder = order["folder"]
spec = json.load(open(os.path.join(folder, "spec.json")))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = order["threads"]
session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
image = np.fromfile(os.path.join(folder, "input.f32"), dtype="<f4").reshape(spec["batch"], *spec["inputShape"])
declared = session.get_inputs()[0].shape[0]
# A file that says one image is given one image at a time, as insightface does.
parts = [image[i : i + 1] for i in range(len(image))] if declared == 1 else [image]


def embed():
    return float(np.concatenate([session.run(None, {spec["inputName"]: part})[0] for part in parts]).flat[0])


serve(embed(), started, embed)
