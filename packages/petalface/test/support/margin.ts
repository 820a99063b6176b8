import { differentiate, GraphBuilder, type Ops, ops, type Tensor } from "onnx-grad";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import type { arcface } from "../../src/training/losses/losses.ts";

/** A margin loss on some faces, row-major. */
export interface MarginCase {
  readonly embedding: Float32Array;
  readonly centres: Float32Array;
  /** Class of each face. */
  readonly labels: readonly number[];
  readonly width: number;
  build(
    o: Ops,
    inputs: { readonly embedding: string; readonly centres: string; readonly onehot: string },
  ): ReturnType<typeof arcface>;
}

/** The loss, and its gradient with respect to the embeddings or the centres. */
export async function runMargin(
  { embedding, centres, labels, width, build }: MarginCase,
  wrt: "embedding" | "centres",
): Promise<{ readonly loss: number; readonly gradient: Float32Array }> {
  const [faces, classes] = [labels.length, centres.length / width];
  const b = new GraphBuilder({ name: "margin", opset: 18 });
  const input = (name: string, columns: number, rows: number): string =>
    b.input(name, { dtype: "float32", shape: [rows, columns] });
  const inputs = {
    embedding: input("embedding", width, faces),
    centres: input("centres", width, classes),
    onehot: input("onehot", classes, faces),
  };
  const { value, fixed } = build(ops(b), inputs);
  const graph = differentiate(b.build([value]), { loss: value, fixed, wrt: [wrt], names: ["grad"] });
  const onehot = new Float32Array(faces * classes);
  labels.forEach((label, face) => {
    onehot[face * classes + label] = 1;
  });
  const tensor = (data: Float32Array, ...dims: number[]): Tensor => ({ dtype: "float32", dims, data });
  const session = await openSession(graph, { threads: 1 });
  const results = await session.run({
    embedding: tensor(embedding, faces, width),
    centres: tensor(centres, classes, width),
    onehot: tensor(onehot, faces, classes),
  });
  await session.close();
  return { loss: floatsOf(results, value)[0] ?? Number.NaN, gradient: floatsOf(results, "grad") };
}
