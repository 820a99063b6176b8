import { itemAt } from "onnx-grad";
import { type Backbone, quantisedNodes } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type ModelChoices, type Preprocessing, printNormalize } from "../models/index.ts";
import type { BackboneRecord } from "./config.ts";

/**
 * What an adapter notes of the network that it is trained on: which it is, how it is fed, and what
 * the user chose of it.
 */
export function backboneRecord({ spec, choices }: Backbone): BackboneRecord {
  const { name, sha256, mean, scale, channels } = spec;
  return {
    name,
    sha256,
    preprocessing: { mean, scale, channels },
    ...(choices?.size !== undefined && { size: choices.size }),
    ...(choices?.output !== undefined && { output: choices.output }),
  };
}

/**
 * How to open the network of a record as it was opened in training, as far as the record says it.
 */
export const choicesOfRecord = ({ preprocessing, size, output }: BackboneRecord): ModelChoices => ({
  ...(preprocessing && { normalize: printNormalize(preprocessing), channels: preprocessing.channels }),
  ...(size !== undefined && { size }),
  ...(output !== undefined && { output }),
});

/**
 * Refuses what was trained on another network, or on the same one fed in another way.
 *
 * @param what names it in the error: an adapter's folder, or a run's
 * @throws PetalfaceError that says what differs and what to give
 */
export function refuseOther(what: string, record: BackboneRecord, backbone: Backbone): void {
  const { path, spec, source, size, output } = backbone;
  if (record.sha256 !== spec.sha256)
    throw new PetalfaceError(
      "PETAL_ADAPTER_MISMATCH",
      `${what} was trained on ${record.name} (sha256 ${record.sha256.slice(0, 12)}), not on ${path} (sha256 ${spec.sha256.slice(0, 12)}); give its own backbone with 'model'`,
    );
  const { preprocessing } = record;
  if (preprocessing === undefined && source === "graph")
    throw new PetalfaceError(
      "PETAL_ADAPTER_MISMATCH",
      `${what} was trained before petalface looked for a normalisation inside of models, when ${path} was fed (x - 127.5) / 127.5; train it again, or give 'normalize=127.5,1/127.5' to use it as it was trained`,
    );
  if (preprocessing !== undefined && !sameFeeding(preprocessing, spec))
    throw new PetalfaceError(
      "PETAL_ADAPTER_MISMATCH",
      `${what} was trained with 'normalize=${printNormalize(preprocessing)}' 'channels=${preprocessing.channels}', and ${path} is fed 'normalize=${printNormalize(spec)}' 'channels=${spec.channels}'; give it the same, or train another adapter`,
    );
  if (record.size !== undefined && record.size !== size)
    throw new PetalfaceError(
      "PETAL_ADAPTER_MISMATCH",
      `${what} was trained on faces of ${record.size} pixels; give 'size=${record.size}'`,
    );
  if (record.output !== undefined && record.output !== output)
    throw new PetalfaceError(
      "PETAL_ADAPTER_MISMATCH",
      `${what} was trained on the output "${record.output}"; give 'output=${record.output}'`,
    );
}

/**
 * Refuses to train an adapter for weights of 8 bits. Throws PetalfaceError that says what to do.
 */
export function refuseQuantised({ path, graph }: Backbone): void {
  const nodes = quantisedNodes(graph);
  if (nodes > 0) throw new PetalfaceError("PETAL_MODEL_UNSUPPORTED", `${path}: ${quantisedAdvice(nodes)}`);
}

/** What to do with a model whose weights are 8-bit integers, found in so many nodes. */
export const quantisedAdvice = (nodes: number): string =>
  `its weights are 8-bit integers (${nodes} nodes), for which no adapter can be trained; adapt the float model that it was made from, then export it with 'precision=int8'`;

/** Whether two preprocessings are one, to what a decimal number may lose. */
function sameFeeding(a: Preprocessing, b: Preprocessing): boolean {
  const near = (x: readonly number[], y: readonly number[]): boolean =>
    x.length === y.length && x.every((value, at) => Math.abs(value - itemAt(y, at)) <= 1e-6 * Math.abs(value));
  return a.channels === b.channels && near(a.mean, b.mean) && near(a.scale, b.scale);
}
