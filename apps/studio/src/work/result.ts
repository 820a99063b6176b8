import { zipSync } from "fflate";
import { encodeSafetensors } from "petalface/portable";
import type { AlphaFile, StudioPlan } from "../plan.ts";

/** Scores at which alpha is 0 and 1. */
export interface AlphaRange {
  readonly low: number;
  readonly high: number;
}

/** A graph's file with alpha's range in its place. */
export function withAlpha(
  plan: StudioPlan,
  file: AlphaFile,
  template: Uint8Array,
  { low, high }: AlphaRange,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(template);
  const view = new DataView(bytes.buffer);
  const places = plan.alpha[file];
  view.setFloat32(places.low, low, true);
  view.setFloat32(places.slope, 1 / (high - low), true);
  return bytes;
}

/** `face.onnx` with the trained numbers and alpha's range in their places. */
export function deployedModel(
  plan: StudioPlan,
  template: Uint8Array,
  theta: Float32Array,
  range: AlphaRange,
): Uint8Array<ArrayBuffer> {
  const bytes = withAlpha(plan, "face", template, range);
  const view = new DataView(bytes.buffer);
  for (const { offset, length, byte } of plan.places)
    for (const [i, value] of theta.subarray(offset, offset + length).entries())
      view.setFloat32(byte + 4 * i, value, true);
  const { low, high } = range;
  const calibration = JSON.stringify({ measure: plan.quality.measure, low, high });
  return concat(bytes, metadataEntry("petalface.calibration", calibration));
}

/**
 * One `metadata_props` entry of a ModelProto (onnx.proto, field 14). Appended to a model it is one
 * more of its entries, as protobuf has it.
 */
function metadataEntry(key: string, value: string): Uint8Array {
  const field = (number: number, body: Uint8Array): Uint8Array => concat(bytesOf(number * 8 + 2, body.length), body);
  const text = new TextEncoder();
  return field(14, concat(field(1, text.encode(key)), field(2, text.encode(value))));
}

/** Numbers as protobuf's varints. */
function bytesOf(...numbers: readonly number[]): Uint8Array {
  return Uint8Array.from(
    numbers.flatMap((number) => {
      const bytes: number[] = [];
      for (let rest = number; ; rest >>>= 7) {
        if (rest < 128) return [...bytes, rest];
        bytes.push((rest & 127) | 128);
      }
    }),
  );
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * The adapter as `petalface evaluate --adapter` takes it, its two files zipped. `config` is its
 * configuration but for the calibration.
 */
export function adapterArchive(
  plan: StudioPlan,
  config: string,
  theta: Float32Array,
  { low, high }: AlphaRange,
): Uint8Array<ArrayBuffer> {
  const tensors = plan.places.map(
    ({ name, dims, offset, length }) =>
      [name, { dtype: "F32", shape: dims, data: theta.slice(offset, offset + length) }] as const,
  );
  const document = { ...JSON.parse(config), calibration: { measure: plan.quality.measure, low, high } };
  const files = {
    "adapter/adapter_config.json": new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`),
    "adapter/adapter_model.safetensors": encodeSafetensors(tensors, { format: "petalface" }),
  };
  return new Uint8Array(zipSync(files, { level: 0 }));
}
