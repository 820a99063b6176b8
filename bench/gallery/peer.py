"""Searches with faiss or usearch: python peer.py PACKAGE exact|index FOLDER THREADS. Prints a contender (bench/gallery/table.ts)."""

import json
import resource
import sys
import time

import numpy as np

WIDTH, FACES_EACH = 512, 4


def with_faiss(kind, faces, threads):
    import faiss

    faiss.omp_set_num_threads(threads)
    if kind == "exact":
        index = faiss.IndexFlatIP(WIDTH)
    else:
        index = faiss.IndexHNSWFlat(WIDTH, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 128
        index.hnsw.efSearch = 128
    index.add(faces)
    return lambda probe: index.search(probe, 5)[1][0]


def with_usearch(kind, faces, threads):
    from usearch.index import Index, MetricKind, search

    if kind == "exact":
        return lambda probe: search(faces, probe[0], 5, MetricKind.IP, exact=True, threads=threads).keys
    index = Index(ndim=WIDTH, metric="cos", dtype="i8", connectivity=16, expansion_add=128, expansion_search=128)
    index.add(np.arange(len(faces)), faces, threads=threads)
    return lambda probe: index.search(probe[0], 5, threads=threads).keys


def main(package, kind, folder, threads):
    begin = time.perf_counter()
    faces = np.fromfile(f"{folder}/faces.f32", np.float32).reshape(-1, WIDTH)
    probes = np.fromfile(f"{folder}/probes.f32", np.float32).reshape(-1, WIDTH)
    search = {"faiss": with_faiss, "usearch": with_usearch}[package](kind, faces, threads)
    opened = time.perf_counter() - begin
    times, found = [], []
    for probe in range(len(probes)):
        started = time.perf_counter()
        rows = search(probes[probe : probe + 1])
        if probe > 0:
            times.append(1000 * (time.perf_counter() - started))
        found.append(int(rows[0]) // FACES_EACH)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"opened": opened, "milliseconds": float(np.median(times)), "found": found, "memory": peak}))


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
