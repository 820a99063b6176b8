"""insightface's SCRFD pipeline on the LFW sample: error of the five points, and photos a second. python peer.py SHARED FOLDER"""
import json, os, sys, time, warnings
warnings.simplefilter("ignore")
import cv2, numpy as np
from insightface.model_zoo.scrfd import SCRFD
from insightface.utils.face_align import norm_crop

shared, out = sys.argv[1:]
root = shared + "/data/lfw250_sample"
rows = [line.rstrip("\n").split("\t") for line in open(root + "_landmarks.txt")]
detector = SCRFD(shared + "/weights/scrfd_2.5g_bnkps.onnx")
detector.prepare(-1)
os.makedirs(out, exist_ok=True)
results = []
for size in (640, 256):
    errors, began = [], time.time()
    for number, row in enumerate(rows):
        image = cv2.imread(root + "/" + row[0])
        boxes, points = detector.detect(image, input_size=(size, size), max_num=1)
        if len(boxes) == 0:
            continue
        cv2.imwrite(f"{out}/{number}.png", norm_crop(image, points[0]))
        truth = np.array(row[1:], float).reshape(5, 2)
        errors.append(np.linalg.norm(points[0] - truth, axis=1).mean() / np.linalg.norm(truth[0] - truth[1]))
    results.append({"size": size, "found": len(errors), "error": float(np.mean(errors)), "worst": float(np.max(errors)), "rate": len(rows) / (time.time() - began)})
print(json.dumps(results))
