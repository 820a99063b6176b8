import { table } from "../skeleton/page.ts";
import type { Comparison, Reference } from "./compare.ts";

/** What every file must reach. */
export const bars = { batch: 1e-4, features: 1e-3, gradient: 1e-3, weights: 5 } as const;

/** One file's outcome; an error where it could not be compared. */
export interface Row {
  readonly file: string;
  readonly reference: Reference;
  readonly result: Comparison | Error;
}

/** What a row misses, in words; empty if it passes. */
export function misses({ reference, result }: Row): string[] {
  if (result instanceof Error) return [result.message.replaceAll(/\s+/g, " ")];
  const { batch, features, images, weights, weightsAt, found, sites, grouped } = result;
  return [
    ...(batch <= bars.batch ? [] : [`batches differ by ${batch}`]),
    ...(features <= bars.features ? [] : [`features differ by ${features}`]),
    ...(images <= bars.gradient ? [] : [`the gradient by the images differs by ${images}`]),
    ...(weights <= bars.gradient ? [] : [`the gradient by ${weightsAt} differs by ${weights}`]),
    ...(found >= bars.weights ? [] : [`only ${found} of the weights were found`]),
    ...(sites === reference.dense ? [] : [`${sites} sites, expected ${reference.dense}`]),
    ...(grouped === reference.grouped ? [] : [`${grouped} grouped layers, expected ${reference.grouped}`]),
  ];
}

const about = `timm's networks with 512 outputs and random weights (fixed seed), exported from PyTorch: \`ts\` by the TorchScript
exporter, \`dynamo\` by torch.export's; \`-1\` with a batch fixed at 1, the others with an open one. Each file is read, brought
to operator set 18 and given batches N, 2 and 3; the loss, features times a random direction, is differentiated by
onnx-grad and run by onnxruntime on 3 images, once with the open batch and once with 3 (the worse counts). Numbers are
relative differences (L2 norm): batch, images one by one against together; features and gradients against PyTorch's in
float64 (by the images, and what float32 changes there in PyTorch; by up to 14 parameters, the worst, and how many of them
are constants of the file: exporters merge batch norms). Bars: batch ${bars.batch}, features ${bars.features}, gradients ${bars.gradient}, at least
${bars.weights} weights, and a site for every dense layer that sees the images (grouped convolutions cannot be one).`;

const columns = [
  "model",
  "opset",
  "nodes",
  "sites",
  "batch",
  "features",
  "by images",
  "PyTorch float32",
  "by weights",
  "weights",
  "passes",
];

/** The page's text and table. */
export function renderNetworks(rows: readonly Row[]): string {
  const missed = rows.flatMap((row) => misses(row).map((miss) => `- ${row.file}: ${miss}`));
  const last = missed.length > 0 ? `Missed:\n\n${missed.join("\n")}` : `All ${rows.length} files pass.`;
  return `${about}\n\n${table(columns, rows.map(cells))}\n\n${last}`;
}

function cells(row: Row): string[] {
  const { file, reference, result } = row;
  if (result instanceof Error) return [file, ...columns.slice(2).map(() => "-"), "no"];
  return [
    file,
    String(result.opset),
    String(result.nodes),
    `${result.sites} of ${reference.dense}`,
    ...[result.batch, result.features, result.images, reference.float32, result.weights].map((value) =>
      value.toExponential(1),
    ),
    `${result.found} of ${reference.parameters.length}`,
    misses(row).length === 0 ? "yes" : "no",
  ];
}
