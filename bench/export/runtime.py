"""Embeds faces with an exported file under Python's onnxruntime: python runtime.py FOLDER SIZE BATCH. Prints its version and faces a second."""
import numpy as np, onnxruntime as ort, sys, time
folder, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.fromfile(folder + "/input.bin", np.float32).reshape(-1, 3, size, size)
options = ort.SessionOptions(); options.intra_op_num_threads = 1
session = ort.InferenceSession(folder + "/face.onnx", options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
session.run(None, {name: x[:batch]})
begin = time.process_time()
parts = [session.run(None, {name: x[i:i + batch]}) for i in range(0, len(x), batch)]
rate = len(x) / (time.process_time() - begin)
np.concatenate([p[0] for p in parts]).astype(np.float32).tofile(folder + "/embedding.bin")
np.concatenate([p[1] for p in parts]).astype(np.float32).tofile(folder + "/alpha.bin")
print(ort.__version__, rate)
