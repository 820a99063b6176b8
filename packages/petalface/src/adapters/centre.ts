import type { Ops } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { AdapterConfig } from "./config.ts";
import { closesOnSharp } from "./gate.ts";

/** Name of the tensor in an adapter's file. */
export const centreTensor = "embedding.centre";

/**
 * Embeddings plus the centring shift times 1 - alpha: where alpha is 1 they keep their values.
 *
 * @param embedding value `[N, width]`
 * @param alpha value `[N]`
 */
export const centred = (o: Ops, embedding: string, alpha: string, centre: Float32Array): string =>
  o.add(embedding, o.mul(o.unsqueeze(o.sub(1, alpha), [1]), o.floats(centre, [1, centre.length])));

/**
 * The same where all images have one alpha; the value itself where nothing is added.
 */
export const centredBy = (o: Ops, embedding: string, weight: number, centre: Float32Array | undefined): string =>
  centre === undefined || weight === 0
    ? embedding
    : o.add(
        embedding,
        o.floats(
          centre.map((value) => weight * value),
          [1, centre.length],
        ),
      );

/** Throws PetalfaceError where sharp faces would not keep their embeddings. */
export function requireGateToCentre({ method, gate }: Pick<AdapterConfig, "method" | "gate">): void {
  if (method === "lora" && closesOnSharp(gate)) return;
  throw new PetalfaceError(
    "PETAL_OPTION_UNFIT",
    `centring needs an adapter that leaves sharp faces alone, 'gate=low' or 'gate=hat'; this one has method ${method}, gate ${gate}`,
  );
}

/** Throws PetalfaceError for what has no place for the centring of an adapter. */
export function refuseCentre({ centre }: Pick<AdapterConfig, "centre">, what: string): void {
  if (centre === undefined) return;
  throw new PetalfaceError(
    "PETAL_OPTION_UNFIT",
    `${what} has no place for the centring of this adapter; use the adapter from before it was centred`,
  );
}
