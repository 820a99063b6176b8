import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { entryOf, floatData, itemAt, readTensor, writeModel } from "onnx-grad";
import {
  type Adapter,
  type AdapterConfig,
  backboneRecord,
  choicesOfRecord,
  findSites,
  layoutOf,
  loadAdapter,
  type Site,
  saveAdapter,
  selectSites,
} from "petalface/adapters";
import { type Backbone, openBackbone } from "petalface/backbones";
import type { FaceData } from "petalface/data";
import { rangeCalibration } from "petalface/quality";
import { type AdaptContext, adapt, resume, type TrainingChoices, trainingOptions } from "petalface/training";
import { principal } from "./svd.ts";

/** A network without the principal parts of some layers, and an adapter that adds them again. */
export interface PrincipalStart {
  readonly backbone: Backbone;
  readonly adapter: Adapter;
}

/** Where a number of a site's weight lies: row `out`, column `column` of `[outputs, columns]`. */
const placeOf = ({ outFirst, outputs }: Site, columns: number, out: number, column: number): number =>
  outFirst ? out * columns + column : column * outputs + out;

/**
 * PiSSA (Meng et al. 2024, arXiv 2404.02948, equations 2 to 4): `up` and `down` start as the
 * principal singular vectors of the layer's weight times the roots of their values, and the frozen
 * weight is what is left.
 *
 * @param file where the network without its principal parts is written
 */
export async function principalStart(
  backbone: Backbone,
  { rank, sites: pattern }: { readonly rank: number; readonly sites: string },
  file: string,
): Promise<PrincipalStart> {
  const sites = selectSites(findSites(backbone.graph).sites, pattern);
  const shape = { method: "lora", gate: "single", rank, scale: 1, sites: sites.map(({ name }) => name) } as const;
  const { slots, length } = layoutOf(backbone, shape);
  const theta = new Float32Array(length);
  const constants = new Map(backbone.graph.constants);
  for (const site of sites) {
    const [down, up] = ["down", "up"].map((role) =>
      itemAt(
        slots.filter((slot) => slot.of === site.name && slot.role === role),
        0,
      ),
    ) as [(typeof slots)[number], (typeof slots)[number]];
    const weight = readTensor(entryOf(constants, site.weight));
    if (entryOf(constants, site.weight) !== backbone.graph.constants.get(site.weight))
      throw new Error(`${site.name} shares its weight with another layer`);
    const data = floatData(weight).slice();
    const columns = data.length / site.outputs;
    const matrix = Float64Array.from(data, (_, at) => {
      return data[placeOf(site, columns, Math.floor(at / columns), at % columns)] ?? 0;
    });
    const most = Math.min(rank, site.outputs, columns);
    const { values, left, right } = principal(matrix, site.outputs, columns, most);
    for (let r = 0; r < most; r++) {
      const root = Math.sqrt(values[r] ?? 0);
      for (let out = 0; out < site.outputs; out++)
        theta[up.offset + out * rank + r] = root * left[r * site.outputs + out];
      for (let column = 0; column < columns; column++)
        theta[down.offset + r * columns + column] = root * right[r * columns + column];
    }
    for (let out = 0; out < site.outputs; out++)
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let r = 0; r < most; r++)
          sum += theta[up.offset + out * rank + r] * theta[down.offset + r * columns + column];
        data[placeOf(site, columns, out, column)] -= sum;
      }
    constants.set(site.weight, { dtype: "float32", dims: weight.dims, data });
  }
  await writeModel({ ...backbone.graph, constants }, file);
  const rest = await openBackbone(file, choicesOfRecord(backboneRecord(backbone)));
  // Training fits its own.
  const calibration = rangeCalibration({ name: "sharpness" }, 0, 1);
  return { backbone: rest, adapter: { config: { ...shape, backbone: backboneRecord(rest), calibration }, theta } };
}

/**
 * The adapter of twice the rank that does to the whole network what a trained one does to that
 * without its principal parts: the trained parts minus those that it started from.
 */
export function wholeAdapter(backbone: Backbone, start: Adapter, trained: Adapter): Adapter {
  const { rank } = trained.config;
  const config: AdapterConfig = { ...trained.config, rank: 2 * rank, backbone: backboneRecord(backbone) };
  const [narrow, wide] = [layoutOf(backbone, trained.config), layoutOf(backbone, config)];
  const theta = new Float32Array(wide.length);
  narrow.slots.forEach(({ role, offset, length }, at) => {
    const to = itemAt(wide.slots, at).offset;
    const [now, before] = [trained.theta, start.theta].map((from) => from.subarray(offset, offset + length)) as [
      Float32Array,
      Float32Array,
    ];
    if (role === "down") {
      theta.set(now, to);
      theta.set(before, to + length);
    } else
      for (let i = 0; i < length; i++) {
        const place = to + Math.floor(i / rank) * 2 * rank + (i % rank);
        theta[place] = now[i];
        theta[place + rank] = -before[i];
      }
  });
  return { config, theta };
}

/** Folder of the run that trains the network without its principal parts. */
export const principalRun = (out: string): string => join(`${out}-principal`, "run");

/** A training that starts from the principal parts. */
export interface PrincipalTraining {
  readonly backbone: Backbone;
  readonly data: FaceData;
  readonly options: TrainingChoices;
  /** Folder that the adapter of the whole network goes to, as in a run. */
  readonly out: string;
  /** Its target cache holds the whole network's targets of all faces. */
  readonly context: AdaptContext;
  /** Whether a training was stopped, to be continued. */
  readonly isBegun: boolean;
}

/** Trains by {@link principalStart}; returns how many numbers were trained. */
export async function trainPrincipal(training: PrincipalTraining): Promise<number> {
  const { backbone, data, options, out, context, isBegun } = training;
  const place = `${out}-principal`;
  const [model, init, run] = [join(place, "rest.onnx"), join(place, "start"), principalRun(out)];
  await mkdir(place, { recursive: true });
  const choices = choicesOfRecord(backboneRecord(backbone));
  if (!isBegun) {
    const start = await principalStart(backbone, trainingOptions(options), model);
    await saveAdapter(init, start.backbone, start.adapter);
  }
  const made = await (isBegun
    ? resume(run, context)
    : adapt({ model, ...choices, train: data.spec, options, out: run, init }, context));
  const rest = await openBackbone(model, choices);
  const [start, trained] = [await loadAdapter(init, rest), await loadAdapter(run, rest)];
  await saveAdapter(join(out, "adapter"), backbone, wholeAdapter(backbone, start, trained));
  return made.run.trained.parameters;
}
