import { join } from "node:path";
import type { FaceData } from "../../data/index.ts";
import { type Faces, type LeftOutOptions, openFaces } from "../data.ts";
import type { Surroundings } from "../surroundings.ts";
import { deadlineAfter } from "./deadline.ts";
import { demoFiles, prepareDemoFolder } from "./folder.ts";
import type { DemoSize } from "./plan.ts";
import { writeDemoReport } from "./report.ts";
import { type DemoOutcome, runDemo } from "./run.ts";

/** Which demo to run, and where. */
export interface DemoOptions extends LeftOutOptions {
  /** Folder for runs, report and model. */
  readonly out: string;
  /** The user's own faces; synthetic people unless given. */
  readonly data?: Faces | undefined;
  readonly size: DemoSize;
  /** Other methods are compared if they fit into this time; infinite: all of them. */
  readonly minutes: number;
  /**
   * Called when the main result is reported and exported, before other methods are compared.
   * `compares`: whether there is time for one.
   */
  readonly onMain: (main: DemoOutcome, report: string, compares: boolean) => void;
}

/** A finished demo. */
export interface Demo extends DemoOutcome {
  /** File of the report. */
  readonly report: string;
  /** The user's own faces. */
  readonly data: FaceData | undefined;
}

/**
 * Adapts a small model, measures the gain, exports it and compares other methods: `petalface demo`.
 * An earlier demo in the folder is removed. Throws PetalfaceError.
 */
export async function demo(options: DemoOptions, surroundings: Surroundings): Promise<Demo> {
  const { out, size, minutes, onMain } = options;
  await using _outputs = await prepareDemoFolder(out, surroundings);
  const report = join(out, demoFiles.report);
  const data = options.data === undefined ? undefined : await openFaces(options.data, options, surroundings);
  const deadline = deadlineAfter(minutes);
  const request = {
    out,
    data,
    size,
    deadline,
    async onMain(main: DemoOutcome) {
      await writeDemoReport(report, main);
      onMain(main, report, deadline.fits(main.methodSeconds));
    },
  };
  const outcome = await runDemo(request, surroundings);
  if (outcome.results.length > 2) await writeDemoReport(report, outcome);
  return { ...outcome, report, data };
}
