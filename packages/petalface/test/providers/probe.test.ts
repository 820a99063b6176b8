import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { probeProvider } from "../../src/runtime/index.ts";

describe("probeProvider", () => {
  afterEach(() => vi.unstubAllEnvs());

  /**
   * Has every child process run this before anything else, in the place of a driver that does it.
   */
  async function probeWith(code: string, timeout?: number): ReturnType<typeof probeProvider> {
    const folder = await mkdtemp(join(tmpdir(), "petalface-probe-"));
    try {
      await writeFile(join(folder, "driver.cjs"), code);
      vi.stubEnv("NODE_OPTIONS", `--require=${join(folder, "driver.cjs")}`);
      return await probeProvider("cpu", timeout);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  test("finds nothing wrong with the CPU", async () => {
    expect(await probeProvider("cpu")).toEqual({});
  });

  test("survives a driver that crashes, and names the signal", async () => {
    const { problem, todo } = await probeWith("process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 9999);");
    expect(problem).toBe("its driver crashed (SIGSEGV)");
    expect(todo).toBeTruthy();
  });

  test("ends a driver that hangs, even one that ignores being asked to end", async () => {
    const { problem } = await probeWith("process.on('SIGTERM', () => {}); for (;;);", 1500);
    expect(problem).toBe("it did not answer within 1.5 seconds: its driver hangs");
  });

  test("says in one line why a provider does not open", async () => {
    // No device that this project's machines have: CUDA's libraries are not part of the package.
    const { problem = "" } = await probeProvider("cuda");
    expect(problem).toMatch(/^[^\n]{10,200}$/);
    expect(problem).not.toMatch(/onnxruntime_src|could not load the graph/);
  });
});
