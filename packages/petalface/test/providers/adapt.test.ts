import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/tensors/index.ts";
import { petalfaceProcess as petalface } from "../cli/process.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { needsSwiftshader, noDevice, swiftshader } from "./swiftshader.ts";

const folder = temporaryFolder("petalface-providers-");
const model = tinyModelIn(folder);

const adapt = (provider: string, env: Readonly<Record<string, string>>, out = provider) =>
  petalface(
    [
      ...["adapt", "--model", model, "--normalize", "127.5,0.0078125", "--train", "synthetic:people=4,images=3,seed=5"],
      ...["--loss", "distil", "--quality", "sharpness", "--batch", "4", "--rank", "4", "--sites", "all"],
      ...["--epochs", "2", "--lr-pixels", "4,6"],
      ...["--provider", provider, "--threads", "1", "--out", join(folder, out)],
    ],
    { env },
  );

/** Numbers that a run left behind: each step's loss and gradient norm, and the trained weights. */
async function trace(provider: string): Promise<{ steps: { loss: number; gradientNorm: number }[]; theta: number[] }> {
  const lines = (await readFile(join(folder, provider, "metrics.jsonl"), "utf8")).trim().split("\n");
  const { tensors } = await readSafetensors(join(folder, provider, "adapter", "adapter_model.safetensors"));
  return {
    steps: lines.map((line) => JSON.parse(line) as { loss: number; gradientNorm: number }),
    theta: [...tensors.values()].flatMap(({ data }) => Array.from(data as ArrayLike<number>)),
  };
}

describe.skipIf(!swiftshader)(`petalface adapt --provider webgpu${needsSwiftshader}`, () => {
  test("trains as the CPU does: loss and gradient norm of every step within 1e-3, weights within 1e-3", async () => {
    const [cpu, webgpu] = [await adapt("cpu", {}), await adapt("webgpu", swiftshader ?? {})];
    expect({ cpu: cpu.code, webgpu: webgpu.code, stderr: webgpu.stderr }).toMatchObject({ cpu: 0, webgpu: 0 });
    const [expected, actual] = [await trace("cpu"), await trace("webgpu")];
    expect(actual.steps).toHaveLength(6);
    expected.steps.forEach(({ loss, gradientNorm }, i) => {
      const step = actual.steps[i];
      // The loss is 20 (1 - cos), which float32 resolves to a few 1e-6.
      expect(Math.abs(step.loss - loss)).toBeLessThan(1e-3 * loss + 1e-5);
      expect(Math.abs(step.gradientNorm / gradientNorm - 1)).toBeLessThan(1e-3);
    });
    const length = Math.hypot(...expected.theta);
    const apart = Math.hypot(...actual.theta.map((value, i) => value - itemAt(expected.theta, i)));
    expect(length).toBeGreaterThan(1);
    expect(apart / length).toBeLessThan(1e-3);
    const run = JSON.parse(await readFile(join(folder, "webgpu", "run.json"), "utf8")) as { machine: unknown };
    expect(run.machine).toMatchObject({ provider: "webgpu" });
    // SwiftShader compiles every shader on the cores that the other tests use.
  });

  test("petalface inspect says which nodes ran on the device", async () => {
    const args = ["inspect", model, "--normalize", "127.5,0.0078125", "--provider", "webgpu"];
    const { code, stdout } = await petalface([...args, "--json"], { env: swiftshader ?? {} });
    const { placement } = JSON.parse(stdout) as { placement: { placed: number; fallback: object } };
    expect({ code, placement }).toMatchObject({ code: 0, placement: { provider: "webgpu", fallback: {} } });
    expect(placement.placed).toBeGreaterThan(5);
  });

  test("petalface doctor finds the device", async () => {
    const { stdout } = await petalface(["doctor", "--json"], { env: swiftshader ?? {} });
    const { findings } = JSON.parse(stdout) as { findings: { name: string; state: string }[] };
    expect(findings).toContainEqual(expect.objectContaining({ name: "provider webgpu", state: "ok" }));
  });
});

test("without a device --provider webgpu is one clear line and exit code 1, and nothing is left behind", async () => {
  // The second time would complain of a folder that is not empty.
  for (let time = 0; time < 2; time++) {
    const { code, stdout, stderr } = await adapt("webgpu", noDevice, "none");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^petalface: --provider webgpu cannot be used on this machine: .+, or use --provider cpu\n$/,
    );
  }
});
