import { cp, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { blocksOf, wordsOf } from "../docs/blocks.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { drawPhotos } from "./drawn-photos.ts";
import { petalface } from "./process.ts";

const people = "synthetic:people=4,images=3,seed=5";
const folder = temporaryFolder("petalface-guide-");

async function run(...args: string[]) {
  const { code, stdout, stderr } = await petalface(args, { cwd: folder });
  expect(code, `petalface ${args.join(" ")}\n${stderr}`).toBe(0);
  return stdout;
}

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await drawPhotos(folder, people);
  await rename(join(folder, "faces/0"), join(folder, "faces/Ada Lovelace"));
  const [photo = ""] = await readdir(join(folder, "faces/1"));
  await cp(join(folder, "faces/1", photo), join(folder, "photo.jpg"));
  await cp(join(folder, "faces/2"), join(folder, "frames"), { recursive: true });
  const budget = ["--rank", "4", "--epochs", "1", "--batch", "6", "--threads", "1"];
  await run("adapt", "--model", "tiny.onnx", "--train", people, "--lr-pixels", "4,6", ...budget, "--out", "runs/first");
});

test("every command of docs/gallery.md works, in its order", async () => {
  const blocks = blocksOf("docs/gallery.md").filter(
    ({ language, reason }) => language === "sh" && reason === undefined,
  );
  const lines = blocks.flatMap(({ code }) => code.trim().split("\n"));
  expect(lines.length).toBeGreaterThan(8);
  const used = new Set<string>();
  for (const line of lines) {
    // A tiny network with random weights stands in for the real one; its gate would refuse drawn
    // faces.
    const [program, ...args] = wordsOf(line.replaceAll("fr_feature", "tiny.onnx"));
    expect(program).toBe("petalface");
    used.add(args[1] ?? "");
    const printed = await run(...args, ...(args[1] === "add" ? ["--force"] : []));
    expect(printed, line).not.toBe("");
  }
  const names = ["add", "check", "create", "export", "import", "list", "migrate", "remove", "search"];
  expect([...used].sort()).toEqual(names);
});
