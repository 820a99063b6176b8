import { leftOutOf, nestedLine } from "../../../api/data.ts";
import type { DataSetInspection } from "../../../api/inspect/data-set.ts";
import type {
  AdapterInspection,
  Inspection,
  PresetsInspection,
  ResultInspection,
  ResultsInspection,
  RunInspection,
} from "../../../api/inspect/inspect.ts";
import { printUnreadable } from "../../../data/index.ts";
import { type EvaluationResult, printTable, withoutDetail } from "../../../evaluation/index.ts";
import { printCalibration } from "../../../quality/index.ts";
import { describeCheckpoint } from "./checkpoint.ts";
import type { Description } from "./description.ts";
import { describeModel } from "./model.ts";
import { printDifferences } from "./presets.ts";

const count = (value: number): string => value.toLocaleString("en");

/** What was found, as JSON and for people. */
export function describe(found: Inspection): Description {
  switch (found.kind) {
    case "run":
      return describeRun(found);
    case "presets":
      return describePresets(found);
    case "adapter":
      return describeAdapter(found);
    case "evaluation":
      return describeResult(found);
    case "evaluations":
      return describeResults(found);
    case "checkpoint":
      return describeCheckpoint(found);
    case "data":
      return describeDataSet(found);
    default:
      return describeModel(found);
  }
}

function describeRun({ kind, folder, record, presets }: RunInspection): Description {
  const { options, adapter, trained, data } = record;
  const lines = [
    `${folder}: a run of petalface adapt, method ${options.method}, ${record.steps} steps of ${options.batch} images`,
    `model: ${record.model.name} (sha256 ${record.model.sha256})`,
    `data: ${data.spec}, ${count(data.images)} faces of ${count(data.people)} people`,
    `trained: ${count(trained.parameters)} numbers, ${(100 * trained.share).toFixed(2)} % of the model's, ${adapter.sites.length} layers, rank ${adapter.rank}, gate ${adapter.gate}`,
    printCalibration(adapter.calibration),
    "",
    `options, where this run (preset ${options.preset}) or one of the presets has another:`,
  ];
  const text = [...lines, printDifferences(presets)].join("\n");
  return { document: { kind, folder, ...record, presets }, text };
}

function describePresets({ kind, presets }: PresetsInspection): Description {
  const note = "reference is the recipe for Swin; a ViT or IResNet of petalface import has its own recipe";
  return { document: { kind, presets }, text: `where the presets differ:\n${printDifferences(presets)}\n${note}` };
}

function describeAdapter({ kind, folder, parameters, tensors, config }: AdapterInspection): Description {
  const lines = [
    `${folder}: an adapter of ${count(parameters)} numbers in ${tensors} tensors`,
    ...Object.entries(config).map(([key, value]) => `${key}: ${show(value)}`),
  ];
  return { document: { kind, folder, parameters, tensors, config }, text: lines.join("\n") };
}

/** A value of a configuration for people: parts one after the other. */
function show(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(show).join(", ");
  return Object.entries(value)
    .map(([key, part]) => `${key} ${show(part)}`)
    .join(", ");
}

function describeDataSet({ kind, data, facesPerPerson, looked, problems }: DataSetInspection): Description {
  const { spec, fingerprint, nested = null, skipped = 0 } = data;
  const lines = [
    `${spec}: ${count(data.length)} faces${facesPerPerson ? ` of ${count(data.people.length)} people` : ", of unknown people"}`,
    ...(facesPerPerson
      ? [`faces a person: ${facesPerPerson.least} to ${facesPerPerson.most}, median ${facesPerPerson.median}`]
      : []),
    ...(nested === null ? [] : [nestedLine(nested)]),
    ...(data.unreadable?.count ? [printUnreadable(data.unreadable) ?? ""] : []),
    ...(skipped ? [`${count(skipped)} other files were left out`] : []),
    ...(looked > 0
      ? [`${looked} checked: ${problems.length === 0 ? "all are usable" : `${problems.length} are not`}`]
      : []),
    ...problems.map((problem) => `  ${problem}`),
    `fingerprint: ${fingerprint}`,
  ];
  const document = {
    kind,
    spec,
    faces: data.length,
    people: data.people.length,
    facesPerPerson,
    skipped,
    leftOut: leftOutOf(data),
    nested,
    looked,
    problems,
    fingerprint,
  };
  return { document, text: lines.join("\n") };
}

function describeResult({ kind, path, result }: ResultInspection): Description {
  const text = `${path}: a result of petalface evaluate on ${result.protocol.name}\n${printTable([{ name: "model", result }])}`;
  return { document: { kind, path, ...withoutDetail(result) }, text };
}

function describeResults({ kind, path, frozen, adapted }: ResultsInspection): Description {
  const found = Object.entries({ frozen, adapted }).flatMap(([name, result]) => (result ? [{ name, result }] : []));
  const short = (result: EvaluationResult | undefined) => (result === undefined ? null : withoutDetail(result));
  const what = `${path}: results of petalface evaluate on ${found[0]?.result.protocol.name}`;
  return {
    document: { kind, path, frozen: short(frozen), adapted: short(adapted) },
    text: `${what}\n${printTable(found)}`,
  };
}
