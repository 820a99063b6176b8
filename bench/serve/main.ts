import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import autocannon from "autocannon";
import { itemAt } from "onnx-grad";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { createGallery, embeddingRecord, openGallery } from "petalface/gallery";
import { decodeImage, toPlanes } from "petalface/images";
import { facesEach } from "../gallery/data.ts";
import { facesOf } from "../gallery/ours.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { commandLine, flags } from "../skeleton/children.ts";
import { table, whole } from "../skeleton/page.ts";
import { shared } from "../skeleton/shared.ts";
import { drawer, drawFloats, median } from "../skeleton/statistics.ts";
import { type Cost, few, prepareEmbedCommand } from "./embed-command.ts";

const photo = join(shared, "data/lfw250_sample/Aaron_Eckhart/Aaron_Eckhart_0001.jpg");
/** Of the engine, in every contender. */
const threads = 2;
const detector = join(shared, "weights/scrfd_2.5g_bnkps.onnx");

/** One kind of load. */
interface Load {
  readonly perSecond: number;
  readonly median: number;
  readonly p99: number;
  readonly failed: number;
}

/** A form with one photo, as bytes. */
async function formOf(path: string) {
  const form = new FormData();
  form.set("photo", new Blob([await readFile(path)], { type: "image/jpeg" }), "a.jpg");
  const sent = new Response(form);
  const headers = { "content-type": sent.headers.get("content-type") ?? "" };
  return { body: Buffer.from(await sent.arrayBuffer()), headers };
}

async function load(
  url: string,
  path: string,
  seconds: number,
  how: { connections: number; overallRate?: number },
): Promise<Load> {
  const { body, headers } = await formOf(path);
  const request = { url, method: "POST", headers, body, duration: seconds, ...how } as const;
  const { requests, latency, non2xx, errors } = await autocannon(request);
  return { perSecond: requests.average, median: latency.p50, p99: latency.p99, failed: non2xx + errors };
}

/** What a server of petalface has done: faces that it embedded, and seconds of processor time. */
async function workOf(url: string): Promise<{ readonly faces: number; readonly processor: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const read = (name: string): number => {
    const value = new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1];
    if (value === undefined) throw new Error(`the server does not say its ${name}`);
    return Number(value);
  };
  return { faces: read("petalface_batch_faces_sum"), processor: read("process_cpu_seconds_total") };
}

/** What an embedding costs the server under a load of 32 clients. */
async function costOf(url: string, path: string, crop: string, seconds: number): Promise<Cost> {
  const before = await workOf(url);
  const { perSecond } = await load(`${url}${path}`, crop, seconds, { connections: 32 });
  // Batches whose clients have gone come to their end.
  await sleep(1000);
  const after = await workOf(url);
  return { perSecond, processor: (1000 * (after.processor - before.processor)) / (after.faces - before.faces) };
}

/** Starts a server and waits for the line with its address. */
async function started(command: string, args: readonly string[]): Promise<{ address: string; stop(): Promise<void> }> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const found = /http:\/\/\S+/.exec(text);
      if (found !== null) resolve(found[0]);
    });
    child.on("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  return {
    address,
    stop: () =>
      new Promise((resolve) => {
        child.on("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}

/** Embeddings of a crop that the engine makes in a second, without decoding or a server. */
async function ceiling(model: string, crop: string, seconds: number): Promise<number> {
  const embedder = await openEmbedder(await openBackbone(model, {}), { threads });
  const { batch, size } = embedder;
  // The same face as the server gets: the time of a product depends on its numbers.
  const face = await decodeImage(crop, size);
  const pixels = new Uint8Array(batch * 3 * size ** 2);
  for (let at = 0; at < batch; at++) toPlanes(face, pixels, at * 3 * size ** 2);
  await embedder.embed(pixels, embedder.batch);
  const begin = performance.now();
  let faces = 0;
  while (performance.now() - begin < seconds * 1000) {
    await embedder.embed(pixels, embedder.batch);
    faces += embedder.batch;
  }
  const rate = (faces * 1000) / (performance.now() - begin);
  await embedder.close();
  return rate;
}

/** A gallery of so many random faces, four a person. */
async function makeGallery(path: string, model: string, faces: number): Promise<void> {
  const backbone = await openBackbone(model, {});
  const record = embeddingRecord(backbone, undefined, undefined, { model, adapter: null, choices: {} });
  await createGallery(path, record, {
    copies: [],
    keepCrops: false,
    thresholds: { rows: [{ alpha: [0, 1], cosine: 0.4 }] },
  });
  await using store = await openGallery(path);
  const draw = drawer(1);
  for (let person = 0; person * facesEach < faces; person++) {
    const first = person * facesEach;
    await store.add(`person ${person}`, facesOf(drawFloats(draw, facesEach * backbone.width), first));
  }
}

export default defineBenchmark({
  name: "serve",
  title: "Serving",
  measures:
    "Faces and photos a second of `petalface serve`, the waiting time, and a FastAPI server with the same models.",
  minutes: 8,
  needs: "the shared photos, weights and detectors",
  options: {
    seconds: { help: "seconds of each load", default: 10 },
    rounds: { help: "turns of the server, of `petalface embed` and of the engine alone", default: 3 },
    faces: { help: "faces of the gallery that is searched", default: 100_000 },
  },
  requirements: "serve",
  async run({ seconds, rounds, faces }, { work, python }) {
    const model = join(shared, "weights/fr_feature.onnx");
    const [crops] = await readdir(join(shared, "data/lfw112/Aaron_Eckhart"));
    const crop = join(shared, "data/lfw112/Aaron_Eckhart", crops ?? "");
    await makeGallery(join(work, "small.db"), model, 400);
    await makeGallery(join(work, "large.db"), model, faces);
    const serve = (gallery: string) => {
      const limits = { queue: 1000, requests: 100_000_000, threads };
      const args = flags({ gallery: join(work, gallery), open: true, port: 0, detector, landmarks: "own", ...limits });
      return started(process.execPath, [commandLine(undefined), "serve", ...args]);
    };
    const rows: string[][] = [];
    const row = (name: string, { perSecond, median, p99, failed }: Load): void => {
      rows.push([name, perSecond.toFixed(1), String(median), String(p99), String(failed)]);
    };
    const small = await serve("small.db");
    const route = "/v1/embed?aligned=yes";
    const embed = `${small.address}${route}`;
    await load(embed, crop, 3, { connections: 16 });
    const one = await load(embed, crop, seconds, { connections: 1 });
    const full = await load(embed, crop, seconds, { connections: 32 });
    // About as long as the load.
    const more = 8 * Math.max(1, Math.ceil((full.perSecond * seconds) / 8));
    const command = await prepareEmbedCommand(join(work, "crops"), { model, crop }, { threads, more });
    const [served, embedded]: [Cost[], Cost[]] = [[], []];
    const alone: number[] = [];
    for (let round = 0; round < rounds; round++) {
      embedded.push(await command.cost());
      served.push(await costOf(small.address, route, crop, seconds));
      alone.push(await ceiling(model, crop, seconds));
    }
    const ratesOf = (costs: readonly Cost[]): number[] => costs.map(({ perSecond }) => perSecond);
    const timesOf = (costs: readonly Cost[]): number[] => costs.map(({ processor }) => processor);
    /** Medians of the turns: one contender's numbers by the other's. */
    const share = (one: readonly number[], other: readonly number[]): string =>
      median(one.map((value, round) => value / itemAt(other, round))).toFixed(2);
    const most80 = await load(embed, crop, seconds, {
      connections: 32,
      // autocannon takes no lower rate.
      overallRate: Math.max(1, Math.floor(0.8 * full.perSecond)),
    });
    await small.stop();
    const large = await serve("large.db");
    const search = `${large.address}/v1/galleries/large/search`;
    await load(search, photo, 3, { connections: 8 });
    const photos = await load(search, photo, seconds, { connections: 16 });
    await large.stop();
    row("crops, one client", one);
    row("crops, 32 clients", full);
    row("crops, 80 % of that", most80);
    row(`whole photos, ${whole(faces)} faces searched, 16 clients`, photos);
    const peer = await python();
    if (peer !== undefined) {
      const server = await started(peer.path, [join(import.meta.dirname, "peer.py"), model, detector, String(faces)]);
      await load(`${server.address}/embed`, crop, 3, { connections: 8 });
      row("FastAPI, crops, 32 clients", await load(`${server.address}/embed`, crop, seconds, { connections: 32 }));
      row(
        "FastAPI, whole photos, 16 clients",
        await load(`${server.address}/search`, photo, seconds, { connections: 16 }),
      );
      await server.stop();
    }
    const body = `fr_feature, ${threads} threads; client and server on the same machine. Times in milliseconds. At 80 % load 99 of 100
requests take less than ${(most80.p99 / Math.max(one.median, 0.5)).toFixed(1)} times the time of a single one.

The server is compared with two others, on the same crop, in ${rounds} turns; the medians count. 32 clients got
${median(ratesOf(served)).toFixed(1)} embeddings a second.

- \`petalface embed\`, run as a command on a folder with copies of the crop, made ${median(ratesOf(embedded)).toFixed(1)} a second. It decodes
  them as the server does. The time of a run on ${few} crops was taken off: start and end do not count. The server
  made **${share(ratesOf(served), ratesOf(embedded))}** of that. The clients, on the same cores, take a part of it.
- Of processor time a face took the server ${median(timesOf(served)).toFixed(1)} ms and \`petalface embed\` ${median(timesOf(embedded)).toFixed(1)} ms, all threads together.
  By that the server does **${share(timesOf(embedded), timesOf(served))}** of the work of \`petalface embed\` in the same time.
- The engine alone made ${median(alone).toFixed(1)} a second, in the same batches, of one decoded crop again and again. It reads no
  request, decodes nothing and writes nothing. The server made ${share(ratesOf(served), alone)} of that.

${table(["load", "answers a second", "median ms", "99 % below ms", "failed"], rows)}`;
    return { body, versions: peer?.versions ?? [] };
  },
});
