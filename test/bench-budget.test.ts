import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSites, layoutOf, selectSites } from "petalface/adapters";
import { openBackbone } from "petalface/backbones";
import { trainingOptions } from "petalface/training";
import { afterAll, expect, it } from "vitest";
import { withinBudget } from "../bench/budget/plan.ts";
import { writeTinyBackbone } from "../packages/petalface/test/support/backbone.ts";

const folder = await mkdtemp(join(tmpdir(), "petalface-bench-budget-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

it("fills a share of the weights with rank, and with layers where rank 1 is too much", async () => {
  const model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
  const backbone = await openBackbone(model);
  const { sites } = findSites(backbone.graph);
  const trained = (share: number) => {
    const { rank, sites: pattern } = trainingOptions(withinBudget(backbone, share));
    const names = selectSites(sites, pattern).map(({ name }) => name);
    const { length } = layoutOf(backbone, { method: "lora", gate: "low", rank, sites: names });
    return { rank, layers: names.length, length };
  };
  // Its default layers are 12 -> 8 and 8 -> 8.
  const share = (numbers: number): number => (numbers + 0.5) / backbone.parameters;
  expect(trained(share(3 * 36))).toEqual({ rank: 3, layers: 2, length: 108 });
  expect(trained(share(3 * 36 - 1))).toEqual({ rank: 2, layers: 2, length: 72 });
  expect(trained(share(35))).toEqual({ rank: 1, layers: 1, length: 16 });
  expect(() => withinBudget(backbone, share(1))).toThrow("no layer's adapter fits");
});
