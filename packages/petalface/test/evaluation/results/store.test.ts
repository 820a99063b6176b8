import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  compareResults,
  type EvaluationResult,
  loadEvaluation,
  measureEmbeddings,
  saveEvaluation,
} from "../../../src/evaluation/index.ts";
import { fakeEmbeddings, fakeProtocol } from "../fixtures.ts";

let folder: string;
let result: EvaluationResult;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "evaluation-"));
  const protocol = fakeProtocol(80, 2);
  const withAlpha = { ...fakeEmbeddings(protocol, 1), alpha: new Float32Array(protocol.images.length).fill(0.1) };
  result = await measureEmbeddings(
    protocol,
    { spec: "ünïcode", fingerprint: "00" },
    withAlpha,
    new Map([["lr:8", fakeEmbeddings(protocol, 2)]]),
    {
      bootstrap: { resamples: 50 },
    },
  );
});
afterAll(() => rm(folder, { recursive: true }));

test("a result comes back as it was, scores to the bit", async () => {
  const path = join(folder, "sub", "evaluation.json");
  await saveEvaluation(path, result);
  const back = await loadEvaluation(path);
  expect(back).toEqual(result);
  expect(compareResults(result, back).differences.every((d) => d.p === 1)).toBe(true);
});

test("anything else is refused by name", async () => {
  const path = join(folder, "evaluation.json");
  await saveEvaluation(path, result);
  const text = await readFile(path, "utf8");
  const broken = async (content: string) => {
    const bad = join(folder, "bad.json");
    await writeFile(bad, content);
    await expect(loadEvaluation(bad)).rejects.toThrow(/bad\.json: is not a result of petalface evaluate/);
  };
  const edit = (change: (document: Record<string, Record<string, unknown>>) => void) => {
    const document = JSON.parse(text);
    change(document);
    return JSON.stringify(document);
  };
  const set = (part: string, key: string, value: unknown) =>
    edit((document) => {
      document[part][key] = value;
    });
  await broken("");
  await broken("null");
  await broken("[1]");
  await broken(text.slice(0, text.length / 2));
  await broken(text.replace("petalface-evaluation/3", "petalface-evaluation/9"));
  type Packed = { outcomes: Record<string, unknown>[]; arrays: { base64: string; type: string }[]; items: unknown };
  const detail = (change: (packed: Packed) => void) =>
    broken(edit((document) => change(document.detail as unknown as Packed)));
  const outcome = (key: string, value: unknown, at = 0) =>
    detail(({ outcomes }) => {
      outcomes[at][key] = value;
    });
  for (const key of ["scores", "same", "first", "secondItem", "fold"])
    for (const value of [[1, 2, 3], 1e9, -1, null]) await outcome(key, value);
  await outcome("kind", "guess");
  await outcome("condition", { kind: "lr" });
  const search = result.detail.outcomes.findIndex(({ kind }) => kind === "identification");
  await outcome("gallery", 0, search);
  await outcome("rank", undefined, search);
  // The first array that holds people: numbers out of range, another length, no numbers at all.
  const people = (base64: string) =>
    detail(({ outcomes, arrays }) => {
      (arrays[outcomes[0]?.first as number] as { base64: string }).base64 = base64;
    });
  const count = result.detail.outcomes[0]?.kind === "verification" ? result.detail.outcomes[0].same.length : 0;
  await people(Buffer.from(new Int32Array(count).fill(1000).buffer).toString("base64"));
  await people(Buffer.from(new Int32Array(count).fill(-1).buffer).toString("base64"));
  await people("AAAA");
  await people("");
  await detail((packed) => {
    packed.items = [];
  });
  await detail((packed) => {
    packed.arrays = [];
  });
  await broken(set("bootstrap", "resamples", 1e12));
  await broken(set("protocol", "people", 1e300));
  await broken(edit((document) => delete document.detail));
  await expect(loadEvaluation(join(folder, "none.json"))).rejects.toThrow(/run petalface evaluate first/);
});
