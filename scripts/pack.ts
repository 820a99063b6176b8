import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stageEngine, stagePackage } from "./stage.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const destination = join(root, "packed");
await mkdir(destination, { recursive: true });
const tarballs: string[] = [];
for (const name of ["onnx-grad", "petalface", "onnxruntime-node"]) {
  const stage = await mkdtemp(join(tmpdir(), "petalface-pack-"));
  await (name === "onnxruntime-node" ? stageEngine(root, stage) : stagePackage(root, name, stage));
  const order = ["pack", stage, "--pack-destination", destination, "--loglevel", "error"];
  const made = execFileSync("npm", order, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  tarballs.push(join(destination, made.trim()));
  await rm(stage, { recursive: true });
}
console.log(`onnxruntime-node is packed without its install script, which fetches CUDA libraries from NuGet.
To install, with no network but npm's registry:

npm install ${tarballs.join(" ")}`);
