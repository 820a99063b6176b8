import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServer } from "../../src/server/index.ts";
import { petalface } from "../cli/process.ts";
import { shared } from "../images/helpers.ts";
import { ask, form } from "./server.ts";

const photos = shared("data", "lfw250_sample");
const model = shared("weights", "edgeface_xxs.onnx");
const detector = shared("weights", "scrfd_2.5g_bnkps.onnx");

/** People with at least three photos of the sample. */
async function someone(count: number): Promise<{ name: string; files: string[] }[]> {
  const found: { name: string; files: string[] }[] = [];
  for (const name of (await readdir(photos.path)).sort()) {
    const files = (await readdir(join(photos.path, name))).sort().map((file) => join(photos.path, name, file));
    if (files.length >= 3) found.push({ name, files });
    if (found.length === count) break;
  }
  return found;
}

test.skipIf(!photos.exists || !model.exists || !detector.exists)(
  "real people are found in whole photos, as petalface gallery search finds them",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "petalface-real-"));
    const gallery = join(folder, "people.db");
    expect(await petalface(["gallery", "create", gallery, "--model", model.path])).toMatchObject({ code: 0 });
    const running = await startServer({
      galleries: [gallery],
      port: 0,
      open: true,
      detector: detector.path,
      landmarks: "own",
      threads: 2,
    });
    try {
      const all = await someone(9);
      // The last one is not enrolled.
      const [people, stranger] = [all.slice(0, -1), all.at(-1)];
      for (const { name, files } of people) {
        const enrolled = form(...(await Promise.all(files.slice(0, 2).map((file) => readFile(file)))));
        const added = await ask(running.address, "POST", `/v1/galleries/people/people/${name}/faces`, enrolled);
        expect([added.status, added.body.added], `${name} ${JSON.stringify(added.body)}`).toEqual([201, 2]);
      }
      const probes = await Promise.all(people.map(({ files }) => readFile(files[2])));
      const path = "/v1/galleries/people/search?aligned=no&crops=true";
      const found = await ask(running.address, "POST", path, form(...probes));
      expect(found.status).toBe(200);
      const nearest = found.body.photos.map(
        ({ candidates }: { candidates: { person: string }[] }) => candidates[0]?.person,
      );
      const right = nearest.filter((name: string, at: number) => name === people[at]?.name).length;
      expect(right).toBeGreaterThanOrEqual(people.length - 1);
      for (const { box, alpha, resolution, crop } of found.body.photos) {
        expect(box[2] - box[0]).toBeGreaterThan(50);
        expect(alpha).toBeGreaterThan(0);
        expect(resolution).toBeGreaterThan(50);
        expect(Buffer.from(crop, "base64").subarray(1, 4).toString()).toBe("PNG");
      }
      // One request at a time and all in one batch give the same bits.
      const [first] = probes;
      const alone = await ask(running.address, "POST", path, form(first as Buffer));
      expect(alone.body.photos[0].candidates).toEqual(found.body.photos[0].candidates);
      const strangers = `${path}&threshold=0.5`;
      const { body } = await ask(
        running.address,
        "POST",
        strangers,
        form(await readFile(stranger?.files[0] as string)),
      );
      expect(body.photos[0].decision, JSON.stringify(body)).toBe("unknown");
    } finally {
      await running.close();
      await rm(folder, { recursive: true });
    }
  },
);
