import type { ChildProcess } from "node:child_process";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { Type } from "typebox";
import { messageOf } from "../../errors.ts";
import {
  type Difference,
  type EvaluationResult,
  loadEvaluation,
  measureLabel,
  verdictWords,
} from "../../evaluation/index.ts";
import { rocCurve } from "../../matching/index.ts";
import { cannotStart, startProgram } from "../../programs.ts";
import type { App } from "../context.ts";
import { type Jobs, noJobs } from "../jobs/jobs.ts";
import { openOneAtATime } from "../one-at-a-time.ts";
import { Problem } from "../problem.ts";
import { answers, maybe } from "./schemas.ts";

const params = Type.Object({ job: Type.String({ maxLength: 100 }) });
/** A result of an evaluate job: its id and the model. */
const resultName = Type.String({ pattern: "^[A-Za-z0-9_.-]{1,100}/(frozen|adapted)$" });
const estimate = Type.Object({ value: Type.Number(), low: Type.Number(), high: Type.Number() });

const comparison = Type.Object({
  people: Type.Integer({ description: "People that the intervals rest on" }),
  rows: Type.Array(
    Type.Object({
      key: Type.String(),
      label: Type.String(),
      before: maybe(estimate),
      after: maybe(estimate),
      difference: estimate,
      p: Type.Number({ description: "Corrected for the number of tests (Holm)" }),
      verdict: Type.String({ description: "better, worse, the same, or why there is no verdict" }),
    }),
    { description: "Shares from 0 to 1, with 95 % intervals" },
  ),
  curves: Type.Array(
    Type.Object({
      label: Type.String(),
      before: Type.Array(Type.Tuple([Type.Number(), Type.Number()])),
      after: Type.Array(Type.Tuple([Type.Number(), Type.Number()])),
    }),
    { description: "ROC: pairs of false and true accept rate" },
  ),
});

/** What a report may do: show itself, within the page of this server alone. */
const reportPolicy =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; sandbox allow-popups";

/** Largest file of results that is read: they are read whole. */
const mostResultBytes = 256 * 2 ** 20;

/**
 * What jobs made: reports, files to download, and comparisons of two results.
 *
 * @param program the command line, for comparing in a process of its own
 */
export const jobFileRoutes =
  (jobs: Jobs | undefined, program: readonly string[]) =>
  (app: App): void => {
    const tags = ["jobs"];
    const config = { scope: "admin" } as const;
    const all = (): Jobs => {
      if (jobs === undefined) throw noJobs();
      return jobs;
    };
    const comparing = openOneAtATime();

    app.get(
      "/v1/jobs/:job/report",
      {
        config,
        schema: { tags, summary: "The report of an evaluate job, a page", params, produces: ["text/html"] },
      },
      async (request, reply) => {
        const path = join(all().folderOf(request.params.job), "report.html");
        const text = await readFile(path).catch(() => {
          throw new Problem(404, "not-found", "this job has no report; jobs of kind evaluate write one");
        });
        reply.headers({ "content-security-policy": reportPolicy, "x-frame-options": "SAMEORIGIN" });
        return reply.type("text/html; charset=utf-8").send(text);
      },
    );

    const files = Type.Object({ files: Type.Array(Type.Object({ path: Type.String(), bytes: Type.Integer() })) });
    app.get(
      "/v1/jobs/:job/files",
      { config, schema: { tags, summary: "List the files that a job made", params, response: answers(files) } },
      async (request) => ({ files: await filesOf(all().folderOf(request.params.job)) }),
    );

    app.get(
      "/v1/jobs/:job/file",
      {
        config,
        schema: {
          tags,
          summary: "Download one of these files",
          params,
          querystring: Type.Object({ path: Type.String({ maxLength: 1000 }) }),
          produces: ["application/octet-stream"],
        },
      },
      async (request, reply) => {
        const folder = all().folderOf(request.params.job);
        const { path } = request.query;
        // Only what the list names: no path leads out of the folder.
        const found = (await filesOf(folder)).find((file) => file.path === path);
        if (found === undefined) throw new Problem(404, "not-found", "this job made no file of this name");
        const name = path.split("/").at(-1) ?? "file";
        reply.headers({
          "content-disposition": `attachment; filename="${name.replaceAll(/[^\w.-]/g, "_")}"`,
          "content-length": found.bytes,
        });
        return reply.type("application/octet-stream").send(createReadStream(join(folder, path)));
      },
    );

    app.get(
      "/v1/comparison",
      {
        config,
        schema: {
          tags,
          summary: "Compare two results of evaluate jobs: differences with intervals, and ROC curves",
          description: "Both must be measured on the same faces and pairs.",
          querystring: Type.Object({ before: resultName, after: resultName }),
          response: answers(comparison),
        },
      },
      async ({ query, deadline }) => {
        const [before, after] = [resultPath(all(), query.before), resultPath(all(), query.after)];
        return comparing(async () => {
          const results = [await readResult(before), await readResult(after)] as const;
          const document = await compareIn(program, [before, after], deadline);
          return { ...tableOf(document, results), curves: curvesOf(results) };
        });
      },
    );
  };

/** All files of a folder, in their order; links are not followed. */
async function filesOf(folder: string): Promise<{ path: string; bytes: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(
    paths.map(async (path) => ({
      path: path.slice(folder.length + 1).replaceAll("\\", "/"),
      bytes: (await stat(path)).size,
    })),
  );
}

/** The file of a result, `JOB/frozen` or `JOB/adapted`. Throws a {@link Problem}. */
function resultPath(jobs: Jobs, name: string): string {
  const [id = "", model = ""] = name.split("/");
  const { kind, state } = jobs.find(id);
  if (kind !== "evaluate" || state !== "done")
    throw new Problem(409, "wrong-state", "give results of evaluate jobs that are done, such as ID/adapted");
  return join(jobs.folderOf(id), `${model}.json`);
}

async function readResult(path: string): Promise<EvaluationResult> {
  const entry = await stat(path).catch(() => undefined);
  if (entry === undefined) throw new Problem(404, "not-found", "this job measured no adapter: it has frozen alone");
  if (entry.size > mostResultBytes)
    throw new Problem(413, "too-large", "these results are too large for the page; use petalface compare");
  return loadEvaluation(path);
}

/** What the server reads of `petalface compare --json`. */
interface ComparedDocument {
  readonly comparisons: readonly { readonly people: number; readonly differences: readonly Difference[] }[];
}

/** Compares in a process of its own: a bootstrap takes seconds, and requests do not wait for it. */
export function compareIn(
  program: readonly string[],
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ComparedDocument> {
  const [command = "", ...first] = program;
  return new Promise((resolve, reject) => {
    const args = [...first, "compare", ...paths, "--json"];
    const busy = (error: unknown): Problem => new Problem(503, "busy", messageOf(error), { retryAfter: 5 });
    let child: ChildProcess;
    try {
      child = startProgram("the comparison", command, args, { stdio: ["ignore", "pipe", "pipe"], signal });
    } catch (error) {
      reject(busy(error));
      return;
    }
    const parts: Buffer[] = [];
    let error = "";
    child.stdout?.on("data", (part: Buffer) => parts.push(part));
    child.stderr?.on("data", (part: Buffer) => {
      error = (error + part.toString()).slice(-2000);
    });
    child.once("error", (cause) =>
      reject(cause.name === "AbortError" ? cause : busy(cannotStart("the comparison", cause))),
    );
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(parts).toString()) as ComparedDocument);
      else
        reject(
          new Problem(422, "refused", /PETAL_RESULT_MISMATCH|different pairs/.test(error) ? mismatch : lastLine(error)),
        );
    });
  });
}

const mismatch = "the two were measured on different faces or pairs; measure both on the same data";
const lastLine = (text: string): string =>
  (text.trim().split("\n").at(-1) ?? "").replace(/^petalface: /, "") || "the comparison failed";

function tableOf({ comparisons }: ComparedDocument, [one, other]: readonly [EvaluationResult, EvaluationResult]) {
  const { people, differences } = itemAt(comparisons, 0);
  const measure = ({ measures }: EvaluationResult, key: string) => {
    const found = measures.find((each) => each.key === key);
    return found === undefined ? null : { value: found.value, low: found.low, high: found.high };
  };
  return {
    people,
    rows: differences.map((difference) => ({
      key: difference.key,
      label: measureLabel(difference),
      before: measure(one, difference.key),
      after: measure(other, difference.key),
      difference: { value: difference.value, low: difference.low, high: difference.high },
      p: difference.corrected,
      verdict: verdictWords(difference),
    })),
  };
}

/** Most points of a curve: more are not seen. */
const mostPoints = 200;

function curvesOf([one, other]: readonly [EvaluationResult, EvaluationResult]) {
  const labelOf = (result: EvaluationResult): Map<string, readonly [number, number][]> =>
    new Map(
      result.detail.outcomes.flatMap((outcome) => {
        if (outcome.kind !== "verification") return [];
        const { far, tar } = rocCurve(outcome.scores, outcome.same, outcome.weight);
        const step = Math.max(1, Math.ceil(far.length / mostPoints));
        const points = Array.from(far, (rate, i): [number, number] => [rate, itemAt(tar, i)]).filter(
          (_, i) => i % step === 0 || i === far.length - 1,
        );
        return [[measureLabel({ kind: "auc", condition: outcome.condition }).replace(/^AUC /, ""), points] as const];
      }),
    );
  const [before, after] = [labelOf(one), labelOf(other)];
  return [...before].flatMap(([label, points]) => {
    const found = after.get(label);
    return found === undefined ? [] : [{ label, before: points, after: found }];
  });
}
