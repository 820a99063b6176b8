import { dirname, join } from "node:path";
import { compareResults, writeReport } from "../../evaluation/index.ts";
import { drawNearest, drawSamples } from "../evaluate/report.ts";
import type { DemoOutcome } from "./run.ts";

/**
 * Writes the demo's report: every method against the frozen model, with sample faces and the petal
 * adapter's alpha of each.
 */
export async function writeDemoReport(path: string, outcome: DemoOutcome): Promise<void> {
  const { results, faces, backbone } = outcome;
  const [frozen, petal, ...others] = results;
  const { protocol } = faces;
  await writeReport(path, {
    title: "petalface demo",
    results,
    comparisons: [petal, ...others].map(({ name, result }) => ({
      name,
      against: frozen.name,
      comparison: compareResults(frozen.result, result),
    })),
    subject: petal.name,
    nearest: await drawNearest({ protocol, size: backbone.size }, petal, frozen),
    named: { model: backbone.spec.name, adapter: join(dirname(path), petal.name) },
    samples: await drawSamples({ protocol, size: backbone.size }, petal.result),
    run: {
      model: `${backbone.spec.name} (sha256 ${backbone.spec.sha256.slice(0, 12)})`,
      "training faces": `${faces.train.spec}: ${faces.train.length} images of ${faces.train.people.length} people`,
      "measured faces": `${faces.test.spec}: ${frozen.result.protocol.images} images of ${protocol.people} other people`,
      ...Object.fromEntries(
        results.flatMap(({ name, about, run }) =>
          run === undefined ? [] : [[name, `${about}; ${run.trained.parameters} numbers trained`]],
        ),
      ),
      ...(petal.run === undefined
        ? {}
        : Object.fromEntries(Object.entries(petal.run.options).map(([key, value]) => [`petal ${key}`, String(value)]))),
    },
  });
}
