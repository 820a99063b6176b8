import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel } from "../../src/api/model.ts";
import { surroundingsOf } from "../../src/api/surroundings.ts";
import { openJob } from "../../src/cluster/work/kinds.ts";
import type { JobWork } from "../../src/cluster/work/types.ts";
import { openData } from "../../src/data/index.ts";
import { unfinishedName } from "../../src/files.ts";
import { writeTinyBackbone } from "../support/backbone.ts";

describe("files of a shard", () => {
  let folder: string;
  let work: JobWork;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "petalface-shard-files-"));
    const model = join(folder, "tiny.onnx");
    await writeTinyBackbone(model);
    await using opened = await openModel({ model });
    const data = await openData("synthetic:people=2,images=2,seed=1");
    work = {
      kind: "embed",
      data: data.spec,
      fingerprint: data.fingerprint,
      faces: data.length,
      model,
      sha256: opened.backbone.spec.sha256,
    };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([
    ["embed", "shard-000000.safetensors"],
    ["quality", "shard-000000.jsonl"],
  ] as const)("%s removes what a killed worker left of a shard that is done again", async (kind, file) => {
    const out = join(folder, kind);
    const context = surroundingsOf({});
    // As killed workers leave them, before this one opens the job and afterwards.
    const { pid } = spawnSync(process.execPath, ["--eval", ""]);
    const leave = (): string => unfinishedName().replace(`-${process.pid}-`, `-${pid}-`);
    await mkdir(out);
    await writeFile(join(out, leave()), "");
    await using job = await openJob({ ...work, kind, out, metric: "sharpness" }, 1, context);
    expect(await readdir(out)).toEqual([]);
    const [left, written] = [leave(), unfinishedName()];
    for (const name of [left, written]) await writeFile(join(out, name), "");
    const shard = { number: 0, again: true, own: [0, 1], duplicates: {} };
    expect(await job.run(shard, context)).toMatchObject({ faces: 2, leftOut: [], file: join(out, file) });
    // What a process that still runs is writing stays.
    expect((await readdir(out)).sort()).toEqual([written, file].sort());
  });
});
