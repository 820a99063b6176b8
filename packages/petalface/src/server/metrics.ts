import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Numbers about a server for Prometheus. */
export interface Metrics {
  readonly registry: Registry;
  request(route: string, method: string, status: number, seconds: number): void;
  batch(faces: number): void;
  faces(count: number): void;
  rejected(): void;
}

/** Opens {@link Metrics} with a registry of their own. */
export function openMetrics(gauges: Readonly<Record<string, { readonly help: string; read(): number }>>): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: "petalface_http_request_seconds",
    help: "Time from the request's head to the end of its answer",
    registers,
    labelNames: ["route", "method", "status"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  });
  const batches = new Histogram({
    name: "petalface_batch_faces",
    help: "Faces that are embedded together",
    registers,
    buckets: [1, 2, 3, 4, 5, 6, 7, 8, 16, 32],
  });
  const faces = new Counter({ name: "petalface_faces_total", help: "Faces that were found in photos", registers });
  const rejected = new Counter({ name: "petalface_rejected_total", help: "Requests answered with 503", registers });
  for (const [name, { help, read }] of Object.entries(gauges))
    new Gauge({
      name: `petalface_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  return {
    registry,
    request: (route, method, status, seconds) => requests.observe({ route, method, status }, seconds),
    batch: (count) => batches.observe(count),
    faces: (count) => faces.inc(count),
    rejected: () => rejected.inc(),
  };
}
