import type { GraphBuilder } from "onnx-grad";
import { itemAt, ops } from "onnx-grad";

/**
 * How alpha weights the rank channels of an adapter (docs/method.md, 1):
 * `single` 1; `low` 1 - alpha; `twin` half 1 - alpha, half alpha; `hat` two halves over the
 * low-resolution range, a peak at alpha 0 and one at 1/2, both zero from alpha 1 on.
 */
export type Gate = "low" | "twin" | "single" | "hat";

/** Names of {@link Gate}. */
export const gateNames = ["low", "twin", "single", "hat"] as const;

/** In how many equal parts a gate cuts the rank channels. */
export const gateParts = (gate: Gate): 1 | 2 => (gate === "twin" || gate === "hat" ? 2 : 1);

/**
 * Whether the adapter is inactive at alpha = 1, so that the adapted model there is the frozen one.
 */
export const closesOnSharp = (gate: Gate): boolean => gate === "low" || gate === "hat";

/**
 * Weights of the gate's parts for one alpha, times `scale`. The formula that {@link buildGate} puts
 * into a graph.
 */
export function gateWeights(gate: Gate, alpha: number): number[] {
  switch (gate) {
    case "single":
      return [1];
    case "low":
      return [1 - alpha];
    case "twin":
      return [1 - alpha, alpha];
    case "hat":
      return [Math.max(0, 1 - 2 * alpha), Math.max(0, 1 - Math.abs(2 * alpha - 1))];
  }
}

/**
 * Adds the gate to a graph: from `alpha` `[N]` to the weights `[N, rank]` of the rank channels,
 * `scale` included.
 */
export function buildGate(b: GraphBuilder, gate: Gate, alpha: string, rank: number, scale: number): string {
  const o = ops(b);
  const column = o.unsqueeze(alpha, [1]);
  const relu = (x: string): string => b.add("Relu", [x]);
  const complement = (x: string): string => o.sub(1, x);
  const twice = (): string => o.mul(column, 2);
  const parts = {
    single: () => [o.add(o.mul(column, 0), 1)],
    low: () => [complement(column)],
    twin: () => [complement(column), column],
    hat: () => [relu(complement(twice())), relu(complement(b.add("Abs", [o.sub(twice(), 1)])))],
  }[gate]();
  const ones = b.constant({
    dtype: "float32",
    dims: [1, rank / parts.length],
    data: new Float32Array(rank / parts.length).fill(scale),
  });
  const wide = parts.map((part) => o.mul(part, ones));
  return wide.length === 1 ? itemAt(wide, 0) : o.concat(wide, 1);
}
