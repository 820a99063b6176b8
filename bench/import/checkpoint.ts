import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sizeOf } from "onnx-grad";
import { openCheckpoint, writeFloat32, writeTorchCheckpoint } from "petalface/checkpoints";
import { shared } from "../skeleton/shared.ts";
import { drawer, drawFloats } from "../skeleton/statistics.ts";

/** A tensor of the oracle's full-size networks. */
interface Listed {
  readonly name: string;
  readonly shape: readonly number[];
  /** What it is for; `as_built`: a table that the network computes itself. */
  readonly kind: string;
}

/** Middle and spread of the numbers of a tensor, by what it is for. */
const scales: Readonly<Record<string, (fanIn: number) => readonly [middle: number, spread: number]>> = {
  weight: (fanIn) => [0, Math.sqrt(3 / fanIn)],
  norm_weight: () => [1, 0.1],
  norm_weight_small: () => [0.3, 0.1],
  running_var: () => [1, 0.25],
  vector: () => [0, 0.05],
  table: () => [0, 0.05],
  prelu: () => [0.25, 0.05],
};

/**
 * Writes a full-size network with drawn weights, as PyTorch's zip and as safetensors. Needs the
 * names and shapes of the oracle.
 */
export async function writeCheckpoints(network: string, torch: string, safetensors: string): Promise<void> {
  const text = await readFile(join(shared, "oracle/full", `${network}.json`), "utf8");
  const { state_dict: listed } = JSON.parse(text) as { readonly state_dict: readonly Listed[] };
  const draw = drawer(1);
  await writeTorchCheckpoint(
    torch,
    listed.flatMap(({ name, shape, kind }) => {
      const scale = scales[kind];
      if (scale === undefined) return [];
      const [middle, spread] = scale(sizeOf(shape.slice(1)));
      const data = drawFloats(draw, sizeOf(shape), spread, middle);
      return [[name, { dtype: "F32" as const, shape, data }] as const];
    }),
  );
  const checkpoint = await openCheckpoint(torch);
  await writeFloat32(
    safetensors,
    checkpoint,
    checkpoint.groups.flatMap(({ tensors }) => [...tensors]),
  );
}
