import type { CheckpointInspection } from "../../../api/inspect/checkpoint.ts";
import { printable } from "../../../checkpoints/index.ts";
import { plainTable } from "../../table.ts";
import type { Description } from "./description.ts";

const formats = {
  "torch-zip": "a PyTorch checkpoint",
  "torch-legacy": "a PyTorch checkpoint (before 1.6)",
  safetensors: "safetensors",
} as const;

/** Dictionaries that are listed for people; `--json` lists all. */
const MOST_GROUPS = 20;

const count = (value: number): string => value.toLocaleString("en");
const named = (path: string): string => (path === "" ? "(top)" : path);

/** A file of named tensors. */
export function describeCheckpoint(found: CheckpointInspection): Description {
  const { path, checkpoint, largest, families, network } = found;
  const { format, groups, metadata, config } = checkpoint;
  const tensors = groups.reduce((sum, group) => sum + group.tensors.size, 0);
  const elements = groups.reduce((sum, group) => sum + group.elements, 0);
  const quantised = [...(largest?.tensors.values() ?? [])].filter(({ quantizer }) => quantizer !== undefined).length;
  const lines = [
    `${path}: ${formats[format]}, ${count(tensors)} tensors with ${count(elements)} numbers`,
    ...families.map(({ family, because }) => `names like those of ${family}: ${because}`),
    ...(quantised === 0 ? [] : [`${count(quantised)} tensors are quantised; petalface import writes them as float32`]),
    ...(network.arch === undefined ? [] : [`petalface import takes it as --arch ${network.arch}`]),
    ...(network.reason === undefined ? [] : [network.reason]),
    ...Object.entries(metadata).map(([key, value]) => `${key}: ${short(value)}`),
    ...(config === undefined ? [] : [`config.json: ${short(config)}`]),
  ];
  if (groups.length > 1) {
    const rows = groups.map((group) => [named(group.path), count(group.tensors.size), count(group.elements)]);
    lines.push("", plainTable([["DICTIONARY", "TENSORS", "NUMBERS"], ...rows.slice(0, MOST_GROUPS)], [1, 2]));
    if (groups.length > MOST_GROUPS) lines.push(`... ${groups.length - MOST_GROUPS} more`);
  }
  if (largest !== undefined) {
    if (groups.length > 1) lines.push("", `in ${named(largest.path)}:`);
    const rows = [...largest.tensors.values()].map(({ name, dtype, shape }) => [name, dtype, `[${shape.join(", ")}]`]);
    lines.push(plainTable([["TENSOR", "TYPE", "SHAPE"], ...rows]));
  }
  const document = {
    kind: format === "safetensors" ? "tensors" : "checkpoint",
    path,
    format,
    metadata,
    ...(config === undefined ? {} : { config }),
    families,
    arch: network.arch ?? null,
    tensors: groups.flatMap(({ path: group, tensors: entries }) =>
      [...entries.values()].map(({ name, dtype, shape }) => ({
        ...(group === "" ? {} : { group }),
        name,
        dtype,
        shape,
      })),
    ),
  };
  return { document, text: lines.map((text) => text.split("\n").map(printable).join("\n")).join("\n") };
}

/** A value on one line, cut where it is long. */
function short(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}
