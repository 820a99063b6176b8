"""A face server as they are usually written: FastAPI, one photo at a time. python peer.py MODEL DETECTOR FACES"""
import socket, sys
import cv2, numpy as np, onnxruntime, uvicorn
from fastapi import FastAPI, File, UploadFile
from insightface.model_zoo.scrfd import SCRFD
from insightface.utils.face_align import norm_crop

model, detector_file, faces = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
detector = SCRFD(detector_file)
detector.prepare(-1)
gallery = np.random.default_rng(1).standard_normal((int(faces), 512), dtype=np.float32)
gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
app = FastAPI()


def embed(crop):
    blob = ((crop[:, :, ::-1].astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None]
    vector = session.run(None, {name: blob})[0][0]
    return vector / np.linalg.norm(vector)


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


# Not `async`: FastAPI then runs it in its pool of threads, which is what such servers rely on.
@app.post("/embed")
def embed_route(photo: UploadFile = File(...)):
    return {"embedding": embed(decode(photo.file.read())).tolist()}


@app.post("/search")
def search_route(photo: UploadFile = File(...)):
    image = decode(photo.file.read())
    boxes, points = detector.detect(image, input_size=(640, 640), max_num=1)
    if len(boxes) == 0:
        return {"faces": []}
    scores = gallery @ embed(norm_crop(image, points[0]))
    best = np.argsort(-scores)[:5]
    return {"faces": [{"box": boxes[0].tolist(), "nearest": [[int(i), float(scores[i])] for i in best]}]}


place = socket.socket()
place.bind(("127.0.0.1", 0))
print(f"http://127.0.0.1:{place.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[place])
