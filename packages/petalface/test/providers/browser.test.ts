import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyBackbone } from "../support/backbone.ts";
import { lacksChromium, needsChromium } from "../support/chromium.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type BrowserRunner, openBrowser } from "./browser.ts";
import { networks, trainingCase } from "./networks.ts";
import { distance, onCpu } from "./run.ts";

describe.skipIf(lacksChromium)(
  `training graphs in a browser have the gradients of the CPU (1e-5)${needsChromium}`,
  () => {
    const folder = temporaryFolder("petalface-browser-");
    let browser: BrowserRunner;
    beforeAll(async () => {
      await writeTinyBackbone(join(folder, "tiny.onnx"));
      browser = await openBrowser();
    });
    afterAll(async () => {
      await browser?.close();
    });

    // The rest is shown in Node (gradients.test.ts), where the same kernels are faster to test.
    const cases = [
      ...networks.filter(([name]) => name === "conv net").map(([name, make]) => ({ name, make: async () => make() })),
      { name: "training graph", make: () => trainingCase(join(folder, "tiny.onnx"), "distil+cosface", "twin") },
    ];
    test.each(cases.flatMap((each) => (["wasm", "webgpu"] as const).map((provider) => ({ ...each, provider }))))(
      "$name on $provider",
      async ({ make, provider }) => {
        const each = await make();
        expect(distance(await browser.run(provider, each), await onCpu(each))).toBeLessThan(1e-5);
      },
    );
  },
);
