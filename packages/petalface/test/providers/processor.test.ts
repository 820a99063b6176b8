import { type Graph, GraphBuilder, itemAt, ops, type Tensor } from "onnx-grad";
import { describe, expect, test } from "vitest";
import {
  floatsOf,
  instructionSets,
  instructionSetsIn,
  openSession,
  signedBytesOverflow,
} from "../../src/runtime/index.ts";

describe("instruction sets", () => {
  test.each([
    [
      "flags : fma avx2 avx512f avx512dq avx_vnni avx512_vnni amx_tile amx_int8",
      "AVX2, AVX-512, AVX-512 VNNI, AVX-VNNI, AMX",
    ],
    ["flags : fma avx avx2 bmi2", "AVX2"],
    ["flags : sse4_2", ""],
    ["Features : fp asimd aes asimddp i8mm", "NEON, dot product, I8MM"],
    ["machdep.cpu.leaf7_features: BMI1 AVX2 AVX512F AVX512VNNI", "AVX2, AVX-512, AVX-512 VNNI"],
    ["hw.optional.AdvSIMD: 1\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0", "NEON, dot product"],
  ])("%s", (text, names) => {
    expect(instructionSetsIn(text).join(", ")).toBe(names);
  });

  test("signed bytes overflow on x86-64 without VNNI only", async () => {
    const sets = (await instructionSets()) ?? [];
    const hidden = process.env.LD_PRELOAD?.includes("as-avx2") === true;
    const lacks =
      process.arch === "x64" && process.platform === "linux" && (hidden || !sets.some((name) => /VNNI/.test(name)));
    expect(await signedBytesOverflow()).toBe(lacks);
  });
});

/**
 * A layer as other programs quantise it: signed weights of 127 steps, its output rounded too, so
 * that the engine multiplies bytes.
 */
function foreign(
  kind: "conv" | "matmul" | "gemm",
  perOutput: boolean,
): { readonly graph: Graph; readonly feeds: Record<string, Tensor> } {
  const b = new GraphBuilder({ name: "foreign", opset: 20 });
  const o = ops(b);
  const zero = b.constant({ dtype: "uint8", dims: [], data: Uint8Array.of(0) }, "zero");
  const rounded = (value: string, scale: number): string => {
    const bytes = b.add("QuantizeLinear", [value, o.scalar(scale), zero]);
    return b.add("DequantizeLinear", [bytes, o.scalar(scale), zero]);
  };
  const [shape, dims] =
    kind === "conv"
      ? [
          [1, 16, 8, 8],
          [16, 16, 3, 3],
        ]
      : [
          [8, 64],
          [64, 64],
        ];
  const size = dims.reduce((all, dim) => all * dim, 1);
  const stored = b.constant({ dtype: "int8", dims, data: new Int8Array(size).fill(127) }, "weight");
  const axis = kind === "conv" ? 0 : 1;
  const scales = new Float32Array(itemAt(dims, axis)).fill(1 / 127);
  const weight = perOutput
    ? b.add("DequantizeLinear", [stored, o.floats(scales)], { axis: { int: axis } })
    : b.add("DequantizeLinear", [stored, o.scalar(1 / 127)]);
  const x = rounded(b.input("x", { dtype: "float32", shape }), 1 / 255);
  const y = kind === "conv" ? o.conv(x, weight) : kind === "gemm" ? o.gemm(x, weight) : o.matmul(x, weight);
  const count = shape.reduce((all, dim) => all * dim, 1);
  const feeds: Record<string, Tensor> = { x: { dtype: "float32", dims: shape, data: new Float32Array(count).fill(1) } };
  return { graph: b.build([rounded(y, 1)]), feeds };
}

describe("8-bit models of other programs", () => {
  test.each([
    ["conv", "extended", 144],
    ["conv", "free", 144],
    ["matmul", "extended", 64],
    ["gemm", "extended", 64],
  ] as const)("are right on every processor: %s, %s", async (kind, optimisation, sum) => {
    // One scale for a whole weight, and one for each output without zero points.
    for (const perOutput of [false, true]) {
      const { graph, feeds } = foreign(kind, perOutput);
      const session = await openSession(graph, { threads: 1, optimisation });
      try {
        const values = floatsOf(await session.run(feeds), itemAt(graph.outputs, 0));
        for (const value of values) expect(value).toBe(sum);
      } finally {
        await session.close();
      }
    }
  });
});
