import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { cachedPath, knownModels } from "../../src/models/index.ts";
import { petalface } from "./process.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const weights = join(shared, "weights/fr_feature.onnx");

test.skipIf(!existsSync(weights))(
  "the demo runs to its end, small (needs PETALFACE_SHARED)",
  { timeout: 300_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "petalface-demo-ä-"));
    try {
      const model = knownModels.find(({ name }) => name === "fr_feature");
      if (model === undefined) throw new Error("fr_feature is not known");
      const place = cachedPath(model, join(folder, "cache"));
      await mkdir(dirname(place), { recursive: true });
      await copyFile(weights, place);
      const env = { PETALFACE_CACHE: join(folder, "cache") };
      const out = join(folder, "out");
      const args = ["demo", "--images", "64", "--people", "30", "--out", out];
      const { code, stdout, stderr } = await petalface([...args, "--json"], { env });
      expect(code, stderr).toBe(0);
      const document = JSON.parse(stdout) as { results: { name: string }[]; exported: { difference: number } };
      expect(document.results.map(({ name }) => name)).toEqual(["frozen", "full", "lora", "paper", "petal"]);
      expect(document.exported.difference).toBeLessThan(1e-5);
      expect(await readFile(join(out, "report.html"), "utf8")).toContain("petal");
      const inspected = await petalface(["inspect", join(out, "face.onnx"), "--json"], { env });
      expect(inspected.code, inspected.stderr).toBe(0);

      const foreign = await petalface(["demo", "--out", folder], { env });
      expect(foreign).toMatchObject({ code: 1, stderr: expect.stringMatching(/holds ".+", which is not from a demo/) });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
