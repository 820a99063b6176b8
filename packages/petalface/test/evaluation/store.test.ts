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
} from "../../src/evaluation/index.ts";
import { fakeEmbeddings, fakeProtocol } from "./fixtures.ts";

let folder: string;
let result: EvaluationResult;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "evaluation-"));
  const protocol = fakeProtocol(80, 2);
  const withAlpha = { ...fakeEmbeddings(protocol, 1), alpha: new Float32Array(protocol.images.length).fill(0.1) };
  result = measureEmbeddings(
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
    await expect(loadEvaluation(bad)).rejects.toThrow(/bad\.json: is no result of petalface evaluate/);
  };
  const edit = (change: (document: Record<string, Record<string, unknown>>) => void) => {
    const document = JSON.parse(text);
    change(document);
    return JSON.stringify(document);
  };
  const set = (part: string, key: string, value: unknown) =>
    edit((document) => {
      (document[part] as Record<string, unknown>)[key] = value;
    });
  await broken("");
  await broken("null");
  await broken("[1]");
  await broken(text.slice(0, text.length / 2));
  await broken(text.replace("petalface-evaluation/2", "petalface-evaluation/9"));
  await broken(set("detail", "first", [1, 2, 3]));
  await broken(set("detail", "first", result.detail.first.toString().split(",").fill("7")));
  await broken(
    set(
      "detail",
      "fold",
      Array.from(result.detail.fold, () => 99),
    ),
  );
  await broken(set("detail", "hits", null));
  await broken(set("bootstrap", "resamples", 1e12));
  await broken(set("protocol", "people", 1e300));
  await broken(edit((document) => delete document.detail));
  await expect(loadEvaluation(join(folder, "none.json"))).rejects.toThrow(/run petalface evaluate first/);
});
