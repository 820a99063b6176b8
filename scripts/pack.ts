import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stagePackage } from "./stage.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const destination = join(root, "packed");
await mkdir(destination, { recursive: true });
for (const name of ["onnx-grad", "petalface"]) {
  const stage = await mkdtemp(join(tmpdir(), "petalface-pack-"));
  await stagePackage(root, name, stage);
  execFileSync("npm", ["pack", stage, "--pack-destination", destination], { stdio: "inherit" });
  await rm(stage, { recursive: true });
}
// Without it onnxruntime-node's install script fetches CUDA libraries from NuGet, and fails where NuGet cannot be reached.
console.log(`\nto install both: npm install --ignore-scripts ${join(destination, "*.tgz")}`);
