"""The same tasks the way the published evaluators do them in NumPy: python peer.py ijbc|tinyface FOLDER. Prints rates, seconds of each part, peak memory and processor time as JSON."""

import json
import resource
import sys
import time

import numpy as np

FARS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
RANKS = [1, 5, 10, 20]


def load(folder, name):
    return np.load(f"{folder}/{name}.npy")


def unit(rows):
    return rows / np.sqrt(np.sum(rows**2, -1, keepdims=True))


def ijbc(folder, lap):
    """A loop over templates and their media, then products of listed rows in batches, then a full sort."""
    images, template, media = load(folder, "images"), load(folder, "template"), load(folder, "media")
    count = int(template.max()) + 1
    pooled = np.zeros((count, images.shape[1]))
    order = np.argsort(template, kind="stable")
    bounds = np.searchsorted(template[order], np.arange(count + 1))
    for t in range(count):
        rows = order[bounds[t] : bounds[t + 1]]
        own, frames = images[rows], media[rows]
        parts = [own[frames == m].mean(0) for m in np.unique(frames)]
        pooled[t] = np.sum(parts, 0)
    pooled = unit(pooled).astype(np.float32)
    lap("pool")
    first, second, label = load(folder, "first"), load(folder, "second"), load(folder, "label")
    lap("lists")
    scores = np.zeros(len(first))
    batch = 100000
    for s in range(0, len(first), batch):
        scores[s : s + batch] = np.sum(pooled[first[s : s + batch]] * pooled[second[s : s + batch]], -1)
    lap("scores")
    order = np.argsort(-scores, kind="mergesort")
    hit = label[order] == 1
    tps, fps = np.cumsum(hit), np.cumsum(~hit)
    ends = np.r_[np.nonzero(np.diff(scores[order]))[0], len(scores) - 1]
    fpr, tpr = fps[ends] / fps[-1], tps[ends] / tps[-1]
    rates = {f"TAR@{far:f}".rstrip("0"): float(tpr[fpr <= far * (1 + 1e-12)].max(initial=0)) for far in FARS}
    lap("rates")
    return rates


def tinyface(folder, lap):
    """The whole matrix of similarities, sorted row by row as far as the deepest rank."""
    probes, gallery = unit(load(folder, "probes")), unit(load(folder, "gallery"))
    probe_labels, gallery_labels = load(folder, "probe-labels"), load(folder, "gallery-labels")
    lap("load")
    similarity = probes @ gallery.T
    best = np.argpartition(-similarity, max(RANKS), axis=1)[:, : max(RANKS)]
    deep = np.take_along_axis(similarity, best, 1)
    best = np.take_along_axis(best, np.argsort(-deep, 1), 1)
    hits = gallery_labels[best] == probe_labels[:, None]
    rates = {f"rank-{k}": float(hits[:, :k].any(1).mean()) for k in RANKS}
    lap("search")
    return rates


def main():
    parts, last = {}, [time.perf_counter()]

    def lap(name):
        now = time.perf_counter()
        parts[name] = now - last[0]
        last[0] = now

    task, folder = sys.argv[1:3]
    results = {"ijbc": ijbc, "tinyface": tinyface}[task](folder, lap)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"results": results, "parts": parts, "peak": usage.ru_maxrss * 1024, "processor": cpu}))


main()
