import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { GraphBuilder, ops } from "onnx-grad";
import { openEngine } from "./engine.ts";
import { floatsOf } from "./session.ts";

const run = promisify(execFile);

/** Instruction sets that decide how fast products are, as systems name them. */
const sets: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bavx2\b/i, "AVX2"],
  [/\bavx512f\b/i, "AVX-512"],
  [/\bavx512_?vnni\b/i, "AVX-512 VNNI"],
  [/\bavx_?vnni\b/i, "AVX-VNNI"],
  [/\bamx_int8\b/i, "AMX"],
  [/\basimd\b|\bAdvSIMD: 1\b/i, "NEON"],
  [/\basimddp\b|\bFEAT_DotProd: 1\b/i, "dot product"],
  [/\bi8mm\b|\bFEAT_I8MM: 1\b/i, "I8MM"],
];

/** The instruction sets named in the text of /proc/cpuinfo or of macOS' sysctl. */
export const instructionSetsIn = (text: string): string[] =>
  sets.filter(([pattern]) => pattern.test(text)).map(([, name]) => name);

/**
 * The instruction sets for products that the system names; undefined where it does not say
 * (Windows). Never throws.
 */
export async function instructionSets(): Promise<readonly string[] | undefined> {
  try {
    if (process.platform === "linux") return instructionSetsIn(await readFile("/proc/cpuinfo", "utf8"));
    if (process.platform === "darwin") {
      const names = ["machdep.cpu", "hw.optional"];
      return instructionSetsIn((await run("sysctl", names, { timeout: 5_000 })).stdout);
    }
  } catch {
    // A system that does not say is not a fault of the machine.
  }
  return undefined;
}

/**
 * Whether products of unsigned with signed bytes overflow on this processor, as they do on x86-64
 * without VNNI: two of them are added in 16 bits. A product is computed rather than a list of
 * instruction sets read, since it is the engine that chooses. Throws PetalfaceError where
 * onnxruntime cannot load the graph.
 */
export async function signedBytesOverflow(): Promise<boolean> {
  const [rows, inputs, outputs] = [8, 64, 16];
  const b = new GraphBuilder({ name: "bytes", opset: 20 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [rows, inputs] });
  const weight = b.constant(
    { dtype: "int8", dims: [inputs, outputs], data: new Int8Array(inputs * outputs).fill(127) },
    "weight",
  );
  const sums = o.cast(b.add("MatMulInteger", [o.cast(x, "uint8"), weight]), "float32");
  // Rewriting might correct the product (engine.ts); the question is about the processor.
  const { run: compute, close } = await openEngine(b.build([sums]), { threads: 1, optimisation: "disabled" });
  try {
    const data = new Float32Array(rows * inputs).fill(255);
    const results = await compute({ x: { dtype: "float32", dims: [rows, inputs], data } });
    return floatsOf(results, sums).some((sum) => sum !== inputs * 255 * 127);
  } finally {
    await close();
  }
}
